"""An upper bound of expected shortfall that may confirm, and the ladder that stands in for it where it may not.

The normal bound ES + z SE covers 83 to 91 % instead of 95 % on the tails of crypto returns. Here z is replaced by a factor
simulated, at this tail and path count, from a Pareto tail of index 2.5, heavier than any that fits of hourly returns show
(3.3 to 4.1). Measured at 95 %: such bounds cover 94 to 98 % for Student-t with 2.5 to 4 degrees; for a log-normal of deviation
1.5 they are mostly refused, and wrong in less than 5 % of all samples.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np

from simulator.risk.measures import TAIL_PATHS, PerPath, tail_mean

REFERENCE_TAIL = 0.4  # 1 / tail index of the law that sets the factor
LADDER_TAIL = 1 / 3  # 1 / tail index assumed beyond the last rung of a ladder
LADDER_RATIO = 2.0  # of the threshold from rung to rung
LADDER_RUNGS = 2
COVERAGE_FLOOR = 0.93  # a bound that covers less may not confirm


@dataclass(frozen=True)
class ShortfallBound:
    """Expected shortfall, its upper bound, and the coverage that simulation found for such a bound."""

    value: float
    bound: float
    standard_error: float
    coverage: float
    tail_paths: int


def shortfall_bound(losses: PerPath, level: float, confidence: float) -> ShortfallBound | None:
    """The upper bound of ES at `level`, or None where no bound is known to cover: the ladder must decide then.

    None when fewer than 50 tail paths have a loss at all (rare losses: the observed tail says nothing about the size of
    those not seen), when the tail is heavier than the reference law's, or when paths are weighted. Raises TooFewPaths
    below 50 tail paths.
    """
    if losses.weight is not None:
        return None
    value, error, tail = tail_mean(losses, level)
    m = tail.size
    if tail[-1] <= 0 or m < TAIL_PATHS or hill(tail) > REFERENCE_TAIL + 2 * REFERENCE_TAIL / math.sqrt(m):
        return None
    factor, coverage = _factor(m, losses.paths, confidence)
    allowed = 1 - (1 - COVERAGE_FLOOR) / 0.05 * (1 - confidence)  # 93 % at 95 %, in proportion elsewhere
    return ShortfallBound(value, value + factor * error, error, coverage, m) if coverage >= allowed else None


def hill(tail: np.ndarray) -> float:
    """Hill's estimate of 1 / tail index from the values of a positive tail, worst first (Hill 1975)."""
    return float(np.mean(np.log(tail[:-1] / tail[-1])))


@cache
def _factor(m: int, paths: int, confidence: float) -> tuple[float, float]:
    """What multiplies the standard error, from the reference tail, and the coverage it then has on three other tails."""
    short = _shortfalls_in_errors(m, paths, REFERENCE_TAIL, 0)
    factor = float(np.quantile(short, confidence))
    others = [_shortfalls_in_errors(m, paths, xi, 1 + i) for i, xi in enumerate((0.25, 1 / 3, REFERENCE_TAIL))]
    return factor, min(float(np.mean(short <= factor)) for short in others)


def _shortfalls_in_errors(m: int, paths: int, xi: float, purpose: int, repeats: int = 4000) -> np.ndarray:
    """(true - estimated) / standard error of ES in `repeats` samples of a Pareto tail with index 1 / xi, [repeat]."""
    draws = np.random.Generator(np.random.Philox(key=[m, paths * 8 + purpose]))
    spacings = np.cumsum(draws.exponential(size=(repeats, m)), axis=1)
    uniform = spacings / (spacings[:, -1] + draws.gamma(paths + 1 - m, size=repeats))[:, None]  # least m of `paths` uniforms
    tail = (uniform * paths / m) ** -xi  # value at risk is 1, so the true shortfall is 1 / (1 - xi)
    value, level = tail.mean(axis=1), 1 - m / paths
    error = np.sqrt((tail.var(axis=1, ddof=1) + level * (value - tail[:, -1]) ** 2) / m)
    return (1 / (1 - xi) - value) / error


@dataclass(frozen=True)
class Rung:
    """One step of a ladder: P(loss > threshold) <= probability."""

    threshold: float
    probability: float


def ladder(limit: float, level: float) -> tuple[Rung, ...]:
    """Bounds of P(loss > l) that imply ES at `level` <= `limit`, if the tail beyond the last is no heavier than Pareto 3.

    With rungs b, 2b, ... and probabilities (1 - level) 2^(-3i), the tail integral is at most
    (1 - level) b [1 + sum_i 2^i 2^(-3i) + last (2^m) 2^(-3(m-1)) / 2], and b makes it equal to (1 - level) `limit`.
    """
    index, r, m = 1 / LADDER_TAIL, LADDER_RATIO, LADDER_RUNGS
    share = [r ** (-index * i) for i in range(m)]
    weight = 1 + math.fsum(share[i] * r**i * (r - 1) for i in range(m)) + share[-1] * r**m / (index - 1)
    return tuple(Rung(limit / weight * r**i, (1 - level) * share[i]) for i in range(m))
