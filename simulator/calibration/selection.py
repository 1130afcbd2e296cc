"""Selection: a few finalists and current parameters on fresh paths; the one that goes to confirmation, and why.

Between the best finalist that is ready and the likeliest of those with a higher score a few more are tried, by bisection,
and changes that the best one does not need are taken back. Who leads is judged in full (`readiness`) before it may stay there.

The rule: of those that will be confirmed with at least 80 % probability, the best score. Where current parameters keep the
limits, a look that fails leaves everything as it was: then the greatest score times probability of those more likely to be
confirmed than not. If there is none, the one most likely to be confirmed; it may still prove to be a step that reduces risk.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from simulator.calibration.plan import asked
from simulator.calibration.race import Question
from simulator.calibration.readiness import PURPOSE, chance, chance_in_full
from simulator.calibration.search import Found
from simulator.calibration.space import Point, SearchSpace
from simulator.calibration.trials import Trials
from simulator.calibration.world import HEADLINE, World
from simulator.risk import measures
from simulator.risk.judgement import Judgement, judge
from simulator.risk.measures import Estimate, PerPath
from simulator.risk.outlook import violation
from simulator.risk.planner import POWER

EVEN = 0.5  # chance that is enough where current parameters keep the limits
BEST_SCORE = "the best score among those likely to pass every limit"
BEST_EXPECTED = "the greatest score times chance to pass, among those more likely than not to pass every limit"
REFINEMENTS = 4  # candidates between the ready and the better, one after the other


@dataclass(frozen=True)
class Finalist:
    """One candidate on the selection paths. `chance`: of passing every condition, of every gating world once judged in full."""

    point: Point
    paths: int
    score: float
    score_error: float
    chance: float
    excess: float  # sum of positive violations
    judgements: tuple[Judgement, ...]
    loss_change: Estimate  # [usd] loss.whole against current parameters, paired
    is_current: bool = False
    wanted: float = POWER  # the chance from which on it is ready
    in_full: bool = False  # whether `chance` rests on all that may be looked at before confirmation

    @property
    def is_ready(self) -> bool:
        """Whether confirmation will probably succeed."""
        return self.chance >= self.wanted

    @property
    def worth(self) -> float:
        """What those that are ready are chosen by: the score; where less than 80 % is wanted, what is expected of it."""
        return self.score if self.wanted >= POWER or self.score < 0 else self.score * self.chance


@dataclass(frozen=True)
class Selection:
    """The finalists in the order of choice; `chosen` is None where nothing is worth a look at fresh paths, with `reason`."""

    finalists: tuple[Finalist, ...]
    current: Finalist
    chosen: Finalist | None
    reason: str


def select(world: World, trials: Trials, found: Found) -> Selection:
    """Run finalists and current parameters on the selection paths, close in on the edge of what is ready, and choose."""
    space = trials.space
    current = space.current_point
    points = [point for point in dict.fromkeys(t.point for t in (*found.finalists, *found.front)) if point != current]
    *ours, theirs = finalists_on_selection(world, trials, found.question, [*points, current], "selection")
    theirs = _in_full(world, trials, found.question, theirs)
    wanted, leading = EVEN if theirs.is_ready else POWER, found.question.plan.alternatives
    ours = [replace(one, wanted=wanted) for one in ours]
    ordered = _led_by_ready(world, trials, found.question, ours, leading)
    for number in range(REFINEMENTS):
        halfway = _halfway(space, [*ordered, theirs])
        if halfway is None:
            break
        stage = f"selection, refinement {number + 1} of {REFINEMENTS}"
        tried = finalists_on_selection(world, trials, found.question, [halfway], stage)
        more = [replace(one, wanted=wanted) for one in tried]
        ordered = _led_by_ready(world, trials, found.question, [*ordered, *more], leading)
    if ordered and ordered[0].is_ready:
        simplest = _simplified(world, trials, found.question, ordered)
        ordered = [simplest, *(one for one in ordered if one is not simplest)]
    return _choose(tuple(ordered), theirs)


def _in_full(world: World, trials: Trials, question: Question, one: Finalist) -> Finalist:
    """The same, judged in full; who is unlikely to be ready is not worth the paths."""
    if one.in_full or one.chance < 1 - POWER:
        return one
    return replace(one, chance=chance_in_full(world, trials, question, one.point, one.wanted), in_full=True)


def _led_by_ready(world: World, trials: Trials, question: Question, finalists: Sequence[Finalist], count: int) -> list[Finalist]:
    """`finalists` in the order of preference, of whom the first `count` were judged in full, if that is worth it."""
    ordered = sorted(finalists, key=_preference)
    while (judged := [_in_full(world, trials, question, one) for one in ordered[:count]]) != ordered[:count]:
        ordered = sorted([*judged, *ordered[count:]], key=_preference)
    return ordered


def alternatives(selection: Selection, count: int) -> list[Point]:
    """The chosen point, and the next best of those that are ready, `count` in all where there are so many."""
    assert selection.chosen is not None
    ready = [one.point for one in selection.finalists if one.is_ready and not one.is_current]
    return list(dict.fromkeys([selection.chosen.point, *ready]))[:count]


def _simplified(world: World, trials: Trials, question: Question, ordered: list[Finalist]) -> Finalist:
    """The best finalist, less every change that its worth and readiness do not need: a vote changes no more than it must.

    New candidates are added to `ordered`.
    """
    best, space = ordered[0], trials.space
    for i, was in enumerate(space.current_point):
        point = (*best.point[:i], was, *best.point[i + 1 :])
        if best.point[i] == was or point == space.current_point or space.parameters(point) is None:
            continue
        known = [one for one in ordered if one.point == point]
        tried = known or finalists_on_selection(world, trials, question, [point], "selection, simpler")
        simpler = known or [replace(one, wanted=best.wanted) for one in tried]
        ordered += [one for one in simpler if one not in known]
        # Scores are paired with the same current paths, so their errors bound what chance can tell apart.
        noise = 2 * max(one.score_error for one in (best, *simpler))
        if simpler and _as_good(simpler[0], best, noise):
            judged = _in_full(world, trials, question, simpler[0])
            ordered[ordered.index(simpler[0])] = judged
            best = judged if _as_good(judged, best, noise) else best
    return best


def _as_good(one: Finalist, best: Finalist, noise: float) -> bool:
    return one.is_ready and one.worth >= best.worth - noise


def _halfway(space: SearchSpace, finalists: list[Finalist]) -> Point | None:
    """The grid point between the best that is ready and the likeliest that scores higher; None if it is not new."""
    ready = [one for one in finalists if one.is_ready]
    if not ready:
        return None
    best = max(ready, key=lambda one: (one.worth, one.point))
    higher = [one for one in finalists if not one.is_ready and one.score > best.score]
    seen = {one.point for one in finalists}
    for other in sorted(higher, key=lambda one: (-one.chance, -one.score, one.point)):
        point = space.round(tuple((a + b) / 2 for a, b in zip(best.point, other.point, strict=True)))
        if point not in seen and space.parameters(point) is not None:
            return point
    return None


def finalists_on_selection(
    world: World, trials: Trials, question: Question, points: list[Point], stage: str, *, beside: bool = False
) -> list[Finalist]:
    """`points` on the selection paths, each against current parameters on the same paths; failed ones left out."""
    _, settings = asked(world)
    current = trials.space.current_point
    wanted = [*points, current]
    found = trials.outcomes(world, HEADLINE, PURPOSE, wanted, settings.selection_paths, question.columns, stage, beside=beside)
    baseline, plan = found[-1], question.plan
    rows = []
    for point, outcomes in zip(points, found, strict=False):
        if point in trials.failures:
            continue
        apart = [violation(one, outcomes, question.frozen, plan.proof) for one in question.conditions]
        score, error = question.score(point, outcomes, baseline)
        rows.append(
            Finalist(
                point=point,
                paths=len(outcomes.path),
                score=score,
                score_error=error,
                chance=chance(world, question, outcomes),
                excess=math.fsum(max(0.0, value) for value in apart),
                judgements=tuple(judge(one, outcomes, question.frozen, plan.confidence) for one in question.conditions),
                loss_change=measures.paired_difference(
                    PerPath.of(outcomes, "loss.whole"), PerPath.of(baseline, "loss.whole"), plan.confidence
                ),
                is_current=point == current,
            )
        )
    return rows


def _preference(one: Finalist) -> tuple[float, float, float, Point]:
    """Sorts what should be confirmed first."""
    if one.is_ready:
        return 0.0, -one.worth, one.excess, one.point
    return 1.0, -one.chance, one.excess, one.point


def _choose(ordered: tuple[Finalist, ...], current: Finalist) -> Selection:
    def nothing(reason: str) -> Selection:
        return Selection(ordered, current, None, reason)

    if not ordered:
        return nothing("the search found no valid candidate other than current parameters")
    best = ordered[0]
    if current.is_ready and not (best.is_ready and best.score > 2 * best.score_error):
        return nothing("no candidate within the limits is clearly better than current parameters, which keep the limits")
    if best.is_ready:
        return Selection(ordered, current, best, BEST_SCORE if best.wanted >= POWER else BEST_EXPECTED)
    if best.chance < 1 - POWER:
        reducing = sorted((one for one in ordered if one.loss_change.high < 0), key=lambda one: (one.excess, -one.score))
        if not reducing:
            return nothing("no finalist is likely to pass every limit, and none reduces loss clearly")
        return Selection(ordered, current, reducing[0], "no finalist is likely to pass every limit; this one reduces risk most")
    return Selection(ordered, current, best, "the one most likely to pass every limit")
