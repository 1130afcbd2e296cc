"""Fill prices and impacts. Sources: Synthetix v3 @23585f7 (perps market), gmx-synthetics @a5c0c88 (pricing).

Impacts are dollars received by the trader: negative is a cost.
"""

from __future__ import annotations

import numpy as np

from simulator.kernel import kernel, small_rule

LEAST_SKEW = 1.0  # [usd] GMX: no impact is computed on less


@small_rule
def linear_fill(price, size, depth):
    """The mean price of `size` [asset, signed] where a traded value of `depth` [usd] moves the price by 100 %."""
    return price * (1.0 + 0.5 * size * price / depth)


@small_rule
def skew_fill(price, skew, size, scale):
    """Synthetix v3: index x (1 + s / scale), the mean of before (s = skew) and after (s = skew + size)."""
    return price * (1.0 + (skew + 0.5 * size) / scale)


@small_rule
def balancing_share(skew, size):
    """The part of `size` that makes |skew| smaller: it pays the maker fee; what flips the skew pays the taker fee."""
    if skew * size >= 0.0:
        return 0.0
    return min(abs(skew) / abs(size), 1.0)


@small_rule
def power_of_skew(skew, factor, exponent):
    """GMX v2: factor x |skew|^exponent [usd]; nothing below one dollar."""
    distance = abs(skew)
    return factor * distance**exponent if distance >= LEAST_SKEW else 0.0


@small_rule
def power_impact(before, after, positive, negative, positive_exponent, negative_exponent):
    """GMX v2: what moving the skew (longs - shorts) [usd] from `before` to `after` pays the trader.

    On one side of zero one factor serves both ends; where the trade crosses zero, what it balances is paid at the positive
    factor and what it unbalances is charged at the negative one. The positive factor is never above the negative one.
    """
    positive = min(positive, negative) if positive_exponent == negative_exponent else positive
    if (before >= 0.0) == (after >= 0.0) or before == 0.0 or after == 0.0:
        if abs(after) < abs(before):
            return power_of_skew(before, positive, positive_exponent) - power_of_skew(after, positive, positive_exponent)
        return power_of_skew(before, negative, negative_exponent) - power_of_skew(after, negative, negative_exponent)
    return power_of_skew(before, positive, positive_exponent) - power_of_skew(after, negative, negative_exponent)


@small_rule
def worse_of_inventories(own, virtual):
    """GMX v2: a cost is at least that in the inventory shared by markets of one token; a gain is the market's own."""
    return own if own >= 0.0 else min(own, virtual)


@small_rule
def paid_impact(impact, size, pool, greatest_gain, greatest_cost):
    """(impact paid, change of the impact pool) [usd]: gains come out of the pool, costs go into it.

    Bounds are shares of `size` [usd, positive]; a gain is at most what the pool holds.
    """
    if impact > 0.0:
        paid = min(impact, greatest_gain * size, pool)
    else:
        paid = max(impact, -greatest_cost * size)
    return paid, -paid


@kernel
def _each(before, after, positive, negative, positive_exponent, negative_exponent, found):
    for i in range(before.size):
        found[i] = power_impact(before[i], after[i], positive, negative, positive_exponent, negative_exponent)


def power_impacts(part, before, after) -> np.ndarray:
    """`power_impact` of a `PowerImpact` over arrays of skews [usd] that broadcast together."""
    before, after = np.broadcast_arrays(np.asarray(before, float), np.asarray(after, float))
    found = np.empty(before.shape)
    exponents = part.positive_exponent, part.negative_exponent
    skews = np.ascontiguousarray(before).ravel(), np.ascontiguousarray(after).ravel()
    _each(*skews, part.positive_factor, part.negative_factor, *exponents, found.reshape(-1))
    return found
