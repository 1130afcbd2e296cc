"""Initial and maintenance requirement of a perpetual position, in dollars: one scalar rule for each part of this package.

Sources: dYdX v4-chain @84d4664 (liquidity tiers), drift-labs/protocol-v2 @0ae3e3b (margin), Synthetix v3 @23585f7 (perps
market), gmx-synthetics @a5c0c88 (position validation), Hyperliquid's documentation of margin tiers and liquidations.
A part is laid out as a row of numbers (`row_of`), so that a kernel holds one row a market and calls `requirement`.
"""

from __future__ import annotations

import numpy as np

from simulator.kernel import kernel, small_rule
from simulator.protocol.margin_ratio import (
    MOST_TIERS,
    CollateralFactorRatio,
    FlatRatio,
    MarginRatio,
    OpenInterestScaledRatio,
    SizeScaledRatio,
    SkewScaledRatio,
    VolatilityScaledRatio,
)

FLAT, OPEN_INTEREST, SIZE, SKEW, FACTOR, TIERED, VOLATILITY = range(7)
KIND, FIRST, SECOND, THIRD, FOURTH, FIFTH, TIERS = range(7)  # columns of a row; tiers follow, four numbers each
LOWER, INITIAL, MAINTENANCE, DEDUCTION = range(4)
# of a rule that follows volatility; no correlation is read where its reference is below 0
REFERENCE, HALF_LIFE, BUFFER, WEIGHT, STRESSED, FLOOR, CAP, REFERENCE_CORRELATION = range(THIRD, THIRD + 8)
ROW = TIERS + 1 + 4 * MOST_TIERS


@small_rule
def open_interest_scaled_ratio(base, lower, upper, open_interest):
    """dYdX v4: `base` up to `lower`, 1 from `upper`, a line between; `upper` = 0 never scales."""
    if upper == 0.0 or open_interest <= lower:
        return base
    if open_interest >= upper:
        return 1.0
    return base + (1.0 - base) * (open_interest - lower) / (upper - lower)


@small_rule
def size_premium(ratio, factor, size):
    """Drift v2: max(r, 0.8 r + f sqrt(|size|)), a margin ratio or the weight of a debt; f = 0 leaves r."""
    return max(ratio, 0.8 * ratio + factor * np.sqrt(abs(size)))


@small_rule
def size_discount(weight, factor, size):
    """Drift v2: the weight of a deposit, min(w, 1.1 / (1 + f sqrt(size)))."""
    return min(weight, 1.1 / (1.0 + factor * np.sqrt(abs(size)))) if factor > 0.0 else weight


@small_rule
def deposit_scaled_weight(weight, start, deposits):
    """Drift v2: the initial weight of an asset of which everybody together holds `deposits` [usd]; falls beyond `start` > 0."""
    return weight * start / deposits if 0.0 < start < deposits else weight


@small_rule
def fill_ratio(initial, maintenance):
    """Drift v2: what a maker or taker must hold for a fill is the mean of both requirements."""
    return 0.5 * (initial + maintenance)


@small_rule
def skew_scaled_ratio(size, scale, scaled, minimum):
    """Synthetix v3: |size| / scale x scaled + minimum."""
    return abs(size) / scale * scaled + minimum


@small_rule
def collateral_haircut(amount, scale, scalar, lower, upper):
    """Synthetix v3: the valuation haircut of collateral that would move its spot market: clip(amount / scale x scalar)."""
    return min(max(amount / scale * scalar, lower), upper)


@small_rule
def volatility_factor(row, variance):
    """`VolatilityScaledRatio.factor` of the rule in `row`."""
    stressed = row[STRESSED] * row[STRESSED]
    scale = np.sqrt((1.0 - row[WEIGHT]) * variance + row[WEIGHT] * stressed) / row[REFERENCE]
    return min(max(scale, (1.0 + row[BUFFER]) * min(scale, 1.0), row[FLOOR]), row[CAP])


@small_rule
def tier_of(row, notional):
    """The first column of the last tier of a `row` whose lower bound is at most `notional`."""
    at = TIERS + 1
    last = at + 4 * (int(row[TIERS]) - 1)
    while at < last and row[at + 4 + LOWER] <= notional:
        at += 4
    return at


@small_rule
def requirement(row, size, price, reading):
    """(initial, maintenance) [usd] of `size` [asset, signed] at `price` [usd], under the rule in `row`.

    `reading` is the open interest [usd] of the whole market for dYdX's rule, of the position's own side for GMX's, and the
    factor [1] of a rule that follows volatility.
    """
    notional = abs(size) * price
    kind = row[KIND]
    if notional == 0.0:
        return 0.0, 0.0
    if kind == OPEN_INTEREST:
        scaled = open_interest_scaled_ratio(row[FIRST], row[THIRD], row[FOURTH], reading)
        return notional * scaled, notional * row[FIRST] * row[SECOND]
    if kind == SIZE:
        return notional * size_premium(row[FIRST], row[THIRD], size), notional * size_premium(row[SECOND], row[THIRD], size)
    if kind == SKEW:
        ratio = skew_scaled_ratio(size, row[FIRST], row[SECOND], row[THIRD])
        return notional * ratio + row[FIFTH], notional * ratio * row[FOURTH] + row[FIFTH]
    if kind == FACTOR:
        factor = max(row[FIRST], reading * row[THIRD])
        return max(notional * factor, row[FOURTH]), max(notional * row[SECOND], row[FOURTH])
    if kind == TIERED:
        tier = tier_of(row, notional)
        return notional * row[tier + INITIAL], notional * row[tier + MAINTENANCE] - row[tier + DEDUCTION]
    if kind == VOLATILITY:
        return notional * row[FIRST] * reading, notional * row[SECOND] * reading
    return notional * row[FIRST], notional * row[SECOND]


@small_rule
def maintenance_slope(row, size, notional, reading):
    """The most by which the maintenance requirement rises [usd] with a dollar of notional, up to twice the present `notional`.

    What a watch list needs to know (DESIGN 2): between two looks prices move by less. No rule's maintenance reads open interest;
    of a rule that follows volatility `reading` is the greatest factor until the next look.
    """
    kind = row[KIND]
    if kind == OPEN_INTEREST:
        return row[FIRST] * row[SECOND]
    if kind == SIZE:
        return size_premium(row[SECOND], row[THIRD], size)
    if kind == SKEW:
        return skew_scaled_ratio(size, row[FIRST], row[SECOND], row[THIRD]) * row[FOURTH]
    if kind == TIERED:
        return row[tier_of(row, 2.0 * notional) + MAINTENANCE]
    if kind == VOLATILITY:
        return row[SECOND] * reading
    return row[SECOND]


@small_rule
def tiered_liquidation_price(row, size, price, equity):
    """Hyperliquid: the price at which `equity` [usd, now at `price`] equals the maintenance requirement of `size` alone.

    In one tier with maintenance rate l this is price - side x (equity - maintenance) / |size| / (1 - l x side); the tier is
    the one that holds at the answer. 0 for a long that cannot be liquidated.
    """
    held = abs(size)
    side = 1.0 if size > 0.0 else -1.0
    at = TIERS + 1
    last = at + 4 * (int(row[TIERS]) - 1)
    while True:
        rate = row[at + MAINTENANCE]
        found = (size * price - equity - row[at + DEDUCTION]) / (held * (side - rate))
        if at == last or found * held < row[at + 4 + LOWER]:
            return max(found, 0.0)
        at += 4


def row_of(part: MarginRatio) -> np.ndarray:
    """The numbers of `part` as `requirement` reads them: float64 [ROW]."""
    row = np.zeros(ROW)
    if isinstance(part, FlatRatio):
        row[:3] = FLAT, part.initial_margin_ratio, part.maintenance_margin_ratio
    elif isinstance(part, OpenInterestScaledRatio):
        scaled = part.lower_open_interest, part.upper_open_interest
        row[:5] = OPEN_INTEREST, part.initial_margin_ratio, part.maintenance_fraction, *scaled
    elif isinstance(part, SizeScaledRatio):
        row[:4] = SIZE, part.initial_margin_ratio, part.maintenance_margin_ratio, part.size_factor
    elif isinstance(part, SkewScaledRatio):
        ratios = part.scaled_ratio, part.minimum_ratio, part.maintenance_scalar
        row[:6] = SKEW, part.skew_scale, *ratios, part.minimum_margin
    elif isinstance(part, CollateralFactorRatio):
        factors = part.minimum_factor, part.minimum_factor_liquidation, part.open_interest_factor
        row[:5] = FACTOR, *factors, part.minimum_collateral
    elif isinstance(part, VolatilityScaledRatio):
        row[:3] = VOLATILITY, part.initial_margin_ratio, part.maintenance_margin_ratio
        row[[REFERENCE, HALF_LIFE, BUFFER]] = part.reference_volatility, part.half_life, part.buffer
        row[[WEIGHT, STRESSED]] = part.stressed_weight, part.stressed_volatility
        row[[FLOOR, CAP]] = part.floor, part.cap
        row[REFERENCE_CORRELATION] = -1.0 if part.reference_correlation is None else part.reference_correlation
    else:
        row[KIND], row[TIERS] = TIERED, len(part.tiers)
        rate, deduction = 0.0, 0.0
        for n, tier in enumerate(part.tiers):
            initial = 1.0 / tier.greatest_leverage
            deduction += tier.lower_bound * (part.maintenance_share * initial - rate)
            rate = part.maintenance_share * initial
            at = TIERS + 1 + 4 * n
            row[at : at + 4] = tier.lower_bound, initial, rate, deduction
    return row


@kernel
def _each(row, size, price, reading, initial, maintenance):
    for i in range(size.size):
        initial[i], maintenance[i] = requirement(row, size[i], price[i], reading[i])


def requirements(part: MarginRatio, size, price, reading=0.0) -> tuple[np.ndarray, np.ndarray]:
    """(initial, maintenance) [usd] of many positions: `requirement` over arrays that broadcast together."""
    size, price, reading = np.broadcast_arrays(np.asarray(size, float), price, reading)
    initial, maintenance = np.empty(size.shape), np.empty(size.shape)
    size, price, reading = (np.ascontiguousarray(x, dtype=float).ravel() for x in (size, price, reading))
    _each(row_of(part), size, price, reading, initial.reshape(-1), maintenance.reshape(-1))
    return initial, maintenance
