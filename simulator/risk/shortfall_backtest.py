"""Back-test of an expected shortfall: how far beyond the VaR losses fell, exactly, from probabilities alone.

With u[t] the forecast probability of a return at or below the one that came, H[t] = (p - u[t])/p where u[t] < p, else 0, sums
every VaR below level p, which is what an expected shortfall is (Du and Escanciano 2017, "cumulative violations"). If the
forecast law is right the u are independent and uniform, so the sum of H is a sum of K uniforms, K binomial: its law depends
on nothing that was fitted, and the test is exact up to the number of simulations.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from simulator.kernel import stream

SIMULATIONS = 10_000


@dataclass(frozen=True)
class ShortfallCoverage:
    """Cumulative violations against their promise of p/2 a step."""

    count: int
    probability: float
    cumulated: float  # sum of H
    expected: float  # n p / 2
    exact_p: float  # two-sided, by simulation under the null

    @property
    def ratio(self) -> float:
        """Cumulated over expected: 1 where the shortfall holds, above where losses are more or larger."""
        return self.cumulated / self.expected


def shortfall_coverage(probabilities: np.ndarray, probability: float, seed: int = 0) -> ShortfallCoverage:
    """The back-test of one series `probabilities` [t] of the lower tail. Raises ValueError for an empty one."""
    u = np.asarray(probabilities, float)
    if u.ndim != 1 or u.size == 0:
        raise ValueError(f"`probabilities` must be one series with entries, but has shape {u.shape}")
    if not 0 < probability < 1:
        raise ValueError(f"`0 < probability < 1` must hold, but got {probability:g}")
    cumulated = math.fsum(np.maximum(probability - u, 0.0) / probability)
    null = _null(u.size, probability, seed)
    below = 1 + int(np.searchsorted(null, cumulated + 1e-12, side="right"))
    above = 1 + null.size - int(np.searchsorted(null, cumulated - 1e-12, side="left"))
    p_value = min(1.0, 2 * min(below, above) / (1 + null.size))
    return ShortfallCoverage(u.size, probability, cumulated, u.size * probability / 2, p_value)


@lru_cache(maxsize=64)
def _null(n: int, p: float, seed: int) -> np.ndarray:
    """Sums of H over n independent steps, sorted: as many uniforms as a binomial says."""
    generator = np.random.default_rng(int(stream(seed, "backtest", "shortfall")))
    counts = generator.binomial(n, p, SIMULATIONS)
    ends = np.cumsum(counts)
    total = np.concatenate([[0.0], np.cumsum(generator.random(int(ends[-1])))])
    return np.sort(total[ends] - total[ends - counts])
