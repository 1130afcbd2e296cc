"""Funding rates and what accrues. Positive: longs pay shorts.

Sources: dYdX v4-chain @84d4664, derivexyz/v2-core @7736900, drift-labs/protocol-v2 @0ae3e3b, Hyperliquid's documentation,
Synthetix v3 @23585f7, gmx-synthetics @a5c0c88.
"""

from __future__ import annotations

import numpy as np

from simulator.kernel import small_rule

LEAST_RATE = 1e-30  # [1/s] GMX: what is left of a rate that fell to nothing, so that it keeps its sign


@small_rule
def clip(value, bound):
    """`value` within +- `bound`."""
    return min(max(value, -bound), bound)


@small_rule
def impact_premium(bid, ask, index):
    """dYdX v4, Derive, Hyperliquid: how far the impact bid is above or the impact ask below the index, over the index."""
    return (max(bid - index, 0.0) - max(index - ask, 0.0)) / index


@small_rule
def premium_rate(premium, convergence_hours, interest, cap, band):
    """Rate per hour from a `premium` [1]. `band` < 0: interest is added whole (dYdX, Derive); else it pulls within the band."""
    rate = premium / convergence_hours
    rate += interest if band < 0.0 else clip(interest - rate, band)
    return clip(rate, cap)


@small_rule
def funding_clamp(factor, initial_ratio, maintenance_ratio):
    """dYdX v4: the greatest 8-hour rate, factor x (initial - maintenance ratio)."""
    return factor * (initial_ratio - maintenance_ratio)


@small_rule
def capped_by_fees(payment, fees, share):
    """Drift v2: what the market maker pays on balance (`payment` > 0) is at most a `share` of the fees it holds."""
    return min(payment, max(fees, 0.0) * share)


@small_rule
def velocity(skew, scale, greatest):
    """Synthetix v3: how fast the daily rate moves [1/day^2]."""
    return clip(skew / scale, 1.0) * greatest


@small_rule
def velocity_accrual(rate, speed, days):
    """Synthetix v3: (rate at the end, accrued over the period [1 of notional]): the mean of both rates x days."""
    end = rate + speed * days
    return end, 0.5 * (rate + end) * days


@small_rule
def adaptive_rate(
    rate, longs, shorts, seconds, increase, decrease, threshold_stable, threshold_decrease, exponent, least, greatest
):
    """GMX v2: the rate per second after `seconds`, from the rate before; `longs` and `shorts` [usd].

    While the heavier side already pays: above the stable threshold the rate grows by skew x increase, below the decrease
    threshold it falls, in between it holds. While the lighter side pays it always moves back.
    """
    total = longs + shorts
    if total <= 0.0:
        return rate
    difference = longs - shorts
    share = abs(difference) ** exponent / total
    toward = 1.0 if difference > 0.0 else -1.0
    if rate * difference > 0.0:
        if share > threshold_stable:
            rate += toward * share * increase * seconds
        elif share < threshold_decrease:
            rate = toward * max(abs(rate) - decrease * seconds, LEAST_RATE)
    elif difference != 0.0:
        rate += toward * share * increase * seconds
    if rate == 0.0:
        return 0.0
    return np.sign(rate) * min(max(abs(rate), least), greatest)


@small_rule
def paid_between_sides(rate, longs, shorts, seconds):
    """GMX v2: (paid by longs, received by shorts) per dollar of each side: the rate is charged on the heavier side's size.

    Nothing is paid while one side is empty.
    """
    if longs <= 0.0 or shorts <= 0.0:
        return 0.0, 0.0
    paid = rate * seconds * max(longs, shorts)
    return paid / longs, paid / shorts
