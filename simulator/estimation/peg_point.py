"""Numbers of a peg from the coordinates of its likelihood: the peg itself, half-life and volatility, with their slopes.

The pull 1 - k that a sample shows is too large by (1 + 3 k) / n on average (Kendall 1954; Marriott and Pope 1954), or, where
depegs spread the places that moves begin at, by (1 + 3 k) / (1 - k^2) times its variance, the same without them: it is taken off.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from simulator.estimation.peg_likelihood import Pairs
from simulator.parameters import YEAR


@dataclass(frozen=True)
class Point:
    """Fitted coordinates, in units of `seen.scale` but for the pull, and what they mean."""

    m: float
    deviation: float  # log
    pull: float
    seen: Pairs
    step: float  # [s]

    @property
    def kept(self) -> float:
        """k, the pull's mean error taken off."""
        k = 1 - self.pull
        if not -1 < k < 1:
            return k
        return k + (1 + 3 * k) / (1 - k * k) * math.exp(2 * self.deviation) / float(self.seen.start @ self.seen.start)

    @property
    def rate(self) -> float:
        """[1/step]"""
        return -math.log(self.kept)

    @property
    def volatility(self) -> float:
        """[1/sqrt(year)] of the diffusion, from the deviation of an exact transition."""
        per_step = math.exp(2 * self.deviation) * 2 * self.rate / (1 - self.kept**2)
        return self.seen.scale * math.sqrt(per_step * YEAR / self.step)

    @property
    def half_life(self) -> float:
        """[s]"""
        return self.step * math.log(2) / self.rate

    @property
    def peg(self) -> float:
        return math.exp(self.seen.centre + self.seen.scale * self.m / self.pull)

    @property
    def slopes(self) -> np.ndarray:
        """Of log volatility, log half-life and log peg [row] by m, log deviation and pull [column]."""
        k, rate = self.kept, self.rate
        by_pull = 1 / (2 * k * rate) - k / (1 - k * k)
        reach = self.seen.scale / self.pull
        return np.array([[0.0, 1.0, by_pull], [0.0, 0.0, -1 / (k * rate)], [reach, 0.0, -reach * self.m / self.pull]])
