"""What an appetite says about outcomes: does each limit hold, by a bound that covers.

A *condition* is one limit in one window. Only these judgements confirm; search and selection look at it through
`simulator.risk.outlook`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from simulator.risk import measures, planner, weights
from simulator.risk.appetite import UNITS, ExpectedShortfallLimit, Limit, MeanLimit, ProbabilityLimit, RiskAppetite
from simulator.risk.measures import TAIL_PATHS, PerPath
from simulator.risk.shortfall import ladder, shortfall_bound

if TYPE_CHECKING:
    from simulator.outcomes import Outcomes

DENOMINATOR_COLUMNS = {
    "open-interest": "open_interest.whole",
    "borrowed": "borrowed.whole",
    "collateral": "collateral.whole",
    "fund": "fund_end.whole",
}


@dataclass(frozen=True)
class Condition:
    """One limit in one window; `position` is the limit's place in the appetite."""

    position: int
    limit: Limit
    window: str

    @property
    def column(self) -> str:
        """The column of Outcomes that is judged."""
        return f"{self.limit.quantity}.{self.window}"

    @property
    def name(self) -> str:
        """A short unique name, as in `2:probability:loss.steady`."""
        return f"{self.position + 1}:{self.limit.kind}:{self.column}"


@dataclass(frozen=True)
class Judgement:
    """What one condition says about one candidate: `passes` iff `bound` <= `allowed`, all in `unit`."""

    condition: str
    column: str
    method: str
    value: float
    low: float
    high: float
    bound: float
    allowed: float
    passes: bool
    unit: str
    paths: int
    confidence: float
    note: str = ""


def conditions(appetite: RiskAppetite) -> tuple[Condition, ...]:
    """Every limit of `appetite` in every window that it names."""
    return tuple(Condition(position, limit, window) for position, limit in enumerate(appetite.limits) for window in limit.windows)


def denominators(current: Outcomes, appetites: Iterable[RiskAppetite], accounts: int) -> dict[str, float]:
    """What shares are shares of [usd, or accounts], as means of `current`: frozen once, so that no candidate moves its own limit.

    Raises ValueError for a denominator that is not above 0.
    """
    needed = dict.fromkeys(limit.of for appetite in appetites for limit in appetite.limits)
    found: dict[str, float] = {of: _denominator(of, current, accounts) for of in needed}
    for of, dollars in found.items():
        if not dollars > 0:
            raise ValueError(f'a limit is a share of {of}, which is {dollars:g} under current parameters; use `of = "usd"`')
    return found


def _denominator(of: str, current: Outcomes, accounts: int) -> float:
    if of in UNITS:
        return 1.0
    if of == "accounts":
        return float(accounts)
    return measures.mean(PerPath.of(current, DENOMINATOR_COLUMNS[of])).value


def probabilities_to_prove(appetite: RiskAppetite) -> Iterator[float]:
    """The probability limits among the conditions of `appetite`, one for each window: what the planner has to prove."""
    for condition in conditions(appetite):
        if isinstance(condition.limit, ProbabilityLimit):
            yield condition.limit.probability


def shortfall_paths(appetite: RiskAppetite, tails: int) -> int:
    """The paths that give every expected shortfall `tails` times the tail it needs; 0 without such limits."""
    levels = [limit.level for limit in appetite.limits if isinstance(limit, ExpectedShortfallLimit)]
    return max((math.ceil(tails * TAIL_PATHS / (1 - level) - 1e-9) for level in levels), default=0)


def mean_paths(appetite: RiskAppetite, confidence: float) -> int:
    """The paths that prove every mean limit of a share even where nothing is seen; 0 without such limits."""
    found = [limit.limit for limit in appetite.limits if isinstance(limit, MeanLimit) and limit.of != "usd"]
    return max((planner.zero_failure_paths(limit, confidence) for limit in found if 0 < limit < 1), default=0)


def shares(condition: Condition, outcomes: Outcomes, frozen: Mapping[str, float]) -> PerPath:
    """The condition's quantity as a share of its frozen denominator, one value a path."""
    return PerPath.of(outcomes, condition.column).scaled(1 / frozen[condition.limit.of])


def judge(condition: Condition, outcomes: Outcomes, frozen: Mapping[str, float], confidence: float) -> Judgement:
    """Whether the condition holds at `confidence` on these paths. Never raises for too few paths: it does not pass then."""
    sample, limit = shares(condition, outcomes, frozen), condition.limit
    if isinstance(limit, ProbabilityLimit):
        return _judge_probability(condition, limit, sample, confidence)
    if isinstance(limit, ExpectedShortfallLimit):
        return _judge_shortfall(condition, limit, sample, confidence)
    return _judge_mean(condition, limit, sample, confidence)


def _judge_probability(condition: Condition, limit: ProbabilityLimit, sample: PerPath, confidence: float) -> Judgement:
    estimate = measures.probability(sample, limit.threshold, confidence)
    bound = measures.exceedance_bound(sample, limit.threshold, confidence)
    method, note = "Clopper-Pearson", ""
    if sample.weight is not None:
        method, note = _weighted_method(sample, sample.value > limit.threshold, confidence)
    return Judgement(
        condition.name, condition.column, method, estimate.value, estimate.low, estimate.high,
        bound, limit.probability, bound <= limit.probability, "probability", sample.paths, confidence, note,
    )  # fmt: skip


def _weighted_method(sample: PerPath, beyond: np.ndarray, confidence: float) -> tuple[str, str]:
    """How the bound of a probability was found on weighted paths, and what it rests on."""
    assert sample.weight is not None
    found = f"{sample.effective(beyond):,.1f} effective paths beyond, of {sample.paths:,} weighted ones"
    exact = weights.exact_bound(beyond, sample.weight, confidence)
    return "weighted paths, gamma bound", f"{found}; were unseen paths as heavy as any, at most {exact:.3g}"


def _judge_mean(condition: Condition, limit: MeanLimit, sample: PerPath, confidence: float) -> Judgement:
    two_sided = measures.mean(sample, confidence)
    bound, method = mean_bound(sample, confidence, whole_of(limit))
    method = method if sample.weight is None else f"weighted paths, {method}"
    return Judgement(
        condition.name, condition.column, method, two_sided.value, two_sided.low, two_sided.high,
        bound, limit.limit, bound <= limit.limit, limit.of, sample.paths, confidence,
    )  # fmt: skip


def mean_bound(sample: PerPath, confidence: float, whole: float = 1.0) -> tuple[float, str]:
    """Upper bound of a mean, and how it was found.

    Student-t where at least 50 paths are not zero. Rarer values say too little about their own size: then the
    Clopper-Pearson bound of their frequency times the larger of `whole` and the largest value seen.
    """
    some = sample.value != 0
    if sample.effective(some) >= TAIL_PATHS:
        return measures.mean(sample, 2 * confidence - 1).high, "Student-t"
    often = measures.exceedance_bound(sample.having(some.astype(float)), 0.0, confidence)
    return often * largest_of_rare(sample, whole), f"frequency of {int(some.sum())} paths that are not zero"


def largest_of_rare(sample: PerPath, whole: float) -> float:
    """The most that a value of which few are seen is taken to be: `whole`, or the largest seen."""
    return max(whole, float(sample.value.max()))


def whole_of(limit: MeanLimit) -> float:
    """The most that a rare value is taken to be: the whole denominator, or 1; dollars have none."""
    return math.inf if limit.of == "usd" else 1.0


def _judge_shortfall(condition: Condition, limit: ExpectedShortfallLimit, sample: PerPath, confidence: float) -> Judgement:
    try:
        estimate = measures.expected_shortfall(sample, limit.level, confidence)
    except measures.TooFewPaths as problem:
        return Judgement(
            condition.name, condition.column, "none", math.nan, -math.inf, math.inf, math.inf, limit.limit, False,
            limit.of, sample.paths, confidence, str(problem),
        )  # fmt: skip
    bounded = shortfall_bound(sample, limit.level, confidence)
    if bounded is not None:
        method, bound = "bound of simulated coverage", bounded.bound
        passes, note = bound <= limit.limit, f"coverage {bounded.coverage:.3f} with {bounded.tail_paths} tail paths"
    else:
        method = "ladder of probabilities" if sample.weight is None else "weighted paths, ladder of probabilities"
        passes, bound, note = _climb(limit, sample, confidence)
        bound = max(bound, estimate.value)  # a ladder with steep rungs may end below what was seen
    return Judgement(
        condition.name, condition.column, method, estimate.value, estimate.low, estimate.high,
        bound, limit.limit, passes, limit.of, sample.paths, confidence, note,
    )  # fmt: skip


def _climb(limit: ExpectedShortfallLimit, sample: PerPath, confidence: float) -> tuple[bool, float, str]:
    """Whether every rung holds, the least limit whose ladder would hold, and the rungs in words."""
    rungs = ladder(limit.limit, limit.level)
    found = [measures.exceedance_bound(sample, rung.threshold, confidence) for rung in rungs]
    needed = [planner.confirmable_threshold(sample, rung.probability, confidence) / rung.threshold for rung in rungs]
    words = "; ".join(
        f"P(> {rung.threshold:.6g}) <= {bound:.3g}, needs {rung.probability:.3g}"
        for rung, bound in zip(rungs, found, strict=True)
    )
    passes = all(bound <= rung.probability for bound, rung in zip(found, rungs, strict=True))
    bound = max(0.0, *needed) * limit.limit
    return passes, bound, f"{words}; beyond the last rung a Pareto tail of index 3 is assumed"
