"""Confirmation: one candidate, once, on paths and in worlds that no earlier stage saw.

Every limit must pass by itself in every gating world at the confidence of the look. Three verdicts: "confirmed";
"risk-reducing step", when limits fail but the loss is lower than under current parameters by paired tests on the same
paths; "no proposal", with reasons.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from simulator.calibration.convergence import Convergence, convergence
from simulator.calibration.plan import ConfirmationPlan, appetite_in, gating_worlds, reported_worlds
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

REPORTED_PATHS = 1000  # in worlds that decide nothing
CONFIRMED, REDUCING, NONE = "confirmed", "risk-reducing step", "no proposal"


@dataclass(frozen=True)
class InWorld:
    """Candidate and current parameters in one world, on the same paths."""

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
    question = replace(question, plan=plan)
    pair = [point, trials.space.current_point]
    ran: dict[str, tuple[Outcomes, Outcomes]] = {}
    intervals: dict[str, Interval] = {}

    def run(label: str, place: World, gates: bool) -> tuple[Outcomes, Outcomes]:
        columns = "" if label in (HEADLINE, "point-parameters") else question.columns
        paths = plan.paths if gates else min(plan.paths, REPORTED_PATHS)
        found = trials.outcomes(place, label, plan.purpose, pair, paths, columns, f"confirmation, {label}")
        trials.insist(point)
        ran[label], intervals[label] = (found[0], found[1]), interval_of(place)
        return ran[label]

    worlds = [
        _in_world(label, gates, place, question, *run(label, place, gates))
        for gates, places in ((True, gating_worlds(world)), (False, reported_worlds(world)))
        for label, place in places
    ]
    finer = convergence(world, trials, question, point, ran[HEADLINE][0])
    improvement = improve(*ran[HEADLINE], plan.confidence)
    verdict, reasons = judge_worlds(worlds, finer, improvement)
    score, error = question.score(point, *ran[HEADLINE])
    shown = {label: ran[label] for label, _ in reported_worlds(world)}
    return Confirmation(
        plan=plan,
        point=point,
        worlds=tuple(worlds),
        convergence=finer,
        improvement=improvement,
        score=score,
        score_error=error,
        intervals=intervals,
        outcomes=ran[HEADLINE],
        reported=shown,
        verdict=verdict,
        reasons=tuple(reasons),
    )


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


def _in_world(label: str, gates: bool, place: World, question: Question, candidate: Outcomes, current: Outcomes) -> InWorld:
    asked = conditions(appetite_in(place, question.world))
    confidence = question.plan.confidence
    change = measures.paired_difference(PerPath.of(candidate, "loss.whole"), PerPath.of(current, "loss.whole"), confidence)
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
