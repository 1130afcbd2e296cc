"""The quasi-likelihood of converging correlation (`market.dependence.Converging`), the correlation targeted.

R = (1 - m) S + m 11', m = level c, c the strain V held between its thresholds and smoothed; V, the mean over assets of
conditional over stationary variance, comes from the fitted margins. S follows from the correlation C of all scores, C = (1 - mean
m) S + mean m 11', so that R = k (C + q 11'), k = (1 - m) / (1 - mean m), q = (m - mean m) / (1 - m): R^-1 and |R| are those of C
and one vector by Sherman and Morrison (1950), and no step needs a matrix of its own. The likelihood bends at the thresholds: a
grid over observed strains gives the starts, Nelder and Mead (1965) climb.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np

from simulator.estimation.coordinates import logistic, logit
from simulator.estimation.dependence import SMALLEST_EIGENVALUE
from simulator.kernel import kernel
from simulator.market.dependence import Converging
from simulator.parameters import DAY

STARTS_AT, FULL_AT, LEVEL, HALF_LIFE = range(4)  # log, log, logit, log [s]
NAMES = ("starts_at", "full_at", "level", "half_life")
BEGINS, ENDS = (0.02, 0.4, 0.7, 0.9, 0.96), (0.8, 0.95, 0.99, 0.999)  # quantiles of strain where the search begins
LEVELS, DAYS = (0.2, 0.6), (0.05, 1.0, 10.0)
Loss = Callable[[np.ndarray], float]
LARGEST_LEVEL = 7.0  # |logit|
ROWS_A_LOG = 8  # factors of at least 1e-3 each: their product is far from the smallest that a float holds
LEAST_HALF_LIFE, LARGEST_HALF_LIFE = 0.05, 0.25  # of a step, of all steps: what a sample can tell
BELOW, ABOVE, APART = 1.0, 1.5, 1e-3  # of thresholds: below the least strain, above the largest, between the two; logs
ASIDE = 0.05  # in the log of a threshold: how far one that is held pushes the other
OUTSIDE = 1e12  # in place of an infinite loss, which Nelder and Mead cannot subtract


@dataclass(frozen=True)
class Strained:
    """Normal scores [t, asset] of seen rows, their correlation, and the strain of every step."""

    scores: np.ndarray
    target: np.ndarray
    strain: np.ndarray  # [step]
    seen: np.ndarray  # [step]
    step: float  # [s]

    def law(self, x: np.ndarray) -> Converging:
        """At coordinates."""
        begin, full, half_life = (math.exp(x[c]) for c in (STARTS_AT, FULL_AT, HALF_LIFE))
        return Converging(starts_at=begin, full_at=full, level=logistic(float(x[LEVEL])), half_life=half_life)

    def drawn(self, x: np.ndarray) -> np.ndarray:
        """m [t] of the seen rows."""
        begin, full, half_life = (math.exp(x[c]) for c in (STARTS_AT, FULL_AT, HALF_LIFE))
        return logistic(float(x[LEVEL])) * risen(self.strain, (begin, full, half_life), self.step)[self.seen]

    def calm(self, drawn: np.ndarray) -> np.ndarray:
        """S, where rows were `drawn` [t] to one."""
        mean = float(drawn.mean())
        return np.asarray((self.target - mean) / (1 - mean))

    @property
    def starts(self) -> Iterator[np.ndarray]:
        """Coordinates on a grid over observed strains."""
        begins, ends = (np.quantile(self.strain, quantiles) for quantiles in (BEGINS, ENDS))
        for begin, end, level, days in product(begins, ends, LEVELS, DAYS):
            if end > begin:
                yield np.array([math.log(begin), math.log(end), logit(level), math.log(days * DAY)])

    @cached_property
    def _forms(self) -> tuple[np.ndarray, np.ndarray, float, float]:
        """w' C^-1 w and (w' C^-1 1)^2 of every step, 1' C^-1 1, and what of the loss is the same at all coordinates."""
        w, inverse = np.zeros((len(self.seen), len(self.target))), np.linalg.inv(self.target)
        w[self.seen] = self.scores
        form, along = np.einsum("ti,ij,tj->t", w, inverse, w), np.einsum("ti,i->t", w, inverse.sum(axis=0))
        fixed = len(self.scores) * float(np.linalg.slogdet(self.target)[1]) - float(np.sum(w * w))
        return form, along**2, float(inverse.sum()), fixed

    @cached_property
    def _range(self) -> tuple[float, float]:
        return math.log(float(self.strain.min())), math.log(float(self.strain.max()))

    @cached_property
    def box(self) -> tuple[np.ndarray, np.ndarray]:
        """Ends (low, high) of what is looked at: thresholds about the observed strains, a half-life that a sample can tell."""
        (lowest, highest), longest = self._range, LARGEST_HALF_LIFE * self.strain.size
        low = [lowest - BELOW, lowest - BELOW + ASIDE, -LARGEST_LEVEL, math.log(LEAST_HALF_LIFE * self.step)]
        return np.array(low), np.array([highest, highest + ABOVE, LARGEST_LEVEL, math.log(longest * self.step)])

    def within(self, x: np.ndarray) -> bool:
        """Between the ends of the box, the thresholds in their order."""
        low, high = self.box
        return bool(np.all((low < x) & (x < high)) and x[STARTS_AT] + APART < x[FULL_AT])

    def loss(self, x: np.ndarray) -> float:
        """Minus the log-likelihood of the Gaussian copula; `OUTSIDE` where nobody looks or S is no correlation matrix."""
        if not self.within(x):
            return OUTSIDE
        form, along, whole, fixed = self._forms
        begin, full, half_life = (math.exp(x[c]) for c in (STARTS_AT, FULL_AT, HALF_LIFE))
        law = (begin, full, logistic(float(x[LEVEL])), 2.0 ** (-self.step / half_life))
        return min(0.5 * (_moving(self.strain, self.seen, form, along, law, len(self.target), whole) + fixed), OUTSIDE)

    def top(self, starts: Sequence[np.ndarray]) -> tuple[np.ndarray, float]:
        """The best of the climbs from `starts`, and its loss."""
        return min((climb(self.loss, start) for start in starts), key=lambda found: found[1])

    def best_starts(self, count: int) -> list[np.ndarray]:
        """Of the grid, those that have a correlation matrix."""
        losses = [(self.loss(start), start) for start in self.starts]
        return [start for loss, start in sorted(losses, key=lambda one: one[0])[:count] if loss < OUTSIDE / 2]


@kernel
def _moving(strain, seen, form, along, law, size, whole):
    """Twice what of the loss moves, summed over seen rows: `size` log k + log(1 + q 1' C^-1 1) + w' (k C + k q 11')^-1 w."""
    begin, full, level, kept = law
    m = np.empty(strain.size)
    c, mean, count = 0.0, 0.0, 0
    for t in range(strain.size):
        c = kept * c + (1.0 - kept) * min(max((strain[t] - begin) / (full - begin), 0.0), 1.0)
        m[t] = level * c
        if seen[t]:
            mean += m[t]
            count += 1
    mean /= count
    if 1.0 - mean * whole < SMALLEST_EIGENVALUE:
        return math.inf
    total, kept_apart, bends = 0.0, 1.0, 1.0
    for t in range(strain.size):
        if seen[t]:
            k, q = (1.0 - m[t]) / (1.0 - mean), (m[t] - mean) / (1.0 - m[t])
            bent = 1.0 + q * whole
            total += (form[t] - q * along[t] / bent) / k
            kept_apart *= k
            bends *= bent
        if t % ROWS_A_LOG == 0:
            total += size * math.log(kept_apart) + math.log(bends)
            kept_apart, bends = 1.0, 1.0
    return total + size * math.log(kept_apart) + math.log(bends)


def risen(strain: np.ndarray, law: tuple[float, float, float], step: float) -> np.ndarray:
    """c of every step, `law` = (starts_at, full_at, half_life)."""
    from scipy.signal import lfilter

    begin, full, half_life = law
    kept = 2.0 ** (-step / half_life)
    held = np.clip((strain - begin) / (full - begin), 0.0, 1.0)
    return np.asarray(lfilter([1 - kept], [1.0, -kept], held))


def climb(loss: Loss, start: np.ndarray) -> tuple[np.ndarray, float]:
    from scipy.optimize import minimize

    found = minimize(loss, start, method="Nelder-Mead", options={"xatol": 1e-3, "fatol": 1e-4, "maxiter": 1_000})
    return found.x, float(found.fun)
