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

if TYPE_CHECKING:
    from simulator.outcomes import Outcomes

TAIL_PATHS = 50  # fewer paths in the tail, and its mean says more about luck than about the tail


class TooFewPaths(ValueError):
    """A measure was asked of fewer paths than can carry it."""


@dataclass(frozen=True)
class PerPath:
    """One value for each path: `path` int64 [path] and `value` float64 [path]. Raises ValueError for a repeated path."""

    path: np.ndarray
    value: np.ndarray

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
        return cls(outcomes.path, np.asarray(outcomes.column(column), dtype=float))

    def minus(self, other: PerPath) -> PerPath:
        """The difference path by path. Raises ValueError if the two were not run on the same paths."""
        if not np.array_equal(self.path, other.path):
            raise ValueError("a paired difference needs both sides on the same paths")
        return PerPath(self.path, self.value - other.value)

    def scaled(self, factor: float) -> PerPath:
        """Every value times `factor`."""
        return PerPath(self.path, self.value * factor)


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
    failures, each = int(np.count_nonzero(sample.value > threshold)), (1 + confidence) / 2
    n = sample.paths
    low, high = failure_floor(failures, n, each), failure_bound(failures, n, each)
    return Estimate(failures / n, low, high, confidence, n)


def mean(sample: PerPath, confidence: float = 0.95) -> Estimate:
    """The mean with its Student-t interval. Raises TooFewPaths below two paths."""
    from scipy.special import stdtrit

    n = sample.paths
    if n < 2:
        raise TooFewPaths(f"an interval of a mean needs at least 2 paths, but got {n}")
    centre = math.fsum(sample.value.tolist()) / n
    error = math.sqrt(math.fsum(((sample.value - centre) ** 2).tolist()) / (n - 1) / n)
    reach = float(stdtrit(n - 1, (1 + confidence) / 2)) * error
    return Estimate(centre, centre - reach, centre + reach, confidence, n, error)


def paired_difference(candidate: PerPath, current: PerPath, confidence: float = 0.95) -> Estimate:
    """Mean of candidate - current on common paths: the randomness that both share cancels."""
    return mean(candidate.minus(current), confidence)


def quantile(sample: PerPath, level: float, confidence: float = 0.95) -> Estimate:
    """The `level` quantile (value at risk) with an interval between two order statistics, free of any law.

    Of the pairs of ranks that cover at least `confidence`, the one with the fewest ranks between is taken. Where the
    sample is too short for an upper rank, `high` is infinite.
    """
    from scipy.special import bdtr

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

    value, error, _ = tail_mean(sample, level)
    reach = float(ndtri((1 + confidence) / 2)) * error
    return Estimate(value, value - reach, value + reach, confidence, sample.paths, error)


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
