"""Liquidating perpetual positions: how much, at what price, to whose account. Amounts in dollars, sizes in the asset.

Sources: dYdX v4-chain @84d4664 (clob liquidations), Hyperliquid's documentation, drift-labs/protocol-v2 @0ae3e3b (liquidation),
Synthetix v3 @23585f7 (perps market liquidation), gmx-synthetics @a5c0c88 (position validation). The integer forms of dYdX and
Drift are in `simulator.protocol.integers`.
"""

from __future__ import annotations

import numpy as np

from simulator.kernel import rule, small_rule


@small_rule
def bankruptcy_value(collateral, margin, freed, notional_change):
    """dYdX: what an account must receive for a close: -change of notional - collateral x freed margin / margin.

    `collateral` is all the account is worth, `margin` all it must hold, `freed` the margin of what is closed.
    """
    return -notional_change - collateral * freed / margin


@small_rule
def fillable_price(collateral, margin, notional, size, position_margin, adjustment, spread):
    """dYdX: the price at which a position is offered: index less clip(adjustment (1 - collateral / margin)) x spread x margin."""
    urgency = min(max(adjustment * (1.0 - collateral / margin), 0.0), 1.0)
    return (notional - urgency * spread * position_margin) / size


@small_rule
def insurance_delta(fill, bankruptcy, most_fee):
    """dYdX: what the fund receives (negative: pays) for a fill received by the account."""
    above = fill - bankruptcy
    return min(above, most_fee * abs(fill)) if above > 0.0 else above


@small_rule
def closable_in_a_block(notional, closed, most_of_position, least_notional, most_notional):
    """dYdX: the most notional of a position that may be closed now, `closed` of the account having been closed in this block."""
    slice_ = min(max(most_of_position * notional, least_notional), notional)
    return max(min(slice_, most_notional - closed), 0.0)


@small_rule
def staged_share(notional, since_partial, large, first_share, cooldown):
    """Hyperliquid: the share sent to the book: part of a large position, the whole within `cooldown` of a partial close."""
    if notional <= large or since_partial < cooldown:
        return 1.0
    return first_share


@small_rule
def is_taken_over(equity, maintenance, share):
    """Hyperliquid: the vault takes the account, whose collateral is then gone."""
    return equity < share * maintenance


@small_rule
def base_to_cover(shortage, price, ratio, liquidator_fee, fund_fee):
    """Drift: base to close so that margin freed less fees covers the shortage; infinite where fees eat what is freed."""
    freed = price * (ratio - liquidator_fee - fund_fee)
    return shortage / freed if freed > 0.0 else np.inf


@small_rule
def debt_to_cover(shortage, asset_weight, asset_multiplier, debt_weight, debt_multiplier, price, fund_fee):
    """Drift: tokens of debt to repay against an asset so that the shortage is covered; infinite where none does."""
    freed = price * (debt_weight * (1.0 - fund_fee) - asset_weight * asset_multiplier / debt_multiplier)
    return shortage / freed if freed > 0.0 else np.inf


@small_rule
def growing_fee(base, most, growth, waited, grace):
    """Drift: the liquidator's fee after `waited` seconds: grows after the grace up to `most`; never below `base`."""
    return max(base, min(base + growth * max(waited - grace, 0.0), most))


@small_rule
def fund_fee(shortage, notional, ratio, liquidator_fee, most):
    """Drift: 95 % of what the margin ratio leaves after liquidator and shortage, at most `most`."""
    left = ratio - liquidator_fee - (shortage / notional if notional > 0.0 else 0.0)
    return min(0.95 * max(left, 0.0), most)


@small_rule
def freeable_share(shortage, freed, waited, duration, first_share, small_shortage):
    """Drift: the share of the shortage that may be freed now: first share + waited / duration of all, less what was freed."""
    if shortage < small_shortage:
        return 1.0
    allowed = min(first_share + waited / duration, 1.0) * (shortage + freed) - freed
    return max(allowed, 0.0) / shortage


@small_rule
def remaining_collateral(collateral, gain, impact, size, most_impact, fees):
    """GMX v2: what a position is measured by: a price impact counts as a cost only, of at most a share of its size."""
    return collateral + gain + min(max(impact, -most_impact * size), 0.0) - fees


@small_rule
def window_capacity(maker, taker, scale, multiplier, seconds):
    """Synthetix: the size [asset] that may be liquidated in one window."""
    return (maker + taker) * scale * multiplier * seconds


@rule
def left_in_window(now, times, sizes, count, capacity, seconds, skew, scale, calm_skew):
    """Synthetix: what may still be liquidated, given the first `count` liquidations (`times`, `sizes`).

    What happened `seconds` ago or earlier no longer counts; nothing counts while |skew| / scale is below `calm_skew`, except
    what was done at this very time.
    """
    calm = abs(skew) < calm_skew * scale
    used = 0.0
    for n in range(count):
        if times[n] == now or (times[n] > now - seconds and not calm):
            used += sizes[n]
    return max(capacity - used, 0.0)


@small_rule
def keeper_reward(flag, cost, least, least_ratio, most, most_ratio, margin):
    """Synthetix: clip(flag + cost, max(cost + least, cost (1 + ratio)), min(most ratio x margin, most))."""
    floor = max(cost + least, cost * (1.0 + least_ratio))
    return min(max(flag + cost, floor), min(most_ratio * margin, most))
