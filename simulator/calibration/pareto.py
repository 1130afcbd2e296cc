"""Fronts of several goals, more of each being better: who beats whom, how lonely each is, what volume a front commands."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

Goals = Sequence[float]


def beats(a: Goals, b: Goals) -> bool:
    """Whether `a` is no worse in every goal and better in one."""
    return all(x >= y for x, y in zip(a, b, strict=True)) and any(x > y for x, y in zip(a, b, strict=True))


def front(points: Sequence[Goals]) -> list[int]:
    """The places of those that no other beats, in their order; of equals, the first."""
    if not points:
        return []
    table = np.array(points, dtype=float)
    seen: dict[tuple[float, ...], int] = {}
    for i, mine in enumerate(table):
        beaten = np.all(table >= mine, axis=1) & np.any(table > mine, axis=1)
        if not beaten.any():
            seen.setdefault(tuple(mine), i)
    return sorted(seen.values())


def by_front(points: Sequence[Goals]) -> list[int]:
    """All places, front by front; in each the loneliest first (crowding distance, Deb et al. 2002)."""
    left, found = list(range(len(points))), list[int]()
    while left:
        places = [left[i] for i in front([points[i] for i in left])]
        lonely = crowding([points[i] for i in places])
        found += [place for _, place in sorted(zip([-d for d in lonely], places, strict=True))]
        left = [i for i in left if i not in set(places)]
    return found


def crowding(points: Sequence[Goals]) -> list[float]:
    """For each point the sum over goals of the distance between its two neighbours, over the range; infinite at the ends."""
    distance = [0.0] * len(points)
    for goal in range(len(points[0]) if points else 0):
        order = sorted(range(len(points)), key=lambda i: (points[i][goal], i))
        width = points[order[-1]][goal] - points[order[0]][goal]
        distance[order[0]] = distance[order[-1]] = math.inf
        if width > 0:
            for below, i, above in zip(order, order[1:], order[2:], strict=False):
                distance[i] += (points[above][goal] - points[below][goal]) / width
    return distance


def hypervolume(points: Sequence[Goals], reference: Goals) -> float:
    """The volume of what some point reaches or betters and the reference does not: exact, by slices of the last goal."""
    beyond = [tuple(p) for p in points if all(x > r for x, r in zip(p, reference, strict=True))]
    if not beyond:
        return 0.0
    if len(reference) == 2:
        return _area(sorted(beyond, reverse=True), reference)
    volume, floor = 0.0, reference[-1]
    for height in sorted({p[-1] for p in beyond}):
        slab = [p[:-1] for p in beyond if p[-1] >= height]
        volume += (height - floor) * hypervolume([slab[i] for i in front(slab)], reference[:-1])
        floor = height
    return volume


def _area(falling: list[tuple[float, ...]], reference: Goals) -> float:
    """The area below points in falling order of their first goal."""
    area, height = 0.0, reference[1]
    for x, y in falling:
        if y > height:
            area += (x - reference[0]) * (y - height)
            height = y
    return area


def reference_below(points: np.ndarray, margin: float = 0.1) -> tuple[float, ...]:
    """A reference that every point is above: the least of every goal less `margin` of its range. points: [point, goal]."""
    low, high = points.min(axis=0), points.max(axis=0)
    return tuple(float(v) for v in low - margin * np.where(high > low, high - low, 1e-9))
