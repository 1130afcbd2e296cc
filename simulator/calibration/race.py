"""The race: candidates on common search paths, where only the better ones get more, and what ranks them.

Candidates are ranked by their score where the continuous violations of all conditions are <= 0, and by the sum of
violations elsewhere, at several leniences: few paths cannot tell a candidate at its limit from one at half of it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from simulator.calibration.goals import COLUMNS, Goal
from simulator.calibration.plan import ConfirmationPlan, appetites, asked
from simulator.calibration.space import Point, SearchSpace
from simulator.calibration.trials import Trials
from simulator.calibration.world import HEADLINE, World
from simulator.risk.judgement import DENOMINATOR_COLUMNS, Condition, conditions, denominators
from simulator.risk.outlook import violation

if TYPE_CHECKING:
    from simulator.outcomes import Outcomes

PURPOSE = "search"
RACE = ((4, 1 / 4), (16, 1 / 8))  # (times the paths, share of all candidates so far that gets them)
LENIENCE = (1.0, 2.0, 0.5, 4.0, 0.25)  # of the limits


Violations = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Trial:
    """One candidate on `paths` search paths. `violations[i][c]`: of condition c at lenience i; <= 0 is good."""

    number: int
    point: Point
    paths: int
    score: float
    score_error: float
    violations: Violations

    def rank(self, lenience: int = 0) -> tuple[float, float, int]:
        """Sorts the best first: within the limits by score, beyond them by the sum of violations."""
        found = self.violations[lenience]
        if max(found) <= 0:
            return 0.0, -self.score, self.number
        return 1.0, math.fsum(max(0.0, value) for value in found), self.number


def spread(trials: Sequence[Trial], count: int) -> list[Trial]:
    """The best at every lenience in turn, until there are `count`: how safe they are is not left to the search's luck."""
    orders = [sorted(trials, key=lambda trial: trial.rank(i)) for i in range(len(LENIENCE))]
    chosen: dict[Point, Trial] = {}
    for turn in zip(*orders, strict=True):
        for trial in turn:
            if len(chosen) < count:
                chosen.setdefault(trial.point, trial)
    return list(chosen.values())


@dataclass(frozen=True)
class Question:
    """What every stage is judged by: the space, the conditions with their frozen denominators, the goal, the plan."""

    world: World
    space: SearchSpace
    goal: Goal
    conditions: tuple[Condition, ...]
    frozen: dict[str, float]
    plan: ConfirmationPlan
    columns: tuple[str, ...]

    def trial(self, number: int, point: Point, outcomes: Outcomes, baseline: Outcomes) -> Trial:
        """The candidate as search sees it."""
        score, error = self.score(point, outcomes, baseline)
        found = tuple(
            tuple(violation(one, outcomes, self.frozen, self.plan.proof, lenience) for one in self.conditions)
            for lenience in LENIENCE
        )
        return Trial(number, point, len(outcomes.path), score, error, found)

    def score(self, point: Point, outcomes: Outcomes, baseline: Outcomes) -> tuple[float, float]:
        """The goal's score of a valid point, and its standard error."""
        candidate = self.space.parameters(point)
        assert candidate is not None  # designs and samplers hand out valid points only
        return self.goal.score(candidate, outcomes, self.space.current, baseline)


def columns_needed(world: World) -> tuple[str, ...]:
    """The columns that limits, denominators, goals and evidence look at."""
    judged = [one.column for appetite in appetites(world) for one in conditions(appetite)]
    shown = ["loss.transition", "loss.steady", "loss.whole", "newly_liquidatable.transition", "liquidated_notional.transition"]
    return tuple(sorted({*judged, *COLUMNS, *DENOMINATOR_COLUMNS.values(), *shown}))


class Race:
    """Candidates on common search paths; after every entry the better ones get more, by `RACE`.

    All candidates share their paths, so a short run misjudges them all in the same direction: what is known of those that
    ran longer corrects the others (`trials`), as a control variate does.
    """

    def __init__(self, world: World, trials: Trials, plan: ConfirmationPlan) -> None:
        appetite, settings = asked(world)
        self._world, self._evaluated, self._columns = world, trials, columns_needed(world)
        self._rungs = rungs(settings.search_paths)
        current = [trials.space.current_point]
        self._baseline = {paths: self._run(current, paths, "current parameters")[0] for paths in reversed(self._rungs)}
        frozen = denominators(self._baseline[self._rungs[-1]], appetites(world), world.account_count)
        goal = Goal(settings.objective, world.has_sourced_elasticities)
        self.question = Question(world, trials.space, goal, conditions(appetite), frozen, plan, self._columns)
        self._history: dict[Point, list[Trial]] = {}  # of every candidate: one trial a rung, shortest first
        for paths in self._rungs:
            self._judge(current, paths, "current parameters")

    @property
    def known(self) -> tuple[Trial, ...]:
        """The longest trial of every candidate, in the order of its number."""
        return tuple(history[-1] for history in self._history.values())

    @property
    def points(self) -> set[Point]:
        """Every candidate that was run, failed ones included."""
        return {*self._history, *self._evaluated.failures}

    @property
    def trials(self) -> tuple[Trial, ...]:
        """The longest trial of every candidate, shorter ones corrected by what longer runs changed for others."""
        return tuple(self._corrected(trial) for trial in self.known)

    def enter(self, points: Sequence[Point], stage: str) -> None:
        """Run new candidates, then give more paths to those who earn them, old or new."""
        self._judge([point for point in points if point not in self._history], self._rungs[0], stage)
        for (shorter, paths), (_, share) in zip(itertools.pairwise(self._rungs), RACE, strict=True):
            runners = [trial for trial in self.trials if trial.paths >= shorter]
            survivors = spread(runners, math.ceil(share * len(self._history)))
            self._judge([trial.point for trial in survivors if trial.paths < paths], paths, f"{stage}, race to {paths:,} paths")

    def _corrected(self, trial: Trial) -> Trial:
        changes = [
            _difference(history[-1].violations, shorter.violations)
            for history in self._history.values()
            for shorter in history[:-1]
            if shorter.paths == trial.paths
        ]
        if not changes:
            return trial
        shift = np.median(np.array(changes), axis=0)
        moved = tuple(tuple(map(float, row)) for row in np.array(trial.violations) + shift)
        return replace(trial, violations=moved)

    def _judge(self, points: Sequence[Point], paths: int, stage: str) -> None:
        for point, outcomes in zip(points, self._run(points, paths, stage), strict=True):
            if point not in self._evaluated.failures:
                history = self._history.setdefault(point, [])
                number = history[0].number if history else len(self._history) - 1
                history.append(self.question.trial(number, point, outcomes, self._baseline[paths]))

    def _run(self, points: Sequence[Point], paths: int, stage: str) -> list[Outcomes]:
        return self._evaluated.outcomes(self._world, HEADLINE, PURPOSE, points, paths, self._columns, stage, cuts=self._rungs)


def rungs(search_paths: int) -> tuple[int, ...]:
    """The numbers of search paths that a candidate may reach."""
    return (search_paths, *(times * search_paths for times, _ in RACE))


def _difference(longer: Violations, shorter: Violations) -> list[list[float]]:
    return [[a - b for a, b in zip(after, before, strict=True)] for after, before in zip(longer, shorter, strict=True)]
