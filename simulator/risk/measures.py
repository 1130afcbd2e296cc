"""Measures of one quantity over paths, each with its interval.

The sampling unit is the path, never the account: accounts of one path move together, so an interval over accounts is
wrong by a factor. Every public function therefore takes `PerPath`, which holds one value for each path and refuses a
path that occurs twice. Losses are positive; confidences and levels are fractions in (0, 1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from simulator.risk import weights

if TYPE_CHECKING:
    from simulator.outcomes import Outcomes

TAIL_PATHS = 50  # fewer paths in the tail, and its mean says more about luck than about the tail


class TooFewPaths(ValueError):
    """A measure was asked of fewer paths than can carry it."""


@dataclass(frozen=True)
class PerPath:
    """One value for each path: `path` int64 [path] and `value` float64 [path]. Raises ValueError for a repeated path.

    `weight` [path] is what a path counts where it was drawn from another law; every measure then is a weighted one, and an
    unseen path is taken to count `unseen`, or as much as the heaviest seen.
    """

    path: np.ndarray
    value: np.ndarray
    weight: np.ndarray | None = None
    unseen: float = 1.0

    def __post_init__(self) -> None:
        if self.path.ndim != 1 or self.path.shape != self.value.shape:
            raise ValueError(f"one value a path is needed, but got shapes {self.path.shape} and {self.value.shape}")
        if not np.all(self.path[1:] > self.path[:-1]) and np.unique(self.path).size != self.path.size:
            raise ValueError("a path occurs twice: the sampling unit is the path, sum its accounts first")
        if not np.all(np.isfinite(self.value)):
            raise ValueError("every value must be finite")

    @property
    def paths(self) -> int:
        """How many paths there are."""
        return int(self.value.size)

    @classmethod
    def of(cls, outcomes: Outcomes, column: str) -> PerPath:
        """One column of `outcomes`, as in `"loss.steady"`."""
        return cls.over(outcomes, np.asarray(outcomes.column(column), dtype=float))

    @classmethod
    def over(cls, outcomes: Outcomes, value: np.ndarray) -> PerPath:
        """`value` [path] of the paths of `outcomes`, which count as they do there."""
        return cls(outcomes.path, value, outcomes.weight, outcomes.unseen)

    def minus(self, other: PerPath) -> PerPath:
        """The difference path by path. Raises ValueError if the two were not run on the same paths."""
        if not np.array_equal(self.path, other.path):
            raise ValueError("a paired difference needs both sides on the same paths")
        return self.having(self.value - other.value)

    def scaled(self, factor: float) -> PerPath:
        """Every value times `factor`."""
        return self.having(self.value * factor)

    def having(self, value: np.ndarray) -> PerPath:
        """Other values of the same paths."""
        return PerPath(self.path, value, self.weight, self.unseen)

    def first(self, paths: int) -> PerPath:
        """The first `paths` paths."""
        weight = None if self.weight is None else self.weight[:paths]
        return PerPath(self.path[:paths], self.value[:paths], weight, self.unseen)

    def effective(self, chosen: np.ndarray) -> float:
        """How many plain paths those `chosen` [path] are worth."""
        return float(np.count_nonzero(chosen)) if self.weight is None else weights.effective_paths(self.weight[chosen])


@dataclass(frozen=True)
class Estimate:
    """A number with its interval at `confidence`, over `paths` paths. A side that cannot be bounded is infinite."""

    value: float
    low: float
    high: float
    confidence: float
    paths: int
    standard_error: float = math.nan


def failure_bound(failures: int, paths: int, confidence: float) -> float:
    """One-sided upper Clopper-Pearson bound of a probability (Clopper & Pearson 1934): covers at least `confidence`."""
    from scipy.special import betaincinv

    return 1.0 if failures >= paths else float(betaincinv(failures + 1, paths - failures, confidence))


def failure_floor(failures: int, paths: int, confidence: float) -> float:
    """One-sided lower Clopper-Pearson bound of a probability."""
    from scipy.special import betaincinv

    return 0.0 if failures == 0 else float(betaincinv(failures, paths - failures + 1, 1 - confidence))


def probability(sample: PerPath, threshold: float, confidence: float = 0.95) -> Estimate:
    """P(value > threshold) with its two-sided Clopper-Pearson interval. A Wald interval covers 63 % at p = 0.001."""
    beyond, each, n = sample.value > threshold, (1 + confidence) / 2, sample.paths
    if sample.weight is not None:
        value, error = weights.frequency(beyond, sample.weight)
        low = weights.frequency_floor(beyond, sample.weight, each)
        high = weights.frequency_bound(beyond, sample.weight, sample.unseen, each)
        return Estimate(value, low, high, confidence, n, error)
    failures = int(np.count_nonzero(beyond))
    low, high = failure_floor(failures, n, each), failure_bound(failures, n, each)
    return Estimate(failures / n, low, high, confidence, n)


def exceedance_bound(sample: PerPath, threshold: float, confidence: float) -> float:
    """One-sided upper bound of P(value > threshold)."""
    beyond = sample.value > threshold
    if sample.weight is not None:
        return weights.frequency_bound(beyond, sample.weight, sample.unseen, confidence)
    return failure_bound(int(np.count_nonzero(beyond)), sample.paths, confidence)


def mean(sample: PerPath, confidence: float = 0.95) -> Estimate:
    """The mean with its Student-t interval. Raises TooFewPaths below two paths."""
    from scipy.special import stdtrit

    n = sample.paths
    if n < 2:
        raise TooFewPaths(f"an interval of a mean needs at least 2 paths, but got {n}")
    if sample.weight is None:
        centre, freedom = math.fsum(sample.value.tolist()) / n, n - 1.0
        error = math.sqrt(math.fsum(((sample.value - centre) ** 2).tolist()) / (n - 1) / n)
    else:
        centre, error = weights.mean(sample.value, sample.weight)
        freedom = max(1.0, weights.effective_paths(sample.weight) - 1)
    reach = float(stdtrit(freedom, (1 + confidence) / 2)) * error
    return Estimate(centre, centre - reach, centre + reach, confidence, n, error)


def paired_difference(candidate: PerPath, current: PerPath, confidence: float = 0.95) -> Estimate:
    """Mean of candidate - current on common paths: the randomness that both share cancels."""
    return mean(candidate.minus(current), confidence)


def quantile(sample: PerPath, level: float, confidence: float = 0.95) -> Estimate:
    """The `level` quantile (value at risk) with an interval between two order statistics, free of any law.

    Of the pairs of ranks that cover at least `confidence`, the one with the fewest ranks between is taken. Where the
    sample is too short for an upper rank, `high` is infinite.
    """
    from scipy.special import bdtr, ndtri

    if sample.weight is not None:
        reach = float(ndtri((1 + confidence) / 2))
        return Estimate(*weights.quantile(sample.value, sample.weight, level, reach), confidence, sample.paths)
    ordered, n = np.sort(sample.value), sample.paths
    below = bdtr(np.arange(n, dtype=float), n, level)  # [k]: P(at most k values lie below the quantile)
    low, high = _ranks(below, n, (1 - confidence) / 2, confidence)
    value = float(ordered[max(0, math.ceil(n * level - 1e-9) - 1)])
    floor = float(ordered[low - 1]) if low >= 1 else -math.inf
    return Estimate(value, floor, float(ordered[high - 1]) if high <= n else math.inf, confidence, n)


def _ranks(below: np.ndarray, n: int, tail: float, confidence: float) -> tuple[int, int]:
    """Ranks (from 1; 0 or n + 1 stand for no bound) of the shortest interval that covers the quantile."""
    low = int(np.searchsorted(below, tail, side="right"))  # greatest r with P(fewer than r below) <= tail
    best = None
    for r in range(max(1, low - 3), low + 4):
        under = below[r - 1] if r <= n else 1.0
        s = int(np.searchsorted(below, under + confidence, side="left")) + 1
        if s <= n and under + confidence <= below[n - 1]:
            balance = abs(float(below[s - 1]) + under - 1.0)
            best = min(best, (s - r, balance, r, s)) if best else (s - r, balance, r, s)
    return (best[2], best[3]) if best else (low, n + 1)


def expected_shortfall(sample: PerPath, level: float, confidence: float = 0.95) -> Estimate:
    """The mean of the worst `1 - level` share of values, with the standard error of L25.

    SE^2 = [Var(L | L > q) + level (ES - q)^2] / (n (1 - level)). Raises TooFewPaths below `TAIL_PATHS` in the tail.
    The interval is normal and too short for heavy tails: it describes, and never confirms (see `shortfall`).
    """
    from scipy.special import ndtri

    value, error = _weighted_tail_mean(sample, level) if sample.weight is not None else tail_mean(sample, level)[:2]
    reach = float(ndtri((1 + confidence) / 2)) * error
    return Estimate(value, value - reach, value + reach, confidence, sample.paths, error)


def _weighted_tail_mean(sample: PerPath, level: float) -> tuple[float, float]:
    assert sample.weight is not None
    value, error, effective = weights.expected_shortfall(sample.value, sample.weight, level)
    if effective < TAIL_PATHS:
        raise TooFewPaths(
            f"an expected shortfall at {level:g} needs {TAIL_PATHS} effective tail paths; there are {effective:.1f} of "
            f"{sample.paths:,} weighted ones"
        )
    return value, error


def tail_count(paths: int, level: float) -> int:
    """How many of `paths` paths make up the worst `1 - level` share."""
    return round(paths * (1 - level) - 1e-9) or 1


def tail_mean(sample: PerPath, level: float) -> tuple[float, float, np.ndarray]:
    """Expected shortfall, its standard error (L25), and the tail, worst first. Raises TooFewPaths."""
    m = tail_count(sample.paths, level)
    if m < TAIL_PATHS:
        needed = math.ceil(TAIL_PATHS / (1 - level) - 1e-9)
        raise TooFewPaths(
            f"an expected shortfall at {level:g} needs {TAIL_PATHS} tail paths, so {needed:,} paths; there are {sample.paths:,}"
        )
    tail = np.sort(sample.value)[::-1][:m]
    value = math.fsum(tail.tolist()) / m
    spread = math.fsum(((tail - value) ** 2).tolist()) / (m - 1)
    return value, math.sqrt((spread + level * (value - float(tail[-1])) ** 2) / m), tail
