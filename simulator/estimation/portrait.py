"""A fit beside its data, curve by curve: quantiles, memory of size, joint extremes, correlation through time.

Every curve is taken of the data, with the interval of a stationary bootstrap of its rows (a return with its lagged partners, all
assets at the same moments), and in the same way of every simulated path as long as the data, with the spread over *paths*.
Only statistics that exist for tails of index 2 to 4, as in `comparison`, whose paths and resamples these are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import combinations

import numpy as np

from simulator.estimation.comparison import LEVEL, drawn_rows, pair_correlation, simulated_returns
from simulator.estimation.market_fit import MarketFit
from simulator.estimation.returns import Returns
from simulator.estimation.settings import FEWEST_PATHS
from simulator.kernel import stream
from simulator.parameters import DAY

QUANTILES, LAGS = 41, 18  # points of a curve
FEWEST_BEYOND = 5  # returns beyond the outermost quantile
TAILS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
FEWEST_IN_TAIL = 50  # returns of each asset beyond a level
LONGEST_LAG, WINDOW = 30 * DAY, 30 * DAY  # [s]
LEAST_SEEN = 0.5  # of a window
MOST_WINDOWS = 120
Key = tuple[str, str]  # (curve, asset or pair)


@dataclass(frozen=True)
class Curve:
    """A statistic at the places `at`, [place] each: of the data with its interval, and over simulated paths."""

    at: np.ndarray
    data: np.ndarray
    low: np.ndarray
    high: np.ndarray
    simulated: np.ndarray  # mean over paths
    simulated_low: np.ndarray  # quantiles over paths, at the level of the interval
    simulated_high: np.ndarray


@dataclass(frozen=True)
class Portrait:
    """The curves of a fit: by asset, or by pair of assets as in `BTC-ETH`."""

    paths: int
    block: float  # [step] mean length of bootstrap blocks
    quantiles: dict[str, Curve]  # of a step's log return, at probabilities
    memory: dict[str, Curve]  # autocorrelation of |r|, at lags [s]
    falls: dict[str, Curve]  # P(both below their q-quantile) / q, at q
    rises: dict[str, Curve]  # P(both above their 1 - q quantile) / q
    rolling: dict[str, Curve]  # correlation of the returns of `WINDOW`, at its end [s since 1970]


def make_portrait(
    returns: Returns,
    fit: MarketFit,
    *,
    seed: int = 0,
    paths: int = 100,
    resamples: int = 200,
    progress: Callable = lambda _: None,
) -> Portrait:
    """The portrait of `fit` over the returns it was made from. Raises ValueError for fewer than `FEWEST_PATHS` paths."""
    if paths < FEWEST_PATHS:
        raise ValueError(f"an interval over paths needs >= {FEWEST_PATHS} of them, but got {paths}")
    names, r = [asset.name for asset in fit.assets], returns.returns
    sight = _Sight(tuple(names), returns.step, len(r))
    progress("curves of the data")
    columns = sight.columns(r)
    data = sight.of(columns)
    drawn = [sight.of(columns.take(index, axis=2)) for index in drawn_rows(len(r), fit.block, seed, resamples)]
    progress("curves of simulated paths")
    windows = _windows(r, returns.step)
    made, rolled = [], []
    for some in simulated_returns(fit.simulated, len(r), returns.step, seed, paths):
        made += [sight.of(sight.columns(path)) for path in some]
        rolled += [correlations(path[a:b], names) for path in some for a, b in windows]
    curves: dict[str, dict[str, Curve]] = {"quantiles": {}, "memory": {}, "falls": {}, "rises": {}}
    for key in data:
        curve, name = key
        curves[curve][name] = _curve(sight.places[curve], data[key], [one[key] for one in drawn], [one[key] for one in made])
    return Portrait(paths, fit.block, **curves, rolling=_rolling(returns, windows, names, rolled, seed, resamples))


@dataclass(frozen=True)
class _Sight:
    """What is looked at in returns [t, asset] at `step` [s]."""

    assets: tuple[str, ...]
    step: float
    rows: int

    @property
    def places(self) -> dict[str, np.ndarray]:
        """Where each curve has its points."""
        from scipy.special import ndtr, ndtri

        end = ndtri(1 - FEWEST_BEYOND / self.rows)
        tails = np.array([q for q in TAILS if q * self.rows >= FEWEST_IN_TAIL])
        return {
            "quantiles": ndtr(np.linspace(-end, end, QUANTILES)),
            "memory": self.lags * self.step,
            "falls": tails,
            "rises": tails,
        }

    @property
    def lags(self) -> np.ndarray:
        """[step] evenly in logarithms."""
        longest = max(1, min(int(LONGEST_LAG / self.step), self.rows // 10))
        return np.unique(np.geomspace(1, longest, LAGS).round().astype(int))

    def columns(self, r: np.ndarray) -> np.ndarray:
        """Rows with their lagged partners, [asset, column, t]: the return, |r| at each lag before."""
        result = np.full((r.shape[1], 1 + self.lags.size, len(r)), np.nan)
        result[:, 0] = r.T
        for k, lag in enumerate(self.lags, start=1):
            result[:, k, lag:] = np.abs(r[:-lag].T)
        return result

    def of(self, columns: np.ndarray) -> dict[Key, np.ndarray]:
        """Every curve of rows as they are or drawn."""
        places, found = self.places, dict[Key, np.ndarray]()
        for name, rows in zip(self.assets, columns, strict=True):
            size = np.abs(rows[0])
            found["quantiles", name] = np.quantile(rows[0][~np.isnan(rows[0])], places["quantiles"])
            found["memory", name] = np.array([pair_correlation(size, partner) for partner in rows[1:]])
        for (one, x), (other, y) in combinations(zip(self.assets, columns[:, 0], strict=True), 2):
            pair = f"{one}-{other}"
            found["falls", pair], found["rises", pair] = tail_dependence(x, y, places["falls"])
        return found


def tail_dependence(x: np.ndarray, y: np.ndarray, levels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """P(both below their own q-quantile) / q and P(both above their own 1 - q quantile) / q at each level q."""
    both = np.column_stack([x, y])
    both = both[~np.isnan(both).any(axis=1)]
    low, high = np.quantile(both, levels, axis=0), np.quantile(both, 1 - levels, axis=0)
    falls = [float(np.mean((both <= cut).all(axis=1))) / q for cut, q in zip(low, levels, strict=True)]
    rises = [float(np.mean((both >= cut).all(axis=1))) / q for cut, q in zip(high, levels, strict=True)]
    return np.array(falls), np.array(rises)


def _windows(r: np.ndarray, step: float) -> list[tuple[int, int]]:
    """(first, end) of windows that overlap by half, at most `MOST_WINDOWS`; those with too few rows of all assets left out."""
    length = min(max(2, round(WINDOW / step)), len(r) // 2)
    every = max(length // 2, -(-(len(r) - length) // MOST_WINDOWS), 1)
    seen = ~np.isnan(r).any(axis=1)
    spans = [(first, first + length) for first in range(0, len(r) - length + 1, every)]
    return [(a, b) for a, b in spans if seen[a:b].mean() >= LEAST_SEEN]


def correlations(r: np.ndarray, names: list[str]) -> dict[str, float]:
    """Correlation of every pair over the rows that have all assets."""
    matrix = np.atleast_2d(np.corrcoef(r[~np.isnan(r).any(axis=1)], rowvar=False))
    return {f"{one}-{other}": float(matrix[i, j]) for (i, one), (j, other) in combinations(enumerate(names), 2)}


def _rolling(
    returns: Returns, windows: list[tuple[int, int]], names: list[str], rolled: list[dict[str, float]], seed: int, resamples: int
) -> dict[str, Curve]:
    """Of each pair: windows of the data with intervals of a bootstrap within each, and one interval over simulated windows."""
    r, start = returns.returns, returns.first.timestamp()
    ends = np.array([start + b * returns.step for _, b in windows])
    drawn = [list(_redrawn(r[a:b], names, returns.step, seed, resamples)) for a, b in windows]
    result = {}
    for pair in (f"{one}-{other}" for one, other in combinations(names, 2)):
        data = np.array([correlations(r[a:b], names)[pair] for a, b in windows])
        ranges = np.array([_interval(np.array([one[pair] for one in window])) for window in drawn])
        values = np.array([one[pair] for one in rolled])
        flat = partial(np.full, len(windows))
        low, high = _interval(values)
        result[pair] = Curve(ends, data, ranges[:, 0], ranges[:, 1], flat(values.mean()), flat(low), flat(high))
    return result


def _redrawn(r: np.ndarray, names: list[str], step: float, seed: int, resamples: int) -> Iterator[dict[str, float]]:
    """Correlations of resamples of a window, in blocks of a day."""
    whole = r[~np.isnan(r).any(axis=1)]
    own = int(stream(seed, "fit", "window")) % 2**63
    for index in drawn_rows(len(whole), max(1.0, DAY / step), own, resamples):
        yield correlations(whole[index], names)


def _curve(at: np.ndarray, data: np.ndarray, drawn: list[np.ndarray], made: list[np.ndarray]) -> Curve:
    return Curve(at, data, *_interval(np.array(drawn)), np.mean(made, axis=0), *_interval(np.array(made)))


def _interval(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    low, high = np.quantile(values, ((1 - LEVEL) / 2, (1 + LEVEL) / 2), axis=0)
    return low, high
