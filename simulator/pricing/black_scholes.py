"""Black (1976) and Black-Scholes (1973): prices and greeks of European options, and the volatility that a price implies.

Everything is in terms of the forward: `forward` = spot exp((rate - carry) years), `discount` = exp(-rate years). Arguments
broadcast; results are float64 arrays of the broadcast shape. Prices in USD, times in years, volatility annualised.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import erfcx, ndtr

ROOT_TWO = math.sqrt(2.0)
LOG_ROOT_TAU = 0.5 * math.log(2 * math.pi)
MOST_ROUNDS = 64
SETTLED = 1e-14  # [1] last relative step of a search that triples its digits with each: 1e-15 would be waiting for rounding
ROUNDING = 1e-9  # [1] relative steps below it that do not halve are rounding
SMALLEST, LARGEST = 1e-10, 200.0  # [1] of volatility x sqrt(years), between which it is looked for


def forward_of(spot: ArrayLike, rate: ArrayLike, carry: ArrayLike, years: ArrayLike) -> np.ndarray:
    """Forward price of an asset that pays `carry` [1/year] continuously."""
    return np.asarray(spot, float) * np.exp((np.asarray(rate, float) - carry) * np.asarray(years, float))


def price(
    forward: ArrayLike, strike: ArrayLike, years: ArrayLike, volatility: ArrayLike, is_call: ArrayLike, discount: ArrayLike = 1.0
) -> np.ndarray:
    """Black's price. Out-of-the-money options keep their digits however small; the others follow by put-call parity, exactly."""
    f, k, s, call, d = _inputs(forward, strike, years, volatility, is_call, discount)
    intrinsic = np.maximum(np.where(call, f - k, k - f), 0.0)
    return d * (intrinsic + _time_value(f, k, s))


def _inputs(forward, strike, years, volatility, is_call, discount):
    f, k, t, v, call, d = np.broadcast_arrays(forward, strike, years, volatility, is_call, discount)
    f, k, t, v, d = (np.asarray(x, float) for x in (f, k, t, v, d))
    if not ((f >= 0) & (k >= 0) & (t >= 0) & (v >= 0)).all():
        raise ValueError("forward, strike, years and volatility must not be negative")
    return f, k, v * np.sqrt(t), np.asarray(call, bool), d


def _time_value(f: np.ndarray, k: np.ndarray, s: np.ndarray) -> np.ndarray:
    """Undiscounted price of the option that is out of the money."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        value = np.sqrt(f * k) * np.exp(_log_normalised(-np.abs(np.log(f / k)), s))
    value = np.minimum(value, np.minimum(f, k))
    return np.where((f > 0) & (k > 0) & (s > 0), value, 0.0)


def _log_normalised(x: np.ndarray, s: np.ndarray) -> np.ndarray:
    """log of price / sqrt(forward strike) of an option out of the money, x = -|log(forward / strike)| (Jäckel 2017)."""
    h, t = x / s, 0.5 * s
    return -0.5 * (h * h + t * t) + np.log(0.5 * _bracket(h, t))


def _bracket(h: np.ndarray, t: np.ndarray) -> np.ndarray:
    """erfcx(-(h + t) / sqrt 2) - erfcx(-(h - t) / sqrt 2), by the derivative of erfcx where t is too small for a difference."""
    near = t < 1e-5 * (1 + np.abs(h))
    z = -h / ROOT_TWO
    slope = 2 / math.sqrt(math.pi) - 2 * z * erfcx(z)  # -erfcx'(z)
    return np.where(near, 2 * t / ROOT_TWO * slope, erfcx(z - t / ROOT_TWO) - erfcx(z + t / ROOT_TWO))


@dataclass(frozen=True)
class Greeks:
    """Sensitivities of one option each, arrays of the broadcast shape; per unit, never per point or day.

    With respect to the *forward*: `delta`, `gamma`, `vanna` (d delta / d volatility). `vega`, `volga` are per 1.00 of volatility.
    `theta` is the change per year of passing time at a fixed forward and rate. For an asset held at `spot`: `spot_delta`,
    `spot_gamma`, `spot_theta` (per year), `rho` (per 1.00 of rate), all at a fixed carry.
    """

    delta: np.ndarray
    gamma: np.ndarray
    vega: np.ndarray
    vanna: np.ndarray
    volga: np.ndarray
    theta: np.ndarray
    spot_delta: np.ndarray
    spot_gamma: np.ndarray
    spot_theta: np.ndarray
    rho: np.ndarray


def greeks(
    forward: ArrayLike,
    strike: ArrayLike,
    years: ArrayLike,
    volatility: ArrayLike,
    is_call: ArrayLike,
    rate: ArrayLike = 0.0,
    carry: ArrayLike = 0.0,
) -> Greeks:
    """Greeks of `price` with discount exp(-rate years). Raises ValueError where an argument but the rates is not above 0."""
    f, k, t, v, call, r, q = np.broadcast_arrays(forward, strike, years, volatility, is_call, rate, carry)
    f, k, t, v, r, q = (np.asarray(x, float) for x in (f, k, t, v, r, q))
    if not ((f > 0) & (k > 0) & (t > 0) & (v > 0)).all():
        raise ValueError("greeks need forward, strike, years and volatility above 0")
    s = v * np.sqrt(t)
    d1 = np.log(f / k) / s + 0.5 * s
    d2, sign, d = d1 - s, np.where(call, 1.0, -1.0), np.exp(-r * t)
    bell = np.exp(-0.5 * d1 * d1 - LOG_ROOT_TAU)
    delta, gamma, vega = d * sign * ndtr(sign * d1), d * bell / (f * s), d * f * bell * np.sqrt(t)
    premium = price(f, k, t, v, call, d)
    theta = -0.5 * vega * v / t + r * premium
    growth = np.exp((r - q) * t)
    return Greeks(
        delta=delta,
        gamma=gamma,
        vega=vega,
        vanna=-d * bell * d2 / v,
        volga=vega * d1 * d2 / v,
        theta=theta,
        spot_delta=delta * growth,
        spot_gamma=gamma * growth * growth,
        spot_theta=theta - (r - q) * f * delta,
        rho=t * (f * delta - premium),
    )


def implied_volatility(
    premium: ArrayLike,
    forward: ArrayLike,
    strike: ArrayLike,
    years: ArrayLike,
    is_call: ArrayLike,
    discount: ArrayLike = 1.0,
    near: ArrayLike | None = None,
) -> np.ndarray:
    """The volatility at which `price` gives `premium`; NaN where none does.

    None does at or below intrinsic value, and at or above the forward (calls) or the strike (puts), discounted. Halley's method
    on the logarithm of the out-of-the-money price, kept in a bracket; a relative error of the time value e moves the result by
    e price / vega, which is all the error there is. `near`: volatilities to begin at, where there are some.
    """
    p, f, k, t, call, d = np.broadcast_arrays(premium, forward, strike, years, is_call, discount)
    p, f, k, t, d = (np.asarray(x, float) for x in (p, f, k, t, d))
    call = np.asarray(call, bool)
    with np.errstate(all="ignore"):
        value = p / d - np.maximum(np.where(call, f - k, k - f), 0.0)  # of the option out of the money
        x = -np.abs(np.log(f / k))
        target = np.log(value) - 0.5 * np.log(f * k)
        possible = (f > 0) & (k > 0) & (t > 0) & (value > 0) & (value < np.minimum(f, k)) & np.isfinite(target)
        start = None if near is None else np.broadcast_to(near, p.shape) * np.sqrt(t)
        s = _total_volatility(np.where(possible, x, 0.0), np.where(possible, target, -2.0), start)
        return np.where(possible, s / np.sqrt(t), np.nan)


def _total_volatility(x: np.ndarray, target: np.ndarray, start: np.ndarray | None) -> np.ndarray:
    """s at which `_log_normalised(x, s)` is `target`, by Halley in log s.

    Of the logarithm above the inflection of the price, of one over it below (Jäckel 2017, section 4): each is nearly straight.
    Three or four rounds are the rule; a quote whose steps no longer shrink has met rounding and is settled too.
    """
    low, high = np.full(x.shape, math.log(SMALLEST)), np.full(x.shape, math.log(LARGEST))
    inflection = np.sqrt(np.maximum(2 * np.abs(x), 1e-4))
    is_below = target < _log_normalised(x, inflection)
    guess = np.where(is_below, np.minimum(inflection, np.abs(x) / np.sqrt(-2 * target)), inflection)
    y = np.log(guess if start is None else np.where(start > 0, start, guess))
    y, moved = np.clip(y, low, high), np.full(x.shape, np.inf)
    for _ in range(MOST_ROUNDS):
        s = np.exp(y)
        h, t = x / s, 0.5 * s
        half = 0.5 * _bracket(h, t)
        value = -0.5 * (h * h + t * t) + np.log(half)
        gap = np.where(np.isnan(value), -np.inf, value - target)
        low, high = np.where(gap < 0, y, low), np.where(gap > 0, y, high)
        slope = s / (half * math.sqrt(2 * math.pi))
        newton = -gap / slope * np.where(is_below, value / target, 1.0)
        curve = 1 + h * h - t * t - slope - np.where(is_below, 2 * slope / value, 0.0)  # second over first derivative
        following = np.where(gap == 0, y, y + newton / np.clip(1 + 0.5 * newton * curve, 0.5, 2.0))
        inside = (following >= low) & (following <= high)
        following = np.where(inside, following, 0.5 * (low + high))
        before, moved, y = moved, np.abs(following - y), following
        if ((moved <= SETTLED) | ((moved < ROUNDING) & (moved > 0.5 * before))).all():
            break
    return np.exp(y)
