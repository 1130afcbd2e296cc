"""The likelihood of GARCH(1,1) and GJR with standardised Student-t innovations, its scores, and the filter of variance.

h[t+1] = omega + (alpha + gamma 1[y < 0]) y[t]^2 + beta h[t], y[t] = sqrt(h[t]) z[t], z ~ t(nu) scaled to unit variance
(Bollerslev 1987; Glosten, Jagannathan, Runkle 1993). Start and recursion are arch's: h[0] = omega + persistence x backcast.
Unlike arch, a missing return (a gap, an excluded window, a removed jump) is not skipped: variance goes on by its own
expectation, h[t+1] = omega + persistence h[t], so that time passes where nothing was observed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from simulator.kernel import kernel

NATURAL = ("omega", "alpha", "gamma", "beta", "degrees_of_freedom")
BACKCAST_ROWS = 75  # arch's: the start of variance is an average of the first 75 squared returns, weights 0.94^i
BACKCAST_DECAY = 0.94


@kernel
def _filter(y, omega, alpha, gamma, beta, backcast, h):
    """Fills `h`, one longer than `y`: h[t] is the variance of y[t] known before it, h[-1] that of the step to come."""
    persistence = alpha + 0.5 * gamma + beta
    h[0] = omega + persistence * backcast
    for t in range(y.size):
        if math.isnan(y[t]):
            h[t + 1] = omega + persistence * h[t]
        else:
            shock = alpha + gamma if y[t] < 0.0 else alpha
            h[t + 1] = omega + shock * y[t] * y[t] + beta * h[t]


@kernel
def _ascend(y, h, alpha, gamma, beta, nu, backcast, gradient, scores):
    """The sum of log densities less its constant; adds its `gradient` by the natural parameters, likewise less a constant.

    Fills `scores` [t, natural parameter], zero where y is missing, if it has rows.
    """
    persistence = alpha + 0.5 * gamma + beta
    total = 0.0
    d_omega, d_alpha, d_gamma, d_beta = 1.0, backcast, 0.5 * backcast, backcast
    for t in range(y.size):
        y2 = y[t] * y[t]
        if math.isnan(y2):
            e_alpha, e_gamma, carry = h[t], 0.5 * h[t], persistence
        else:
            q = y2 / (h[t] * (nu - 2.0))
            pull = (nu + 1.0) * q / (1.0 + q)
            slope = 0.5 * (pull - 1.0) / h[t]
            log_term = math.log1p(q)
            by_nu = 0.5 * (pull / (nu - 2.0) - log_term)
            total -= 0.5 * math.log(h[t]) + 0.5 * (nu + 1.0) * log_term
            gradient[0] += slope * d_omega
            gradient[1] += slope * d_alpha
            gradient[2] += slope * d_gamma
            gradient[3] += slope * d_beta
            gradient[4] += by_nu
            if scores.shape[0] > 0:
                scores[t, 0] = slope * d_omega
                scores[t, 1] = slope * d_alpha
                scores[t, 2] = slope * d_gamma
                scores[t, 3] = slope * d_beta
                scores[t, 4] = by_nu
            e_alpha, e_gamma, carry = y2, y2 if y[t] < 0.0 else 0.0, beta
        d_omega = 1.0 + carry * d_omega
        d_alpha = e_alpha + carry * d_alpha
        d_gamma = e_gamma + carry * d_gamma
        d_beta = h[t] + carry * d_beta
    return total


@dataclass(frozen=True)
class Natural:
    """Parameters of the recursion in the units of the returns squared, and of the innovation."""

    omega: float
    alpha: float
    gamma: float
    beta: float
    degrees_of_freedom: float

    @property
    def persistence(self) -> float:
        return self.alpha + self.gamma / 2 + self.beta


def backcast(y: np.ndarray) -> float:
    """The variance before the first return: arch's exponential average of the first observed squares."""
    early = y[~np.isnan(y)][:BACKCAST_ROWS]
    weights = BACKCAST_DECAY ** np.arange(early.size)
    return float(np.sum(weights * early**2) / np.sum(weights))


def filter_variance(y: np.ndarray, p: Natural) -> np.ndarray:
    """Conditional variances [len(y) + 1] of returns `y` (NaN where missing); the last entry is the step to come."""
    h = np.empty(y.size + 1)
    _filter(np.ascontiguousarray(y), p.omega, p.alpha, p.gamma, p.beta, backcast(y), h)
    return h


def log_likelihood(y: np.ndarray, p: Natural) -> tuple[float, np.ndarray]:
    """The log-likelihood of returns `y` (NaN where missing) and its gradient [`NATURAL`]."""
    total, gradient = _evaluate(y, p, np.empty((0, len(NATURAL))))
    n = np.count_nonzero(~np.isnan(y))
    gradient[4] += n * _constant_slope(p.degrees_of_freedom)
    return total + n * _constant(p.degrees_of_freedom), gradient


def scores(y: np.ndarray, p: Natural) -> np.ndarray:
    """The gradient of each return's log density, [len(y), `NATURAL`]; zero where a return is missing."""
    result = np.zeros((y.size, len(NATURAL)))
    _evaluate(y, p, result)
    result[~np.isnan(y), 4] += _constant_slope(p.degrees_of_freedom)
    return result


def _evaluate(y: np.ndarray, p: Natural, keep: np.ndarray) -> tuple[float, np.ndarray]:
    y = np.ascontiguousarray(y)  # one layout, one compilation
    start, gradient = backcast(y), np.zeros(len(NATURAL))
    h = np.empty(y.size + 1)
    _filter(y, p.omega, p.alpha, p.gamma, p.beta, start, h)
    return _ascend(y, h, p.alpha, p.gamma, p.beta, p.degrees_of_freedom, start, gradient, keep), gradient


def _constant(nu: float) -> float:
    return math.lgamma((nu + 1) / 2) - math.lgamma(nu / 2) - 0.5 * math.log(math.pi * (nu - 2))


def _constant_slope(nu: float) -> float:
    from scipy.special import digamma

    return float(0.5 * (digamma((nu + 1) / 2) - digamma(nu / 2) - 1 / (nu - 2)))
