"""Confirmation: one candidate, once, on paths and in worlds that no earlier stage saw.

Every limit must pass by itself in every gating world at the confidence of the look. A world in which all pass on the paths
of the first stage is done; the others go on to all paths. Three verdicts: "confirmed";
"risk-reducing step", when limits fail but the loss is lower than under current parameters by paired tests on the same
paths; "no proposal", with reasons.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from simulator.calibration.convergence import Convergence, convergence
from simulator.calibration.plan import ConfirmationPlan, Stage, appetite_in, gating_worlds, reported_worlds
from simulator.calibration.race import Question
from simulator.calibration.space import Point
from simulator.calibration.trials import Trials
from simulator.calibration.world import HEADLINE, World
from simulator.risk import measures, weights
from simulator.risk.judgement import Judgement, conditions, judge
from simulator.risk.measures import Estimate, PerPath
from simulator.risk.metrics import Interval

if TYPE_CHECKING:
    from simulator.outcomes import Outcomes

REPORTED_PATHS = 500  # in worlds that decide nothing
CONFIRMED, REDUCING, NONE = "confirmed", "risk-reducing step", "no proposal"


@dataclass(frozen=True)
class InWorld:
    """Candidate and current parameters in one world, on the same paths as far as current parameters were run."""

    label: str
    gates: bool
    candidate: tuple[Judgement, ...]
    current: tuple[Judgement, ...]
    loss_change: Estimate  # [usd] loss.whole, paired
    weighted: str = ""  # what weighted paths are worth; empty of plain ones

    @property
    def passes(self) -> bool:
        """Whether every limit passes."""
        return all(judgement.passes for judgement in self.candidate)


@dataclass(frozen=True)
class Confirmation:
    """What one look found. `outcomes`: (candidate, current) of the headline, every column."""

    plan: ConfirmationPlan
    point: Point
    worlds: tuple[InWorld, ...]
    convergence: Convergence
    improvement: Improvement
    score: float
    score_error: float
    intervals: dict[str, Interval]  # what the intervals of each world cover
    outcomes: tuple[Outcomes, Outcomes]
    reported: dict[str, tuple[Outcomes, Outcomes]]  # worlds shown beside the headline
    verdict: str
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Improvement:
    """Paired tests of loss.whole against current parameters: the mean by Student-t, the direction by the exact sign test.

    Both must speak at `confidence`: the mean alone is misled by rare large losses, the sign alone by their size. On weighted
    paths the direction is tested by the normal law of the mean of weight x sign.
    """

    mean_bound: float  # [usd] one-sided upper bound of the mean difference
    better: int  # paths with a lower loss
    worse: int
    sign_level: float  # chance of so many better paths if better and worse were equally likely
    confidence: float

    @property
    def is_proven(self) -> bool:
        """Whether the loss is lower beyond doubt."""
        return self.mean_bound < 0 and self.sign_level <= 1 - self.confidence


def confirm(world: World, trials: Trials, question: Question, plan: ConfirmationPlan, point: Point) -> Confirmation:
    """Look once. Everything comes through the record, so a resumed look is the same look."""
    look = _Look(world, trials, replace(question, plan=plan), point)
    gating, judged = dict(gating_worlds(world)), dict[str, InWorld]()
    for stage in plan.stages:
        for label, place in gating.items():
            if label not in judged or not judged[label].passes:
                judged[label] = look.at(label, place, stage, gates=True)
    seen = plan.stages[0]
    if not all(one.passes for one in judged.values()) or len(look.ran[HEADLINE][0]) > seen.paths:
        seen = plan.stages[-1]
        look.run(HEADLINE, world, seen.paths, seen.paths)  # the paired tests of a step that reduces risk need all paths
    shown = dict(reported_worlds(world))
    few = Stage(min(plan.paths, REPORTED_PATHS), plan.confidence)
    worlds = [*judged.values(), *(look.at(label, place, few, gates=False) for label, place in shown.items())]
    finer = convergence(world, trials, look.question, point, look.ran[HEADLINE][0])
    improvement = improve(*look.ran[HEADLINE], seen.confidence)
    verdict, reasons = judge_worlds(worlds, finer, improvement)
    score, error = question.score(point, *look.ran[HEADLINE])
    return Confirmation(
        plan=plan,
        point=point,
        worlds=tuple(worlds),
        convergence=finer,
        improvement=improvement,
        score=score,
        score_error=error,
        intervals=look.intervals,
        outcomes=look.ran[HEADLINE],
        reported={label: look.ran[label] for label in shown},
        verdict=verdict,
        reasons=tuple(reasons),
    )


@dataclass(frozen=True)
class _Look:
    """The runs of one look: (candidate, current) of every world, and what intervals cover there."""

    world: World
    trials: Trials
    question: Question
    point: Point
    ran: dict[str, tuple[Outcomes, Outcomes]] = field(default_factory=dict)
    intervals: dict[str, Interval] = field(default_factory=dict)

    def at(self, label: str, place: World, stage: Stage, *, gates: bool) -> InWorld:
        """The world at one stage. Of those that decide, only the headline, for its paired tests, has current parameters beyond
        the first."""
        first = self.question.plan.stages[0].paths
        theirs = stage.paths if label == HEADLINE or not gates else min(stage.paths, first)
        pair = self.run(label, place, stage.paths, theirs)
        return _in_world(label, gates, place, self.question, stage.confidence, *pair)

    def run(self, label: str, place: World, paths: int, current_paths: int) -> tuple[Outcomes, Outcomes]:
        """The candidate on `paths` fresh paths, and current parameters on the first `current_paths` of them."""
        plan, current = self.question.plan, self.trials.space.current_point
        columns = "" if label in (HEADLINE, "point-parameters") else self.question.columns
        cuts = [stage.paths for stage in plan.stages]

        def ask(points: list[Point], count: int) -> list[Outcomes]:
            return self.trials.outcomes(place, label, plan.purpose, points, count, columns, f"confirmation, {label}", cuts)

        both = ask([self.point, current], current_paths)
        candidate = both[0] if paths == current_paths else ask([self.point], paths)[0]
        self.trials.insist(self.point)
        self.ran[label], self.intervals[label] = (candidate, both[1]), interval_of(place)
        return self.ran[label]


def confirm_together(
    world: World, trials: Trials, question: Question, plan: ConfirmationPlan, points: Sequence[Point]
) -> tuple[Confirmation, ...]:
    """Look once at several alternatives, on the same fresh paths, by Holm's step-down procedure (1979).

    All are judged at an equal share of the error; those that pass leave, and the rest share the error anew, until none
    passes. The chance that any unsafe alternative is confirmed stays at the error of the look.
    """
    found: dict[Point, Confirmation] = {}
    left = list(points)
    while left:
        step = plan.with_remaining(len(left))
        found |= {point: confirm(world, trials, question, step, point) for point in left}
        passed = [point for point in left if found[point].verdict == CONFIRMED]
        left = [point for point in left if point not in passed] if passed else []
    return tuple(found[point] for point in points)


def interval_of(place: World) -> Interval:
    """What an interval covers: "model" where market parameters are drawn for each path, otherwise "simulation"."""
    return "model" if place.has_parameter_law else "simulation"


def _in_world(
    label: str, gates: bool, place: World, question: Question, confidence: float, candidate: Outcomes, current: Outcomes
) -> InWorld:
    asked = conditions(appetite_in(place, question.world))
    before, after = PerPath.of(current, "loss.whole"), PerPath.of(candidate, "loss.whole")
    change = measures.paired_difference(after.first(before.paths), before, confidence)
    judged = [tuple(judge(one, side, question.frozen, confidence) for one in asked) for side in (candidate, current)]
    weighted = "" if candidate.weight is None else weights.in_words(candidate.weight)
    return InWorld(label, gates, judged[0], judged[1], change, weighted)


def improve(candidate: Outcomes, current: Outcomes, confidence: float) -> Improvement:
    """The paired tests of one world."""
    from scipy.special import bdtrc, ndtr

    change = PerPath.of(candidate, "loss.whole").minus(PerPath.of(current, "loss.whole"))
    better, worse = int((change.value < 0).sum()), int((change.value > 0).sum())
    level = float(bdtrc(better - 1.0, better + worse, 0.5)) if better else 1.0
    if change.weight is not None:
        signs = measures.mean(change.having(np.sign(change.value)))
        level = float(ndtr(signs.value / signs.standard_error)) if signs.standard_error else 1.0
    return Improvement(measures.mean(change, 2 * confidence - 1).high, better, worse, level, confidence)


def judge_worlds(worlds: Sequence[InWorld], finer: Convergence, improvement: Improvement) -> tuple[str, list[str]]:
    """The verdict and its reasons."""
    gating = [one for one in worlds if one.gates]
    failing = [
        f"{one.label}: {judgement.condition} has bound {judgement.bound:.6g} above {judgement.allowed:.6g}"
        for one in gating
        for judgement in one.candidate
        if not judgement.passes
    ]
    if not finer.is_converged:
        return NONE, [*failing, *finer.reasons]
    if not failing:
        return CONFIRMED, ["every limit passes in every gating world"]
    worse = [one.label for one in gating if one.loss_change.value > 0]
    if improvement.is_proven and not worse:
        return REDUCING, [*failing, "loss is lower than under current parameters, by paired tests on the confirmation paths"]
    why = f"mean loss is higher in {', '.join(worse)}" if worse else "a lower loss than under current parameters is not proven"
    return NONE, [*failing, why]
