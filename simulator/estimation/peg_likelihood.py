"""Likelihood of a peg's moves, step by step, each given where it began: exact at any step.

x[t+1] - x[t] = m - (1 - k) x[t] + e + jumps, x the log distance from some nominal peg, k = 2^(-step / half_life), m = (1 - k)
log(peg / nominal), e normal with the variance volatility^2 (1 - k^2) / (2 rate) of the transition (Uhlenbeck, Ornstein 1930). So
given x[t] a move is normal, or Student-t where it is only judged, or Merton's Poisson mixture (1976), around a line in x[t].
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from simulator.estimation import merton_likelihood as merton
from simulator.estimation.coordinates import DEGREES_RANGE
from simulator.estimation.maximum import Maximum, maximise

MEAN, DEVIATION = merton.MEAN, merton.VOLATILITY  # m, and the log of the deviation of e; the pull 1 - k is the last coordinate
DEGREES = 2  # of a Student-t's coordinates: log(degrees of freedom - 2)
PULL = (-1.0, 1.999)  # range of 1 - k
LOW, HIGH = (-2.0, math.log(1e-4)), (2.0, math.log(3.0))
Law = Callable[[np.ndarray, np.ndarray], np.ndarray]  # moves less their pull, coordinates -> [t] or [t, coordinate]


@dataclass(frozen=True)
class Pairs:
    """Moves [t] and where they began, from the mean of those places, both in units of `scale`, the moves' root mean square."""

    move: np.ndarray
    start: np.ndarray
    centre: float
    scale: float

    @property
    def least_squares(self) -> tuple[float, float, float]:
        """(m, log deviation, 1 - k)."""
        m, pull = float(self.move.mean()), -float(self.move @ self.start / (self.start @ self.start))
        return m, 0.5 * math.log(float(np.mean((self.move - m + pull * self.start) ** 2))), pull


def pairs(moves: np.ndarray, distance: np.ndarray) -> Pairs:
    """Of `moves` [t], NaN where missing or left out, that begin at `distance` [t]."""
    seen = ~np.isnan(moves)
    scale, centre = math.sqrt(float(np.mean(moves[seen] ** 2))), float(distance[seen].mean())
    return Pairs(moves[seen] / scale, (distance[seen] - centre) / scale, centre, scale)


def line(seen: Pairs, x: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Expected moves from `start` at coordinates `x`, jumps apart."""
    return np.asarray(seen.scale * x[MEAN] - x[-1] * (start - seen.centre))


def normal_maximum(seen: Pairs) -> Maximum:
    """At m, log deviation, 1 - k. Raises NotConverged."""
    return _maximum(seen, (normal, normal_slopes), [seen.least_squares[:2]], LOW, HIGH)


def student_maximum(seen: Pairs) -> Maximum:
    """At m, log deviation, log(degrees of freedom - 2), 1 - k. Raises NotConverged."""
    starts = [(*seen.least_squares[:2], math.log(degrees - 2)) for degrees in (3.0, 8.0)]
    return _maximum(seen, (student, student_slopes), starts, (*LOW, DEGREES_RANGE[0]), (*HIGH, DEGREES_RANGE[1]))


def mixture_maximum(seen: Pairs) -> Maximum:
    """At Merton's coordinates (`merton_likelihood`), then 1 - k. Raises NotConverged."""
    return _maximum(seen, (merton.densities, merton.slopes), merton.STARTS, merton.LOW, merton.HIGH)


def _maximum(
    seen: Pairs, law: tuple[Law, Law], starts: Sequence[Sequence[float]], low: Sequence[float], high: Sequence[float]
) -> Maximum:
    """`law`, densities and slopes of moves around a constant, laid around the line."""
    densities, slopes = law

    def around(x: np.ndarray) -> np.ndarray:
        return densities(seen.move + x[-1] * seen.start, x[:-1])

    def scores(x: np.ndarray) -> np.ndarray:
        own = slopes(seen.move + x[-1] * seen.start, x[:-1])
        return np.column_stack([own, -own[:, MEAN] * seen.start])

    begin = [(*start, seen.least_squares[2]) for start in starts]
    return maximise(around, begin, (*low, PULL[0]), (*high, PULL[1]), "the peg", scores)


def normal(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    return -0.5 * math.log(2 * math.pi) - x[DEVIATION] - 0.5 * ((y - x[MEAN]) * math.exp(-x[DEVIATION])) ** 2


def normal_slopes(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    z = (y - x[MEAN]) * math.exp(-x[DEVIATION])
    return np.column_stack([z * math.exp(-x[DEVIATION]), z * z - 1])


def student(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Of variance exp(2 x[DEVIATION])."""
    z, above = (y - x[MEAN]) * math.exp(-x[DEVIATION]), math.exp(x[DEGREES])
    constant = math.lgamma((above + 3) / 2) - math.lgamma((above + 2) / 2) - 0.5 * math.log(math.pi * above)
    return constant - x[DEVIATION] - (above + 3) / 2 * np.log1p(z * z / above)


def student_slopes(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    from scipy.special import digamma

    z, above = (y - x[MEAN]) * math.exp(-x[DEVIATION]), math.exp(x[DEGREES])
    share = z * z / (above + z * z)
    constant = 0.5 * (digamma((above + 3) / 2) - digamma((above + 2) / 2) - 1 / above)
    by_above = constant - 0.5 * np.log1p(z * z / above) + (above + 3) / 2 * share / above
    pull = (above + 3) * z / (above + z * z)
    return np.column_stack([pull * math.exp(-x[DEVIATION]), (above + 3) * share - 1, above * by_above])
