"""Coordinates in which an SVI smile is searched for: no bound can be crossed. And its quasi-explicit start.

x = (log v, logit p/2, logit c/2, m, log sigma): v the least total variance, p = b (1 - rho) and c = b (1 + rho) the slopes
of the wings. Then w(k) = v + (c - p)/2 y + (p + c)/2 R - sigma sqrt(p c), y = k - m, R = sqrt(y^2 + sigma^2).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from simulator.estimation.options.quotes import Quotes
from simulator.pricing.svi import LEE_BOUND, RawSVI
from simulator.pricing.svi import durrleman as durrleman_g

LOW_LOGIT, HIGH_LOGIT = -30.0, 16.0  # beyond, a wing is flat or Lee's to the last digit


class Natural(NamedTuple):
    """Least variance, slopes of both wings, place and width of the bend."""

    v: float
    p: float
    c: float
    m: float
    sigma: float

    def total_variance(self, k: np.ndarray) -> np.ndarray:
        y = k - self.m
        bend = (self.p + self.c) / 2 * np.hypot(y, self.sigma) - self.sigma * math.sqrt(self.p * self.c)
        return self.v + (self.c - self.p) / 2 * y + bend


def natural(x: np.ndarray) -> Natural:
    v, sigma = (math.exp(min(max(value, -60.0), 20.0)) for value in (float(x[0]), float(x[4])))
    return Natural(v, LEE_BOUND * _logistic(x[1]), LEE_BOUND * _logistic(x[2]), float(x[3]), sigma)


def smile(x: np.ndarray) -> RawSVI:
    """The raw parameters at coordinates `x`."""
    n = natural(x)
    b = (n.p + n.c) / 2
    return RawSVI(n.v - n.sigma * math.sqrt(n.p * n.c), b, (n.c - n.p) / (n.c + n.p), n.m, n.sigma)


def raw_jacobian(x: np.ndarray) -> np.ndarray:
    """Derivatives of a, b, rho, m, sigma [row] by the coordinates [column]."""
    n = natural(x)
    total, root = n.p + n.c, math.sqrt(n.p * n.c)
    by_natural = np.array(
        [
            [1.0, -n.sigma / 2 * math.sqrt(n.c / n.p), -n.sigma / 2 * math.sqrt(n.p / n.c), 0.0, -root],
            [0.0, 0.5, 0.5, 0.0, 0.0],
            [0.0, -2 * n.c / total**2, 2 * n.p / total**2, 0.0, 0.0],
            [0.0, 0.0, 0.0, 1.0, 0.0],
            [0.0, 0.0, 0.0, 0.0, 1.0],
        ]
    )
    return by_natural * _chain(n)


Pair = tuple[np.ndarray, np.ndarray]


def derivatives(x: np.ndarray, k: np.ndarray) -> tuple[Pair, Pair, Pair]:
    """w, w' and w'' at `k`, each with its derivatives by the coordinates [k, 5]."""
    n = natural(x)
    y = k - n.m
    root, half, zero = np.hypot(y, n.sigma), (n.p + n.c) / 2, np.zeros_like(y)
    bend, third = n.sigma**2 / root**3, 1 / root**5
    ratio = math.sqrt(n.c / n.p)
    w = n.total_variance(k)
    w_by = [1 + zero, (root - y - n.sigma * ratio) / 2, (root + y - n.sigma / ratio) / 2]
    w_by += [-(n.c - n.p) / 2 - half * y / root, half * n.sigma / root - math.sqrt(n.p * n.c)]
    slope = (n.c - n.p) / 2 + half * y / root
    slope_by = [zero, (y / root - 1) / 2, (y / root + 1) / 2, -half * bend, -half * y * n.sigma / root**3]
    curvature = half * bend
    curvature_by = [zero, bend / 2, bend / 2, 3 * half * n.sigma**2 * y * third]
    curvature_by += [half * (2 * n.sigma / root**3 - 3 * n.sigma**3 * third)]
    chain = _chain(n)
    pairs = ((w, w_by), (slope, slope_by), (curvature, curvature_by))
    first, second, last = ((value, np.column_stack(by) * chain) for value, by in pairs)
    return first, second, last


def durrleman_gradient(x: np.ndarray, k: np.ndarray) -> Pair:
    """g(k) and its derivatives by the coordinates [k, 5]."""
    (w, w_by), (slope, slope_by), (curvature, curvature_by) = derivatives(x, k)
    inner = 1 - k * slope / (2 * w)
    by_w = inner * k * slope / w**2 + slope**2 / (4 * w**2)
    by_slope = -inner * k / w - slope / 2 * (1 / w + 0.25)
    return durrleman_g(k, w, slope, curvature), by_w[:, None] * w_by + by_slope[:, None] * slope_by + curvature_by / 2


def _chain(n: Natural) -> np.ndarray:
    """d natural / d coordinate."""
    return np.array([n.v, n.p * (1 - n.p / LEE_BOUND), n.c * (1 - n.c / LEE_BOUND), 1.0, n.sigma])


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-min(max(float(x), LOW_LOGIT), HIGH_LOGIT)))


def start_coordinates(quotes: Quotes, starts: int) -> list[np.ndarray]:
    """The `starts` best quasi-explicit smiles over a grid of m and sigma, as coordinates."""
    k, w = quotes.log_moneyness, quotes.total_variance
    weight = np.sqrt(quotes.weight) / (2 * quotes.volatility * quotes.years)  # errors of variance as errors of volatility
    width = max(float(np.ptp(k)), 1e-3)
    found = []
    for m in np.linspace(k.min() - 0.1 * width, k.max() + 0.1 * width, 9):
        for sigma in width * np.array([0.03, 0.1, 0.2, 0.4, 0.8, 1.6]):
            found.append(_explicit(k, w, weight, float(m), float(sigma)))
    found.sort(key=lambda pair: pair[0])
    return [x for _, x in found[:starts]]


def _explicit(k: np.ndarray, w: np.ndarray, weight: np.ndarray, m: float, sigma: float) -> tuple[float, np.ndarray]:
    """Cost and coordinates of the best smile with this m and sigma: a, p sigma / 2 and c sigma / 2 in a box."""
    from scipy.optimize import lsq_linear

    y = (k - m) / sigma
    root = np.hypot(y, 1)
    design = np.column_stack([np.ones_like(y), root - y, root + y]) * weight[:, None]
    box = ([-np.inf, 0.0, 0.0], [np.inf, sigma * LEE_BOUND / 2, sigma * LEE_BOUND / 2])
    solved = lsq_linear(design, w * weight, box, method="bvls")
    a, put, call = solved.x
    p, c = (min(max(2 * slope / sigma, 1e-4), 0.999 * LEE_BOUND) for slope in (put, call))
    v = max(a + sigma * math.sqrt(p * c), 0.05 * float(w.min()))
    x = np.array([math.log(v), _logit(p / LEE_BOUND), _logit(c / LEE_BOUND), m, math.log(sigma)])
    error = (natural(x).total_variance(k) - w) * weight
    return float(error @ error), x


def _logit(share: float) -> float:
    return math.log(share / (1 - share))
