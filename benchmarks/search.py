"""The search against a full grid, random points and plain Optuna, at equal path evaluations: ratios, made in one run.

    python -m benchmarks.search [grid | rivals | engine | scores]... [--seeds N] [--full]

*grid*: the front of capital efficiency against user cost in a world whose truth is known (search_worlds.py), three parameters,
and every valid point of its grid on as many paths as the search's last rung. *rivals*: the same front by random points,
Optuna's NSGA-II and its TPE (constraints told), which spend the path evaluations that the search spent, each point on the
paths of the search's last rung, and on a quarter of those (TPE, which is slow, where its points are few). *engine*: grid and
rivals in a small book of the engine. *scores*: one score (capital efficiency less half the relative user cost): what each
would send to confirmation by the same selection.

All fronts are run again on common fresh paths, and a front's volume is a share of the grid's. It is counted twice: of the
points that confirmation would pass with its power, and of those that keep the limit by their estimate on the fresh paths;
nothing is left out, and where nothing of the grid's front counts there is no ratio.

Without names all, on 2 seeds and with 60 candidates (some minutes); `--full` is what docs/calibration.md reports: 5 seeds,
120 candidates, 10 seeds of scores.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from benchmarks.search_rivals import Memory, Rival, plain_optuna, random_points, whole_grid
from benchmarks.search_worlds import ENGINE_SPACE, FINE, FRONT, GOAL, SPACE, Place, closed_form, of_the_engine
from simulator.calibration.pareto import front, hypervolume, reference_below
from simulator.calibration.plan import plan_confirmation
from simulator.calibration.ranking import Trial
from simulator.calibration.search import Found, finalists, search
from simulator.calibration.selection import select
from simulator.calibration.space import Point
from simulator.calibration.trials import Trials
from simulator.risk.planner import pass_probability

MOST_TPE = 200  # points: the time that it takes to suggest the next of several goals grows with the square of their number
Row = dict[str, tuple[float, ...]]
STARTED = time.perf_counter()


def told(text: str) -> None:
    """One line of progress."""
    print(f"{time.perf_counter() - STARTED:6.0f} s  {text}", file=sys.stderr, flush=True)


def front_of(trials: Sequence[Trial]) -> list[Point]:
    """The front within the limits."""
    within = [trial for trial in trials if trial.is_within()]
    return [within[i].point for i in front([trial.goals for trial in within])]


def compare_fronts(name: str, place: Place, seed: int, with_rivals: bool) -> Row:
    """(confirmable volume, volume within the limit, path evaluations) of everyone, all over the grid's; NaN without a volume."""
    longest = 16 * place.world.calibration.search_paths
    rival = Rival(place, longest)
    every = whole_grid(rival, lambda text: told(f"{name}, seed {seed}: {text}"))
    race = Trials(rival.space, Memory(), place.evaluate)  # type: ignore[arg-type]
    ours = search(place.world, race, plan_confirmation(place.world, 1))
    budget, whole = race.evaluations, longest * len(every)
    told(f"{name}, seed {seed}: searched with {budget:,} of the grid's {whole:,} path evaluations")
    fronts = {"grid": (front_of(every), whole), "search": ([trial.point for trial in ours.front], budget)}
    for paths in (longest, longest // 4) if with_rivals else ():
        short = Rival(place, paths)
        for kind, find in _rivals(short, budget // paths, seed):
            fronts[f"{kind}, {paths:,} paths"] = (front_of(find()), budget)
            told(f"{name}, seed {seed}: {kind}, {paths:,} paths a point")
    found = _volumes(rival, fronts)
    for who, figures in found.items():
        told(f"{name}, seed {seed}: {who:<20} " + " ".join(f"{figure:8.4f}" for figure in figures))
    return found


def _rivals(rival: Rival, count: int, seed: int) -> Iterator[tuple[str, Callable[[], list[Trial]]]]:
    yield "random", lambda: random_points(rival, count, seed)
    yield "NSGA-II", lambda: plain_optuna(rival, count, seed, "NSGA-II")
    if count <= MOST_TPE:
        yield "TPE", lambda: plain_optuna(rival, count, seed, "TPE")


def _volumes(rival: Rival, fronts: dict[str, tuple[list[Point], int]]) -> Row:
    again = rival.fresh(list(dict.fromkeys(point for points, _ in fronts.values() for point in points)))
    lowest = reference_below(np.array([trial.goals for trial, _ in again.values()]))

    def volume(points: Sequence[Point], counts: Callable[[Trial, bool], bool]) -> float:
        return hypervolume([again[p][0].goals for p in points if counts(*again[p])], lowest)

    criteria = (lambda trial, _: trial.is_within(), lambda _, keeps: keeps)
    grid = [volume(fronts["grid"][0], counts) for counts in criteria]
    return {
        name: (
            *(volume(points, counts) / most if most else math.nan for counts, most in zip(criteria, grid, strict=True)),
            spent / fronts["grid"][1],
        )
        for name, (points, spent) in fronts.items()
    }


def compare_scores(seed: int, candidates: int = 40) -> Row:
    """(chance to be confirmed, score) of what everyone would send to confirmation, all by the same selection."""
    place = closed_form(seed, search=FINE, candidates=candidates, search_paths=100, selection_paths=8000, objective=GOAL)
    rival = Rival(place, 800)
    plan, race = plan_confirmation(place.world, 1), Trials(rival.space, Memory(), place.evaluate)  # type: ignore[arg-type]
    tried = {"search": search(place.world, race, plan).finalists}
    count = race.evaluations // 800
    tried |= {"random": random_points(rival, count, seed), "TPE": plain_optuna(rival, count, seed, "TPE")}
    sent = {name: _selected(rival, found) for name, found in tried.items()}
    truth = rival.fresh(list(dict.fromkeys(sent.values())))
    told(f"scores, seed {seed}")
    return {name: (_chance(rival, point), truth[point][0].score) for name, point in sent.items()}


def _selected(rival: Rival, trials: Sequence[Trial]) -> Point:
    """What selection sends to confirmation."""
    found = Found(rival.question, tuple(trials), finalists(trials))
    chosen = select(rival.place.world, Trials(rival.space, Memory(), rival.place.evaluate), found).chosen  # type: ignore[arg-type]
    return chosen.point if chosen else rival.space.current_point


def _chance(rival: Rival, point: Point) -> float:
    from scipy import stats

    initial, maintenance, penalty = point
    covered = maintenance + 0.5 * penalty + 0.01 / (0.1 / initial) ** 0.5
    rate = 2 * stats.t(rival.place.world.nu).sf(covered / rival.place.world.scale)
    proof = rival.question.plan.proof
    return pass_probability(float(rate), proof.paths, 0.01, proof.confidence)


def table(title: str, heads: Sequence[str], rows: dict[int, Row]) -> str:
    """Every seed, and medians over those that have a figure."""
    lines = [title]
    for column, head in enumerate(heads):
        lines.append(f"  {head:<38}" + "".join(f"{f'seed {seed}':>10}" for seed in rows) + f"{'median':>10}")
        for name in next(iter(rows.values())):
            figures = [row[name][column] for row in rows.values()]
            known = [figure for figure in figures if not math.isnan(figure)]
            shown = [*figures, statistics.median(known) if known else math.nan]
            lines.append(f"    {name:<36}" + "".join(f"{figure:>10.4f}" for figure in shown))
    return "\n".join(lines)


PARTS = ("grid", "rivals", "engine", "scores")
HEADS = ("hypervolume that would be confirmed", "hypervolume within the limit", "path evaluations")


def main() -> None:
    """Print what was asked for."""
    asked = argparse.ArgumentParser(prog="python -m benchmarks.search")
    asked.add_argument("what", nargs="*", help=f"{', '.join(PARTS)}; default: all")
    asked.add_argument("--seeds", type=int, help="numbered from 1")
    asked.add_argument("--full", action="store_true", help="as docs/calibration.md reports it")
    given = asked.parse_args()
    if not set(given.what) <= set(PARTS):
        asked.error(f"there are {', '.join(PARTS)}")
    what = given.what or ["rivals", "engine", "scores"]  # the rivals' table holds the grid's
    seeds = range(1, 1 + (given.seeds or (5 if given.full else 2)))
    fronts = {"candidates": 120 if given.full else 60, "search_paths": 100, "selection_paths": 1000, "front": FRONT}
    if "grid" in what or "rivals" in what:
        rows = {s: compare_fronts("closed form", closed_form(s, search=SPACE, **fronts), s, "rivals" in what) for s in seeds}
        print(table("front in closed form, shares of the full grid's", HEADS, rows), flush=True)
    if "engine" in what:
        small = fronts | {"search_paths": 32, "candidates": 40}
        rows = {s: compare_fronts("engine", of_the_engine(s, search=ENGINE_SPACE, **small), s, True) for s in seeds}
        print(table("front in a small book of the engine, shares of the full grid's", HEADS, rows), flush=True)
    if "scores" in what:
        scored = range(1, 11) if given.full and not given.seeds else seeds
        print(table("one score", ("chance to be confirmed", "score"), {s: compare_scores(s) for s in scored}), flush=True)
    told("done")


if __name__ == "__main__":
    main()
