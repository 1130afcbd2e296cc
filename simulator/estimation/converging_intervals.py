"""Intervals of converging correlation by profile likelihood, the cut of the thresholds measured on samples drawn from the fit.

What the likelihood loses at the true thresholds is no chi-square, for it bends there and the correlation is targeted: intervals
of chi-square cover 91 to 93 %. So its mean is measured: samples of the fitted law under the observed strain are fitted again,
with the threshold free and held at the truth, and the cut of chi-square is multiplied by the mean of twice what is lost
(Bartlett 1937, by simulation as in Rocke 1989), never by less than one. Level and half-life keep chi-square's own; the margins
are taken as known.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import numpy as np

from simulator.estimation.converging_likelihood import ASIDE, FULL_AT, LEVEL, NAMES, OUTSIDE, STARTS_AT, Strained, climb
from simulator.estimation.coordinates import logistic
from simulator.estimation.profile import CHI_SQUARE, edge
from simulator.kernel import stream

FIRST_REACH, LONGEST_REACH = 0.05, 6.4  # in a coordinate
WITHIN = 1e-6  # the ends of the box, in a coordinate
SAMPLES = 40
GAINED = 1e-3  # of log-likelihood: a better top than the one that was looked from
MOST_TOPS = 5


def intervals(
    sample: Strained, x: np.ndarray, loss: float, samples: int = SAMPLES
) -> tuple[np.ndarray, float, dict[str, tuple[float, float]]]:
    """(coordinates, loss, 95 % interval by name): the top is the best that any profile came by."""
    cuts = stretched(sample, x, samples)
    for _ in range(MOST_TOPS):
        found, better = {}, [(x, loss)]
        for c, name in enumerate(NAMES):
            ends = []
            for side in (-1.0, 1.0):
                along = _Profile(sample, x, loss, c, side)
                ends.append(float(x[c]) + side * edge(along.lost, FIRST_REACH, along.longest, cuts.get(c, CHI_SQUARE)))
                better.append(along.best)
            found[name] = _natural(c, *ends)
        start, least = min(better, key=lambda one: one[1])
        if least > loss - GAINED:
            break
        x, loss = sample.top([start])
    return x, loss, found


class _Profile:
    """The likelihood along coordinate `c` on one side of the top, the others climbed anew from the last place and the grid."""

    def __init__(self, sample: Strained, x: np.ndarray, loss: float, c: int, side: float) -> None:
        self.sample, self.x, self.loss, self.c, self.side = sample, x, loss, c, side
        self.near, self.best = x, (x, loss)

    @property
    def longest(self) -> float:
        """How far is looked: to the end of the box, beyond which nothing is rejected, for nobody asks."""
        low, high = self.sample.box
        end = (high if self.side > 0 else low)[self.c]
        return min(LONGEST_REACH, max(self.side * (end - float(self.x[self.c])) - WITHIN, 0.0))

    def lost(self, reach: float) -> float:
        """Log-likelihood less than at the top, `reach` from it."""
        value = float(self.x[self.c]) + self.side * reach
        grid = [held_at(start, self.c, value) for start in self.sample.starts]
        starts = [self.near, min(grid, key=self.sample.loss)]
        at, least = min((held(self.sample, start, self.c, value) for start in starts), key=lambda one: one[1])
        if least < OUTSIDE / 2:
            self.near = at
        self.best = min(self.best, (at, least), key=lambda one: one[1])
        return least - self.loss


def held_at(x: np.ndarray, c: int, value: float) -> np.ndarray:
    """`x` with coordinate `c` at `value`; the other threshold gives way."""
    at = x.copy()
    at[c] = value
    if c == STARTS_AT:
        at[FULL_AT] = max(at[FULL_AT], value + ASIDE)
    elif c == FULL_AT:
        at[STARTS_AT] = min(at[STARTS_AT], value - ASIDE)
    return at


def held(sample: Strained, start: np.ndarray, c: int, value: float) -> tuple[np.ndarray, float]:
    """The top over all coordinates but `c`, held at `value`, and its loss."""
    rest = [k for k in range(start.size) if k != c]

    def along(others: np.ndarray) -> float:
        at = start.copy()
        at[c], at[rest] = value, others
        return sample.loss(at)

    others, least = climb(along, held_at(start, c, value)[rest])
    at = start.copy()
    at[c], at[rest] = value, others
    return at, least


def stretched(sample: Strained, x: np.ndarray, samples: int) -> dict[int, float]:
    """By threshold, the cut of log-likelihood at which 95 % of samples of the law at `x` keep the truth."""
    means = dict(zip((STARTS_AT, FULL_AT), mean_lost(sample, x, samples, (STARTS_AT, FULL_AT)), strict=True))
    return {c: CHI_SQUARE * max(float(mean), 1.0) for c, mean in means.items()}


def mean_lost(sample: Strained, x: np.ndarray, samples: int, held_back: Sequence[int]) -> np.ndarray:
    """Mean over samples of the law at `x` of twice the log-likelihood that each coordinate, held at the truth, costs."""
    generator = np.random.default_rng(int(stream(0, "fit", "converging")))
    drawn = sample.drawn(x)
    factor = np.linalg.cholesky(sample.calm(drawn))
    lost = [_lost(redrawn(sample, drawn, factor, generator), x, held_back) for _ in range(samples)]
    return np.asarray(np.mean(2 * np.maximum(lost, 0), axis=0))


def redrawn(sample: Strained, drawn: np.ndarray, factor: np.ndarray, generator: np.random.Generator) -> Strained:
    """Scores of the correlation (1 - m) S + m 11', m = `drawn` [t], S = `factor` factor', under the same strain."""
    own, common = generator.standard_normal(sample.scores.shape), generator.standard_normal((len(drawn), 1))
    m = drawn[:, np.newaxis]
    w = np.sqrt(1 - m) * np.einsum("ij,tj->ti", factor, own) + np.sqrt(m) * common
    return Strained(w, np.corrcoef(w, rowvar=False), sample.strain, sample.seen, sample.step)


def _lost(sample: Strained, truth: np.ndarray, held_back: Sequence[int]) -> list[float]:
    """Log-likelihood that holding each of these coordinates at the truth costs."""
    x, loss = sample.top([truth, *sample.best_starts(1)])
    lost = []
    for c in held_back:
        at = partial(held, sample, c=c, value=float(truth[c]))
        lost.append(min(at(start)[1] for start in (truth, held_at(x, c, truth[c]))) - loss)
    return lost


def _natural(c: int, low: float, high: float) -> tuple[float, float]:
    """Ends of an interval as people read them; one that is never reached is open: nothing looked at is rejected."""
    open_end = 1.0 if c == LEVEL else math.inf
    back = logistic if c == LEVEL else math.exp
    return (back(low) if low > -math.inf else 0.0), (back(high) if high < math.inf else open_end)
