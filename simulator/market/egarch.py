"""What EGARCH needs of its innovation: E|z|, and the constant of its recursion that gives variance the level stated."""

from __future__ import annotations

import math

import numpy as np

from simulator.market.draws import DEGREE
from simulator.market.tables import REACH, SEGMENTS, WIDTH

POINTS = 5  # of Gauss's rule in each segment of the table
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
