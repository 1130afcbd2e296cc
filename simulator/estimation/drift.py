"""A drift alarm: do the returns after a fit still look like those it was made from?

Four statistics of the returns after the fit (of a peg: of what its pull does not explain) and of their standardised residuals
under the fitted filter: the *level* of variance, the *size* of a typical residual, how often residuals lie in the *tail*, and
what *memory* of size they keep. Their law under the fit has no closed form (variance wanders for months), so it is simulated:
paths of the same length from the fitted market, each with parameters drawn from their estimated law, starting at the variance
of the day. The alarm is the smallest of four two-sided p-values, judged by its own simulated law, so that the four are one test.

A law that never described its own rows well (`misfit`) is no drift: size, tail and memory are taken less what they were on
the rows of the fit, and their simulated spread is widened for those rows' own noise.

Its power is measured the same way, on paths of the fitted market with a stated change.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from simulator.estimation.next_return import Moves, variances
from simulator.market.grid import Grid
from simulator.market.innovations import StudentT
from simulator.market.model import Asset, ModelMarket
from simulator.market.online_kernel import filtered
from simulator.market.processes import Garch, OrnsteinUhlenbeck
from simulator.parameters import DAY, YEAR

STATISTICS = ("level", "size", "tail", "memory")
RESIDUAL = np.array([False, True, True, True])  # taken of standardised residuals
TAIL = 0.02  # share of residuals that lie in the tail under the fit
LEVEL = 0.05  # of the test
NULL_PATHS, CHANGED_PATHS = 500, 200
SMALLEST = 1e-3  # [standard deviations] residuals below count as this: a price that stood still has no logarithm
CHANGES = ("volatility doubled", "volatility halved", "tails fatter", "memory lost", "pull lost")
LOST = 100.0  # times the half-life of a peg: no pull that a stretch could show


@dataclass(frozen=True)
class Drift:
    """The alarm for one asset and one stretch."""

    p: float  # of the alarm, by simulation
    values: dict[str, float]  # statistic: quantile of the observed one in its simulated law

    @property
    def alarm(self) -> bool:
        return self.p <= LEVEL

    @property
    def where(self) -> str:
        """The statistic that is farthest out, and on which side."""
        name = max(self.values, key=lambda key: abs(self.values[key] - 0.5))
        return f"{name} {'high' if self.values[name] > 0.5 else 'low'}"


@dataclass(frozen=True)
class Alarm:
    """The test for stretches of `steps` returns after one fit: simulated laws of its statistics."""

    asset: Asset
    step: float
    threshold: float  # of jumps [conditional standard deviations]
    cut: float  # |residual| beyond which the tail begins
    null: np.ndarray  # [path, statistic], columns sorted
    smallest: np.ndarray  # [path] smallest two-sided p of each null path, sorted
    misfit: np.ndarray  # [statistic] of the fit's own rows less what the law says
    seed: int

    def of(self, returns: np.ndarray) -> Drift:
        """The alarm for surprises `returns` [t], NaN where missing."""
        return self._judge(self._statistics(returns[:, np.newaxis])[0] - self.misfit)

    def _statistics(self, returns: np.ndarray) -> np.ndarray:
        h = path_variances(self.asset, returns, self.step, self.threshold)
        return statistics(returns, h[:-1], self.cut)

    def _judge(self, found: np.ndarray) -> Drift:
        p = self._smallest_p(found)
        share = (1 + int(np.searchsorted(self.smallest, p * (1 + 1e-12), side="right"))) / (1 + len(self.smallest))
        places = self._places(found)
        return Drift(share, {name: float(place) for name, place in zip(STATISTICS, places, strict=True)})

    def _places(self, found: np.ndarray) -> np.ndarray:
        """Quantile of each statistic in its null law, ties in the middle."""
        below = [np.searchsorted(c, v, side="left") for c, v in zip(self.null.T, found, strict=True)]
        upto = [np.searchsorted(c, v, side="right") for c, v in zip(self.null.T, found, strict=True)]
        return (np.add(below, upto) + 1) / (2 * (len(self.null) + 1))

    def _smallest_p(self, found: np.ndarray) -> float:
        places = self._places(found)
        return float(2 * np.minimum(places, 1 - places).min())

    def power(self, missing: np.ndarray) -> dict[str, float]:
        """Share of alarms on paths with each change that the fitted market allows; gaps where `missing` [t] has them."""
        found = {}
        for change in CHANGES:
            changed = _changed(self.asset, change)
            if changed is None:
                continue
            returns = _paths(changed, self.asset, self.step, missing, CHANGED_PATHS, self.seed, change)
            rows = self._statistics(returns)
            found[change] = float(np.mean([self._judge(row).alarm for row in rows]))
        return found


def make_alarm(asset: Asset, step: float, threshold: float, before: np.ndarray, missing: np.ndarray, seed: int) -> Alarm:
    """The alarm for stretches as long as `missing` [t] (True: no return there) after the fit of `asset` to surprises `before`."""
    cut = _tail_cut(asset)
    returns = _paths(asset, asset, step, missing, NULL_PATHS, seed, "null")
    rows = statistics(returns, path_variances(asset, returns, step, threshold)[:-1], cut)
    expected = rows.mean(axis=0)
    own = from_stationary(asset)
    seen = statistics(before[:, np.newaxis], path_variances(own, before[:, np.newaxis], step, threshold)[:-1], cut)[0]
    misfit = np.where(RESIDUAL, seen - expected, 0.0)
    widened = math.sqrt(1 + np.count_nonzero(~missing) / np.count_nonzero(~np.isnan(before)))
    rows = expected + (rows - expected) * np.where(RESIDUAL, widened, 1.0)
    bare = Alarm(asset, step, threshold, cut, np.sort(rows, axis=0), np.zeros(0), misfit, seed)
    smallest = np.sort([bare._smallest_p(row) for row in rows])
    return replace(bare, smallest=smallest)


def from_stationary(asset: Asset) -> Asset:
    """`asset` whose filter starts at the stationary variance, as for rows before which nothing is known."""
    if isinstance(asset.process, OrnsteinUhlenbeck):
        return asset
    process = asset.process.model_copy(update={"volatility_today": asset.process.volatility})
    return asset.model_copy(update={"process": process})


def path_variances(asset: Asset, returns: np.ndarray, step: float, threshold: float) -> np.ndarray:
    """Variances [t + 1, path] of the fitted filter on surprises `returns` [t, path]."""
    process = asset.process
    if isinstance(process, OrnsteinUhlenbeck):
        return np.full((len(returns) + 1, returns.shape[1]), process.transition_variance(step / YEAR))
    if not isinstance(process, Garch):
        rows = [variances(asset, np.append(path, np.nan), step, "filter", threshold) for path in returns.T]
        return np.column_stack(rows)
    level = process.volatility**2 * step / YEAR
    return filtered(
        returns,
        process.volatility_today**2 * step / YEAR,
        level * (1 - process.persistence),
        process.alpha,
        process.gamma,
        process.beta,
        process.ceiling**2 * level,
        threshold if asset.jumps is not None else math.inf,
    )


def statistics(returns: np.ndarray, variance: np.ndarray, cut: float) -> np.ndarray:
    """[path, `STATISTICS`] of returns [t, path] and the variances known before them; NaN where a return is missing."""
    size = np.abs(returns) / np.sqrt(variance)
    logs = np.log(np.maximum(size, SMALLEST))
    level = np.log(np.nanmean(returns**2, axis=0))
    seen = np.count_nonzero(~np.isnan(size), axis=0)
    tail = np.sum(size > cut, axis=0) / seen
    typical = np.nanmean(logs, axis=0)
    centred = np.nan_to_num(logs - typical)
    memory = np.sum(centred[1:] * centred[:-1], axis=0) / np.sum(centred**2, axis=0)
    return np.column_stack([level, typical, tail, memory])


def _tail_cut(asset: Asset) -> float:
    """|z| that a share `TAIL` of fitted innovations exceeds."""
    from scipy.special import ndtri, stdtrit

    innovation = getattr(asset.process, "innovation", None)
    if isinstance(innovation, StudentT):
        nu = innovation.degrees_of_freedom
        return float(-stdtrit(nu, TAIL / 2) * math.sqrt((nu - 2) / nu))
    return float(-ndtri(TAIL / 2))


def _paths(asset: Asset, known: Asset, step: float, missing: np.ndarray, count: int, seed: int, purpose: str) -> np.ndarray:
    """What surprises `known` [t, path] of paths of `asset` alone from today's variance on."""
    days = len(missing) * step / DAY
    grid = Grid(market_step=step, transition=days, horizon=days)
    made = ModelMarket(assets=(asset,)).paths(grid, seed, f"drift {asset.name} {purpose}", 0, count)
    log_price = np.log(made.price[:, 0, :])
    returns = Moves(np.diff(log_price, axis=0), log_price[:-1]).surprises(known, step)
    returns[missing] = np.nan
    return returns


def _changed(asset: Asset, change: str) -> Asset | None:
    """`asset` at its point estimate with one thing changed; None where its law has no such thing."""
    process = asset.process
    fields: dict[str, object] = {}
    if change.startswith("volatility"):
        factor = 2.0 if change.endswith("doubled") else 0.5
        fields = {key: value * factor for key, value in process if key in ("volatility", "volatility_today")}
    elif change == "pull lost":
        if not isinstance(process, OrnsteinUhlenbeck):
            return None
        fields = {"half_life": LOST * process.half_life}
    elif change == "tails fatter":
        innovation = getattr(process, "innovation", None)
        if not isinstance(innovation, StudentT):
            return None
        nu = 2 + (innovation.degrees_of_freedom - 2) / 2
        fields = {"innovation": innovation.model_copy(update={"degrees_of_freedom": nu})}
    elif isinstance(process, Garch):
        fields = {"alpha": 0.0, "beta": 0.0, "gamma": 0.0}
    else:
        return None
    return asset.model_copy(update={"process": process.model_copy(update=fields), "parameter_law": None})
