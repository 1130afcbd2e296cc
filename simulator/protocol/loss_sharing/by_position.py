"""Losses that positions pay through their market's funding index: Drift's rule in the engine. docs/model.md section 4.8.

A funding index of each side would change every account's value; a loss is rare, so it is written into the cost of the
positions that pay.
"""

from __future__ import annotations

from simulator.kernel import rule
from simulator.protocol.book import (
    CUT,
    DEFICIT_CASH,
    DEFICIT_OUTSIDE,
    DUE_ALL,
    DUE_LONGS,
    DUE_SHORTS,
    HEAD,
    MAKER,
    MARGIN_PRICE,
    SPECIAL,
)
from simulator.protocol.loss_sharing.allocation import funding_index_loss
from simulator.protocol.margin import side_open
from simulator.protocol.rules import OPPOSITE_SIDE


@rule
def deficits(b):
    """[usd] what the step's deficits come to so far."""
    return b.scalar[DEFICIT_CASH] + b.scalar[DEFICIT_OUTSIDE]


@rule
def owe(b, row, owed, rules):
    """A deficit of `owed` belongs to the markets in which `row` has positions, by notional; to none where it has none."""
    notional = 0.0
    for m in range(rules.markets):
        notional += abs(row[HEAD + 2 * rules.currencies + m]) * b.market[m, MARGIN_PRICE]
    if notional <= 0.0 or owed <= 0.0:
        return
    for m in range(rules.markets):
        q = row[HEAD + 2 * rules.currencies + m]
        payers = DUE_ALL
        if rules.by_position == OPPOSITE_SIDE:
            payers = DUE_SHORTS if q > 0.0 else DUE_LONGS
        b.market[m, payers] += owed * abs(q) * b.market[m, MARGIN_PRICE] / notional


@rule
def share_out(b, owed, rest, rules):
    """`rest` of the step's deficits, `owed`, is paid by positions; what belongs to no market, by all. Returns what was paid."""
    own, open_interest = 0.0, 0.0
    for m in range(rules.markets):
        own += b.market[m, DUE_ALL] + b.market[m, DUE_LONGS] + b.market[m, DUE_SHORTS]
        open_interest += _open(b, m, rules)
    paid = 0.0
    for m in range(rules.markets):
        stray = max(owed - own, 0.0) * _open(b, m, rules) / open_interest if open_interest > 0.0 else 0.0
        b.market[m, DUE_ALL] += stray
        paid += _charge(b, m, rest / owed, rules)
        b.market[m, DUE_ALL] = b.market[m, DUE_LONGS] = b.market[m, DUE_SHORTS] = 0.0
    b.scalar[CUT] = -1.0  # everybody changed: the watch list is made anew
    return paid


@rule
def _open(b, m, rules):
    """[usd] what everybody but the maker holds, longs and shorts."""
    return (side_open(b, m, 1.0, rules) + side_open(b, m, -1.0, rules)) * b.market[m, MARGIN_PRICE]


@rule
def _charge(b, m, share, rules):
    """`share` of what market `m` owes goes onto the cost of its positions, the same per base of those who pay it."""
    longs, shorts = side_open(b, m, 1.0, rules), side_open(b, m, -1.0, rules)
    both = funding_index_loss(b.market[m, DUE_ALL], longs, shorts)
    of_longs = share * (both + funding_index_loss(b.market[m, DUE_LONGS], longs, 0.0))
    of_shorts = share * (both + funding_index_loss(b.market[m, DUE_SHORTS], 0.0, shorts))
    place = HEAD + 2 * rules.currencies + m
    paid = 0.0
    for i in range(rules.accounts + SPECIAL):
        q = b.accounts[i, place]
        if i != rules.accounts + MAKER and q != 0.0:
            charged = q * of_longs if q > 0.0 else -q * of_shorts
            b.accounts[i, place + rules.markets] += charged
            paid += charged
    return paid
