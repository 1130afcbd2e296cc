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
from simulator.market.price_file import PriceTable, read_prices
from simulator.market.step_law import CHUNK, Copula
from simulator.market.window_kernel import fill_from_rows, resample
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
    return variance, _correlation(returns) if enough else np.eye(len(market.assets))


def _decay(step: float) -> float:
    return 0.5 ** (step / HALF_LIFE)


def _weighted(squares: np.ndarray, decay: float) -> float:
    """Exponentially weighted mean, the last entry heaviest."""
    weights = decay ** np.arange(len(squares) - 1, -1, -1, dtype=float)
    return math.fsum(weights * squares) / math.fsum(weights)


def _correlation(returns: np.ndarray) -> np.ndarray:
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
    begin = max(_nanoseconds(market.since), int(table.timestamps[0]))
    count = int((int(table.timestamps[-1]) - begin) / 1e9 // step) + 1
    prices, age = _on_step(table, begin, count, step)
    fresh = age < table.step
    returns = np.diff(np.log(prices), axis=0)[fresh[1:] & fresh[:-1]]
    fewest = max(FEWEST_RETURNS, math.ceil(2 * market.mean_block))
    if len(returns) < fewest:
        raise ValueError(f"a bootstrap with mean_block = {market.mean_block:g} needs >= {fewest} returns, has {len(returns)}")
    variance = np.array([math.fsum(column**2) / len(column) for column in returns.T])
    factor = _correlation(returns)
    growth = [math.log(math.fsum(np.exp(column)) / len(column)) for column in returns.T]
    returns = returns - np.array(growth) + market.drift * step / YEAR
    initial = np.array(market.prices) if market.prices is not None else table.prices[-1]
    return Window(initial[np.newaxis], np.ascontiguousarray(returns), variance, factor)


def replay(market: Replay, grid: Grid, seed: int, purpose: str, first: int, count: int) -> MarketPaths:
    """See `Replay.paths`."""
    window = replay_window(market, grid)
    rows = np.repeat(np.arange(grid.market_steps)[:, np.newaxis], count, axis=1)
    paths = _fill(market, window, grid, seed, purpose, first, rows)
    paths.price[:: grid.substeps] = window.prices[:, :, np.newaxis]  # the file's own digits
    return paths


def bootstrap(market: Bootstrap, grid: Grid, seed: int, purpose: str, first: int, count: int) -> MarketPaths:
    """See `Bootstrap.paths`."""
    window = bootstrap_window(market, grid)
    rows = np.empty((grid.market_steps, count), np.int64)
    resample(stream(seed, purpose, "market", "blocks"), first, len(window.returns), 1 / market.mean_block, rows)
    return _fill(market, window, grid, seed, purpose, first, rows)


def _fill(market: History, window: Window, grid: Grid, seed: int, purpose: str, first: int, rows: np.ndarray) -> MarketPaths:
    assets, count = len(market.assets), rows.shape[1]
    if first < 0 or count < 1:
        raise ValueError(f"`first >= 0` and `count >= 1` must hold, but got {first} and {count}")
    independent = bool((window.correlation == np.eye(assets)).all())
    is_normal, no_offset = np.ones(assets, np.bool_), np.zeros(CHUNK, np.int64)
    copula = Copula(independent, window.correlation, is_normal, NORMAL_TABLE, no_offset, np.eye(assets))
    price = np.empty((grid.steps + 1, assets, count))
    volatility = np.empty((grid.market_steps, assets, count))
    key = stream(seed, purpose, "market", "bridge")
    decay, per_year = _decay(grid.market_step), YEAR / grid.market_step
    fill_from_rows(
        price, volatility, key, first, rows, window.returns, window.variance, decay, copula, window.prices[0], per_year
    )
    return MarketPaths(market.assets, grid.dt, grid.substeps, price, volatility)
