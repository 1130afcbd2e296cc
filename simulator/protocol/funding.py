"""Funding by the rules of `protocol.funding_rate`, each with its state in the market's record. docs/model.md section 4.4."""

from __future__ import annotations

from simulator.kernel import rule
from simulator.parameters import DAY
from simulator.protocol.book import CUT, FEE_POOL, FUNDING, FUNDING_RATE, HEAD, INDEX, MAKER, MARK, MOST_OPEN, SPECIAL
from simulator.protocol.funding_rate.rates import (
    adaptive_rate,
    capped_by_fees,
    funding_clamp,
    premium_rate,
    velocity,
    velocity_accrual,
)
from simulator.protocol.impact import skew_of
from simulator.protocol.margin import margin_gap, side_open
from simulator.protocol.market_numbers import ADAPTIVE, PREMIUM

HOUR = 3600.0  # [s]


@rule
def _held(b, m, sign, rules):
    """[asset] the open interest of one side; what rounding has left of an empty one is nothing."""
    held = side_open(b, m, sign, rules)
    return held if held > 1e-9 * b.market[m, MOST_OPEN] else 0.0


@rule
def accrued(b, m, terms, rules):
    """[1 of notional] what longs pay over one substep; moves the rate that the rule keeps."""
    market = b.market[m]
    index = b.asset[rules.market_asset[m], INDEX]
    row = rules.funding
    if rules.funding_kind == PREMIUM:
        cap = row[2]
        if row[4] >= 0.0:
            cap = min(cap, funding_clamp(row[4], margin_gap(b, m, terms, rules), 0.0) / row[0])
        return premium_rate(market[MARK] / index - 1.0, row[0], row[1], cap, row[3]) * rules.dt / HOUR
    if rules.funding_kind == ADAPTIVE:
        longs, shorts = _held(b, m, 1.0, rules) * index, _held(b, m, -1.0, rules) * index
        rate = adaptive_rate(
            market[FUNDING_RATE], longs, shorts, rules.dt, row[0], row[1], row[2], row[3], row[4], row[5], row[6]
        )
        market[FUNDING_RATE] = rate
        return rate * rules.dt if longs > 0.0 and shorts > 0.0 else 0.0
    speed = velocity(skew_of(b, m, rules), rules.funding_scale[m], row[0])
    market[FUNDING_RATE], paid = velocity_accrual(market[FUNDING_RATE], speed, rules.dt / DAY)
    return paid


@rule
def accrue_by_rule(b, terms, rules):
    """Funding of every market, on oracle notional."""
    for m in range(rules.markets):
        paid = accrued(b, m, terms, rules) * b.asset[rules.market_asset[m], INDEX]
        b.market[m, FUNDING] += paid
        if rules.funding_kind == PREMIUM and rules.funding[5] >= 0.0:
            spare_maker(b, m, paid, rules)


@rule
def spare_maker(b, m, paid, rules):
    """Drift: of `paid` a base, what the maker would pay on balance beyond a share of the fee pool, receivers do not get."""
    place = HEAD + 2 * rules.currencies + m
    maker = b.accounts[rules.accounts + MAKER]
    owed = paid * maker[place]
    due = capped_by_fees(owed, b.market[m, FEE_POOL], rules.funding[5] * rules.dt / HOUR)
    b.market[m, FEE_POOL] -= due
    if owed <= due:
        return
    missing = (owed - due) / side_open(b, m, -1.0 if paid > 0.0 else 1.0, rules)
    for i in range(rules.accounts + SPECIAL):
        q = b.accounts[i, place]
        if i != rules.accounts + MAKER and q * paid < 0.0:
            b.accounts[i, place + rules.markets] += abs(q) * missing
            maker[place + rules.markets] -= abs(q) * missing
    b.scalar[CUT] = -1.0  # everybody who receives changed: the watch list is made anew
