"""Drift v2's liquidation: a keeper takes over what covers a shortage at the index, for a fee that grows. docs/model.md 5.2."""

from __future__ import annotations

from simulator.kernel import rule
from simulator.protocol.book import (
    CASH,
    CLOCK,
    FREED,
    FUND,
    FUNDING,
    GAS_COST,
    HEAD,
    KEEPER,
    LIQUIDATED,
    MARGIN_PRICE,
    MARK,
    PENALTIES,
    UP_LAST,
    UP_SINCE,
    USER_COST,
    VALUE,
)
from simulator.protocol.close_by_rule import close_size
from simulator.protocol.health import maintenance
from simulator.protocol.liquidation_shapes.perpetuals import base_to_cover, freeable_share, fund_fee, growing_fee
from simulator.protocol.margin import reading
from simulator.protocol.margin_ratio.requirement import requirement as requirement_of
from simulator.protocol.trading import LEAST, exchange, fillable_size, move_venue, quote

LEAST_MARGIN = 1e-9  # [usd]
LEAST_SHARE = 1e-9  # [1] of a shortage: what rounding leaves of what was freed is nothing


@rule
def note_up(b, n, rules):
    """The first `n` accounts of `found` are up in this step: since when."""
    now = b.scalar[CLOCK]
    for s in range(n):
        row = b.accounts[b.found[s]]
        if row[UP_LAST] == 0.0 or now - row[UP_LAST] > 1.5 * rules.dt:
            row[UP_SINCE] = now
            row[FREED] = 0.0
        row[UP_LAST] = now


@rule
def close_with_growing_fee(b, row, slack, margin, notional, terms, rules):
    """Position by position, what covers the shortage as far as it may be freed now. Returns whether anything was closed."""
    buffer = rules.close[5]
    closed = 0.0
    for m in range(rules.markets):
        shortage = buffer * notional - slack
        if shortage <= 0.0:
            break
        q = row[HEAD + 2 * rules.currencies + m]
        if q == 0.0:
            continue
        price = b.market[m, MARGIN_PRICE]
        needed = requirement_of(terms.margin[m], q, price, reading(b, m, 1.0, terms, rules))[1]
        size, fee, fund = _to_close(b.scalar[CLOCK] - row[UP_SINCE], row[FREED], shortage, margin, needed, price, abs(q), rules)
        n = _taken(b, m, -size if q > 0.0 else size, fee, abs(q), rules)
        if n == 0.0:
            continue
        _take(b, row, m, n, fee, fund, rules)
        closed += abs(n) * price
        slack, _equity, margin, notional = maintenance(b, row, terms, rules)
        row[FREED] += max(shortage - (buffer * notional - slack), 0.0)
    b.scalar[LIQUIDATED] += closed
    return closed > 0.0


@rule
def _to_close(waited, freed, shortage, margin, needed, price, held, rules):
    """(base to close of `held`, the liquidator's fee, the fund's) after `waited` seconds, `needed` of `margin` the position's."""
    base, multiple, growth, grace, most_fund, buffer, first, duration, small = rules.close[:9]
    ratio = needed / (held * price)
    fee = growing_fee(base, min(multiple * base, ratio), growth, waited, grace)
    of_market = shortage * needed / max(margin, LEAST_MARGIN)
    fund = fund_fee(of_market, held * price, ratio + buffer, fee, most_fund)
    share = freeable_share(shortage, freed, waited, duration, first, small)
    if share < LEAST_SHARE:
        return 0.0, fee, fund
    if held * price <= small:
        return held, fee, fund
    return min(share * base_to_cover(shortage, price, ratio + buffer, fee, fund), held), fee, fund


@rule
def _taken(b, m, n, fee, held, rules):
    """What a keeper takes over of `n` base: what a fill band leaves; `at-a-profit` about the best part of it, if that pays."""
    price = b.market[m, MARGIN_PRICE]
    n = close_size(b, m, n, rules)
    if rules.at_a_profit and n != 0.0:
        limit = price * (1.0 + fee if n > 0.0 else 1.0 - fee)
        n = fillable_size(b, m, n, 0.5 * (b.market[m, MARK] + limit), rules)
        earned = fee * abs(n) * price + n * (price - quote(b, m, n, rules)[1])
        if earned < b.scalar[GAS_COST] + rules.minimum_profit:
            return 0.0
    return n if abs(n) * price >= min(LEAST, held * price) else 0.0


@rule
def _take(b, row, m, n, fee, fund, rules):
    """`n` base change hands at the valuation price; the keeper trades them in the venue, and both fees leave the account."""
    price = b.market[m, MARGIN_PRICE]
    x, fill = quote(b, m, n, rules)
    place = HEAD + 2 * rules.currencies + m
    exchange(row, place, place + rules.markets, n, b.market[m, VALUE])
    move_venue(b, m, n, x, fill - b.market[m, FUNDING], rules)
    worth = abs(n) * price
    row[CASH] -= (fee + fund) * worth
    b.accounts[rules.accounts + KEEPER, CASH] += fee * worth + n * (price - fill)
    b.accounts[rules.accounts + FUND, CASH] += fund * worth
    b.scalar[PENALTIES] += (fee + fund) * worth
    b.scalar[USER_COST] += (fee + fund) * worth
