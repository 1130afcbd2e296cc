"""Convergence in time: the key figures at the substep and at half of it, on the same market seeds.

A figure has not converged when its paired change is beyond both 3 standard errors and 10 % of its limit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from simulator.calibration.race import Question
from simulator.calibration.space import Point
from simulator.calibration.trials import Trials
from simulator.calibration.world import World
from simulator.risk import measures, planner
from simulator.risk.appetite import ExpectedShortfallLimit, ProbabilityLimit
from simulator.risk.judgement import Condition, shares
from simulator.risk.measures import PerPath

if TYPE_CHECKING:
    from simulator.outcomes import Outcomes

MOST_PATHS = 1000
SHARE_OF_LIMIT = 0.1
STANDARD_ERRORS = 3.0


@dataclass(frozen=True)
class KeyFigure:
    """One condition's figure at two substeps; `change` is fine - coarse, in the unit of `allowed`."""

    condition: str
    coarse: float
    fine: float
    change: float
    standard_error: float
    allowed: float

    @property
    def is_converged(self) -> bool:
        """Whether the change may be luck or is small against the limit."""
        return abs(self.change) <= max(STANDARD_ERRORS * self.standard_error, SHARE_OF_LIMIT * self.allowed)


@dataclass(frozen=True)
class Convergence:
    """The key figures of the candidate, and how they were compared."""

    substeps: tuple[int, int]
    paths: int
    figures: tuple[KeyFigure, ...]

    @property
    def is_converged(self) -> bool:
        """Whether every figure is."""
        return all(figure.is_converged for figure in self.figures)

    @property
    def reasons(self) -> list[str]:
        """What is not converged, one line each."""
        return [
            f"not converged: {figure.condition} is {figure.coarse:.6g} at the substep and {figure.fine:.6g} at half of it"
            for figure in self.figures
            if not figure.is_converged
        ]


def convergence(world: World, trials: Trials, question: Question, point: Point, coarse: Outcomes) -> Convergence:
    """Run the candidate at half the substep on the first confirmation paths and compare."""
    paths = min(MOST_PATHS, len(coarse))
    finer = world.with_substeps(2 * world.substeps)
    fine = trials.outcomes(
        finer, "half-substep", question.plan.purpose, [point], paths, question.columns, "confirmation, half the substep"
    )[0]
    trials.insist(point)
    figures = tuple(_figure(one, coarse, fine, question.frozen) for one in question.conditions)
    return Convergence((world.substeps, finer.substeps), paths, figures)


def _figure(condition: Condition, coarse: Outcomes, fine: Outcomes, frozen: dict[str, float]) -> KeyFigure:
    after = shares(condition, fine, frozen)
    before = shares(condition, coarse, frozen)
    before = before.first(after.paths)
    limit = condition.limit
    if isinstance(limit, ProbabilityLimit):
        before, after = (side.having((side.value > limit.threshold).astype(float)) for side in (before, after))
        allowed = limit.probability
    elif isinstance(limit, ExpectedShortfallLimit):
        before, after, allowed = *_tails(before, after, limit.level), limit.limit
    else:
        allowed = limit.limit
    change = measures.paired_difference(after, before)
    was, now = measures.mean(before).value, measures.mean(after).value
    return KeyFigure(condition.name, was, now, change.value, change.standard_error, allowed)


def _tails(before: PerPath, after: PerPath, level: float) -> tuple[PerPath, PerPath]:
    """Per path q + max(L - q, 0) / (1 - level), whose mean is the expected shortfall (Rockafellar & Uryasev 2000)."""
    q = planner.exceeded_by(before, 1 - level)
    tails = (side.having(q + np.maximum(side.value - q, 0.0) / (1 - level)) for side in (before, after))
    first, second = tails
    return first, second
