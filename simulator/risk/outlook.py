"""How far a condition is from being confirmed, and what its chances are: for search and selection, never for a verdict.

Three uses that must not be mixed: an exact bound confirms (`judgement.judge`), `pass_chance` guesses what that bound will
say (selection), and `violation` is a continuous tail quantity (search), because counting failures on few paths ranks
candidates by luck.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from simulator.risk import measures, planner, weights
from simulator.risk.appetite import ExpectedShortfallLimit, ProbabilityLimit
from simulator.risk.judgement import Condition, largest_of_rare, shares, whole_of
from simulator.risk.measures import TAIL_PATHS, PerPath
from simulator.risk.planner import Proof
from simulator.risk.shortfall import ladder, shortfall_bound

if TYPE_CHECKING:
    from simulator.outcomes import Outcomes

LEAST_SCALE = 1e-6  # share of a denominator that stands for a threshold of zero


def violation(
    condition: Condition, outcomes: Outcomes, frozen: Mapping[str, float], proof: Proof, lenience: float = 1.0
) -> float:
    """How far the condition is from being confirmed as `proof` demands, relative to its threshold: <= 0 is good, -1 no loss.

    Continuous in the losses. For a probability limit it is the quantile at the failure rate that is confirmed with the
    proof's power; for a mean or an expected shortfall the value plus its error as confirmation will have it.
    `lenience` multiplies that rate (and its root the other thresholds): what few paths cannot tell from 1 may be worth more.
    """
    sample, limit = shares(condition, outcomes, frozen), condition.limit
    if isinstance(limit, ProbabilityLimit):
        return _beyond(sample, limit.threshold, lenience * proof.rate(limit.probability))
    if isinstance(limit, ExpectedShortfallLimit):
        value = _worst(sample, limit.level)
        if value is None:  # losses rarer than the tail: the ladder will decide
            rungs = ladder(limit.limit, limit.level)
            return max(_beyond(sample, rung.threshold, lenience * proof.rate(rung.probability)) for rung in rungs)
        scale = limit.limit / 1.25 * math.sqrt(lenience)  # the bound stands about a quarter above the estimate
    else:
        estimate = measures.mean(sample)
        value = estimate.value + 2 * estimate.standard_error * math.sqrt(sample.paths / proof.paths)
        scale = limit.limit * math.sqrt(lenience)
    return (value - scale) / max(scale, LEAST_SCALE)


def _beyond(sample: PerPath, threshold: float, rate: float) -> float:
    """The loss that a share `rate` of paths exceeds, relative to the threshold that it must not."""
    value = planner.exceeded_by(sample, rate)
    return (value - threshold) / max(threshold, LEAST_SCALE)


def _worst(sample: PerPath, level: float) -> float | None:
    """The mean of the worst `1 - level` share of paths; None where not all of them have a loss."""
    if sample.weight is not None:
        least = weights.exceeded_by(sample.value, sample.weight, 1 - level)
        return weights.expected_shortfall(sample.value, sample.weight, level)[0] if least > 0 else None
    tail = planner.upper_values(sample, measures.tail_count(sample.paths, level))
    return math.fsum(tail.tolist()) / tail.size if tail[0] > 0 else None


def pass_chance(condition: Condition, outcomes: Outcomes, frozen: Mapping[str, float], proof: Proof) -> float:
    """The chance that the condition is confirmed on the proof's fresh paths, over all that these paths leave open."""
    from scipy.special import ndtr, ndtri

    sample, limit = shares(condition, outcomes, frozen), condition.limit
    if isinstance(limit, ProbabilityLimit):
        return _chance_of_probability(sample, limit.threshold, limit.probability, proof)
    if isinstance(limit, ExpectedShortfallLimit):
        rungs = ladder(limit.limit, limit.level)
        climbs = min(_chance_of_probability(sample, r.threshold, r.probability, proof) for r in rungs)
        try:
            bounded = shortfall_bound(sample, limit.level, proof.confidence)
        except measures.TooFewPaths:
            return climbs
        if bounded is None:
            return climbs
        value, error, ceiling = bounded.value, bounded.standard_error, limit.limit
        reach = (bounded.bound - bounded.value) / error if error else 0.0
    else:
        if (seen := sample.effective(sample.value != 0) * proof.paths / sample.paths) < TAIL_PATHS:
            often = measures.failure_bound(round(seen), proof.paths, proof.confidence)
            return float(often * largest_of_rare(sample, whole_of(limit)) <= limit.limit)
        estimate = measures.mean(sample)
        value, error, ceiling, reach = estimate.value, estimate.standard_error, limit.limit, float(ndtri(proof.confidence))
    later = error * math.sqrt(sample.paths / proof.paths)
    spread = math.hypot(error, later)
    return float(ndtr((ceiling - value - reach * later) / spread)) if spread else float(value <= ceiling)


def _chance_of_probability(sample: PerPath, threshold: float, limit: float, proof: Proof) -> float:
    beyond = sample.value > threshold
    failures, each = sample.effective(beyond), proof.weight
    if sample.weight is not None and failures > 0:  # as many failures of equal weight are worth as much
        each = float(np.sum(sample.weight[beyond])) / failures
    return planner.assurance(failures, sample.paths, proof.paths, min(1.0, limit / each), proof.confidence)
