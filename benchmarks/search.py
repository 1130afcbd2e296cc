"""The search against a full grid, random points and plain Optuna, in a world whose truth is known: ratios, made in one run.

    python -m benchmarks.search [SEEDS]

The world is that of the tests (tests/calibration/fake_world.py): three parameters, a Student-t shock, losses and user costs
in closed form but for the noise of paths. Two questions:

*Front*: capital efficiency against user cost within the limit. The grid runs every valid point on as many paths as the
search's last rung. Random and Optuna (NSGA-II and TPE, constraints told) spend the path evaluations that the search spent,
each point on the paths of its second rung. Every front is then run again on common fresh paths, and points that
confirmation would not pass with its power count nothing. Volumes are shares of the grid's; a seed on which nothing of the grid's
front would pass is left out.

*One score* (capital efficiency less half the relative user cost): what each would send to confirmation by the same selection,
at the same budget; the truth says how likely it is confirmed and what it scores.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from simulator.calibration.pareto import front, hypervolume, reference_below
from simulator.calibration.plan import plan_confirmation
from simulator.calibration.race import Question, Race
from simulator.calibration.ranking import Trial
from simulator.calibration.samplers import quiet
from simulator.calibration.search import Found, finalists, search
from simulator.calibration.selection import select
from simulator.calibration.space import Point, SearchSpace
from simulator.calibration.trials import Trials
from simulator.calibration_settings import Objective, SearchParameter
from simulator.risk.planner import pass_probability

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "calibration"))
import fake_world

SPACE = (
    SearchParameter(parameter=fake_world.INITIAL, low=0.06, high=0.30, step=0.01),
    SearchParameter(parameter=fake_world.MAINTENANCE, low=0.04, high=0.30, step=0.01),
    SearchParameter(parameter=fake_world.PENALTY, low=0.0, high=0.1, step=0.01),
)
FINE = tuple(wanted.model_copy(update={"step": 0.0025}) for wanted in SPACE)
GOAL = Objective(capital_efficiency=1.0, user_cost=0.5)
FRONT = ("capital-efficiency", "user-cost")
FRESH = 20_000  # paths on which fronts are compared
TRIES = 3  # that a rival has for each candidate: invalid points and repeated ones cost it no paths


class Memory:
    """A record that keeps nothing: rivals are not resumed."""

    lines: tuple[dict[str, Any], ...] = ()

    def append(self, line: dict[str, Any]) -> None:
        """Forget `line`."""


def world(seed: int, **settings: Any) -> fake_world.FakeWorld:
    """The world of one seed."""
    return dataclasses.replace(fake_world.with_settings(**settings), seed=seed, wicks=True)


class Rival:
    """Candidates on a fixed number of paths each, judged as the search judges."""

    def __init__(self, place: fake_world.FakeWorld, paths: int):
        assert place.calibration is not None
        self.place, self.paths = place, paths
        self.space = SearchSpace(place.vote, place.calibration.search)
        self.trials = Trials(self.space, Memory(), fake_world.evaluate)  # type: ignore[arg-type]
        self.question: Question = Race(place, self.trials, plan_confirmation(place, 1)).question
        self.baseline = self._run([self.space.current_point], "search")[0]

    def _run(self, points: Sequence[Point], purpose: str, paths: int | None = None):
        candidates = [self.space.parameters(point) for point in points]
        return fake_world.evaluate(self.place, [c for c in candidates if c is not None], purpose, 0, paths or self.paths, 1)

    def judged(self, point: Point, number: int) -> Trial:
        """One candidate on the search paths."""
        return self.question.trial(number, point, self._run([point], "search")[0], self.baseline, 1)

    def fresh(self, points: Sequence[Point]) -> list[Trial]:
        """Candidates on paths that nobody searched on."""
        base = self._run([self.space.current_point], "fresh", FRESH)[0]
        return [
            self.question.trial(i, p, o, base, 1)
            for i, (p, o) in enumerate(zip(points, self._run(points, "fresh", FRESH), strict=True))
        ]


def every_point(space: SearchSpace) -> Iterator[Point]:
    """The whole grid, valid points only."""
    for multiples in np.ndindex(*[len(ks) for ks in space.multiples]):
        point = space.point([ks[i] for ks, i in zip(space.multiples, multiples, strict=True)])
        if space.parameters(point) is not None:
            yield point


def random_points(rival: Rival, count: int, seed: int) -> list[Trial]:
    """Valid grid points, uniformly."""
    rng, grid = np.random.default_rng(seed), list(every_point(rival.space))
    return [rival.judged(grid[i], n) for n, i in enumerate(rng.choice(len(grid), size=min(count, len(grid)), replace=False))]


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
        judged = found.get(point) or rival.judged(point, len(found))
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


def front_of(trials: Sequence[Trial]) -> list[Point]:
    """The front within the limits."""
    within = [trial for trial in trials if trial.is_within()]
    return [within[i].point for i in front([trial.goals for trial in within])]


def compare_fronts(seed: int, candidates: int = 120) -> dict[str, tuple[float, float]]:
    """(volume over the grid's, path evaluations over the grid's) of everyone; nothing where the grid's has no volume."""
    place = world(seed, search=SPACE, candidates=candidates, search_paths=100, selection_paths=1000, front=FRONT)
    rival = Rival(place, 1600)
    everyone = [rival.judged(point, n) for n, point in enumerate(every_point(rival.space))]
    race = Trials(rival.space, Memory(), fake_world.evaluate)  # type: ignore[arg-type]
    ours = search(place, race, plan_confirmation(place, 1))
    budget, whole = race.evaluations, 1600 * len(everyone)
    fronts = {"grid": (front_of(everyone), whole), "search": ([trial.point for trial in ours.front], budget)}
    short = Rival(place, 400)
    count = budget // 400
    fronts["random"] = (front_of(random_points(short, count, seed)), budget)
    for kind in ("NSGA-II", "TPE"):
        fronts[f"Optuna {kind}"] = (front_of(plain_optuna(short, count, seed, kind)), budget)
    points = list(dict.fromkeys(p for found, _ in fronts.values() for p in found))
    again = dict(zip(points, rival.fresh(points), strict=True))
    lowest = reference_below(np.array([again[p].goals for p in fronts["grid"][0]]))
    volumes = {
        name: hypervolume([again[p].goals for p in found if _keeps(again[p])], lowest) for name, (found, _) in fronts.items()
    }
    if volumes["grid"] == 0:
        return {}
    return {name: (volumes[name] / volumes["grid"], spent / whole) for name, (_, spent) in fronts.items()}


def _keeps(trial: Trial) -> bool:
    """Whether confirmation would pass it with its power, by many fresh paths."""
    return trial.is_within()


def compare_scores(seed: int, candidates: int = 40) -> dict[str, tuple[float, float]]:
    """(chance to be confirmed, score) of what everyone would send to confirmation, all by the same selection."""
    place = world(seed, search=FINE, candidates=candidates, search_paths=100, selection_paths=8000, objective=GOAL)
    rival = Rival(place, 800)
    plan, race = plan_confirmation(place, 1), Trials(rival.space, Memory(), fake_world.evaluate)  # type: ignore[arg-type]
    ours = search(place, race, plan)
    count = race.evaluations // 800
    tried = {"search": ours.finalists, "random": random_points(rival, count, seed)}
    tried |= {"Optuna TPE": plain_optuna(rival, count, seed, "TPE")}
    sent = {name: _selected(rival, found) for name, found in tried.items()}
    truth = rival.fresh(list(sent.values()))
    return {name: (_chance(rival, point), found.score) for (name, point), found in zip(sent.items(), truth, strict=True)}


def _selected(rival: Rival, trials: Sequence[Trial]) -> Point:
    """What selection sends to confirmation."""
    found = Found(rival.question, tuple(trials), finalists(trials))
    chosen = select(rival.place, Trials(rival.space, Memory(), fake_world.evaluate), found).chosen  # type: ignore[arg-type]
    return chosen.point if chosen else rival.space.current_point


def _chance(rival: Rival, point: Point) -> float:
    from scipy import stats

    initial, maintenance, penalty = point
    covered = maintenance + 0.5 * penalty + 0.01 / (0.1 / initial) ** 0.5
    rate = 2 * stats.t(rival.place.nu).sf(covered / rival.place.scale)
    proof = rival.question.plan.proof
    return pass_probability(float(rate), proof.paths, 0.01, proof.confidence)


def table(
    title: str, heads: tuple[str, str], rows: list[dict[str, tuple[float, float]]], worst: Callable[[Sequence[float]], float]
) -> str:
    """Medians over seeds, and the worst seed of the first column."""
    lines = [title, f"{'':14}{heads[0]:>24}{'worst seed':>14}{heads[1]:>24}"]
    for name in rows[0]:
        first, second = [row[name][0] for row in rows], [row[name][1] for row in rows]
        lines.append(f"{name:14}{statistics.median(first):>24.4f}{worst(first):>14.4f}{statistics.median(second):>24.4f}")
    return "\n".join(lines)


def main() -> None:
    """Print both tables."""
    seeds = range(1, 1 + int(sys.argv[1]) if len(sys.argv) > 1 else 6)
    started = time.perf_counter()
    print(
        table(
            "front, shares of the full grid's",
            ("hypervolume", "path evaluations"),
            [row for row in map(compare_fronts, seeds) if row],
            min,
        )
    )
    print(table("one score", ("chance to be confirmed", "score"), [compare_scores(s) for s in seeds], min))
    print(f"{len(seeds)} seeds, {math.ceil(time.perf_counter() - started)} s")


if __name__ == "__main__":
    main()
