"""What one path makes of every option now: its mark, delta, vega, and the terms of the venue; read by every account.

docs/model.md sections 8.1 and 8.2.
"""

from __future__ import annotations

import numpy as np

from simulator.kernel import rule, small_rule
from simulator.pricing.option_kernel import black, money_variance, total_variance
from simulator.protocol.book import (
    DELTA,
    HALF_SPREAD,
    HEAD,
    IMPACT,
    INDEX,
    MARK_VOLATILITY,
    OPTION_VALUE,
    SHEET_STAMP,
    STRIKE,
    SURFACE_ETA,
    SURFACE_LONG,
    SURFACE_REVERSION,
    SURFACE_RHO,
    SURFACE_SHORT,
    SURFACE_VOLATILITY,
    VEGA,
    VEGA_DEPTH,
    YEARS,
    slot_row,
    underlying_row,
)
from simulator.protocol.option_rules import (
    IS_CALL,
    O_DEPTH,
    O_DEPTH_WING,
    O_SPREAD,
    O_SPREAD_EXPIRY,
    O_SPREAD_WING,
    SLOT,
    SLOT_END,
    SLOT_FIRST,
    SLOT_UNDERLYING,
    U_ASSET,
)

LEAST_VOLATILITY = 0.01  # [1/sqrt(year)] no option is marked or filled below it
FARTHEST = 4.0  # [standard deviations] of strikes, to which spread and depth grow
DAYS = 365.0


@small_rule
def asset_under(e, rules):
    """The number of the asset under expiry slot `e`."""
    return int(rules.underlying[int(rules.slot[e, SLOT_UNDERLYING]), U_ASSET])


@small_rule
def index_under(b, e, rules):
    """The index of the asset under expiry slot `e`."""
    return b.asset[asset_under(e, rules), INDEX]


@rule
def value_options(b, rules):
    """Marks, deltas and vegas at the index of now, on the surface of now; the venue's terms follow."""
    b.option[underlying_row(0, rules), SHEET_STAMP] = 0.0
    for e in range(rules.slots):
        _value_slot(b, e, index_under(b, e, rules), rules)


@rule
def _value_slot(b, e, index, rules):
    under = b.option[underlying_row(int(rules.slot[e, SLOT_UNDERLYING]), rules)]
    years = b.option[slot_row(e, rules), YEARS]
    root = np.sqrt(years)
    theta = money_variance(under[SURFACE_SHORT], under[SURFACE_LONG], under[SURFACE_REVERSION], years)
    moved = b.option[slot_row(e, rules), IMPACT] if rules.values_at_mark else 0.0
    venue = rules.volatility_venue
    width = venue[O_SPREAD] * (30.0 / max(DAYS * years, 1.0)) ** venue[O_SPREAD_EXPIRY]
    for j in range(int(rules.slot[e, SLOT_FIRST]), int(rules.slot[e, SLOT_END])):
        option = b.option[j]
        k = np.log(option[STRIKE] / index)
        if years > 0.0:
            option[SURFACE_VOLATILITY] = np.sqrt(total_variance(k, theta, under[SURFACE_RHO], under[SURFACE_ETA]) / years)
        volatility = max(option[SURFACE_VOLATILITY] + moved, LEAST_VOLATILITY)
        price, delta, vega = black(index, option[STRIKE], volatility * root, rules.option[j, IS_CALL] != 0.0)
        option[OPTION_VALUE] = price
        option[MARK_VOLATILITY] = volatility
        option[DELTA] = delta
        option[VEGA] = vega * root
        z = min(abs(k) / np.sqrt(theta), FARTHEST) if theta > 0.0 else 0.0
        option[HALF_SPREAD] = 0.5 * width * np.exp(venue[O_SPREAD_WING] * z)
        option[VEGA_DEPTH] = venue[O_DEPTH] * np.exp(-venue[O_DEPTH_WING] * z)


@small_rule
def volatility_asked(b, j, x, side, rules):
    """The volatility at which the venue fills: the surface, what trades moved, half of this trade's move, half the spread."""
    e = int(rules.option[j, SLOT])
    return max(
        b.option[j, SURFACE_VOLATILITY] + b.option[slot_row(e, rules), IMPACT] + 0.5 * x + side * b.option[j, HALF_SPREAD],
        LEAST_VOLATILITY,
    )


@rule
def quote_option(b, j, n, rules):
    """(move of volatility, fill) of buying `n` of option `j` (n < 0: selling), without doing it."""
    x = n * b.option[j, VEGA] / b.option[j, VEGA_DEPTH]
    return x, fill_option(b, j, x, 1.0 if n > 0.0 else -1.0, rules)


@rule
def fill_option(b, j, x, side, rules):
    """Price of option `j` for a trade on `side` that moves the volatility of its expiry by `x`."""
    e = int(rules.option[j, SLOT])
    total = volatility_asked(b, j, x, side, rules) * np.sqrt(b.option[slot_row(e, rules), YEARS])
    return black(index_under(b, e, rules), b.option[j, STRIKE], total, rules.option[j, IS_CALL] != 0.0)[0]


@small_rule
def first_option(rules):
    """The field of a record that holds option 0."""
    return HEAD + 2 * rules.currencies + 2 * rules.markets


@small_rule
def holds_options(row, rules):
    """Whether a record holds any option."""
    first = first_option(rules)
    for j in range(rules.options):
        if row[first + j] != 0.0:
            return True
    return False
