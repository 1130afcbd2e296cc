"""What happens to options by itself: the venue recovers, expiries settle, the writer hedges. docs/model.md section 8.5."""

from __future__ import annotations

import numpy as np

from simulator.kernel import rule
from simulator.protocol.book import (
    CASH,
    CUT,
    DELTA,
    EXPIRES,
    GROSS_FLOW,
    IMPACT,
    INDEX_COUNT,
    INDEX_SUM,
    LOST,
    OPTION_HEDGE,
    OPTION_OPEN,
    OPTION_TRADED,
    OUTSIDE_CASH,
    REALISED,
    SPECIAL,
    STRIKE,
    WRITER,
    YEARS,
    commit,
    enter,
    slot_row,
    underlying_row,
)
from simulator.protocol.liquidate import write_off
from simulator.protocol.option_rules import (
    IS_CALL,
    MONEYNESS,
    O_KEEP,
    RENEWAL,
    SLOT_END,
    SLOT_FIRST,
    SLOT_UNDERLYING,
    U_ASSET,
    U_WINDOW,
)
from simulator.protocol.option_values import first_option, index_under, value_options


@rule
def start_options(b, t, price, previous, rules):
    """Section 8.5 on one path, after the oracle of step `t` observed; `price` and `previous` are [asset]."""
    earn_hedges(b, price, previous, rules)
    for e in range(rules.slots):
        slot = b.option[slot_row(e, rules)]
        slot[IMPACT] *= rules.volatility_venue[O_KEEP]
        left = slot[EXPIRES] - (t + 1)
        if left < rules.underlying[int(rules.slot[e, SLOT_UNDERLYING]), U_WINDOW]:
            slot[INDEX_SUM] += index_under(b, e, rules)
            slot[INDEX_COUNT] += 1.0
        if left <= 0.0:
            expire(b, e, slot[INDEX_SUM] / slot[INDEX_COUNT], rules)
            list_anew(b, e, slot[EXPIRES] + rules.slot[e, RENEWAL], rules)
        slot[YEARS] = (slot[EXPIRES] - (t + 1)) * rules.year
    value_options(b, rules)
    hedge_writer(b, rules)


@rule
def earn_hedges(b, price, previous, rules):
    """What the writer holds outside against its delta earned or lost."""
    for u in range(rules.underlyings):
        a = int(rules.underlying[u, U_ASSET])
        earned = b.option[underlying_row(u, rules), OPTION_HEDGE] * (price[a] - previous[a])
        b.accounts[rules.accounts + WRITER, CASH] += earned
        b.scalar[OUTSIDE_CASH] -= earned


@rule
def hedge_writer(b, rules):
    """The writer's hedge is set anew, at the deltas of now."""
    writer = b.accounts[rules.accounts + WRITER]
    for u in range(rules.underlyings):
        b.option[underlying_row(u, rules), OPTION_HEDGE] = 0.0
    for e in range(rules.slots):
        held = 0.0
        for j in range(int(rules.slot[e, SLOT_FIRST]), int(rules.slot[e, SLOT_END])):
            held += writer[first_option(rules) + j] * b.option[j, DELTA]
        b.option[underlying_row(int(rules.slot[e, SLOT_UNDERLYING]), rules), OPTION_HEDGE] -= rules.writer_hedge * held


@rule
def list_anew(b, e, expires, rules):
    """Strikes around the index of now, for the expiry at substep `expires`."""
    slot = b.option[slot_row(e, rules)]
    slot[EXPIRES] = expires
    slot[IMPACT] = 0.0
    slot[INDEX_SUM] = 0.0
    slot[INDEX_COUNT] = 0.0
    for j in range(int(rules.slot[e, SLOT_FIRST]), int(rules.slot[e, SLOT_END])):
        b.option[j, STRIKE] = rules.option[j, MONEYNESS] * index_under(b, e, rules)
        b.option[j, OPTION_OPEN] = 0.0
        b.option[j, OPTION_TRADED] = 0.0


@rule
def expire(b, e, settlement, rules):
    """Every record pays or receives what its options of slot `e` are worth at `settlement`; what it cannot pay is a deficit."""
    for i in range(rules.accounts + SPECIAL):
        if i < rules.accounts:
            if exercise(b, b.accounts[i], e, settlement, rules) and b.accounts[i, CASH] < 0.0:
                row = b.row
                for f in range(row.size):
                    row[f] = b.accounts[i, f]
                realised = b.scalar[REALISED]
                write_off(b, row, rules)
                enter(b, i, LOST, b.scalar[REALISED] - realised, -np.inf)
                commit(b, i, row, rules)
        else:
            exercise(b, b.accounts[i], e, settlement, rules)
    b.scalar[CUT] = -1.0


@rule
def exercise(b, row, e, settlement, rules):
    """Whether the record held options of slot `e`; they are cash now."""
    first = first_option(rules)
    held = False
    for j in range(int(rules.slot[e, SLOT_FIRST]), int(rules.slot[e, SLOT_END])):
        n = row[first + j]
        if n == 0.0:
            continue
        held = True
        worth = settlement - b.option[j, STRIKE]
        if rules.option[j, IS_CALL] == 0.0:
            worth = -worth
        row[CASH] += n * max(worth, 0.0)
        b.scalar[GROSS_FLOW] += abs(n) * max(worth, 0.0)
        row[first + j] = 0.0
    return held
