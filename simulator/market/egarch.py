"""What EGARCH needs of its innovation: E|z|, and the constant of its recursion that gives variance the level stated."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from simulator.market.draws import DEGREE
from simulator.market.tables import REACH, SEGMENTS, WIDTH

POINTS = 5  # of Gauss's rule in each segment of the table
DIRECT = 0.9  # |beta| up to which `smooth_log_growth` sums term by term
TINY = 1e-12
QUADRATURE = 48
SMALL = 0.05  # a share of the answer below which four cumulants stand for its cumulant function


def nodes(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(z, probability) of the law that `table` holds over normal coordinates; the segment where z changes sign is cut there."""
    coefficients = table.reshape(SEGMENTS, DEGREE + 1)
    x, weight = np.polynomial.legendre.leggauss(POINTS)
    starts = np.arange(SEGMENTS) * WIDTH - REACH
    cut = int(np.searchsorted(coefficients[:, 0], 0.0, side="right")) - 1
    root = _root(coefficients[cut])
    left = np.concatenate([np.zeros(SEGMENTS), [root]])
    width = np.concatenate([np.full(SEGMENTS, WIDTH), [WIDTH - root]])
    width[cut] = root
    segment = np.concatenate([np.arange(SEGMENTS), [cut]])
    d = left[:, None] + width[:, None] * (x + 1) / 2
    z = np.zeros_like(d)
    for j in range(DEGREE, -1, -1):
        z = z * d + coefficients[segment, j][:, None]
    w = starts[segment][:, None] + d
    probability = width[:, None] * weight / 2 * np.exp(-0.5 * w * w) / math.sqrt(2 * math.pi)
    return z.ravel(), probability.ravel()


def _root(coefficients: np.ndarray) -> float:
    """Where in [0, WIDTH] the rising polynomial is 0."""
    low, high = 0.0, WIDTH
    for _ in range(60):
        middle = (low + high) / 2
        if np.polynomial.polynomial.polyval(middle, coefficients) < 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def log_growth(z: np.ndarray, probability: np.ndarray, alpha: float, gamma: float, beta: float) -> float:
    """log E[h] - E[log h] of the stationary law: the sum over i of log E[exp(beta^i g)], g = alpha (|z| - E|z|) + gamma z.

    Term by term while |beta|^i > `SMALL`, then by the first four cumulants of g, whose sums are geometric.
    """
    g = alpha * (np.abs(z) - float(np.sum(probability * np.abs(z)))) + gamma * z
    total, share = 0.0, 1.0
    while abs(share) > SMALL:
        total += math.log(float(np.sum(probability * np.exp(share * g))))
        share *= beta
    m2, m3, m4 = (float(np.sum(probability * g**power)) for power in (2, 3, 4))
    cumulants = {2: m2, 3: m3, 4: m4 - 3 * m2**2}
    return total + sum(value * share**n / math.factorial(n) / (1 - beta**n) for n, value in cumulants.items())


def smooth_log_growth(z: np.ndarray, probability: np.ndarray, alpha: float, gamma: float, beta: float) -> float:
    """As `log_growth` to 1e-6, at a cost that does not rise with beta: the sum over i of K(beta^i), K(s) = log E[exp(s g)].

    Term by term while beta is small; near one by Euler and Maclaurin, the integral of K(s) / s over (0, 1) being free of beta.
    """
    g = alpha * (np.abs(z) - np.sum(probability * np.abs(z))) + gamma * z
    if abs(beta) <= DIRECT or beta < 0:
        count = max(1, math.ceil(math.log(TINY) / (2 * math.log(max(abs(beta), 1e-3)))))
        return float(np.sum(_cumulants(g, probability, beta ** np.arange(count))))
    s, weights = _unit_rule()
    fall = -math.log(beta)
    integral = float(np.sum(weights * _cumulants(g, probability, s) / s)) / fall
    grown = probability * np.exp(g)
    first = float(np.sum(grown * g) / np.sum(grown))
    return integral + math.log(float(np.sum(grown))) / 2 + first * fall / 12


@lru_cache(maxsize=1)
def _unit_rule() -> tuple[np.ndarray, np.ndarray]:
    x, weights = np.polynomial.legendre.leggauss(QUADRATURE)
    return (x + 1) / 2, weights / 2


def _cumulants(g: np.ndarray, probability: np.ndarray, s: np.ndarray) -> np.ndarray:
    """K at each `s`, overflow kept out."""
    largest = np.maximum(s * g.max(), s * g.min())
    return largest + np.log(np.sum(probability * np.exp(s[:, None] * g - largest[:, None]), axis=1))
