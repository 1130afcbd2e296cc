"""Densities of innovations of mean 0 and variance 1, with their slopes: normal, Student-t, Hansen's skewed Student-t (1994).

The skewed t is arch's: with c = Gamma((nu+1)/2) / (sqrt(pi (nu-2)) Gamma(nu/2)), a = 4 skew c (nu-2)/(nu-1) and
b^2 = 1 + 3 skew^2 - a^2, its density is b c (1 + w^2/(nu-2))^(-(nu+1)/2), w = (b z + a) / (1 + skew sign(b z + a)).
At skew 0 it is the Student-t.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from simulator.kernel import rule

PANELS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0)  # [standard deviations] from the mode
NODES = 16  # of Gauss and Legendre in each panel: moments to 1e-12
FARTHEST_NORMAL = 12.0  # [standard deviations]: nothing of a normal law lies beyond


class Shape(NamedTuple):
    """An innovation law as its density needs it; slopes are those of a and b by degrees of freedom and by skew."""

    is_normal: bool
    nu: float
    skew: float
    a: float
    b: float
    a_nu: float
    b_nu: float
    a_skew: float
    b_skew: float
    constant: float  # of the log density, and its slopes
    constant_nu: float
    constant_skew: float

    @property
    def mode(self) -> float:
        """Where the two halves of the density meet."""
        return -self.a / self.b


NORMAL = Shape(True, 8.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, -0.5 * math.log(2 * math.pi), 0.0, 0.0)


@lru_cache(maxsize=256)
def shape(degrees: float, skew: float = 0.0) -> Shape:
    """The law with these degrees of freedom (infinite: normal) and this skew."""
    if math.isinf(degrees):
        return NORMAL
    from scipy.special import digamma

    nu = degrees
    log_c = math.lgamma((nu + 1) / 2) - math.lgamma(nu / 2) - 0.5 * math.log(math.pi * (nu - 2))
    slope_c = float(0.5 * (digamma((nu + 1) / 2) - digamma(nu / 2) - 1 / (nu - 2)))
    per_skew = 4 * math.exp(log_c) * (nu - 2) / (nu - 1)
    a = skew * per_skew
    b = math.sqrt(1 + 3 * skew * skew - a * a)
    a_nu = a * (slope_c + 1 / (nu - 2) - 1 / (nu - 1))
    b_nu, b_skew = -a * a_nu / b, (3 * skew - a * per_skew) / b
    return Shape(False, nu, skew, a, b, a_nu, b_nu, per_skew, b_skew, log_c + math.log(b), slope_c + b_nu / b, b_skew / b)


@rule
def log_density(z, law):
    """(log density less its constant, -z times its slope, its slopes by degrees of freedom and by skew) at `z`."""
    if law.is_normal:
        return -0.5 * z * z, z * z, 0.0, 0.0
    line = law.b * z + law.a
    sign = 1.0 if line >= 0.0 else -1.0
    side = 1.0 + sign * law.skew
    w = line / side
    q = w * w / (law.nu - 2.0)
    log_term = math.log1p(q)
    pull = (law.nu + 1.0) * w / ((law.nu - 2.0) * (1.0 + q))
    by_nu = 0.5 * (pull * w / (law.nu - 2.0) - log_term) - pull * (law.b_nu * z + law.a_nu) / side
    by_skew = -pull * (law.b_skew * z + law.a_skew - sign * w) / side
    return -0.5 * (law.nu + 1.0) * log_term, z * pull * law.b / side, by_nu, by_skew


@lru_cache(maxsize=256)
def nodes(degrees: float, skew: float, max_move: float) -> tuple[np.ndarray, np.ndarray]:
    """(z, probability) of the law cut at `max_move` of its standard deviations, then centred and scaled to variance 1 again."""
    z, mass = _cut(degrees, skew, max_move)
    mean, deviation = cut_moments(degrees, skew, max_move)
    return (z - mean) / deviation, mass


def cut_moments(degrees: float, skew: float, max_move: float) -> tuple[float, float]:
    """Mean and standard deviation that the cut leaves, before they are taken off."""
    z, mass = _cut(degrees, skew, max_move)
    mean = float(np.sum(mass * z))
    return mean, math.sqrt(float(np.sum(mass * (z - mean) ** 2)))


def _cut(degrees: float, skew: float, max_move: float) -> tuple[np.ndarray, np.ndarray]:
    law = shape(degrees, skew)
    reach = min(max_move, FARTHEST_NORMAL) if law.is_normal else max_move
    z, weights = _rule(law.mode, reach)
    mass = weights * np.exp(log_densities(z, law))
    return z, mass / mass.sum()


def _rule(mode: float, reach: float) -> tuple[np.ndarray, np.ndarray]:
    """Gauss and Legendre between -reach and reach in panels around the mode, cut at 0 too, where |z| has its kink."""
    points, weights = np.polynomial.legendre.leggauss(NODES)
    inner = {0.0, *(mode + side * edge for edge in PANELS for side in (-1, 1))}
    edges = np.array([-reach, *sorted(edge for edge in inner if -reach < edge < reach), reach])
    middles, halves = (edges[1:] + edges[:-1]) / 2, (edges[1:] - edges[:-1]) / 2
    return (middles[:, None] + halves[:, None] * points).ravel(), (halves[:, None] * weights).ravel()


def log_densities(z: np.ndarray, law: Shape) -> np.ndarray:
    """Log densities at each `z`, less their constant."""
    if law.is_normal:
        return -0.5 * z * z
    w = (law.b * z + law.a) / (1 + law.skew * np.where(z >= law.mode, 1.0, -1.0))
    return -(law.nu + 1) / 2 * np.log1p(w * w / (law.nu - 2))
