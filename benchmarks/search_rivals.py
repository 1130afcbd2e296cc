"""What a search is compared with: the whole grid, random points and plain Optuna, judged as the search judges."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from benchmarks.search_worlds import Place
from simulator.calibration.plan import plan_confirmation
from simulator.calibration.race import Question, Race
from simulator.calibration.ranking import Trial
from simulator.calibration.samplers import quiet
from simulator.calibration.space import Point, SearchSpace
from simulator.calibration.trials import Trials
from simulator.risk import measures
from simulator.risk.appetite import ProbabilityLimit
from simulator.risk.judgement import shares
from simulator.risk.outlook import violation

TRIES = 3  # that a rival has for each candidate: invalid points and repeated ones cost it no paths
TOGETHER = 40  # points that are handed to the engine at once
Told = Callable[[str], None]


class Memory:
    """A record that keeps nothing: rivals are not resumed."""

    lines: tuple[dict[str, Any], ...] = ()

    def append(self, line: dict[str, Any]) -> None:
        """Forget `line`."""


class Rival:
    """Candidates on a fixed number of paths each."""

    def __init__(self, place: Place, paths: int):
        self.place, self.paths = place, paths
        self.space = SearchSpace(place.world.vote, place.world.calibration.search)
        self.trials = Trials(self.space, Memory(), place.evaluate)  # type: ignore[arg-type]
        self.question: Question = Race(place.world, self.trials, plan_confirmation(place.world, 1)).question
        self.baseline = self._run([self.space.current_point], "search", paths)[0]

    def _run(self, points: Sequence[Point], purpose: str, paths: int):
        candidates = [self.space.parameters(point) for point in points]
        return self.place.evaluate(self.place.world, [c for c in candidates if c is not None], purpose, 0, paths, 1)

    def judged(self, points: Sequence[Point], first: int = 0) -> list[Trial]:
        """Candidates on the search paths, numbered from `first`."""
        found = self._run(points, "search", self.paths)
        return [self._trial(first + i, p, o, self.baseline) for i, (p, o) in enumerate(zip(points, found, strict=True))]

    def _trial(self, number: int, point: Point, outcomes, baseline) -> Trial:
        """As the search sees it; of a front only what a front needs, which is faster."""
        asked = self.question
        if not asked.goal.front:
            return asked.trial(number, point, outcomes, baseline, 1)
        apart = tuple(violation(one, outcomes, asked.frozen, asked.plan.proof) for one in asked.conditions)
        goals = tuple(measures.mean(goal).value for goal in asked.reached(point, outcomes, baseline))
        return Trial(number, point, len(outcomes.path), 0.0, 0.0, (apart,), goals)

    def fresh(self, points: Sequence[Point]) -> dict[Point, tuple[Trial, bool]]:
        """Candidates on paths that nobody searched on, and whether they keep every limit there by their estimates alone."""
        paths = self.place.fresh
        base, found = self._run([self.space.current_point], "fresh", paths)[0], {}
        for at in range(0, len(points), TOGETHER):
            part = points[at : at + TOGETHER]
            for point, outcomes in zip(part, self._run(part, "fresh", paths), strict=True):
                found[point] = self._trial(len(found), point, outcomes, base), self._keeps(outcomes)
        return found

    def _keeps(self, outcomes) -> bool:
        for one in self.question.conditions:
            assert isinstance(one.limit, ProbabilityLimit)
            seen = measures.probability(shares(one, outcomes, self.question.frozen), one.limit.threshold)
            if seen.value > one.limit.probability:
                return False
        return True


def every_point(space: SearchSpace) -> Iterator[Point]:
    """The whole grid, valid points only."""
    for multiples in np.ndindex(*[len(ks) for ks in space.multiples]):
        point = space.point([ks[i] for ks, i in zip(space.multiples, multiples, strict=True)])
        if space.parameters(point) is not None:
            yield point


def whole_grid(rival: Rival, told: Told) -> list[Trial]:
    """Every valid point."""
    points, found = list(every_point(rival.space)), list[Trial]()
    for at in range(0, len(points), TOGETHER):
        found += rival.judged(points[at : at + TOGETHER], at)
        if at // TOGETHER % 20 == 0:
            told(f"grid, {at:,} of {len(points):,} points")
    return found


def random_points(rival: Rival, count: int, seed: int) -> list[Trial]:
    """Valid grid points, uniformly."""
    rng, grid = np.random.default_rng(seed), list(every_point(rival.space))
    return rival.judged([grid[i] for i in rng.choice(len(grid), size=min(count, len(grid)), replace=False)])


def plain_optuna(rival: Rival, count: int, seed: int, sampler: str) -> list[Trial]:
    """Optuna as its manual shows it: one study, `optimize`, constraints told by the objective. Invalid points cost nothing."""
    import optuna

    found: dict[Point, Trial] = {}
    many = len(rival.question.goal.front)

    def objective(trial: optuna.Trial) -> Any:
        ks = [trial.suggest_int(name, r[0], r[-1]) for name, r in zip(rival.space.names, rival.space.multiples, strict=True)]
        point = rival.space.point(ks)
        if rival.space.parameters(point) is None:
            raise optuna.TrialPruned
        judged = found.get(point) or rival.judged([point], len(found))[0]
        found[point] = judged
        for name, value in zip([c.name for c in rival.question.conditions], judged.violations[0], strict=True):
            trial.set_constraint(name, value)
        return judged.goals if many else judged.score

    with quiet():
        kinds = {"NSGA-II": optuna.samplers.NSGAIISampler, "TPE": optuna.samplers.TPESampler}
        study = optuna.create_study(directions=["maximize"] * max(1, many), sampler=kinds[sampler](seed=seed))
        for _ in range(TRIES * count):
            if len(found) == count:
                break
            study.optimize(objective, n_trials=1)
    return list(found.values())
