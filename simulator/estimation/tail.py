"""The tail of the stationary law: a fit may follow every burst of variance and still simulate a market nobody has seen.

A GARCH law has returns with tail index kappa where E[(alpha z^2 + gamma z^2 1[z < 0] + beta)^(kappa/2)] = 1 (Kesten 1973;
Mikosch and Starica 2000). The likelihood of hourly crypto returns prefers kappa just above 2: then the stationary
variance, targeted or not, comes from rare explosions, and the typical hour is far too calm (BTC 2021 to 2024: simulated
median |r| 0.60 of the data's). `TailBound` says how much of the persistence may be ARCH part (alpha share) so that kappa is
no less than `index`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from simulator.estimation.coordinates import ASYMMETRY, DEGREES, LARGEST_SHARE, PERSISTENCE, SHARE, SMALLEST_SHARE, natural

PANELS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0)  # [standard deviations]
NODES = 16  # of Gauss and Legendre in each panel: moments to 1e-12
DIFFERENCE = 1e-5


@lru_cache(maxsize=64)
def _rule(max_move: float) -> tuple[np.ndarray, np.ndarray]:
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    edges = [*(edge for edge in PANELS if edge < max_move), max_move]
    middles, halves = np.add(edges[1:], edges[:-1]) / 2, np.diff(edges) / 2
    return (middles[:, None] + halves[:, None] * nodes).ravel(), (halves[:, None] * weights).ravel()


def squared_innovations(degrees: float, max_move: float) -> tuple[np.ndarray, np.ndarray]:
    """Nodes z^2 and probabilities of the square of a Student-t cut at `max_move` of its standard deviations, E z^2 = 1."""
    z, weights = _rule(max_move)
    mass = weights * np.exp(-(degrees + 1) / 2 * np.log1p(z * z / (degrees - 2)))
    mass /= mass.sum()
    return z * z / np.sum(mass * z * z), mass


@dataclass(frozen=True)
class TailBound:
    """The stationary law has a tail index of at least `index` (> 2); innovations are cut at `max_move`."""

    index: float
    max_move: float

    def growth(self, x: np.ndarray) -> float:
        """log E[(alpha z^2 + gamma z^2 1[z < 0] + beta)^(index/2)] at coordinates `x`: the bound holds where it is <= 0."""
        p = natural(x, True)
        z2, mass = squared_innovations(p.degrees_of_freedom, self.max_move)
        half = self.index / 2
        rise, fall = (p.alpha * z2 + p.beta) ** half, ((p.alpha + p.gamma) * z2 + p.beta) ** half
        return math.log(float(np.sum(mass * (rise + fall))) / 2)

    def share(self, x: np.ndarray) -> float:
        """The largest logit alpha share that keeps the bound, the other coordinates as in `x` (growth rises with the share)."""
        from scipy.optimize import brentq

        def growth(share: float) -> float:
            trial = x.copy()
            trial[SHARE] = share
            return self.growth(trial)

        if growth(LARGEST_SHARE) <= 0:
            return LARGEST_SHARE
        return float(brentq(growth, SMALLEST_SHARE, LARGEST_SHARE, xtol=1e-13, rtol=1e-14))

    def slope(self, x: np.ndarray) -> np.ndarray:
        """Derivatives of `share` by the coordinates, at a point on the bound."""
        partial = np.zeros(x.size)
        for c in (PERSISTENCE, SHARE, ASYMMETRY, DEGREES):
            step = np.zeros(x.size)
            step[c] = DIFFERENCE
            partial[c] = (self.growth(x + step) - self.growth(x - step)) / (2 * DIFFERENCE)
        result = -partial / partial[SHARE]
        result[SHARE] = 0.0
        return result
