"""The likelihood of GARCH(1,1) and GJR with standardised innovations, its scores, and the filter of variance.

h[t+1] = omega + (alpha + gamma 1[y < 0]) y[t]^2 + beta h[t], y[t] = sqrt(h[t]) z[t], z of unit variance: normal, t(nu) scaled
(Bollerslev 1987; Glosten, Jagannathan, Runkle 1993) or skewed t. Start and recursion are arch's: h[0] = omega + persistence x
backcast. Unlike arch, a missing return (a gap, an excluded window, a removed jump) is not skipped: variance goes on by its own
expectation, h[t+1] = omega + persistence h[t], so that time passes where nothing was observed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from simulator.estimation.innovation_density import log_density, shape
from simulator.kernel import kernel

NATURAL = ("omega", "alpha", "gamma", "beta", "degrees_of_freedom", "skew")
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
def _ascend(y, h, alpha, gamma, beta, law, backcast, gradient, scores):
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
            log_term, pull, by_nu, by_skew = log_density(y[t] / math.sqrt(h[t]), law)
            slope = 0.5 * (pull - 1.0) / h[t]
            total += log_term - 0.5 * math.log(h[t])
            gradient[0] += slope * d_omega
            gradient[1] += slope * d_alpha
            gradient[2] += slope * d_gamma
            gradient[3] += slope * d_beta
            gradient[4] += by_nu
            gradient[5] += by_skew
            if scores.shape[0] > 0:
                scores[t, 0] = slope * d_omega
                scores[t, 1] = slope * d_alpha
                scores[t, 2] = slope * d_gamma
                scores[t, 3] = slope * d_beta
                scores[t, 4] = by_nu
                scores[t, 5] = by_skew
            e_alpha, e_gamma, carry = y2, y2 if y[t] < 0.0 else 0.0, beta
        d_omega = 1.0 + carry * d_omega
        d_alpha = e_alpha + carry * d_alpha
        d_gamma = e_gamma + carry * d_gamma
        d_beta = h[t] + carry * d_beta
    return total


@dataclass(frozen=True)
class Natural:
    """Parameters of the recursion in the units of the returns squared, and of the innovation (infinite degrees: normal).

    `mean_size` is E|z|; only an exponential law reads it, where a return is missing.
    """

    omega: float
    alpha: float
    gamma: float
    beta: float
    degrees_of_freedom: float
    skew: float = 0.0
    is_exponential: bool = False
    mean_size: float = 0.0

    @property
    def persistence(self) -> float:
        return abs(self.beta) if self.is_exponential else self.alpha + self.gamma / 2 + self.beta


def backcast(y: np.ndarray) -> float:
    """The variance before the first return: arch's exponential average of the first observed squares."""
    early = y[~np.isnan(y)][:BACKCAST_ROWS]
    weights = BACKCAST_DECAY ** np.arange(early.size)
    return float(np.sum(weights * early**2) / np.sum(weights))


def filter_variance(y: np.ndarray, p: Natural) -> np.ndarray:
    """Conditional variances [len(y) + 1] of returns `y` (NaN where missing); the last entry is the step to come."""
    if p.is_exponential:
        from simulator.estimation.exponential import filter_log_variance

        return np.exp(filter_log_variance(y, p))
    h = np.empty(y.size + 1)
    _filter(np.ascontiguousarray(y), p.omega, p.alpha, p.gamma, p.beta, backcast(y), h)
    return h


def log_likelihood(y: np.ndarray, p: Natural) -> tuple[float, np.ndarray]:
    """The log-likelihood of returns `y` (NaN where missing) and its gradient [`NATURAL`]; of an exponential law, by
    `mean_size` too."""
    law, n = shape(p.degrees_of_freedom, p.skew), np.count_nonzero(~np.isnan(y))
    total, gradient = _evaluate(y, p, np.empty((0, 0)))
    gradient[4] += n * law.constant_nu
    gradient[5] += n * law.constant_skew
    return total + n * law.constant, gradient


def scores(y: np.ndarray, p: Natural) -> np.ndarray:
    """The gradient of each return's log density, [len(y), `NATURAL`]; zero where a return is missing."""
    law, seen = shape(p.degrees_of_freedom, p.skew), ~np.isnan(y)
    result = np.zeros((y.size, len(NATURAL) + p.is_exponential))
    _evaluate(y, p, result)
    result[seen, 4] += law.constant_nu
    result[seen, 5] += law.constant_skew
    return result


def _evaluate(y: np.ndarray, p: Natural, keep: np.ndarray) -> tuple[float, np.ndarray]:
    y = np.ascontiguousarray(y)  # one layout, one compilation
    law = shape(p.degrees_of_freedom, p.skew)
    gradient = np.zeros(len(NATURAL) + p.is_exponential)
    if p.is_exponential:
        from simulator.estimation.exponential import ascend_log_variance

        return ascend_log_variance(y, p, law, gradient, keep), gradient
    start, h = backcast(y), np.empty(y.size + 1)
    _filter(y, p.omega, p.alpha, p.gamma, p.beta, start, h)
    return _ascend(y, h, p.alpha, p.gamma, p.beta, law, start, gradient, keep), gradient
