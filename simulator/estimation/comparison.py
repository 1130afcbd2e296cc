"""Fitted / simulated / interval: does a market made by the fit look like the data it came from?

Only statistics that exist for tails with an index near 2 to 4: quantiles, autocorrelation of absolute returns, the tail
index itself, realised volatility; never a kurtosis. The interval is that of the data, by a stationary block bootstrap
(Politis and Romano 1994) that draws rows holding a return *with its lagged partners*, so that cutting blocks does not thin
the autocorrelation.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from simulator.kernel import stream
from simulator.market.grid import Grid
from simulator.market.history import FilteredHistory
from simulator.market.model import ModelMarket
from simulator.parameters import DAY, YEAR

if TYPE_CHECKING:
    import pandas as pd

QUANTILES = (0.5, 0.95, 0.99, 0.999)
FEWEST_BEYOND = 5  # independent returns that must lie beyond a quantile for it to be compared
HILL_SHARE = 0.05  # of the losses
LEVEL = 0.95  # of the interval
PATHS_AT_ONCE = 20


@dataclass(frozen=True)
class Comparison:
    """One statistic of one asset: of the data, with its interval, and of simulated paths of the same length."""

    asset: str
    statistic: str
    data: float
    low: float
    high: float
    simulated: float  # mean over paths; root mean square for volatility, which is what its fit promises
    simulated_low: float  # quantiles over paths, at the level of the interval
    simulated_high: float

    @property
    def inside(self) -> bool:
        return self.low <= self.simulated <= self.high


def comparison_frame(rows: Sequence[Comparison]) -> pd.DataFrame:
    """One row a statistic: asset, statistic, data, low, high, simulated, simulated_low, simulated_high, inside."""
    import pandas as pd

    return pd.DataFrame([{**vars(row), "inside": row.inside} for row in rows])


@dataclass(frozen=True)
class Measures:
    """Which statistics are taken of returns at `step` [s], and their names."""

    step: float
    rows: int

    @property
    def day(self) -> int:
        """Steps in a day; 1 where a day is not a whole number of steps."""
        steps = DAY / self.step
        return int(steps) if steps == int(steps) else 1

    @property
    def lags(self) -> tuple[int, ...]:
        return tuple(lag for lag in dict.fromkeys((1, self.day, 7 * self.day)) if lag <= self.rows // 10)

    @property
    def horizons(self) -> tuple[int, ...]:
        return tuple(dict.fromkeys((1, self.day)))

    def quantiles(self, horizon: int) -> tuple[float, ...]:
        return tuple(q for q in QUANTILES if round(self.rows / horizon * (1 - q), 6) >= FEWEST_BEYOND)

    @property
    def names(self) -> tuple[str, ...]:
        return (
            *(f"|r| {duration(h * self.step)}, {100 * q:g} %" for h in self.horizons for q in self.quantiles(h)),
            *(f"acf |r|, {duration(lag * self.step)}" for lag in self.lags),
            f"Hill, {100 * HILL_SHARE:g} % of losses",
            "volatility, a year",
        )

    def columns(self, r: np.ndarray) -> np.ndarray:
        """What a row holds, [column, t]: the return, absolute sums over longer horizons, absolute lagged partners."""
        gap = np.isnan(r)
        total, gaps = np.cumsum(np.where(gap, 0.0, r)), np.cumsum(gap)
        result = np.full((1 + len(self.horizons[1:]) + len(self.lags), r.size), np.nan)
        result[0] = r
        for column, h in zip(result[1:], self.horizons[1:], strict=False):
            column[h:] = np.where(gaps[h:] > gaps[:-h], np.nan, np.abs(total[h:] - total[:-h]))
        for column, lag in zip(result[len(self.horizons) :], self.lags, strict=True):
            column[lag:] = np.abs(r[:-lag])
        return result

    def of(self, columns: np.ndarray) -> np.ndarray:
        """The statistics `names` of rows made by `columns`, as they are or drawn."""
        r = columns[0]
        size, seen = np.abs(r), r[~np.isnan(r)]
        values: list[float] = []
        for h, column in zip(self.horizons, [size, *columns[1:]], strict=False):
            values += list(np.quantile(column[~np.isnan(column)], self.quantiles(h))) if self.quantiles(h) else []
        values += [pair_correlation(size, partner) for partner in columns[len(self.horizons) :]]
        return np.array([*values, hill_index(seen), math.sqrt(np.mean(seen**2) * YEAR / self.step)])


def duration(seconds: float) -> str:
    """A length of time as people say it: 1 h, 1 d, 5 min."""
    for unit, length in (("d", DAY), ("h", 3600.0), ("min", 60.0)):
        if seconds >= length and seconds % length == 0:
            return f"{seconds / length:g} {unit}"
    return f"{seconds:g} s"


def pair_correlation(x: np.ndarray, y: np.ndarray) -> float:
    """Correlation of the rows in which neither is missing."""
    both = ~(np.isnan(x) | np.isnan(y))
    a, b = x[both] - x[both].mean(), y[both] - y[both].mean()
    return float(np.sum(a * b) / math.sqrt(np.sum(a * a) * np.sum(b * b)))


def hill_index(returns: np.ndarray, share: float = HILL_SHARE) -> float:
    """Tail index of the largest `share` of losses (Hill 1975): 1 / mean log excess over the next largest."""
    losses = -returns[returns < 0]
    k = max(2, int(share * losses.size))
    top = np.partition(losses, losses.size - k - 1)[losses.size - k - 1 :]
    return float(k / np.sum(np.log(top / top.min())))


def compare(
    returns: np.ndarray,
    market: ModelMarket | FilteredHistory,
    step: float,
    *,
    block: float,
    seed: int,
    paths: int,
    resamples: int,
) -> list[Comparison]:
    """Every statistic of every asset of `returns` [t, asset] against `paths` simulated paths of the same length."""
    measures = Measures(step, len(returns))
    columns = [measures.columns(r) for r in returns.T]
    data = np.array([measures.of(c) for c in columns])
    drawn = np.array(list(_resampled(measures, columns, block, seed, resamples)))
    made = np.concatenate(list(_simulated(measures, market, seed, paths)))
    low, high = np.quantile(drawn, ((1 - LEVEL) / 2, (1 + LEVEL) / 2), axis=0)
    made_low, made_high = np.quantile(made, ((1 - LEVEL) / 2, (1 + LEVEL) / 2), axis=0)
    mean = made.mean(axis=0)
    mean[:, -1] = np.sqrt(np.mean(made[:, :, -1] ** 2, axis=0))
    return [
        Comparison(asset, name, *(float(v[i, j]) for v in (data, low, high, mean, made_low, made_high)))
        for i, asset in enumerate(market.asset_names)
        for j, name in enumerate(measures.names)
    ]


def _resampled(
    measures: Measures, columns: list[np.ndarray], block: float, seed: int, resamples: int
) -> Iterator[list[np.ndarray]]:
    """Statistics [asset, statistic] of each resample; every asset is drawn at the same moments."""
    for index in drawn_rows(columns[0].shape[1], block, seed, resamples):
        yield [measures.of(asset.take(index, axis=1)) for asset in columns]


def drawn_rows(rows: int, block: float, seed: int, resamples: int) -> Iterator[np.ndarray]:
    """Row numbers of each resample of a stationary bootstrap."""
    from arch.bootstrap import StationaryBootstrap

    generator = np.random.default_rng(int(stream(seed, "fit", "bootstrap")))
    for (index,), _ in StationaryBootstrap(block, np.arange(rows), seed=generator).bootstrap(resamples):
        yield index


def _simulated(measures: Measures, market: ModelMarket | FilteredHistory, seed: int, paths: int) -> Iterator[np.ndarray]:
    """Statistics [path, asset, statistic] of simulated paths, a few at a time."""
    for returns in simulated_returns(market, measures.rows, measures.step, seed, paths):
        yield np.array([[measures.of(measures.columns(r)) for r in path.T] for path in returns])


def simulated_returns(
    market: ModelMarket | FilteredHistory, rows: int, step: float, seed: int, paths: int
) -> Iterator[np.ndarray]:
    """Log returns [path, t, asset] of simulated paths, a few at a time; a model's start is stationary, its parameters points."""
    days = rows * step / DAY
    grid = Grid(market_step=step, transition=days, horizon=days)
    if isinstance(market, ModelMarket):
        market = market.with_point_parameters().model_copy(update={"start": "stationary"})
    for first in range(0, paths, PATHS_AT_ONCE):
        made = market.paths(grid, seed, "fit", first, min(PATHS_AT_ONCE, paths - first))
        yield np.diff(np.log(made.price), axis=0).transpose(2, 0, 1)
