"""EGARCH(1,1) of Nelson (1991) for fits: filter, likelihood with its gradient, and the level of variance it implies.

log h[t+1] = omega + alpha (|z[t]| - sqrt(2/pi)) + gamma z[t] + beta log h[t], y = sqrt(h) z: arch's recursion and start.
Where a return is missing |z| is replaced by its mean and z by 0. The market states the level E[h] instead of omega; the two
meet in `log_growth`: log E[h] = E[log h] + the sum over i of K(beta^i), K(s) = log E[exp(s g)], g = alpha (|z| - E|z|) + gamma z.
"""

from __future__ import annotations

import math

import numpy as np

from simulator.estimation.innovation_density import Shape, log_density, nodes
from simulator.estimation.likelihood import Natural, backcast
from simulator.kernel import kernel, rule
from simulator.market.egarch import smooth_log_growth

NORMAL_SIZE = math.sqrt(2 / math.pi)  # E|z| of a normal, arch's constant whatever the innovation
FARTHEST = 60.0  # of a log variance: beyond it a search has lost its way, and exp would overflow
DIFFERENCE = 1e-5


@kernel
def _filter(y, omega, alpha, gamma, beta, mean_size, start, level):
    """Fills `level`, one longer than `y`, with log variances known before each return; the last is the step to come."""
    level[0] = omega + beta * start
    for t in range(y.size):
        news = alpha * (mean_size - NORMAL_SIZE)
        if not math.isnan(y[t]):
            z = y[t] * math.exp(-0.5 * level[t])
            news = alpha * (abs(z) - NORMAL_SIZE) + gamma * z
        level[t + 1] = min(max(omega + news + beta * level[t], -FARTHEST), FARTHEST)


@kernel
def _ascend(y, alpha, gamma, beta, mean_size, start, law, level, gradient, scores):
    """The sum of log densities less its constant; adds its `gradient` by the natural parameters and by `mean_size`."""
    total = 0.0
    d_omega, d_alpha, d_gamma, d_beta, d_size = 1.0, 0.0, 0.0, start, 0.0
    for t in range(y.size):
        if math.isnan(y[t]):
            size, z, carry, e_size = mean_size, 0.0, beta, alpha
        else:
            z = y[t] * math.exp(-0.5 * level[t])
            size, e_size = abs(z), 0.0
            log_term, pull, by_nu, by_skew = log_density(z, law)
            slope = 0.5 * (pull - 1.0)
            total += log_term - 0.5 * level[t]
            gradient[0] += slope * d_omega
            gradient[1] += slope * d_alpha
            gradient[2] += slope * d_gamma
            gradient[3] += slope * d_beta
            gradient[4] += by_nu
            gradient[5] += by_skew
            gradient[6] += slope * d_size
            if scores.shape[0] > 0:
                _keep(scores, t, slope, d_omega, d_alpha, d_gamma, d_beta, d_size, by_nu, by_skew)
            carry = beta - 0.5 * (alpha * size + gamma * z)
        if abs(level[t + 1]) >= FARTHEST:
            d_omega, d_alpha, d_gamma, d_beta, d_size = 0.0, 0.0, 0.0, 0.0, 0.0
        else:
            d_omega = 1.0 + carry * d_omega
            d_alpha = size - NORMAL_SIZE + carry * d_alpha
            d_gamma = z + carry * d_gamma
            d_beta = level[t] + carry * d_beta
            d_size = e_size + carry * d_size
    return total


@rule
def _keep(scores, t, slope, d_omega, d_alpha, d_gamma, d_beta, d_size, by_nu, by_skew):
    scores[t, 0] = slope * d_omega
    scores[t, 1] = slope * d_alpha
    scores[t, 2] = slope * d_gamma
    scores[t, 3] = slope * d_beta
    scores[t, 4] = by_nu
    scores[t, 5] = by_skew
    scores[t, 6] = slope * d_size


def filter_log_variance(y: np.ndarray, p: Natural) -> np.ndarray:
    """Log conditional variances [len(y) + 1] of returns `y` (NaN where missing); the last entry is the step to come."""
    level = np.empty(y.size + 1)
    _filter(np.ascontiguousarray(y), p.omega, p.alpha, p.gamma, p.beta, p.mean_size, math.log(backcast(y)), level)
    return level


def ascend_log_variance(y: np.ndarray, p: Natural, law: Shape, gradient: np.ndarray, keep: np.ndarray) -> float:
    """The log-likelihood less its constant; fills `gradient` and, if it has rows, `keep`: see `likelihood`."""
    level = filter_log_variance(y, p)
    return _ascend(y, p.alpha, p.gamma, p.beta, p.mean_size, math.log(backcast(y)), law, level, gradient, keep)


def mean_size(degrees: float, skew: float, max_move: float) -> float:
    """E|z| of the cut law."""
    z, mass = nodes(degrees, skew, max_move)
    return float(np.sum(mass * np.abs(z)))


def log_growth(alpha: float, gamma: float, beta: float, degrees: float, skew: float, max_move: float) -> float:
    """log E[h] - E[log h] of the stationary law."""
    return smooth_log_growth(*nodes(degrees, skew, max_move), alpha, gamma, beta)
