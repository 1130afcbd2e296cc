"""What a borrower whose collateral lies in bands may ask for: open, borrow, repay, leave. docs/model.md 5.9."""

from __future__ import annotations

from simulator.kernel import rule
from simulator.protocol.bands.table import bands_of, lay_in, loan_of, loan_standing, place, take_out
from simulator.protocol.book import (
    BASIS,
    BORROW,
    BORROW_INDEX,
    GROSS_FLOW,
    HEAD,
    INDEX,
    LIQUIDITY,
    LOAN_SHARE,
    R_CURRENCY,
    STALE,
    TOKENS,
    less,
)
from simulator.protocol.health import change
from simulator.protocol.limits import may_borrow


@rule
def grant_in_bands(b, i, row, request, terms, rules):
    """Section 5.9 for the copy `row` of account `i`. Returns whether it was granted."""
    base, K = rules.base_currency, rules.currencies
    ad = rules.currency_asset[base]
    c, first, share = loan_of(row, rules)
    if share <= 0.0:
        c = int(request[R_CURRENCY])
    x, y, _down = loan_standing(b, row, rules)
    debt = row[HEAD + K + base] * b.currency[base, BORROW_INDEX]
    if request[BORROW] < 0.0 and debt == 0.0:
        return False  # a keeper closed the loan first
    borrowed = max(request[BORROW], -debt)
    if borrowed < 0.0:
        row[HEAD + K + base] = (
            0.0 if borrowed == -debt else less(row[HEAD + K + base], -borrowed / b.currency[base, BORROW_INDEX])
        )
        if row[HEAD + K + base] == 0.0:
            take_out(b, c, first, bands_of(row, rules), share, rules)
            row[HEAD + 2 * K + LOAN_SHARE] = 0.0
            row[BASIS] = 0.0
        elif x == 0.0:
            relay(b, row, c, y, debt + borrowed, terms, rules)
    else:
        if x > 0.0 or b.asset[rules.currency_asset[c], STALE] != 0.0 or b.asset[ad, STALE] != 0.0:
            return False
        if borrowed > b.currency[base, LIQUIDITY] or not may_borrow(b, row, base, borrowed, terms, rules):
            return False
        y += request[TOKENS]
        if not relay(b, row, c, y, debt + borrowed, terms, rules):
            return False
        row[HEAD + K + base] += borrowed / b.currency[base, BORROW_INDEX]
        value = request[TOKENS] * b.asset[rules.currency_asset[c], INDEX]
        row[BASIS] += value
        b.scalar[GROSS_FLOW] += value
    b.currency[base, LIQUIDITY] -= borrowed
    b.scalar[GROSS_FLOW] += abs(borrowed) * b.asset[ad, INDEX]
    change(b, i, row, terms, rules)
    return True


@rule
def relay(b, row, c, y, debt, terms, rules):
    """Lay all collateral of a loan that holds no debt asset anew, as low as `debt` allows; False, and nothing, if nowhere."""
    _c, first, share = loan_of(row, rules)
    bands = bands_of(row, rules)
    found = place(b, c, bands, y, debt, terms, rules)
    if found < 0:
        return False
    lay_in(b, row, c, found, y, rules)
    if share > 0.0:
        take_out(b, c, first, bands, share, rules)
    return True
