"""Monotone sections: along one parameter, the edge of the limits is found by halving brackets and not by sampling.

On the line through a leader on which one parameter moves, candidates are compared on common paths. Where the goal and the
tail rise together, the best of the line is the last one within the limits: it lies between the best that is within and the
next one beyond, and a few points in that bracket shrink it by their number plus one.

That the line is monotone is never assumed: every pair of known candidates that differ in this parameter alone is a test of
it, and one pair in which the tail moves against the others beyond `TOLERANCE` ends the bisection on that parameter; the
sampler then has it to itself.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from simulator.calibration.ranking import Trial
from simulator.calibration.space import Point, SearchSpace

PER_BRACKET = 2  # points that one bracket is cut at
TOLERANCE = 0.02  # of a limit: what rounding and ties may move against the others


@dataclass(frozen=True)
class Slope:
    """How goal and tail answer to one parameter, from pairs that differ in nothing else: signs of the change, 0 if unknown
    or not monotone."""

    goal: int
    tail: int

    @property
    def is_traded(self) -> bool:
        """Whether more of the goal costs more of the tail, so that the best lies on the edge."""
        return self.goal != 0 and self.goal == self.tail


def tail(trial: Trial) -> float:
    """The worst condition's tail over its limit, less one."""
    return max(trial.violations[0])


def slope(trials: Sequence[Trial], at: int) -> Slope:
    """What pairs of `trials` say that differ in parameter `at` alone."""
    lines: dict[Point, list[Trial]] = {}
    for trial in trials:
        lines.setdefault((*trial.point[:at], *trial.point[at + 1 :]), []).append(trial)
    goal, tails = set[int](), set[int]()
    for line in lines.values():
        line.sort(key=lambda trial: trial.point[at])
        for low, high in itertools.combinations(line, 2):
            goal.add(_sign(high.score - low.score, 1e-12))
            tails.add(_sign(tail(high) - tail(low), TOLERANCE))
    return Slope(_only(goal), _only(tails))


def _sign(change: float, nothing: float) -> int:
    return 0 if abs(change) <= nothing else 1 if change > 0 else -1


def _only(signs: set[int]) -> int:
    moving = signs - {0}
    return moving.pop() if len(moving) == 1 else 0


def sections(space: SearchSpace, trials: Sequence[Trial], leaders: Sequence[Trial], seen: set[Point]) -> Iterator[Point]:
    """New valid points on the lines through the leaders: probes where a slope is not known, cuts of brackets where it trades."""
    given = set(seen)
    slopes = [slope(trials, at) for at in range(len(space.names))]
    for leader in leaders:
        for at, known in enumerate(slopes):
            for point in _on_line(space, trials, leader, at, known):
                if point not in given and space.parameters(point) is not None:
                    given.add(point)
                    yield point


def _on_line(space: SearchSpace, trials: Sequence[Trial], leader: Trial, at: int, known: Slope) -> Iterator[Point]:
    grid = space.multiples[at]
    here = space.multiples_of(leader.point)
    if known == Slope(0, 0):
        line = [t for t in trials if (*t.point[:at], *t.point[at + 1 :]) == (*leader.point[:at], *leader.point[at + 1 :])]
        if len(line) < 2:  # nothing is known: look to both sides
            yield from (_moved(space, here, at, (here[at] + end) // 2) for end in (grid[0], grid[-1]))
        return
    if not known.is_traded:
        return
    low, high = _bracket(space, trials, leader, at, known.goal)
    width = high - low
    cuts = sorted({low + width * (i + 1) // (PER_BRACKET + 1) for i in range(PER_BRACKET)} - {low, high})
    yield from (_moved(space, here, at, k) for k in (cuts if known.goal > 0 else reversed(cuts)))


def _bracket(space: SearchSpace, trials: Sequence[Trial], leader: Trial, at: int, direction: int) -> tuple[int, int]:
    """Multiples between which the edge of the leader's line lies: the last within, the first beyond or just past the grid."""
    grid = space.multiples[at]
    rest = (*leader.point[:at], *leader.point[at + 1 :])
    within, beyond = list[int](), list[int]()
    for trial in trials:
        if (*trial.point[:at], *trial.point[at + 1 :]) == rest:
            (within if trial.is_within() else beyond).append(space.multiples_of(trial.point)[at])
    if direction > 0:
        last = max(within, default=grid[0] - 1)
        return last, min((k for k in beyond if k > last), default=grid[-1] + 1)
    last = min(within, default=grid[-1] + 1)
    return max((k for k in beyond if k < last), default=grid[0] - 1), last


def _moved(space: SearchSpace, here: Sequence[int], at: int, multiple: int) -> Point:
    return space.point([*here[:at], min(max(multiple, space.multiples[at][0]), space.multiples[at][-1]), *here[at + 1 :]])
