"""Correlation that converges when variances rise (`market.dependence.Converging`) by quasi-likelihood, the correlation targeted.

R = (1 - m) S + m 11', m = level c, c the strain V held between its thresholds and smoothed; V, the mean over assets of
conditional over stationary variance, comes from the fitted margins. S follows from the correlation C of all scores: C = (1 - mean
m) S + mean m 11'. As R is S and one vector, R^-1 and |R| are those of S by Sherman and Morrison (1950): no step needs a matrix of
its own. The likelihood bends at the thresholds: a grid over observed strains gives the start, Nelder and Mead (1965) climb. It is
no parabola either: intervals hold what its profile does not reject at 5 % (chi-square of one degree), the margins given.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from simulator.estimation.coordinates import logistic, logit
from simulator.estimation.dependence import SMALLEST_EIGENVALUE
from simulator.estimation.errors import NotConverged
from simulator.estimation.standard_errors import Estimate
from simulator.market.dependence import Converging
from simulator.parameters import DAY

STARTS_AT, FULL_AT, LEVEL, HALF_LIFE = range(4)  # log, log, logit, log [s]
NAMES = ("starts_at", "full_at", "level", "half_life")
BEGINS, ENDS = (0.02, 0.4, 0.7, 0.9, 0.96), (0.8, 0.95, 0.99, 0.999)  # quantiles of strain where the search begins
LEVELS, DAYS = (0.2, 0.6), (0.05, 1.0, 10.0)
CLIMBED = 3  # starts
Loss = Callable[[np.ndarray], float]
REJECTED = 1.9207  # log-likelihood below the top: half the 95 % point of chi-square
FIRST_REACH, LONGEST_REACH = 0.05, 6.4  # in a coordinate, doubled until the profile is rejected
HALVINGS = 3  # of the last stretch, before a straight line
LARGEST_LEVEL = 7.0  # |logit|
OUTSIDE = 1e12  # in place of an infinite loss, which Nelder and Mead cannot subtract


@dataclass(frozen=True)
class ConvergingFit:
    """The law, its numbers with errors, the correlation behind it, and how much each step is drawn to one."""

    law: Converging
    correlation: np.ndarray  # S
    estimates: dict[str, Estimate]
    path: np.ndarray  # [t, asset, asset] of every step
    log_likelihood: float


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

    def risen(self, law: Converging) -> np.ndarray:
        """c of every seen row."""
        from scipy.signal import lfilter

        kept = 2.0 ** (-self.step / law.half_life)
        held = np.clip((self.strain - law.starts_at) / (law.full_at - law.starts_at), 0.0, 1.0)
        return np.asarray(lfilter([1 - kept], [1.0, -kept], held)[self.seen])

    def calm(self, drawn: np.ndarray, target: np.ndarray) -> np.ndarray:
        """S of the correlation `target` of all rows, which were `drawn` [t] to one."""
        mean = float(drawn.mean())
        return np.asarray((target - mean) / (1 - mean))

    def densities(self, x: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Log densities [t] of the Gaussian copula; beyond `OUTSIDE` where S is no correlation matrix."""
        law = self.law(x)
        drawn = law.level * self.risen(law)
        calm = self.calm(drawn, target)
        if np.linalg.eigvalsh(calm)[0] < SMALLEST_EIGENVALUE:
            return np.full(len(self.scores), -OUTSIDE / len(self.scores))
        return drawn_densities(self.scores, calm, drawn)

    @property
    def starts(self) -> Iterator[np.ndarray]:
        """Coordinates on a grid over observed strains."""
        begins, ends = (np.quantile(self.strain, quantiles) for quantiles in (BEGINS, ENDS))
        for begin, end, level, days in product(begins, ends, LEVELS, DAYS):
            if end > begin:
                yield np.array([math.log(begin), math.log(end), logit(level), math.log(days * DAY)])

    def within(self, x: np.ndarray) -> bool:
        """Thresholds about the observed strains, a half-life that a sample can tell."""
        lowest, highest, half_life = math.log(self.strain.min()), math.log(self.strain.max()), math.exp(x[HALF_LIFE])
        inside = lowest - 1 <= x[STARTS_AT] < highest and x[STARTS_AT] + 1e-3 < x[FULL_AT] < highest + 1.5
        return bool(inside and abs(x[LEVEL]) < LARGEST_LEVEL and 0.05 * self.step < half_life < self.strain.size * self.step / 4)

    def loss(self, x: np.ndarray) -> float:
        """Minus the log-likelihood; `OUTSIDE` where nobody looks."""
        return -float(np.sum(self.densities(x, self.target))) if self.within(x) else OUTSIDE


def drawn_densities(w: np.ndarray, calm: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Log densities [t] of a Gaussian copula of correlation (1 - m) S + m 11', m = `drawn` [t], at normal scores `w`."""
    inverse, log_determinant = np.linalg.inv(calm), float(np.linalg.slogdet(calm)[1])
    one = inverse.sum(axis=0)
    form, along, whole = np.einsum("ti,ij,tj->t", w, inverse, w), w @ one, float(one.sum())
    odds = drawn / (1 - drawn)
    own = w.shape[1] * np.log1p(-drawn) + log_determinant + np.log1p(odds * whole)
    pulled = (form - odds * along**2 / (1 + odds * whole)) / (1 - drawn)
    return np.asarray(-0.5 * (own + pulled - np.sum(w * w, axis=1)))


def fit_converging(
    w: np.ndarray, target: np.ndarray, strain: np.ndarray, step: float, with_intervals: bool = True
) -> ConvergingFit:
    """Of normal scores `w` [t, asset], NaN where missing, of correlation `target`, under `strain` [t]. Raises NotConverged.

    Intervals take ten times as long as the fit.
    """
    seen = ~np.isnan(w).any(axis=1)
    sample = Strained(w[seen], target, strain, seen, step)
    starts = [start for start in sorted(sample.starts, key=sample.loss)[:CLIMBED] if sample.loss(start) < OUTSIDE / 2]
    if not starts:
        raise NotConverged("converging correlation: no start of the search has a correlation matrix")
    x, loss = min((_climb(sample.loss, start) for start in starts), key=lambda top: top[1])
    law = sample.law(x)
    drawn = law.level * sample.risen(law)
    calm = sample.calm(drawn, target)
    path = calm + drawn[:, np.newaxis, np.newaxis] * (1 - calm)
    estimates = {f"converging_{name}": Estimate(getattr(law, name)) for name in NAMES}
    return ConvergingFit(law, calm, _estimates(sample, x, loss) if with_intervals else estimates, path, -loss)


def _climb(loss: Loss, start: np.ndarray) -> tuple[np.ndarray, float]:
    from scipy.optimize import minimize

    found = minimize(loss, start, method="Nelder-Mead", options={"xatol": 1e-3, "fatol": 1e-4, "maxiter": 1_000})
    return found.x, float(found.fun)


def _estimates(sample: Strained, x: np.ndarray, loss: float) -> dict[str, Estimate]:
    """Each number with its interval; one that reaches the end of what is looked at is open there."""
    law, found = sample.law(x), {}
    for c, name in enumerate(NAMES):
        ends = [_end(sample, x, loss, c, side) for side in (-1.0, 1.0)]
        back = logistic if c == LEVEL else math.exp
        low, high = back(ends[0]) if ends[0] > -math.inf else 0.0, (1.0 if c == LEVEL else math.inf)
        high = back(ends[1]) if ends[1] < math.inf else high
        note = f"95 % by profile: {low:.3g} to {high:.3g}"
        found[f"converging_{name}"] = Estimate(getattr(law, name), None, note, limits=(low, high))
    return found


def _end(sample: Strained, x: np.ndarray, loss: float, c: int, side: float) -> float:
    """Where the profile along coordinate `c` is rejected on one side of the top; infinite if it never is."""
    rest = [k for k in range(x.size) if k != c]

    def fallen(reach: float, near: np.ndarray) -> tuple[float, np.ndarray]:
        """Log-likelihood lost at `reach`, the other coordinates climbed anew from `near`."""
        at = near.copy()
        at[c] = x[c] + side * reach

        def along(others: np.ndarray) -> float:
            trial = at.copy()
            trial[rest] = others
            return sample.loss(trial)

        at[rest], least = _climb(along, at[rest])
        return least - loss - REJECTED, at

    inside, low, near, reach = 0.0, -REJECTED, x, FIRST_REACH
    while True:
        high, at = fallen(reach, near)
        if high > 0:
            break
        inside, low, near, reach = reach, high, at, 2 * reach
        if reach > LONGEST_REACH:
            return side * math.inf
    for _ in range(HALVINGS):
        middle = (inside + reach) / 2
        value, at = fallen(middle, near)
        if value > 0:
            reach, high = middle, value
        else:
            inside, low, near = middle, value, at
    share = -low / (high - low) if high < OUTSIDE / 2 else 1.0
    return float(x[c]) + side * (inside + share * (reach - inside))
