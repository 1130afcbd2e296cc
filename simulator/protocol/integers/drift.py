"""Drift v2 (drift-labs/protocol-v2 @0ae3e3b): prices, dollars and fees 1e6, base amounts 1e9, weights and ratios 1e4.

Divisions round down unless said otherwise, step by step in the order of the formula; losses spread over others round up.
"""

from __future__ import annotations

from math import isqrt

PRICE = 10**6  # also dollars and fees
BASE = 10**9
WEIGHT = 10**4
SMALL_SHORTAGE = 50 * PRICE  # a shortage below it is liquidated at once
GRACE_SLOTS = 1_500
FEE_PER_SLOT = 1  # 1e-6


def _root(size: int) -> int:
    """sqrt(size) x 1e5 of a size in 1e9."""
    return isqrt(10 * size + 1)


def size_premium(weight: int, factor: int, size: int) -> int:
    """max(w, w - w/5 + factor x sqrt(size)): a margin ratio or the weight of a debt."""
    if factor == 0:
        return weight
    return max(weight, weight - weight // 5 + _root(size) * factor // (10**5 * PRICE // WEIGHT))


def size_discount(weight: int, factor: int, size: int) -> int:
    """min(w, 1.1 / (1 + factor x sqrt(size))): the weight of a deposit."""
    if factor == 0:
        return weight
    return min(weight, (PRICE + PRICE // 10) * WEIGHT // (PRICE + _root(size) * factor // 10**5))


def deposit_scaled_weight(weight: int, start: int, deposits: int) -> int:
    """w x start / deposits (both in the same unit) beyond `start`; `start` = 0 never scales."""
    return weight * start // deposits if 0 < start < deposits else weight


def base_to_cover(shortage: int, ratio: int, liquidator_fee: int, fund_fee: int, price: int, quote_price: int) -> int | None:
    """Base to close so that margin freed less fees paid equals the shortage; None where fees eat what is freed."""
    scaled = ratio * (PRICE // WEIGHT)
    price = price * quote_price // PRICE
    freed = price * (scaled - liquidator_fee) // PRICE - price * fund_fee // PRICE if scaled > liquidator_fee else 0
    return shortage * BASE // freed if freed > 0 else None


def liability_to_cover(
    shortage: int,
    asset_weight: int,
    asset_multiplier: int,
    liability_weight: int,
    liability_multiplier: int,
    decimals: int,
    price: int,
    fund_fee: int,
) -> int | None:
    """Tokens of debt to repay against an asset so that the shortage is covered; None where no transfer covers it."""
    kept = liability_weight * 10 - asset_weight * 10 * asset_multiplier // liability_multiplier
    freed = price * kept - price * fund_fee // PRICE * liability_weight * 10
    if freed <= 0:
        return None
    tokens = shortage * 10 ** max(decimals - 6, 0) * PRICE * WEIGHT * 10 // freed
    return tokens // 10 ** max(6 - decimals, 0)


def fund_fee(shortage: int, base: int, ratio: int, liquidator_fee: int, price: int, quote_price: int, greatest: int) -> int:
    """The insurance fund's share: 95 % of what the margin ratio leaves after liquidator and shortage, at most `greatest`."""
    scaled = ratio * (PRICE // WEIGHT)
    if scaled <= liquidator_fee:
        return 0
    value = base * (price * quote_price // PRICE) // BASE
    left = scaled - liquidator_fee - (shortage * PRICE // value if value else 0)
    return min(max(left, 0) * 95 // 100, greatest)


def liquidator_fee(base: int, greatest: int, slots: int) -> int:
    """The fee after `slots` of waiting: grows by 1e-6 a slot after the grace, up to `greatest`."""
    return max(base, min(base + max(slots - GRACE_SLOTS, 0) * FEE_PER_SLOT, greatest))


def share_to_liquidate(shortage: int, freed: int, slots: int, duration: int, initial: int) -> int:
    """The share [1e4] of the shortage that may be freed now: initial + elapsed / duration, all of a small shortage."""
    if shortage < SMALL_SHORTAGE:
        return WEIGHT
    share = min(initial + slots * WEIGHT // duration, WEIGHT)
    allowed = max((shortage + freed) * share // WEIGHT - freed, 0)
    return allowed * WEIGHT // shortage


def funding_index_loss(loss: int, base_long: int, base_short: int) -> int:
    """Funding [1e9] per base that longs and shorts each pay to cover `loss`; rounded up at 1e6."""
    total = abs(base_long) + abs(base_short)
    return -(-abs(loss) * BASE // total) * 1_000


def deposit_index_loss(loss: int, balance: int, index: int, decimals: int) -> int:
    """What is taken off the deposit index to cover `loss` [tokens]; rounded up, 0 if nothing is deposited.

    A deposit is `balance` [1e9] x `index` [1e10] tokens.
    """
    deposits = balance * index // 10 ** (19 - decimals)
    return -(-index * loss // deposits) if deposits else 0
