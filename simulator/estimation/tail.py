"""The tail of the stationary law: a fit may follow every burst of variance and still simulate a market nobody has seen.

A GARCH law has returns with tail index kappa where E[(alpha z^2 + gamma z^2 1[z < 0] + beta)^(kappa/2)] = 1 (Kesten 1973;
Mikosch and Starica 2000). The likelihood of hourly crypto returns prefers kappa just above 2: then the stationary
variance, targeted or not, comes from rare explosions, and the typical hour is far too calm (BTC 2021 to 2024: simulated
median |r| 0.60 of the data's). `TailBound` says how much of the persistence may be ARCH part (alpha share) so that kappa is
no less than `index`.

An EGARCH has no such index: with cut innovations every moment exists, and its size lies in how far variance must rise before
E[(h[t+1] / h[t])^(index/2)] falls below one. That E is (h / h*)^((beta - 1) index/2) E[exp((index/2) g)], h* the geometric mean
of h. The bound asks for the turning point to lie below the market's ceiling of conditional volatility, and says how large alpha
may be.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from simulator.estimation.coordinates import ASYMMETRY, DEGREES, LARGEST_SHARE, PERSISTENCE, SHARE, SKEW, SMALLEST_SHARE, natural
from simulator.estimation.innovation_density import nodes
from simulator.estimation.specification import GARCH_T, Specification
from simulator.market.processes import Egarch

DIFFERENCE = 1e-5
CEILING = float(Egarch.model_fields["ceiling"].default)  # [1] times stationary volatility


@dataclass(frozen=True)
class TailBound:
    """The stationary law has a tail index of at least `index` (> 2); innovations are cut at `max_move`."""

    index: float
    max_move: float
    specification: Specification = GARCH_T

    def growth(self, x: np.ndarray) -> float:
        """The bound holds where it is <= 0: log E[(alpha z^2 + gamma z^2 1[z < 0] + beta)^(index/2)] at `x`, or, of
        an EGARCH, the mean growth of variance at the ceiling."""
        p = natural(x, False, self.specification, self.max_move)
        z, mass = nodes(p.degrees_of_freedom, p.skew, self.max_move)
        half = self.index / 2
        if p.is_exponential:
            g = p.alpha * (np.abs(z) - p.mean_size) + p.gamma * z
            largest = float(g.max())
            mean = largest * half + math.log(float(np.sum(mass * np.exp(half * (g - largest)))))
            return mean / half - 2 * math.log(CEILING) * (1 - p.persistence)
        return math.log(float(np.sum(mass * ((p.alpha + p.gamma * (z < 0)) * z * z + p.beta) ** half)))

    def share(self, x: np.ndarray) -> float:
        """The largest `SHARE` (of an EGARCH: alpha) that keeps the bound, other coordinates as in `x` (growth rises with it)."""
        from scipy.optimize import brentq

        def growth(share: float) -> float:
            trial = x.copy()
            trial[SHARE] = share
            return self.growth(trial)

        lowest, highest = (0.0, 1.0) if self.specification.is_exponential else (SMALLEST_SHARE, LARGEST_SHARE)
        if growth(highest) <= 0:
            return highest
        if growth(lowest) >= 0:
            return lowest
        return float(brentq(growth, lowest, highest, xtol=1e-13, rtol=1e-14))

    def slope(self, x: np.ndarray) -> np.ndarray:
        """Derivatives of `share` by the coordinates, at a point on the bound."""
        partial = np.zeros(x.size)
        for c in (PERSISTENCE, SHARE, ASYMMETRY, DEGREES, SKEW):
            step = np.zeros(x.size)
            step[c] = DIFFERENCE
            partial[c] = (self.growth(x + step) - self.growth(x - step)) / (2 * DIFFERENCE)
        result = -partial / partial[SHARE]
        result[SHARE] = 0.0
        return result
