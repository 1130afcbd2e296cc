"""What ranks candidates: the goal within the limits, the distance beyond them; with several goals, who is on the front.

Candidates are ranked where the continuous violations of all conditions are <= 0 by what they reach, and by the sum of
violations elsewhere, at several leniences: few paths cannot tell a candidate at its limit from one at half of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from simulator.calibration.pareto import by_front
from simulator.calibration.space import Point

LENIENCE = (1.0, 2.0, 0.5, 4.0, 0.25)  # of the limits

Violations = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Trial:
    """One candidate on `paths` search paths. `violations[i][c]`: of condition c at lenience i; <= 0 is good.

    `goals`: every goal of the front, more is better; empty where one score decides. `stopped`: the condition that is proven
    broken, or nothing.
    """

    number: int
    point: Point
    paths: int
    score: float
    score_error: float
    violations: Violations
    goals: tuple[float, ...] = ()
    stopped: str = ""

    def is_within(self, lenience: int = 0) -> bool:
        """Whether every condition looks kept."""
        return max(self.violations[lenience]) <= 0

    def rank(self, lenience: int = 0) -> tuple[float, float, int]:
        """Sorts the best first: within the limits by score, beyond them by the sum of violations."""
        if self.is_within(lenience):
            return 0.0, -self.score, self.number
        return 1.0, math.fsum(max(0.0, value) for value in self.violations[lenience]), self.number


def ordered(trials: Sequence[Trial], lenience: int = 0) -> list[Trial]:
    """The best first: by score, or with several goals front by front and the loneliest of each front first."""
    ranked = sorted(trials, key=lambda trial: trial.rank(lenience))
    within = [trial for trial in ranked if trial.goals and trial.is_within(lenience)]
    return [within[i] for i in by_front([trial.goals for trial in within])] + ranked[len(within) :]


def spread(trials: Sequence[Trial], count: int) -> list[Trial]:
    """The best at every lenience in turn, until there are `count`: how safe they are is not left to the search's luck."""
    orders = [ordered(trials, i) for i in range(len(LENIENCE))]
    chosen: dict[Point, Trial] = {}
    for turn in zip(*orders, strict=True):
        for trial in turn:
            if len(chosen) < count:
                chosen.setdefault(trial.point, trial)
    return list(chosen.values())


def alive(trials: Sequence[Trial]) -> list[Trial]:
    """Those not proven unsafe; all of them where nothing is left, since a step that reduces risk may still be found."""
    return [trial for trial in trials if not trial.stopped] or list(trials)
