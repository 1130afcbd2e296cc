"""From a price file to paths: rows on the market step, what was known of volatility before each, the history, its bootstrap."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path

import numpy as np

from simulator.kernel import stream
from simulator.market.dependence import cholesky
from simulator.market.draws import NORMAL_TABLE
from simulator.market.grid import Grid
from simulator.market.history import Bootstrap, History, Replay
from simulator.market.paths import MarketPaths
from simulator.market.pressure import checked_pull, checked_spike
from simulator.market.price_file import PriceTable, read_prices
from simulator.market.step_law import CHUNK, Copula
from simulator.market.window_kernel import choose, fill_from_rows, resample
from simulator.parameters import DAY, YEAR

HALF_LIFE = DAY  # [s] of the exponentially weighted variance
LOOK_BACK = 30 * DAY  # [s] of rows before a replay, for the volatility it starts with
FEWEST_RETURNS = 100  # a bootstrap of fewer repeats itself


@dataclass(frozen=True)
class Window:
    """Rows of a price file on the market step."""

    prices: np.ndarray  # [row, asset] [usd] at the start of each step, and at the end of the last
    returns: np.ndarray  # [row, asset] log returns that steps are made of
    variance: np.ndarray  # [asset] of the first step
    correlation: np.ndarray  # [asset, asset] Cholesky factor, of the bridge inside market steps
    growth: float = 0.0  # [1] of the expected price in a step, already in `returns`


def table_of(market: History) -> PriceTable:
    """The rows of the window, and of the time before it that a volatility may be read from. Raises PriceFileError."""
    before = LOOK_BACK if isinstance(market, Replay) else 0.0
    status = market.path.stat()
    since = market.since - timedelta(seconds=before)
    return _read(
        market.path, status.st_mtime_ns, status.st_size, market.assets, since, market.until, market.blanks, market.max_gap
    )


@lru_cache(maxsize=4)
def _read(
    path: Path, changed: int, size: int, assets: tuple[str, ...], since: datetime, until: datetime, blanks: bool, max_gap: float
) -> PriceTable:
    return read_prices(path, assets, since=since, until=until, blanks=blanks, max_gap=max_gap)


def realised_volatility(market: History) -> dict[str, float]:
    """Root mean square log return of the rows from `from` to `until`, annualised, by asset."""
    table = table_of(market)
    return recent_volatility(table, (int(table.timestamps[-1]) - _nanoseconds(market.since)) / 1e9)


def recent_volatility(table: PriceTable, span: float) -> dict[str, float]:
    """Root mean square log return over the last `span` [s] of a table's rows, annualised, by asset [1/sqrt(year)]."""
    inside = table.timestamps >= table.timestamps[-1] - round(span * 1e9)
    returns = np.diff(np.log(table.prices[inside]), axis=0)
    years = np.diff(table.timestamps[inside]).sum() / 1e9 / YEAR
    return {name: math.sqrt(math.fsum(returns[:, a] ** 2) / years) for a, name in enumerate(table.assets)}


def _nanoseconds(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1_000


def _on_step(table: PriceTable, begin: int, count: int, market_step: float) -> tuple[np.ndarray, np.ndarray]:
    """Prices [row, asset] last known at `begin` + i market steps, i < `count`, and how old each is [s]; inf before the first."""
    if market_step < table.step * (1 - 1e-9):
        raise ValueError(
            f"`market_step` must be at least the file's own step, but got {market_step:g} s and {table.step:g} s; "
            "use substeps for what happens inside"
        )
    moments = begin + np.rint(np.arange(count) * market_step * 1e9).astype(np.int64)
    row = np.searchsorted(table.timestamps, moments, side="right") - 1
    age = np.where(row >= 0, (moments - table.timestamps[row]) / 1e9, math.inf)
    return table.prices[np.maximum(row, 0)], age


def replay_window(market: Replay, grid: Grid) -> Window:
    """The rows that `grid` needs from `from` on. Raises ValueError if the window is too short or begins before the file."""
    return _replay_window(market, grid, table_of(market))


@lru_cache(maxsize=4)
def _replay_window(market: Replay, grid: Grid, table: PriceTable) -> Window:
    begin = _nanoseconds(market.since)
    steps, step = grid.market_steps, grid.market_step
    last = min(_nanoseconds(market.until), int(table.timestamps[-1]) + int(table.step * 1e9) - 1)
    there = max(0, int((last - begin) / 1e9 // step))
    if there < steps:
        raise ValueError(
            f"the grid needs {steps} market steps from {market.since.isoformat()}, the file has {there} up to `until`; "
            "move `until`, or shorten burn_in or horizon"
        )
    prices, age = _on_step(table, begin, steps + 1, step)
    if age[0] > market.max_gap:
        raise ValueError(f"the file has no price at `from` = {market.since.isoformat()}; it must begin at or before it")
    variance, factor = _before(market, table, begin, step)
    return Window(prices, np.diff(np.log(prices), axis=0), variance, factor)


def _before(market: Replay, table: PriceTable, begin: int, step: float) -> tuple[np.ndarray, np.ndarray]:
    """Variance of a step and correlation factor, from the rows before `from` alone."""
    count = int(LOOK_BACK // step)
    prices, age = _on_step(table, begin - int(count * step * 1e9), count + 1, step)
    returns = np.diff(np.log(prices[np.isfinite(age)]), axis=0)
    enough = len(returns) * step >= DAY and len(returns) >= 2
    if market.volatility_today is not None:
        variance = np.array(market.volatility_today) ** 2 * step / YEAR
    elif enough:
        variance = np.array([_weighted(returns[:, a] ** 2, _decay(step)) for a in range(returns.shape[1])])
    else:
        raise ValueError(
            f"the file has less than a day of rows before `from` = {market.since.isoformat()} to read a volatility from; "
            "move `from` a day later, or state volatility_today"
        )
    return variance, correlation_factor(returns) if enough else np.eye(len(market.assets))


def _decay(step: float) -> float:
    return 0.5 ** (step / HALF_LIFE)


def _weighted(squares: np.ndarray, decay: float) -> float:
    """Exponentially weighted mean, the last entry heaviest."""
    weights = decay ** np.arange(len(squares) - 1, -1, -1, dtype=float)
    return math.fsum(weights * squares) / math.fsum(weights)


def correlation_factor(returns: np.ndarray) -> np.ndarray:
    """Cholesky factor of the correlation of returns, drawn a little toward independence so that it is definite."""
    spread = [math.sqrt(math.fsum(column**2)) for column in returns.T]
    n = len(spread)
    matrix = [[1.0] * n for _ in range(n)]
    for i in range(n):
        for j in range(i):
            scale = spread[i] * spread[j]
            matrix[i][j] = matrix[j][i] = 0.999 * math.fsum(returns[:, i] * returns[:, j]) / scale if scale > 0 else 0.0
    return np.array(cholesky(matrix))


def bootstrap_window(market: Bootstrap, grid: Grid) -> Window:
    """All log returns of the window whose two prices were there, shifted to the stated growth. Raises ValueError if few."""
    return _bootstrap_window(market, grid.market_step, table_of(market))


@lru_cache(maxsize=4)
def _bootstrap_window(market: Bootstrap, step: float, table: PriceTable) -> Window:
    returns = fresh_returns(market, step, table)
    check_count(returns, market.mean_block, "a bootstrap")
    variance = np.array([math.fsum(column**2) / len(column) for column in returns.T])
    factor = correlation_factor(returns)
    growth = [_log_mean(column) for column in returns.T]
    drift = market.drift * step / YEAR
    returns = returns - np.array(growth) + drift
    initial = np.array(market.prices) if market.prices is not None else table.prices[-1]
    return Window(initial[np.newaxis], np.ascontiguousarray(returns), variance, factor, drift)


def fresh_returns(market: History, step: float, table: PriceTable) -> np.ndarray:
    """Log returns [row, asset] of a step whose two prices were there, in the order of time."""
    begin = max(_nanoseconds(market.since), int(table.timestamps[0]))
    count = int((int(table.timestamps[-1]) - begin) / 1e9 // step) + 1
    prices, age = _on_step(table, begin, count, step)
    fresh = age < table.step
    return np.diff(np.log(prices), axis=0)[fresh[1:] & fresh[:-1]]


def check_count(returns: np.ndarray, mean_block: float, what: str) -> None:
    """Raises ValueError where `what` would repeat the same few returns."""
    fewest = max(FEWEST_RETURNS, math.ceil(2 * mean_block))
    if len(returns) < fewest:
        raise ValueError(f"{what} with mean_block = {mean_block:g} needs >= {fewest} returns, has {len(returns)}")


def _log_mean(returns: np.ndarray) -> float:
    """log E[exp(return)] of a row drawn evenly."""
    return math.log(math.fsum(np.exp(returns)) / len(returns))


def replay(
    market: Replay, grid: Grid, seed: int, purpose: str, first: int, count: int, spike: np.ndarray | None = None
) -> MarketPaths:
    """See `Replay.paths`."""
    window = replay_window(market, grid)
    rows = np.repeat(np.arange(grid.market_steps)[:, np.newaxis], count, axis=1)
    drawn = rows, np.zeros((0, 0), np.bool_), np.zeros((0, 0), np.int64)
    multiplier = _multiplier(spike, grid, len(market.assets))
    paths = _fill(market, window, grid, seed, purpose, first, drawn, (multiplier, np.zeros_like(multiplier)))
    if (multiplier == 1).all():
        paths.price[:: grid.substeps] = window.prices[:, :, np.newaxis]  # the file's own digits
    return paths


def bootstrap(
    market: Bootstrap,
    grid: Grid,
    seed: int,
    purpose: str,
    first: int,
    count: int,
    convergence: np.ndarray | None = None,
    spike: np.ndarray | None = None,
) -> MarketPaths:
    """See `Bootstrap.paths`."""
    window = bootstrap_window(market, grid)
    drawn = draw_rows(market.mean_block, window.returns, grid, seed, purpose, first, count, convergence)
    multiplier = _multiplier(spike, grid, len(market.assets))
    return _fill(market, window, grid, seed, purpose, first, drawn, (multiplier, _shift(window, multiplier)))


def draw_rows(
    mean_block: float,
    values: np.ndarray,
    grid: Grid,
    seed: int,
    purpose: str,
    first: int,
    count: int,
    convergence: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows [step, path] of `values` in blocks; where assets are joined [step, path]; rows of equal rank [row, asset].

    Joined assets all take the rank that the row has in the first asset: a permutation of the rows, so every asset keeps its law.
    """
    check_paths(first, count)
    rows = np.empty((grid.market_steps, count), np.int64)
    resample(stream(seed, purpose, "market", "blocks"), first, len(values), 1 / mean_block, rows)
    pulled = checked_pull(convergence, grid.market_steps)
    joined = np.zeros((len(pulled), count), np.bool_)
    choose(stream(seed, purpose, "market", "joined"), pulled, first, joined)
    return rows, joined, same_rank(values) if len(pulled) else np.zeros((0, 0), np.int64)


def check_paths(first: int, count: int) -> None:
    """Raises ValueError for a range of paths that is none."""
    if first < 0 or count < 1:
        raise ValueError(f"`first >= 0` and `count >= 1` must hold, but got {first} and {count}")


def same_rank(values: np.ndarray) -> np.ndarray:
    """[row, asset] the row that ranks in that asset as this row does in the first; equal values in the order of time."""
    order = np.argsort(values, axis=0, kind="stable")
    rank = np.empty(len(values), np.int64)
    rank[order[:, 0]] = np.arange(len(values))
    return np.ascontiguousarray(order[rank])


def _multiplier(spike: np.ndarray | None, grid: Grid, assets: int) -> np.ndarray:
    multiplier = checked_spike(spike, grid.market_steps, assets)
    return multiplier if multiplier.size else np.ones((grid.market_steps, assets))


def _shift(window: Window, multiplier: np.ndarray) -> np.ndarray:
    """[step, asset] what multiplied returns lack of the growth stated: a row drawn evenly then has it again."""
    shift = np.zeros(multiplier.shape)
    for a in range(multiplier.shape[1]):
        for m in np.unique(multiplier[:, a]):
            if m != 1:
                shift[multiplier[:, a] == m, a] = window.growth - _log_mean(m * window.returns[:, a])
    return shift


def bridge_copula(factor: np.ndarray) -> Copula:
    """What ties the normals of the bridge inside market steps, from the factor of a correlation."""
    assets = len(factor)
    independent = bool((factor == np.eye(assets)).all())
    is_normal, no_offset = np.ones(assets, np.bool_), np.zeros(CHUNK, np.int64)
    return Copula(independent, factor, is_normal, NORMAL_TABLE, no_offset, np.eye(assets))


def _fill(market: History, window: Window, grid: Grid, seed: int, purpose: str, first: int, drawn, pressed) -> MarketPaths:
    assets, count = len(market.assets), drawn[0].shape[1]
    check_paths(first, count)
    price = np.empty((grid.steps + 1, assets, count))
    volatility = np.empty((grid.market_steps, assets, count))
    key = stream(seed, purpose, "market", "bridge")
    decay, per_year, copula = _decay(grid.market_step), YEAR / grid.market_step, bridge_copula(window.correlation)
    fill_from_rows(
        price, volatility, key, first, drawn, window.returns, window.variance, decay, copula, window.prices[0], per_year, pressed
    )
    return MarketPaths(market.assets, grid.dt, grid.substeps, price, volatility)
