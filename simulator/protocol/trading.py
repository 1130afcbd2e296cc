"""Trades in the venues, and where their fees go. docs/model.md sections 2, 5.1 and 5.5."""

from __future__ import annotations

import numpy as np

from simulator.kernel import rule, small_rule
from simulator.protocol.book import (
    CASH,
    DEPTH,
    FEE_POOL,
    FEES,
    FLOW,
    FUND,
    FUNDING,
    GROSS_FLOW,
    HEAD,
    INDEX,
    MAKER,
    MARK,
    OPEN_LONG,
    PERMANENT,
    SPOT,
    SPOT_DEPTH,
    SPOT_FLOW,
    SPOT_PERMANENT,
    SPOT_TRANSIENT,
    TRANSIENT,
    TREASURY,
    USER_COST,
)
from simulator.protocol.impact import makers_price, mark_by_skew, quote_by_skew
from simulator.protocol.rules import B_WIDTH, LINEAR, SKEW_FILL, V_PERMANENT

HALVINGS = 50
LEAST = 1.0  # [usd] nothing smaller is left of a trade that a fill band cuts


@small_rule
def average(x):
    """g(x) = (e^x - 1) / x: the mean price along a log move of x, over the price before it."""
    if abs(x) < 1e-8:
        return 1.0 + 0.5 * x
    return np.expm1(x) / x


@small_rule
def quote(b, m, n, rules):
    """(log move, fill) of a trade of `n` base in the perpetual venue of market `m`, without doing it."""
    mark = b.market[m, MARK]
    if rules.perpetual[m, LINEAR] >= SKEW_FILL:
        return 0.0, quote_by_skew(b, m, n, rules)
    if rules.perpetual[m, LINEAR] == 0.0:
        return 0.0, mark
    x = n * mark / b.market[m, DEPTH]
    return x, mark * average(x)


@rule
def fillable_size(b, m, n, price, rules):
    """The part of `n` base whose mean fill is no worse than `price`: all of it, or what halving finds."""
    side = 1.0 if n > 0.0 else -1.0
    if side * quote(b, m, n, rules)[1] <= side * price:
        return n
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        if side * quote(b, m, middle * n, rules)[1] <= side * price:
            low = middle
        else:
            high = middle
    return low * n


@rule
def within_band(b, m, n, rules):
    """The part of `n` base whose mean fill keeps to the fill band of market `m`."""
    width = rules.fill_band[m, B_WIDTH]
    if width == 0.0:
        return n
    return fillable_size(b, m, n, b.asset[rules.market_asset[m], INDEX] * (1.0 + width if n > 0.0 else 1.0 - width), rules)


@small_rule
def exchange(row, position, cost, n, price):
    """Add `n` base at `price` (net of funding) to a record: enlarges, or closes and realises into cash; a flip does both."""
    q = row[position]
    if q * n >= 0.0:
        row[position] = q + n
        row[cost] += n * price
        return
    row[position] = q + n
    if abs(n) > abs(q):
        row[CASH] += q * price - row[cost]
        row[cost] = (q + n) * price
    else:
        f = abs(n) / abs(q)
        row[CASH] += f * (q * price - row[cost])
        row[cost] *= 1.0 - f
    if abs(row[position]) < 1e-12 * abs(q):
        row[position] = 0.0
        row[cost] = 0.0


@small_rule
def move_venue(b, m, n, x, price, rules):
    """A trade of `n` base was done at `price` (net of funding): the venue moves by `x` and the maker takes the other side."""
    market = b.market[m]
    by_skew = rules.perpetual[m, LINEAR] >= SKEW_FILL
    if by_skew:
        price = makers_price(b, m, n, price, rules)
    elif rules.perpetual[m, LINEAR] == 0.0:
        market[FLOW] += n * market[MARK]
    else:
        share = rules.perpetual[m, V_PERMANENT]
        market[PERMANENT] += share * x
        market[TRANSIENT] += (1.0 - share) * x
        market[MARK] *= np.exp(x)
    b.scalar[GROSS_FLOW] += abs(n) * market[MARK]
    position = HEAD + 2 * rules.currencies + m
    maker = b.accounts[rules.accounts + MAKER]
    before = max(maker[position], 0.0)
    exchange(maker, position, position + rules.markets, -n, price)
    market[OPEN_LONG] += max(maker[position], 0.0) - before
    if by_skew:
        mark_by_skew(b, m, rules)


@rule
def trade(b, row, m, n, rules):
    """Trade `n` base of market `m` for the copy `row`, against the venue. Returns the fill."""
    x, fill = quote(b, m, n, rules)
    price = fill - b.market[m, FUNDING]
    position = HEAD + 2 * rules.currencies + m
    exchange(row, position, position + rules.markets, n, price)
    move_venue(b, m, n, x, price, rules)
    return fill


@rule
def trade_spot(b, a, n, rules):
    """Buy (n > 0) or sell `n` tokens of asset `a` in its spot venue against OUTSIDE. Returns the cash paid (< 0: received)."""
    asset = b.asset[a]
    price = asset[SPOT]
    b.scalar[GROSS_FLOW] += abs(n) * price
    if rules.spot[a, LINEAR] == 0.0:
        asset[SPOT_FLOW] += n * price
        return n * price
    x = n * price / asset[SPOT_DEPTH]
    share = rules.spot[a, V_PERMANENT]
    asset[SPOT_PERMANENT] += share * x
    asset[SPOT_TRANSIENT] += (1.0 - share) * x
    asset[SPOT] = price * np.exp(x)
    return n * price * average(x)


@rule
def quote_spot(b, a, n, rules):
    """The cash that buying `n` tokens would cost (< 0: selling would bring), without doing it."""
    price = b.asset[a, SPOT]
    if rules.spot[a, LINEAR] == 0.0:
        return n * price
    return n * price * average(n * price / b.asset[a, SPOT_DEPTH])


@small_rule
def pay_fee(b, m, fee, rules):
    """A fee that has left an account goes to the fund and the treasury; what a maker is paid, the treasury pays.

    The fee pool of market `m` (-1: of none) counts what the treasury gets."""
    share = rules.fee_share if fee > 0.0 else 0.0
    b.accounts[rules.accounts + FUND, CASH] += share * fee
    b.accounts[rules.accounts + TREASURY, CASH] += (1.0 - share) * fee
    if m >= 0:
        b.market[m, FEE_POOL] += (1.0 - share) * fee
    b.scalar[FEES] += fee
    b.scalar[USER_COST] += fee
