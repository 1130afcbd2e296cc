"""Liquidations by stages (Hyperliquid), by window (Synthetix) and at a fillable price (dYdX). docs/model.md section 5.2."""

from __future__ import annotations

import numpy as np

from simulator.kernel import rule
from simulator.protocol.book import (
    CASH,
    CLOCK,
    FUND,
    FUND_DRAW,
    GAS_COST,
    HEAD,
    LIQUIDATED,
    MARGIN_PRICE,
    PENALTIES,
    REALISED,
    USER_COST,
    WINDOW_LEFT,
)
from simulator.protocol.impact import left_to_liquidate, skew_of
from simulator.protocol.liquidation_shapes.perpetuals import (
    bankruptcy_value,
    fillable_price,
    insurance_delta,
    staged_share,
)
from simulator.protocol.margin import reading
from simulator.protocol.margin_ratio.requirement import requirement as requirement_of
from simulator.protocol.market_numbers import STAGED
from simulator.protocol.rules import B_CLOSES
from simulator.protocol.trading import LEAST, fillable_size, trade, within_band
from simulator.protocol.waterfall import fund_pays

LEAST_MARGIN = 1e-9  # [usd] where no maintenance is asked for, positions are offered at the index


@rule
def share_by_rule(b, row, notional, rules):
    """The share of an account's notional that a keeper closes now: a stage of it, or what the windows of its markets leave."""
    if rules.close_rule == STAGED:
        last = row[row.size - 1]
        since = b.scalar[CLOCK] - last if last > 0.0 else np.inf
        share = staged_share(notional, since, rules.close[0], rules.close[1], rules.close[2])
        if share < 1.0:
            row[row.size - 1] = b.scalar[CLOCK]
        return share
    left = 0.0
    for m in range(rules.markets):
        q = row[HEAD + 2 * rules.currencies + m]
        if q != 0.0:
            left += abs(size_in_window(b, m, q, rules)) * b.market[m, MARGIN_PRICE]
    return left / notional if left >= LEAST else 0.0


@rule
def close_size(b, m, n, rules):
    """What a keeper closes of `n` base: what a fill band that holds for keepers leaves of it."""
    return within_band(b, m, n, rules) if rules.limits_closes and rules.fill_band[m, B_CLOSES] > 0.0 else n


@rule
def share_in_bands(b, row, share, notional, rules):
    """The share of an account's notional that fill bands let a keeper close of `share`; nothing below a dollar."""
    closed = 0.0
    for m in range(rules.markets):
        q = row[HEAD + 2 * rules.currencies + m]
        if q != 0.0:
            closed += abs(close_size(b, m, -share * q, rules)) * b.market[m, MARGIN_PRICE]
    return closed / notional if closed >= min(LEAST, notional) else 0.0


@rule
def size_in_window(b, m, q, rules):
    """What a keeper trades to close what the market's window, and its fill band, leave of position `q`."""
    size = left_to_liquidate(b, m, q, rules)
    return close_size(b, m, -size if q > 0.0 else size, rules)


@rule
def close_in_window(b, row, m, q, rules):
    """Close what may be closed of a position; a calm skew uses nothing of the window."""
    n = size_in_window(b, m, q, rules)
    if n == 0.0:
        return
    if abs(skew_of(b, m, rules)) >= rules.close[1] * rules.impact[m, 0]:
        b.market[m, WINDOW_LEFT] -= abs(n)
    trade(b, row, m, n, rules)


@rule
def close_at_fillable(b, row, equity, margin, terms, rules):
    """dYdX: once a step, a slice of every position at no worse than its fillable price. Returns whether any was closed.

    `equity` and `margin` are the account's as the keeper found it.
    """
    clock = row.size - 1
    if row[clock] == b.scalar[CLOCK] or (rules.at_a_profit and -b.scalar[GAS_COST] < rules.minimum_profit):
        return False
    adjustment, spread, most_fee, share, least, room, insured = rules.close[:7]
    margin = max(margin, LEAST_MARGIN)
    closed = 0.0
    for m in range(rules.markets):
        q = row[HEAD + 2 * rules.currencies + m]
        price = b.market[m, MARGIN_PRICE]
        held = abs(q) * price
        wanted = min(max(share * held, least), held, room - closed)
        if wanted < LEAST:
            continue
        needed = requirement_of(terms.margin[m], q, price, reading(b, m, 1.0, terms, rules))[1]
        limit = fillable_price(equity, margin, q * price, q, needed, adjustment, spread)
        n = close_size(b, m, fillable_size(b, m, -q * wanted / held, limit, rules), rules)
        if abs(n) * price < LEAST:
            continue
        fill = trade(b, row, m, n, rules)
        bankrupt = bankruptcy_value(equity, margin, needed * abs(n / q), n * price)
        insured -= _settle(b, row, insurance_delta(-n * fill, bankrupt, most_fee), insured, rules)
        closed += abs(n) * price
    if closed > 0.0:
        row[clock] = b.scalar[CLOCK]
        b.scalar[LIQUIDATED] += closed
    return closed > 0.0


@rule
def _settle(b, row, delta, insured, rules):
    """The fund takes `delta` from the account, or pays it, at most `insured`. Returns what it paid."""
    if delta > 0.0:
        row[CASH] -= delta
        b.accounts[rules.accounts + FUND, CASH] += delta
        b.scalar[PENALTIES] += delta
        b.scalar[USER_COST] += delta
        return 0.0
    paid = fund_pays(b, min(-delta, insured), rules)
    row[CASH] += paid
    b.scalar[FUND_DRAW] += paid
    b.scalar[REALISED] += paid
    return paid
