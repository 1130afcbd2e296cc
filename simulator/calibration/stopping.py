"""Stopping losers: a candidate is given up for good only when its own paths prove that it breaks a limit.

Every candidate is looked at several times, at each rung of the race, and each limit by itself. A test at 5 % that is made
again and again stops far more than 5 % of the good: so the error is spent over the looks. Each rung and each condition has
an equal share of `ERROR`, and a candidate that keeps all its limits is stopped with a probability of at most `ERROR` over
the whole race, however the looks and the conditions depend on each other (Bonferroni).

The tests: exact (Clopper & Pearson 1934) for a probability; for an expected shortfall, the exact test that its quantile is
beyond the limit already; for a mean, the empirical Bernstein bound (Maurer & Pontil 2009, theorem 4) of values cut off at
`CUT` limits, which is below the mean whatever the tail.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from simulator.risk.appetite import ExpectedShortfallLimit, MeanLimit, ProbabilityLimit
from simulator.risk.judgement import Condition, shares
from simulator.risk.measures import PerPath, failure_floor
from simulator.risk.weights import MOST_WEIGHT

if TYPE_CHECKING:
    from simulator.outcomes import Outcomes

ERROR = 0.05  # chance that a race stops a candidate which keeps every limit
CUT = 20.0  # limits: where values are cut off, so that a lower bound of their mean exists


def broken(
    conditions: Iterable[Condition], outcomes: Outcomes, frozen: Mapping[str, float], looks: int, error: float = ERROR
) -> str:
    """The first condition that these paths prove broken, or nothing: one of `looks` looks at `error` in all."""
    asked = tuple(conditions)
    level = error / (looks * len(asked))
    return next((one.name for one in asked if is_broken(one, outcomes, frozen, level)), "")


def is_broken(condition: Condition, outcomes: Outcomes, frozen: Mapping[str, float], level: float) -> bool:
    """Whether the condition is proven broken, with a chance of at most `level` to say so of one that holds."""
    sample, limit = shares(condition, outcomes, frozen), condition.limit
    if isinstance(limit, ProbabilityLimit):
        return exceeds_more_often(sample, limit.threshold, limit.probability, level)
    if isinstance(limit, ExpectedShortfallLimit):
        return exceeds_more_often(sample, limit.limit, 1 - limit.level, level)
    return _has_larger_mean(sample, limit, level)


def exceeds_more_often(sample: PerPath, threshold: float, rate: float, level: float) -> bool:
    """Whether these paths prove P(value > threshold) > rate; of weighted ones by the bound of a mean of bounded values."""
    beyond = sample.value > threshold
    if sample.weight is not None:
        return mean_floor(np.where(beyond, sample.weight, 0.0), MOST_WEIGHT, level) > rate
    return is_more_frequent(int(beyond.sum()), sample.paths, rate, level)


def is_more_frequent(failures: int, paths: int, rate: float, level: float) -> bool:
    """Whether `failures` of `paths` prove a true rate above `rate`."""
    return failure_floor(failures, paths, 1 - level) > rate


def _has_larger_mean(sample: PerPath, limit: MeanLimit, level: float) -> bool:
    """Whether the mean of values that cannot be negative is proven above the limit."""
    if limit.limit == 0 or sample.paths < 2 or sample.value.min() < 0:
        return False
    top = CUT * limit.limit
    kept = np.minimum(sample.value, top)
    if sample.weight is not None:
        kept, top = sample.weight * kept, MOST_WEIGHT * top
    return mean_floor(kept, top, level) > limit.limit


def mean_floor(sample: np.ndarray, top: float, level: float) -> float:
    """A lower bound of the mean of values in [0, top]: mean - sqrt(2 V log(2/level) / n) - 7 top log(2/level) / (3 (n - 1))."""
    n, told = sample.size, math.log(2 / level)
    return float(sample.mean() - math.sqrt(2 * sample.var(ddof=1) * told / n) - 7 * top * told / (3 * (n - 1)))
