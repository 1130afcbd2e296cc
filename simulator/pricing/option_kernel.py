"""Black's price, delta and vega, and SSVI's total variance, number by number inside kernels (black_scholes.py, ssvi.py)."""

from __future__ import annotations

import math

import numpy as np

from simulator.kernel import rule, small_rule

ROOT_HALF = math.sqrt(0.5)
ROOT_TAU = math.sqrt(2.0 * math.pi)


@rule
def normal_below(x):
    """P(Z <= x) of a standard normal."""
    return 0.5 * math.erfc(-x * ROOT_HALF)


@rule
def black(forward, strike, total, is_call):
    """(price, delta, vega / sqrt(years)) of a European option, undiscounted; `total` = volatility x sqrt(years) >= 0.

    Delta is with respect to the forward; vega times sqrt(years) is per 1.00 of volatility. At `total` = 0: intrinsic value.
    The option out of the money is computed and the other follows by parity: its rounding is that of the forward, not more.
    """
    if total <= 0.0:
        call = max(forward - strike, 0.0)
        is_in = 1.0 if forward > strike else 0.0
        if is_call:
            return call, is_in, 0.0
        return call - forward + strike, is_in - 1.0, 0.0
    d1 = np.log(forward / strike) / total + 0.5 * total
    d2 = d1 - total
    bell = forward * np.exp(-0.5 * d1 * d1) / ROOT_TAU
    if forward <= strike:
        call = max(forward * normal_below(d1) - strike * normal_below(d2), 0.0)
        put = call - forward + strike
    else:
        put = max(strike * normal_below(-d2) - forward * normal_below(-d1), 0.0)
        call = put + forward - strike
    if is_call:
        return call, normal_below(d1), bell
    return put, -normal_below(-d1), bell


@rule
def time_value(forward, strike, total):
    """What a call and a put alike are worth beyond their intrinsic values; 0 at a forward or strike of 0."""
    if forward <= 0.0 or strike <= 0.0 or total <= 0.0:
        return 0.0
    d1 = np.log(forward / strike) / total + 0.5 * total
    d2 = d1 - total
    if forward <= strike:
        return max(forward * normal_below(d1) - strike * normal_below(d2), 0.0)
    return max(strike * normal_below(-d2) - forward * normal_below(-d1), 0.0)


@small_rule
def intrinsic(forward, strike, is_call):
    """What it would pay now."""
    return max(forward - strike if is_call else strike - forward, 0.0)


@rule
def black_price(forward, strike, total, is_call):
    """The price of `black` alone, forward and strike of 0 included."""
    return time_value(forward, strike, total) + intrinsic(forward, strike, is_call)


@rule
def curvature_at(theta, eta):
    """phi(theta) = eta / sqrt(theta (1 + theta)): the power law at gamma = 1/2 (Gatheral and Jacquier 2014, eq. 4.5)."""
    return eta / np.sqrt(theta * (1.0 + theta))


@rule
def money_variance(short, long, reversion, years):
    """Total variance at the money, theta: the forward variance goes from `short` to `long` [1/year] at `reversion` [1/year].

    theta(T) = long T + (short - long) (1 - exp(-reversion T)) / reversion; it rises in T as both are above 0.
    """
    return long * years - (short - long) * np.expm1(-reversion * years) / reversion


@rule
def total_variance(k, theta, rho, eta):
    """SSVI's w(k, theta) at log-moneyness `k` (strike over forward)."""
    x = curvature_at(theta, eta) * k
    return 0.5 * theta * (1.0 + rho * x + np.sqrt((x + rho) * (x + rho) + 1.0 - rho * rho))
