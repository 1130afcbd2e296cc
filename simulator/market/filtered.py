"""Filtered historical simulation: standardised residuals of a price file, and paths that give them a volatility of their own."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from simulator.kernel import stream
from simulator.market.filters import ExponentialFilter, Filter, Recursion
from simulator.market.grid import Grid
from simulator.market.history import FilteredHistory
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
from simulator.market.window_kernel import fill_filtered
from simulator.parameters import YEAR


@dataclass(frozen=True)
class Residuals:
    """What filters leave of a window of a price file, on the market step."""

    values: np.ndarray  # [row, asset] of mean 0 and variance 1
    family: np.ndarray  # [asset] LINEAR or EXPONENTIAL variance
    recursion: np.ndarray  # [asset, 7] omega, alpha, gamma, beta, E|z|, ceiling, drift of a step
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
    columns, laws, limits, today = [], [], [], []
    for a, own in enumerate(market.filters):
        name = market.assets[a]
        level = market.reference_volatility(name) ** 2 * step / YEAR
        ceiling = min(own.ceiling**2 * level, HIGHEST_VARIANCE)
        try:
            residual, law, variance = _filtered(own, returns[:, a], level)
        except ValueError as problem:
            raise ValueError(f"filters: {name}: {problem}") from None
        columns.append(residual)
        laws.append(law)
        limits.append((ceiling, market.drift * step / YEAR))
        today.append(min(variance, ceiling))
    values = np.ascontiguousarray(np.array(columns).T)
    cumulants = np.zeros((len(columns), CUMULANT_SIZE))
    for a, residual in enumerate(columns):
        weighted_cumulant_table(residual, np.full(len(residual), 1 / len(residual)), cumulants[a])
    prices = np.array(market.prices) if market.prices is not None else table.prices[-1]
    together = _mean_of_pairs(values), _mean_of_pairs(np.take_along_axis(values, same_rank(values), 0))
    return Residuals(
        values=values,
        family=np.array([law.family for law in laws]),
        recursion=np.column_stack([[law[1:] for law in laws], limits]),
        today=np.array(today),
        prices=prices,
        cumulants=cumulants,
        correlation=correlation_factor(values),
        mean_correlation=together,
    )


def _filtered(own: Filter | ExponentialFilter, returns: np.ndarray, level: float) -> tuple[np.ndarray, Recursion, float]:
    """Residuals of mean 0 and variance 1, the recursion of the paths, and the variance after the last row."""
    centred = returns - math.fsum(returns) / len(returns)
    if not centred.any():
        raise ValueError("the price never changes; there is no volatility to filter")
    h = own.variances(centred, level)
    residual = centred / np.sqrt(h[:-1])
    residual -= math.fsum(residual) / len(residual)
    residual /= math.sqrt(math.fsum(residual**2) / len(residual))
    return residual, own.recursion(residual, level), float(h[-1])


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
        found.family,
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
