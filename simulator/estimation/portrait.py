"""A fit beside its data, as numbers for pictures: quantiles, autocorrelation, dependence, residuals.

Everything simulated comes from the fitted market at its point estimate, from a stationary start, paths as long as the data.
Intervals of the data are those of a stationary bootstrap, drawn or in closed form; bands of simulated paths hold 95 % of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from simulator.estimation.comparison import LEVEL, duration
from simulator.estimation.drift import from_stationary, path_variances
from simulator.estimation.fit import MarketFit
from simulator.estimation.held_out import NextReturn
from simulator.estimation.returns import Window, log_returns
from simulator.estimation.standard_errors import long_run_covariance
from simulator.kernel import stream
from simulator.market.grid import Grid
from simulator.market.model import Asset, ModelMarket
from simulator.parameters import DAY

if TYPE_CHECKING:
    from simulator.market.price_file import PriceTable

PATHS = 40
RESAMPLES = 100
LAGS = 24  # about so many, spread by ratio
LONGEST_LAG = 30 * DAY  # [s]
ROLLING = 30 * DAY  # [s] window of a rolling correlation
MOST_POINTS = 240  # of a line
TAILS = (0.005, 0.01, 0.02, 0.05, 0.1)
FEWEST_IN_TAIL = 20
BINS = 20
EXTREMES = 15  # order statistics drawn one by one on either side
Z95 = 1.959963984540054


@dataclass(frozen=True)
class Quantiles:
    """Residuals against their law: order statistics, where the law expects them, and where 95 % of them would lie."""

    law: np.ndarray
    data: np.ndarray
    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True)
class Autocorrelation:
    """Of |r| at `lags` [s]: the data with their interval, simulated paths with their band."""

    lags: np.ndarray
    data: np.ndarray
    low: np.ndarray
    high: np.ndarray
    simulated: np.ndarray
    simulated_low: np.ndarray
    simulated_high: np.ndarray


@dataclass(frozen=True)
class Diagnostic:
    """One figure of the residuals, and where it lies 95 % of the time if the fitted law is true."""

    name: str
    value: float
    expected: float
    low: float
    high: float

    @property
    def inside(self) -> bool:
        return self.low <= self.value <= self.high


@dataclass(frozen=True)
class AssetPortrait:
    name: str
    quantiles: Quantiles
    autocorrelation: Autocorrelation
    histogram: np.ndarray  # [bin] forecast probabilities of the rows of the fit, over the number expected in a bin
    histogram_band: tuple[float, float]  # 95 % of bins if the law is true and rows independent
    diagnostics: tuple[Diagnostic, ...]


@dataclass(frozen=True)
class PairPortrait:
    """Two assets: correlation over a rolling window, and how often the second shares the first's tail."""

    names: tuple[str, str]
    moments: tuple[datetime, ...]
    rolling: np.ndarray  # [moment] NaN where the window is half empty
    simulated: tuple[float, float, float]  # low, median, high of the same statistic in simulated paths
    tails: np.ndarray  # [q]
    lower: np.ndarray  # [q, (data, low, high, model)]
    upper: np.ndarray


@dataclass(frozen=True)
class Portrait:
    assets: tuple[AssetPortrait, ...]
    pairs: tuple[PairPortrait, ...]
    step: float  # [s]
    paths: int


def portrait(prices: PriceTable, fit: MarketFit, seed: int = 0, paths: int = PATHS) -> Portrait:
    """`fit` beside the rows of `prices` it was made of."""
    source = fit.source
    found = log_returns(prices, Window(source.until, source.since, source.exclude), source.step)
    columns = [found.assets.index(asset.name) for asset in fit.assets]
    r = found.returns[:, columns]
    made = _simulated(fit.market, source.step, len(r), seed, paths)
    assets = [_asset(i, fit, r[:, i], made[:, i], seed) for i in range(len(fit.assets))]
    moments = [found.first + (found.last - found.first) * share for share in np.linspace(0, 1, len(r))]
    names = [asset.name for asset in fit.assets]
    pairs = [
        _pair((names[i], names[j]), r[:, [i, j]], made[:, [i, j]], moments, source.step, fit.block)
        for i, j in combinations(range(len(names)), 2)
    ]
    return Portrait(tuple(assets), tuple(pairs), source.step, paths)


def _simulated(market: ModelMarket, step: float, rows: int, seed: int, paths: int) -> np.ndarray:
    """Log returns [t, asset, path]."""
    days = rows * step / DAY
    grid = Grid(market_step=step, transition=days, horizon=days)
    stationary = market.with_point_parameters().model_copy(update={"start": "stationary"})
    return np.diff(np.log(stationary.paths(grid, seed, "portrait", 0, paths).price), axis=0)


def _asset(i: int, fit: MarketFit, r: np.ndarray, made: np.ndarray, seed: int) -> AssetPortrait:
    found, asset = fit.assets[i], fit.market.assets[i]
    h = path_variances(from_stationary(asset), r[:, np.newaxis], fit.source.step, found.threshold)[:-1, 0]
    seen = ~np.isnan(r)
    u = NextReturn(asset, fit.source.step).probability(r[seen], h[seen])
    counts = np.histogram(u, BINS, (0, 1))[0] * BINS / u.size
    spread = Z95 * math.sqrt((1 - 1 / BINS) * BINS / u.size)
    return AssetPortrait(
        name=found.name,
        quantiles=residual_quantiles(asset, found.residuals[~np.isnan(found.residuals)]),
        autocorrelation=_autocorrelation(r, made, fit.source.step, found.block, seed),
        histogram=counts,
        histogram_band=(1 - spread, 1 + spread),
        diagnostics=tuple(diagnostics(found.residuals, u, fit.source.step)),
    )


def residual_quantiles(asset: Asset, residuals: np.ndarray) -> Quantiles:
    """The order statistics of `residuals` that a picture needs: all extremes, the others thinned."""
    from scipy.stats import beta

    z = np.sort(residuals)
    n = z.size
    middle = np.unique(np.round(np.linspace(EXTREMES, n - 1 - EXTREMES, 60)).astype(int))
    rank = np.unique(np.concatenate([np.arange(EXTREMES), middle, np.arange(n - EXTREMES, n)])) + 1
    law = innovation_quantile(asset)
    low, high = (law(beta.ppf(share, rank, n - rank + 1)) for share in ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return Quantiles(law((rank - 0.5) / n), z[rank - 1], low, high)


def innovation_quantile(asset: Asset):
    """Quantiles of the innovations of `asset`, by inverting their probability on a fine grid."""
    bare = NextReturn(asset.model_copy(update={"jumps": None, "parameter_law": None}), 1.0)
    grid = np.sinh(np.linspace(-8.0, 8.0, 40_001))
    probability = bare.probability(grid, np.ones(grid.size))
    keep = np.concatenate([[True], np.diff(probability) > 0])
    return lambda p: np.interp(p, probability[keep], grid[keep])


def _autocorrelation(r: np.ndarray, made: np.ndarray, step: float, block: float, seed: int) -> Autocorrelation:
    from arch.bootstrap import StationaryBootstrap

    longest = max(2, min(int(LONGEST_LAG / step), len(r) // 10))
    lags = np.unique(np.round(np.geomspace(1, longest, LAGS)).astype(int))
    size = np.abs(r)
    rows = np.full((1 + lags.size, r.size), np.nan)
    rows[0] = size
    for row, lag in zip(rows[1:], lags, strict=True):
        row[lag:] = size[:-lag]
    generator = np.random.default_rng(int(stream(seed, "portrait", "bootstrap")))
    index = np.arange(r.size)
    drawn = np.array(
        [
            _correlations(rows.take(chosen, axis=1))
            for (chosen,), _ in StationaryBootstrap(block, index, seed=generator).bootstrap(RESAMPLES)
        ]
    )
    paths = np.array([[_plain_correlation(s[lag:], s[:-lag]) for lag in lags] for s in np.abs(made).T])
    ends = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
    low, high = np.quantile(drawn, ends, axis=0)
    made_low, made_high = np.quantile(paths, ends, axis=0)
    return Autocorrelation(lags * step, _correlations(rows), low, high, paths.mean(axis=0), made_low, made_high)


def _correlations(rows: np.ndarray) -> np.ndarray:
    """Correlation of the first row with each other row, over what both have."""
    return np.array([_plain_correlation(*_both(rows[0], row)) for row in rows[1:]])


def _both(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    there = ~(np.isnan(x) | np.isnan(y))
    return x[there], y[there]


def _plain_correlation(x: np.ndarray, y: np.ndarray) -> float:
    a, b = x - x.mean(), y - y.mean()
    return float(np.sum(a * b) / math.sqrt(np.sum(a * a) * np.sum(b * b)))


def diagnostics(residuals: np.ndarray, u: np.ndarray, step: float) -> Iterator[Diagnostic]:
    """Figures of the residuals [t] (NaN where missing) and of forecast probabilities `u` [t]."""
    from scipy.stats import kstwo

    n = u.size
    scores = _normal_scores(u)
    size = np.full(residuals.size, np.nan)
    size[~np.isnan(residuals)] = np.abs(residuals[~np.isnan(residuals)])
    band = Z95 / math.sqrt(n)
    day = max(2, round(DAY / step))
    yield Diagnostic("autocorrelation of residuals, one step", _lagged(residuals, 1), 0.0, -band, band)
    yield Diagnostic("autocorrelation of |residuals|, one step", _lagged(_ranked(size), 1), 0.0, -band, band)
    yield Diagnostic(f"autocorrelation of |residuals|, {duration(day * step)}", _lagged(_ranked(size), day), 0.0, -band, band)
    distance = float(np.max(np.abs(np.sort(u) - (np.arange(n) + 0.5) / n)) + 0.5 / n)
    far = float(kstwo.ppf(LEVEL, n))
    yield Diagnostic("distance of forecast probabilities from uniform", distance, 0.87 / math.sqrt(n), 0.0, far)
    band = Z95 * math.sqrt(2 / n)
    yield Diagnostic("variance of their normal scores", float(np.mean(scores**2)), 1.0, 1 - band, 1 + band)
    for share in (0.01, 0.001):
        band = Z95 * math.sqrt(share * (1 - share) / n)
        for side, beyond in (("falls", u < share), ("rises", u > 1 - share)):
            name = f"share of {side} beyond the {100 * (1 - share):g} % VaR"
            yield Diagnostic(name, float(np.mean(beyond)), share, share - band, share + band)


def _normal_scores(u: np.ndarray) -> np.ndarray:
    from scipy.special import ndtri

    return ndtri(np.clip(u, 1e-9, 1 - 1e-9))


def _ranked(x: np.ndarray) -> np.ndarray:
    """Ranks as shares, NaN where there is none: what no tail can bend."""
    from scipy.stats import rankdata

    out = np.full(x.size, np.nan)
    there = ~np.isnan(x)
    out[there] = rankdata(x[there]) / (there.sum() + 1)
    return out


def _lagged(x: np.ndarray, lag: int) -> float:
    return _plain_correlation(*_both(x[lag:], x[:-lag]))


def _pair(
    names: tuple[str, str], r: np.ndarray, made: np.ndarray, moments: Sequence[datetime], step: float, block: float
) -> PairPortrait:
    window = max(20, min(int(ROLLING / step), len(r) // 10))
    every = max(1, (len(r) - window) // MOST_POINTS)
    ends = np.arange(window, len(r) + 1, every)
    apart = np.arange(window, len(r) + 1, window)
    paths = np.concatenate([rolling_correlation(made[:, :, k], window, apart) for k in range(made.shape[2])])
    low, middle, high = np.quantile(paths[~np.isnan(paths)], ((1 - LEVEL) / 2, 0.5, (1 + LEVEL) / 2))
    common = r[~np.isnan(r).any(axis=1)]
    tails = np.array([q for q in TAILS if q * len(common) >= FEWEST_IN_TAIL])
    return PairPortrait(
        names=names,
        moments=tuple(moments[int(end) - 1] for end in ends),
        rolling=rolling_correlation(r, window, ends),
        simulated=(float(low), float(middle), float(high)),
        tails=tails,
        lower=np.array([_tail(common, made, q, 1, block) for q in tails]),
        upper=np.array([_tail(common, made, q, -1, block) for q in tails]),
    )


def rolling_correlation(r: np.ndarray, window: int, ends: np.ndarray) -> np.ndarray:
    """Correlation of r [t, 2] over the `window` rows before each of `ends`; NaN where half of them are missing."""
    there = ~np.isnan(r).any(axis=1)
    x, y = np.where(there, r[:, 0], 0.0), np.where(there, r[:, 1], 0.0)
    sums = [np.concatenate([[0.0], np.cumsum(v)]) for v in (there.astype(float), x, y, x * x, y * y, x * y)]
    n, sx, sy, sxx, syy, sxy = (total[ends] - total[ends - window] for total in sums)
    with np.errstate(divide="ignore", invalid="ignore"):
        covariance = sxy - sx * sy / n
        found = covariance / np.sqrt((sxx - sx * sx / n) * (syy - sy * sy / n))
    return np.where(n >= window / 2, found, np.nan)


def tail_dependence(r: np.ndarray, q: float, sign: int) -> np.ndarray:
    """Of the rows r [t, 2] where the first is among its share `q` lowest (`sign` 1; -1: highest): is the second too? [t]"""
    lines = np.quantile(sign * r, q, axis=0)
    return (sign * r <= lines).all(axis=1)


def _tail(common: np.ndarray, made: np.ndarray, q: float, sign: int, block: float) -> tuple[float, float, float, float]:
    """P(second in its tail | first in its tail) in the data with its 95 % interval, and in simulated paths."""
    hits = tail_dependence(common, q, sign).astype(float)
    variance = float(long_run_covariance(hits[:, np.newaxis], min(block, hits.size / 20))[0, 0])
    share, error = float(hits.mean()) / q, math.sqrt(variance / hits.size) / q
    model = np.mean([tail_dependence(made[:, :, k], q, sign).mean() / q for k in range(made.shape[2])])
    return share, max(0.0, share - Z95 * error), min(1.0, share + Z95 * error), float(model)
