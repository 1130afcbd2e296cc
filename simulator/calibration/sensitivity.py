"""Sensitivity: one grid step down and up in each parameter, and in several at once, on the selection paths."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from simulator.calibration.race import Question
from simulator.calibration.selection import Finalist, finalists_on_selection
from simulator.calibration.space import Point, SearchSpace
from simulator.calibration.trials import Trials
from simulator.calibration.world import World


@dataclass(frozen=True)
class Step:
    """One neighbour. `breaks`: the conditions that the proposal passes on the selection paths and this one does not."""

    parameter: str
    direction: int
    value: float
    neighbour: Finalist
    breaks: tuple[str, ...]


CORNERS = 8  # neighbours of which several parameters moved


@dataclass(frozen=True)
class Neighbourhood:
    """Of `looked_at` points within one step of the choice, how many keep every limit that it keeps, and are ready."""

    looked_at: int
    keeping: int
    ready: int


def neighbourhood(world: World, trials: Trials, question: Question, chosen: Finalist, steps: tuple[Step, ...]) -> Neighbourhood:
    """The neighbours of `steps`, and up to `CORNERS` others of which several parameters moved by one step."""
    held = {judgement.condition for judgement in chosen.judgements if judgement.passes}
    points = corners(trials.space, chosen.point, world.seed)
    around = [step.neighbour for step in steps]
    around += finalists_on_selection(world, trials, question, points, "neighbourhood", beside=True) if points else []
    keeping = sum(not _broken(one, held) for one in around)
    return Neighbourhood(len(around), keeping, sum(one.is_ready for one in around))


def corners(space: SearchSpace, point: Point, seed: int) -> list[Point]:
    """Valid points inside the range that are one step away from `point` in two parameters or more, in a keyed order."""
    from simulator.kernel import stream

    draws = np.random.Generator(np.random.Philox(key=int(stream(seed, "calibration", "neighbourhood"))))
    here, found = space.multiples_of(point), dict[Point, None]()
    few = 3 ** len(here) <= 1000
    every = np.array(list(itertools.product((-1, 0, 1), repeat=len(here)))) if few else draws.integers(-1, 2, (1000, len(here)))
    for move in draws.permutation(every):
        moved = [k + int(by) for k, by in zip(here, move, strict=True)]
        inside = all(k in ks for k, ks in zip(moved, space.multiples, strict=True))
        if np.count_nonzero(move) > 1 and inside and space.parameters(space.point(moved)) is not None:
            found[space.point(moved)] = None
        if len(found) == CORNERS:
            break
    return list(found)


def sensitivity(world: World, trials: Trials, question: Question, chosen: Finalist) -> tuple[Step, ...]:
    """Every valid neighbour of the chosen point that gave finite outcomes, in the order of the space."""
    near = trials.space.neighbours(chosen.point)
    points = [point for _, _, point in near]
    found = {one.point: one for one in finalists_on_selection(world, trials, question, points, "sensitivity")}
    held = {judgement.condition for judgement in chosen.judgements if judgement.passes}
    return tuple(
        Step(name, direction, _moved(chosen.point, point), found[point], tuple(_broken(found[point], held)))
        for name, direction, point in near
        if point in found
    )


def _moved(before: Point, after: Point) -> float:
    return next(value for was, value in zip(before, after, strict=True) if was != value)


def _broken(one: Finalist, held: set[str]) -> list[str]:
    return [judgement.condition for judgement in one.judgements if not judgement.passes and judgement.condition in held]
