"""The race: candidates on common search paths, where only the better ones get more.

The first rung is short: who is proven unsafe there goes no further. All others run the scenario's `search_paths`; then rank
decides who runs longer, among those that no rung has proven unsafe (`stopping`).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from simulator.calibration.goals import COLUMNS, MARGIN, Goal
from simulator.calibration.plan import ConfirmationPlan, appetites, asked
from simulator.calibration.ranking import LENIENCE, Trial, alive, spread
from simulator.calibration.space import Point, SearchSpace
from simulator.calibration.stopping import broken
from simulator.calibration.trials import Trials
from simulator.calibration.world import HEADLINE, World
from simulator.risk import measures
from simulator.risk.judgement import DENOMINATOR_COLUMNS, Condition, conditions, denominators
from simulator.risk.measures import PerPath
from simulator.risk.outlook import violation

if TYPE_CHECKING:
    from simulator.outcomes import Outcomes

PURPOSE = "search"
RACE = ((4, 1 / 4), (16, 1 / 8))  # (times the paths, share of all candidates so far that gets them)
OPENING = 1 / 4  # of the search paths: the first look, where the hopeless are stopped
LEAST_OPENING = 32  # paths; with fewer the first look is skipped, since it proves little and keeps workers idle


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

    def trial(self, number: int, point: Point, outcomes: Outcomes, baseline: Outcomes, looks: int) -> Trial:
        """The candidate as search sees it, at one of `looks` looks."""
        score, error = self.score(point, outcomes, baseline)
        found = tuple(
            tuple(violation(one, outcomes, self.frozen, self.plan.proof, lenience) for one in self.conditions)
            for lenience in LENIENCE
        )
        goals = tuple(measures.mean(goal).value for goal in self.reached(point, outcomes, baseline))
        stopped = broken(self.conditions, outcomes, self.frozen, looks)
        return Trial(number, point, len(outcomes.path), score, error, found, goals, stopped)

    def score(self, point: Point, outcomes: Outcomes, baseline: Outcomes) -> tuple[float, float]:
        """The goal's score of a valid point, and its standard error."""
        candidate = self.space.parameters(point)
        assert candidate is not None  # designs and samplers hand out valid points only
        return self.goal.score(candidate, outcomes, self.space.current, baseline)

    def reached(self, point: Point, outcomes: Outcomes, baseline: Outcomes) -> tuple[PerPath, ...]:
        """What a valid point reaches of every goal of the front, path by path."""
        candidate = self.space.parameters(point)
        assert candidate is not None
        return self.goal.reached(candidate, outcomes, self.space.current, baseline)


def columns_needed(world: World) -> tuple[str, ...]:
    """The columns that limits, denominators, goals and evidence look at."""
    judged = [one.column for appetite in appetites(world) for one in conditions(appetite)]
    shown = ["loss.transition", "loss.steady", "loss.whole", "newly_liquidatable.transition", "liquidated_notional.transition"]
    if any(market.kind == "volatility-scaled" for market in world.vote.perpetuals.values()):
        shown.append(MARGIN)
    return tuple(sorted({*judged, *COLUMNS, *DENOMINATOR_COLUMNS.values(), *shown}))


class Race:
    """Candidates on common search paths; after every entry the better ones get more, by `RACE`.

    All candidates share their paths, so a short run misjudges them all in the same direction: what is known of those that
    ran longer corrects the others (`trials`), as a control variate does.
    """

    def __init__(self, world: World, trials: Trials, plan: ConfirmationPlan) -> None:
        appetite, settings = asked(world)
        self._world, self._evaluated, self._columns = world, trials, columns_needed(world)
        self._rungs, self._all = rungs(settings.search_paths), settings.search_paths
        current = [trials.space.current_point]
        self._baseline = {paths: self._run(current, paths, "current parameters")[0] for paths in reversed(self._rungs)}
        frozen = denominators(self._baseline[self._rungs[-1]], appetites(world), world.account_count)
        goal = Goal(settings.objective, world.has_sourced_elasticities, settings.front, world.book)
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
        """Run new candidates, then give more paths to those who earn them, old or new; with several goals to all not stopped."""
        first = self._rungs.index(self._all)
        everyone = bool(self.question.goal.front)
        runners = [point for point in points if point not in self._history]
        for paths in self._rungs if everyone else self._rungs[: first + 1]:
            self._judge(runners, paths, stage)
            runners = [point for point in runners if point in self._history and not self._history[point][-1].stopped]
        if everyone:
            return
        for (shorter, paths), (_, share) in zip(itertools.pairwise(self._rungs[first:]), RACE, strict=True):
            able = alive([trial for trial in self.trials if trial.paths >= shorter])
            survivors = spread(able, math.ceil(share * len(self._history)))
            self._judge([trial.point for trial in survivors if trial.paths < paths], paths, f"{stage}, race to {paths:,} paths")

    def finish(self, points: Sequence[Point], stage: str) -> None:
        """Run `points` on as many paths as any candidate gets."""
        paths = self._rungs[-1]
        self._judge([point for point in points if self._history[point][-1].paths < paths], paths, stage)

    def _corrected(self, trial: Trial) -> Trial:
        longer = [
            (history[-1], shorter)
            for history in self._history.values()
            for shorter in history[:-1]
            if shorter.paths == trial.paths
        ]
        if not longer:
            return trial
        shift = np.median([np.subtract(after.violations, before.violations) for after, before in longer], axis=0)
        moved = tuple(tuple(map(float, row)) for row in np.array(trial.violations) + shift)
        better = np.median([np.subtract(after.goals, before.goals) for after, before in longer], axis=0)
        return replace(trial, violations=moved, goals=tuple(map(float, np.add(trial.goals, better))))

    def _judge(self, points: Sequence[Point], paths: int, stage: str) -> None:
        for point, outcomes in zip(points, self._run(points, paths, stage), strict=True):
            if point not in self._evaluated.failures:
                history = self._history.setdefault(point, [])
                number = history[0].number if history else len(self._history) - 1
                trial = self.question.trial(number, point, outcomes, self._baseline[paths], len(self._rungs))
                stopped = trial.stopped or (history[-1].stopped if history else "")
                history.append(replace(trial, stopped=stopped))
        self._evaluated.tell(self.known)

    def _run(self, points: Sequence[Point], paths: int, stage: str) -> list[Outcomes]:
        return self._evaluated.outcomes(self._world, HEADLINE, PURPOSE, points, paths, self._columns, stage, cuts=self._rungs)


def rungs(search_paths: int) -> tuple[int, ...]:
    """The numbers of search paths at which a candidate is looked at."""
    opening = math.ceil(OPENING * search_paths)
    first = (opening,) if opening >= LEAST_OPENING else ()
    return (*first, search_paths, *(times * search_paths for times, _ in RACE))
