"""One step of Heston's model: Andersen's quadratic-exponential scheme, martingale corrected (2008, sections 3.2 and 4)."""

import math

import numpy as np

from simulator.kernel import rule
from simulator.market.step_law import BY_ITSELF, BY_LEVEL, GROWTH, K2, K3, LONG_RUN, REVERSION, SHARE

SWITCH = 1.5  # psi = variance / mean^2 above which the exponential branch is drawn


@rule
def heston(h, after, e, w, own, draw, multiplier, drift, growth):
    """Variances `after` the step, shocks and growth of the log price in it.

    `h` [path] is the variance of a step at its start, `w` standard normals of the variance, `e` those of the price, which become
    the shock: what is not known at the start. `own` [draw, column]. Returns are those of `multiplier` times the volatility:
    variance and volatility of variance times its square and itself.
    """
    for i in range(h.shape[0]):
        c = own[draw[i]]
        k2, k3, g = c[K2], c[K3], c[GROWTH]
        if multiplier != 1.0:
            k2 = multiplier * (k2 + 0.25) - 0.25 * multiplier * multiplier
            k3 *= multiplier * multiplier
            g = k2 + 0.5 * k3
        v = h[i]
        mean = c[LONG_RUN] + (v - c[LONG_RUN]) * c[REVERSION]
        psi = (v * c[BY_LEVEL] + c[BY_ITSELF]) / (mean * mean)
        if psi <= SWITCH:
            r = 2.0 / psi
            b2 = r - 1.0 + math.sqrt(r) * math.sqrt(r - 1.0)
            a = mean / (1.0 + b2)
            root = math.sqrt(b2) + w[i]
            v_after = a * root * root
            left = 1.0 - 2.0 * g * a
            log_mean = g * b2 * a / left - 0.5 * math.log(left)
        else:
            tail = 2.0 / (psi + 1.0)  # probability of a variance above zero
            rate = tail / mean
            above = 0.5 * math.erfc(w[i] / math.sqrt(2.0))
            v_after = math.log(tail / above) / rate if above < tail else 0.0
            log_mean = math.log1p(tail * g / (rate - g))
        after[i] = v_after
        growth[i] = drift[i] - log_mean - 0.5 * k3 * v + k2 * mean
        e[i] = k2 * (v_after - mean) + math.sqrt(k3 * (v + v_after)) * e[i]


@rule
def annualise_heston(h, own, draw, multiplier, jump_variance, per_year, out):
    """Annualised standard deviation expected over a step, known at its start, of `multiplier` times the volatility."""
    for i in range(h.shape[0]):
        c = own[draw[i]]
        expected = (c[LONG_RUN] + (h[i] - c[LONG_RUN]) * c[SHARE]) * (multiplier * multiplier)
        out[i] = np.sqrt((expected + jump_variance[i]) * per_year)


def heston_columns(kappa: float, theta: float, xi: float, rho: float) -> list[float]:
    """`Law.own` of Heston with mean reversion, long-run variance and volatility of variance *in units of a step*."""
    kept, gone = math.exp(-kappa), -math.expm1(-kappa)
    k1 = 0.5 * (kappa * rho / xi - 0.5) - rho / xi
    k2 = 0.5 * (kappa * rho / xi - 0.5) + rho / xi
    k3 = 0.5 * (1 - rho * rho)
    by_level, by_itself = xi * xi * kept * gone / kappa, theta * xi * xi * gone * gone / (2 * kappa)
    return [kept, theta, by_level, by_itself, k1, k2, k3, k2 + 0.5 * k3, gone / kappa]
