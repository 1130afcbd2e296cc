"""Filtered historical simulation: standardised residuals of a price file, and paths that give them a volatility of their own."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from simulator.kernel import stream
from simulator.market.grid import Grid
from simulator.market.history import Filter, FilteredHistory
from simulator.market.paths import MarketPaths
from simulator.market.pressure import checked_pull, checked_spike
from simulator.market.price_file import PriceTable
from simulator.market.tables import CUMULANT_SIZE, HIGHEST_VARIANCE, weighted_cumulant_table
from simulator.market.window import (
    bridge_copula,
    check_count,
    correlation_factor,
    draw_rows,
    fresh_returns,
    same_rank,
    table_of,
)
from simulator.market.window_kernel import fill_filtered, filtered_variances
from simulator.parameters import YEAR


@dataclass(frozen=True)
class Residuals:
    """What filters leave of a window of a price file, on the market step."""

    values: np.ndarray  # [row, asset] of mean 0 and variance 1
    recursion: np.ndarray  # [asset, 6] omega, alpha, gamma, beta, ceiling, drift of a step
    today: np.ndarray  # [asset] variance of the first step
    prices: np.ndarray  # [asset] [usd] at the start
    cumulants: np.ndarray  # [asset, table position] log E[exp(sqrt(h) residual)] / h over h
    correlation: np.ndarray  # [asset, asset] Cholesky factor, of the bridge inside market steps
    mean_correlation: tuple[float, float]  # over pairs: of residuals as they are, and of those of equal rank


def residuals_of(market: FilteredHistory, grid: Grid) -> Residuals:
    """The residuals of the window. Raises ValueError if there are few, or if a filter's variance has no stationary level."""
    return _residuals_of(market, grid.market_step, table_of(market))


@lru_cache(maxsize=4)
def _residuals_of(market: FilteredHistory, step: float, table: PriceTable) -> Residuals:
    returns = fresh_returns(market, step, table)
    check_count(returns, market.mean_block, "filtered-history")
    columns, recursion, today = [], [], []
    for a, own in enumerate(market.filters):
        name = market.assets[a]
        residual, law, variance = _filtered(own, returns[:, a], market.reference_volatility(name) ** 2 * step / YEAR, name)
        columns.append(residual)
        recursion.append([*law, market.drift * step / YEAR])
        today.append(variance)
    values = np.ascontiguousarray(np.array(columns).T)
    cumulants = np.zeros((len(columns), CUMULANT_SIZE))
    for a, residual in enumerate(columns):
        weighted_cumulant_table(residual, np.full(len(residual), 1 / len(residual)), cumulants[a])
    prices = np.array(market.prices) if market.prices is not None else table.prices[-1]
    together = _mean_of_pairs(values), _mean_of_pairs(np.take_along_axis(values, same_rank(values), 0))
    return Residuals(values, np.array(recursion), np.array(today), prices, cumulants, correlation_factor(values), together)


def _filtered(own: Filter, returns: np.ndarray, level: float, name: str) -> tuple[np.ndarray, list[float], float]:
    """Residuals, the recursion (omega .. ceiling) and the variance after the last row, of an asset whose E[h] is `level`.

    The history is filtered with half of the falls below 0; omega of the paths knows the share of variance that falls truly have,
    so that E[h] is `level` whatever the skew.
    """
    centred = returns - math.fsum(returns) / len(returns)
    h = np.empty(len(returns) + 1)
    kept = own.alpha + own.gamma / 2 + own.beta
    filtered_variances(centred, level * (1 - kept), own.alpha, own.gamma, own.beta, level, h)
    residual = centred / np.sqrt(h[:-1])
    residual -= math.fsum(residual) / len(residual)
    spread = math.sqrt(math.fsum(residual**2) / len(residual))
    if not spread > 0:
        raise ValueError(f"column {name}: the price never changes; there is no volatility to filter")
    residual /= spread
    falls = math.fsum(residual[residual < 0] ** 2) / len(residual)
    kept = own.alpha + own.gamma * falls + own.beta
    if kept >= 1:
        raise ValueError(
            f"filters of {name}: `alpha + gamma x share of falls + beta < 1` must hold, but got {kept:.10g} with the residuals' "
            f"own share {falls:.3g}: variance would have no stationary level"
        )
    ceiling = min(own.ceiling**2 * level, HIGHEST_VARIANCE)
    return residual, [level * (1 - kept), own.alpha, own.gamma, own.beta, ceiling], min(float(h[-1]), ceiling)


def _mean_of_pairs(values: np.ndarray) -> float:
    """Mean over pairs of the correlation of columns of mean 0 and variance 1; 0 for one column."""
    rows, n = values.shape
    pairs = [math.fsum(values[:, a] * values[:, b]) / rows for a in range(n) for b in range(a)]
    return math.fsum(pairs) / max(1, len(pairs))


def filtered_history(
    market: FilteredHistory,
    grid: Grid,
    seed: int,
    purpose: str,
    first: int,
    count: int,
    convergence: np.ndarray | None = None,
    spike: np.ndarray | None = None,
) -> MarketPaths:
    """See `FilteredHistory.paths`."""
    found, assets, steps = residuals_of(market, grid), len(market.assets), grid.market_steps
    drawn = draw_rows(market.mean_block, found.values, grid, seed, purpose, first, count, convergence)
    price, volatility = np.empty((grid.steps + 1, assets, count)), np.empty((steps, assets, count))
    multiplier = checked_spike(spike, steps, assets)
    fill_filtered(
        price,
        volatility,
        stream(seed, purpose, "market", "bridge"),
        first,
        drawn,
        found.values,
        found.today,
        found.recursion,
        found.cumulants,
        bridge_copula(found.correlation),
        found.prices,
        YEAR / grid.market_step,
        multiplier if multiplier.size else np.ones((steps, assets)),
    )
    correlation = _correlation(found, checked_pull(convergence, steps), steps, count) if assets > 1 else None
    return MarketPaths(market.assets, grid.dt, grid.substeps, price, volatility, correlation)


def _correlation(found: Residuals, pulled: np.ndarray, steps: int, count: int) -> np.ndarray:
    """[market step, path] mean over pairs of the correlation of residuals, joined ones with the probability of the step."""
    apart, joined = found.mean_correlation
    share = pulled if len(pulled) else np.zeros(steps)
    return np.repeat(((1 - share) * apart + share * joined)[:, np.newaxis], count, axis=1)
