"""Innovations as the market has them, cut and standardised again, with density and distribution function, for forecasts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from simulator.estimation.innovation_density import FARTHEST_NORMAL, cut_moments, log_densities, shape
from simulator.market.innovations import Innovation, Normal, StudentT
from simulator.market.tables import truncated_variance


@dataclass(frozen=True)
class CutLaw:
    """An innovation of mean 0 and variance 1: `law` cut at `reach` of its deviations, centred and scaled again."""

    law: Any  # of unit variance, with `pdf` and `cdf`
    reach: float
    below: float  # probabilities that the cut takes away
    above: float
    mean: float = 0.0
    deviation: float = 1.0

    def cdf(self, z: np.ndarray) -> np.ndarray:
        inside = self.law.cdf(self.mean + self.deviation * z) - self.below
        return np.clip(inside / (1 - self.below - self.above), 0, 1)

    def pdf(self, z: np.ndarray) -> np.ndarray:
        x = self.mean + self.deviation * z
        inside = np.where(np.abs(x) <= self.reach, self.law.pdf(x), 0.0)
        return self.deviation * inside / (1 - self.below - self.above)


def cut_law(innovation: Innovation) -> CutLaw:
    """The law that a market's innovation names."""
    from scipy.stats import norm, t

    if isinstance(innovation, Normal):
        return CutLaw(norm(), math.inf, 0.0, 0.0)
    nu, reach = innovation.degrees_of_freedom, innovation.max_move
    if isinstance(innovation, StudentT):
        law = t(nu, scale=math.sqrt((nu - 2) / nu))
        return CutLaw(law, reach, float(law.cdf(-reach)), float(law.sf(reach)), 0.0, math.sqrt(truncated_variance(nu, reach)))
    skewed = SkewedLaw(nu, innovation.skew)
    below, above = (float(skewed.cdf(np.array(x))) for x in (-reach, reach))
    return CutLaw(skewed, reach, below, 1 - above, *cut_moments(nu, innovation.skew, reach))


@dataclass(frozen=True)
class SkewedLaw:
    """Hansen's skewed t before any cut, for tests and forecasts: density and distribution function."""

    degrees_of_freedom: float
    skew: float

    def pdf(self, z: np.ndarray) -> np.ndarray:
        law = shape(self.degrees_of_freedom, self.skew)
        return np.exp(law.constant + log_densities(np.asarray(z, float), law))

    def cdf(self, z: np.ndarray) -> np.ndarray:
        """(1 - skew) T(w) to the left of the mode, (1 - skew)/2 + (1 + skew) (T(w) - 1/2) to its right, T of unit scale."""
        from scipy.special import stdtr

        law = shape(self.degrees_of_freedom, self.skew)
        line = law.b * np.asarray(z, float) + law.a
        left, right = 1 - law.skew, 1 + law.skew
        w = line / np.where(line >= 0, right, left) * math.sqrt(law.nu / (law.nu - 2))
        return np.where(line >= 0, left / 2 + right * (stdtr(law.nu, w) - 0.5), left * stdtr(law.nu, w))


def innovation_numbers(innovation: Innovation) -> tuple[float, float, float]:
    """Degrees of freedom (infinite: normal), skew and cut of a market's innovation, as `nodes` takes them."""
    if isinstance(innovation, Normal):
        return math.inf, 0.0, FARTHEST_NORMAL
    return innovation.degrees_of_freedom, getattr(innovation, "skew", 0.0), innovation.max_move
