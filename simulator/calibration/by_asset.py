"""One asset at a time, then jointly: stages that move the numbers of one asset alone, and the points that join their leaders.

Stages only find where to look: what they find is joined, searched jointly, selected and confirmed as one change (DESIGN 3.10).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from simulator.calibration.race import Race
from simulator.calibration.ranking import LENIENCE, Trial, ordered
from simulator.calibration.space import Point, SearchSpace
from simulator.calibration.surrogate import promising

SHARED = "all assets"  # the numbers that belong to none
SCREENED = 1 / 2  # of a stage's candidates: a design; the others are promising by what the stage knows


def groups(space: SearchSpace, assets: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """Places of the parameters of each asset, by the asset that their dotted name holds; those of no asset last."""
    owners = [next((step for step in name.split(".") if step in assets), SHARED) for name in space.names]
    found = {asset: tuple(i for i, owner in enumerate(owners) if owner == asset) for asset in (*assets, SHARED)}
    return {asset: places for asset, places in found.items() if places}


def run_stages(race: Race, space: SearchSpace, parts: dict[str, tuple[int, ...]], count: int, seed: int) -> None:
    """Spend about `count` candidates on the stages, an equal share each, then run the points that join their leaders."""
    each = math.ceil(count / len(parts))
    for name, places in parts.items():
        part = SearchSpace(space.current, tuple(space.search[i] for i in places))
        screened = part.design(1 + math.ceil(SCREENED * each), seed)
        race.enter([lifted(space, places, point) for point in screened], f"search, {name}")
        own = alone(space, places, race.trials)
        wanted = itertools.islice(promising(part, own, {trial.point for trial in own}, seed), each - len(screened) + 1)
        race.enter([lifted(space, places, point) for point in wanted], f"search, {name}, promising")
    race.enter(list(dict.fromkeys(joined(space, parts, race.trials))), "search, assets joined")


def lifted(space: SearchSpace, places: tuple[int, ...], point: Point) -> Point:
    """The whole point that has `point` at `places` and current values elsewhere."""
    own = dict(zip(places, point, strict=True))
    return tuple(own.get(i, value) for i, value in enumerate(space.current_point))


def alone(space: SearchSpace, places: tuple[int, ...], trials: Sequence[Trial]) -> list[Trial]:
    """The trials in which nothing but `places` was moved, as points of those places."""
    own = (tuple(trial.point[i] for i in places) for trial in trials)
    pairs = zip(trials, own, strict=True)
    return [replace(trial, point=point) for trial, point in pairs if lifted(space, places, point) == trial.point]


def joined(space: SearchSpace, parts: dict[str, tuple[int, ...]], trials: Sequence[Trial]) -> Iterator[Point]:
    """At every lenience the leaders of all stages together: each alone may use the whole limit, all of them less of it."""
    for lenience in range(len(LENIENCE)):
        point = list(space.current_point)
        for places in parts.values():
            leader = ordered(alone(space, places, trials), lenience)[0]
            for i, value in zip(places, leader.point, strict=True):
                point[i] = value
        if space.parameters(tuple(point)) is not None:
            yield tuple(point)
