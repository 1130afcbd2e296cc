"""Sensitivity: one grid step down and up in each parameter, on the selection paths."""

from __future__ import annotations

from dataclasses import dataclass

from simulator.calibration.race import Question
from simulator.calibration.selection import Finalist, finalists_on_selection
from simulator.calibration.space import Point
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
