"""Depegs apart from the moves of a peg: by threshold around its line, or by the exact likelihood with Merton's jumps.

As `jump_choice` tells jumps from returns, with a line in the distance from the peg in place of a conditional variance.
"""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from simulator.estimation.errors import NotConverged
from simulator.estimation.jump_choice import Parted, law_of_sizes, too_few
from simulator.estimation.jumps import FEWEST_JUMPS, Split, split
from simulator.estimation.maximum import Maximum
from simulator.estimation.merton_likelihood import returns_fit
from simulator.estimation.peg_likelihood import (
    DEGREES,
    DEVIATION,
    Pairs,
    line,
    mixture_maximum,
    normal_maximum,
    pairs,
    student_maximum,
)
from simulator.estimation.settings import FitSettings
from simulator.parameters import YEAR


@dataclass(frozen=True)
class Found:
    """Depegs apart from the rest, the likelihood's maximum, and the moves it saw."""

    told: Parted
    top: Maximum
    seen: Pairs
    start: np.ndarray  # [t] where every move begins
    step: float


def parted_moves(moves: np.ndarray, start: np.ndarray, step: float, settings: FitSettings) -> Found:
    """Depegs are told apart as `jump_choice.parted` tells jumps. Raises NotConverged."""
    whole, told = pairs(moves, start), None
    if settings.jumps == "likelihood":
        top = mixture_maximum(whole)
        told = returns_fit(top, whole.move + top.x[-1] * whole.start, whole.scale, ~np.isnan(moves), step)
        if told.describes_crashes and told.jumps.count >= FEWEST_JUMPS:
            is_jump = told.posterior > 0.5
            both = np.where(is_jump, np.nan, moves), np.where(is_jump, moves, np.nan)
            return Found(Parted(Split(*both, math.nan, told.jumps.count), told.jumps, told), top, whole, start, step)
    apart = split(moves, lambda rest: _Judge.of(rest, start, settings))
    if settings.jumps == "none" or too_few(apart.sizes.size, settings.jumps):
        plain = Split(moves, np.full(moves.size, np.nan), apart.threshold, apart.beyond)
        return Found(Parted(plain, None, told), normal_maximum(whole), whole, start, step)
    rest = pairs(apart.diffusive, start)
    top = normal_maximum(rest)
    sizes = apart.jumps - line(rest, top.x, start)
    law = law_of_sizes(sizes[~np.isnan(sizes)], len(whole.move) * step / YEAR, settings.jumps)
    return Found(Parted(apart, law, told), top, rest, start, step)


@dataclass(frozen=True)
class _Judge:
    """Which moves lie apart from a line by more than its innovations explain."""

    expected: np.ndarray  # [t]
    deviation: float
    degrees: float

    @classmethod
    def of(cls, rest: np.ndarray, start: np.ndarray, settings: FitSettings) -> _Judge:
        """Fitted to the moves `rest`; normal innovations if those were asked for, else Student-t."""
        seen = pairs(rest, start)
        top, degrees = normal_maximum(seen), math.inf
        with suppress(NotConverged):  # flat where tails are a normal's
            if settings.innovation != "normal":
                top = student_maximum(seen)
                degrees = 2 + math.exp(top.x[DEGREES])
        return cls(line(seen, top.x, start), seen.scale * math.exp(top.x[DEVIATION]), degrees)

    def beyond(self, moves: np.ndarray, rest: np.ndarray, k: float) -> np.ndarray:
        """[t] whether a move lies beyond `k` deviations of its line."""
        return np.abs(moves - self.expected) > k * self.deviation
