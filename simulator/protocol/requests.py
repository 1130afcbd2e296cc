"""Requests: what an account holder may do, worked out on a copy and granted whole or refused whole. docs/model.md section 5.1."""

from __future__ import annotations

from simulator.kernel import rule, small_rule
from simulator.protocol.bands.requests import grant_in_bands
from simulator.protocol.book import (
    ACCOUNT,
    BASIS,
    BORROW,
    BORROW_INDEX,
    CASH,
    DEPOSIT_INDEX,
    EXIT,
    FUNDING,
    GROSS_FLOW,
    HEAD,
    INDEX,
    LIQUIDITY,
    MAKER,
    MARK,
    OPEN_LONG,
    OUTSIDE_CASH,
    QUANTITY,
    R_CASH,
    R_CURRENCY,
    R_DEBT,
    R_MARKET,
    REDUCE,
    REFUSED,
    TOKENS,
    less,
)
from simulator.protocol.fees import fee_rate
from simulator.protocol.health import change, initial, is_frozen, maintenance
from simulator.protocol.limits import leaves_category, may_borrow, may_supply
from simulator.protocol.rules import B_CUTS
from simulator.protocol.trading import LEAST, exchange, move_venue, pay_fee, quote, within_band


@small_rule
def grant(b, request, terms, rules):
    """Work a request out on a copy; commit it whole or refuse it whole. Returns whether it was granted."""
    i = int(request[ACCOUNT])
    row = b.row
    old = b.accounts[i]
    for f in range(row.size):
        row[f] = old[f]
    if rules.limits_fills and request[QUANTITY] != 0.0 and not keeps_to_band(b, row, request, rules):
        b.scalar[REFUSED] += 1.0
        return False
    if rules.bands > 0 and request[R_DEBT] >= 0.0:
        return grant_in_bands(b, i, row, request, terms, rules)
    if request[R_CURRENCY] < 0.0 and request[R_DEBT] < 0.0 and request[EXIT] == 0.0:
        return _grant_trade(b, i, row, request, terms, rules)
    return _grant_loan(b, i, row, request, terms, rules)


@rule
def keeps_to_band(b, row, request, rules):
    """Whether a request may trade under the fill band of its market, which may cut its quantity: then nobody exits by it."""
    m = int(request[R_MARKET])
    if m < 0:
        return True
    n = own_quantity(row[HEAD + 2 * rules.currencies + m], request[QUANTITY], request[REDUCE] != 0.0)
    allowed = within_band(b, m, n, rules)
    if allowed == n:
        return True
    if rules.fill_band[m, B_CUTS] == 0.0 or abs(allowed) * b.market[m, MARK] < LEAST:
        return False
    request[QUANTITY] = allowed
    request[EXIT] = 0.0
    return True


@small_rule
def own_quantity(q, n, reduces):
    """`n` base asked for by who holds `q`: no flip through zero, and nothing where somebody closed it first."""
    if q * n < 0.0 and abs(n) > abs(q):
        return -q
    if reduces and q * n >= 0.0:
        return 0.0
    return n


@small_rule
def _grant_trade(b, i, row, request, terms, rules):
    """Cash in, and a trade: the request of a trader who stays."""
    if request[R_CASH] > 0.0:
        row[CASH] += request[R_CASH]
        row[BASIS] += request[R_CASH]
    m = int(request[R_MARKET])
    if m < 0:
        b.scalar[OUTSIDE_CASH] -= request[R_CASH]
        b.scalar[GROSS_FLOW] += request[R_CASH]
        change(b, i, row, terms, rules)
        return True
    n, x, price, fee = _work_out_trade(b, row, m, request[QUANTITY], request[REDUCE] != 0.0, terms, rules)
    enlarged = abs(row[HEAD + 2 * rules.currencies + m]) > abs(b.accounts[i, HEAD + 2 * rules.currencies + m])
    if enlarged and (is_frozen(b, row, rules) or initial_after(b, row, m, n, terms, rules) < 0.0):
        return False
    if request[R_CASH] > 0.0:
        b.scalar[OUTSIDE_CASH] -= request[R_CASH]
        b.scalar[GROSS_FLOW] += request[R_CASH]
    move_venue(b, m, n, x, price, rules)
    pay_fee(b, m, fee, rules)
    change(b, i, row, terms, rules)
    return True


@small_rule
def initial_after(b, row, m, n, terms, rules):
    """`initial` of the copy, with the open interest that there will be once its trade of `n` base in market `m` is done."""
    if not rules.scales_margin or n == 0.0:
        return initial(b, row, terms, rules)
    place = HEAD + 2 * rules.currencies + m
    maker = b.accounts[rules.accounts + MAKER]
    held, open_long = maker[place], b.market[m, OPEN_LONG]
    q = row[place]
    maker[place] = held - n
    b.market[m, OPEN_LONG] = open_long + max(q, 0.0) - max(q - n, 0.0) + max(held - n, 0.0) - max(held, 0.0)
    slack = initial(b, row, terms, rules)
    maker[place] = held
    b.market[m, OPEN_LONG] = open_long
    return slack


@small_rule
def _work_out_trade(b, row, m, n, reduces, terms, rules):
    """Trade on the copy alone: (base, log move, price net of funding, fee)."""
    position = HEAD + 2 * rules.currencies + m
    n = own_quantity(row[position], n, reduces)
    x, fill = quote(b, m, n, rules)
    price = fill - b.market[m, FUNDING]
    exchange(row, position, position + rules.markets, n, price)
    fee = abs(n) * fill * fee_rate(b, m, n, terms, rules)
    row[CASH] -= fee
    return n, x, price, fee


@small_rule
def _grant_loan(b, i, row, request, terms, rules):
    """Every other request: tokens in or out, borrowing, repaying, leaving."""
    K = rules.currencies
    c, d, m = int(request[R_CURRENCY]), int(request[R_DEBT]), int(request[R_MARKET])
    tokens_in = 0.0  # of currency c, into the pool
    borrowed = 0.0  # of currency d, out of the pool
    cash_in = 0.0
    risky = False
    if request[R_CASH] > 0.0:
        cash_in = request[R_CASH]
        row[CASH] += cash_in
        row[BASIS] += cash_in
    if c >= 0 and request[TOKENS] > 0.0:
        if b.currency[c, DEPOSIT_INDEX] <= 0.0:
            return False  # the pool lost everything
        tokens_in = request[TOKENS]
        if not may_supply(b, c, tokens_in, terms):
            return False
        row[HEAD + c] += tokens_in / b.currency[c, DEPOSIT_INDEX]
        row[BASIS] += tokens_in * b.asset[rules.currency_asset[c], INDEX]
    if d >= 0 and request[BORROW] < 0.0:
        owed = row[HEAD + K + d] * b.currency[d, BORROW_INDEX]
        if -request[BORROW] >= owed:
            borrowed = -owed
            row[HEAD + K + d] = 0.0
        else:
            borrowed = request[BORROW]
            row[HEAD + K + d] = less(row[HEAD + K + d], -borrowed / b.currency[d, BORROW_INDEX])
    if d >= 0 and request[BORROW] > 0.0:
        borrowed = request[BORROW]
        if borrowed > b.currency[d, LIQUIDITY] + (tokens_in if c == d else 0.0):
            return False
        if not may_borrow(b, row, d, borrowed, terms, rules):
            return False
        row[HEAD + K + d] += borrowed / b.currency[d, BORROW_INDEX]
        risky = True
    n, x, price, fee = 0.0, 0.0, 0.0, 0.0
    if m >= 0 and request[QUANTITY] != 0.0:
        held = abs(row[HEAD + 2 * K + m])
        n, x, price, fee = _work_out_trade(b, row, m, request[QUANTITY], request[REDUCE] != 0.0, terms, rules)
        risky = risky or abs(row[HEAD + 2 * K + m]) > held
    if c >= 0 and request[TOKENS] < 0.0:
        out = min(-request[TOKENS], row[HEAD + c] * b.currency[c, DEPOSIT_INDEX], b.currency[c, LIQUIDITY])
        equity = maintenance(b, row, terms, rules)[1]
        if equity > 0.0:
            row[BASIS] *= max(0.0, 1.0 - out * b.asset[rules.currency_asset[c], INDEX] / equity)
        if out > 0.0:
            row[HEAD + c] = less(row[HEAD + c], out / b.currency[c, DEPOSIT_INDEX])
        tokens_in = -out
        risky = risky or (out > 0.0 and request[EXIT] == 0.0)
    if request[EXIT] != 0.0:
        return leave(b, i, row, d, borrowed, cash_in, m, n, x, price, fee, terms, rules)
    risky = risky or (rules.categories > 0 and leaves_category(b, i, row, rules))
    if risky and (is_frozen(b, row, rules) or initial_after(b, row, m, n, terms, rules) < 0.0):
        return False
    move_pools(b, c, tokens_in, d, borrowed, cash_in, rules)
    if n != 0.0:
        move_venue(b, m, n, x, price, rules)
        pay_fee(b, m, fee, rules)
    change(b, i, row, terms, rules)
    return True


@rule
def move_pools(b, c, tokens_in, d, borrowed, cash_in, rules):
    """Tokens and cash cross the border to OUTSIDE."""
    if c >= 0 and tokens_in != 0.0:
        b.currency[c, LIQUIDITY] += tokens_in
        b.scalar[GROSS_FLOW] += abs(tokens_in) * b.asset[rules.currency_asset[c], INDEX]
    if d >= 0 and borrowed != 0.0:
        b.currency[d, LIQUIDITY] -= borrowed
        b.scalar[GROSS_FLOW] += abs(borrowed) * b.asset[rules.currency_asset[d], INDEX]
    b.scalar[OUTSIDE_CASH] -= cash_in
    b.scalar[GROSS_FLOW] += abs(cash_in)


@small_rule
def leave(b, i, row, d, borrowed, cash_in, m, n, x, price, fee, terms, rules):
    """The end of an `exit`: all tokens and cash, if nothing is owed; refused if it leaves the account unhealthy."""
    K = rules.currencies
    owes = False
    for k in range(K):
        owes = owes or row[HEAD + K + k] > 0.0
    if not owes:
        for k in range(K):
            held = row[HEAD + k] * b.currency[k, DEPOSIT_INDEX]
            room = b.currency[k, LIQUIDITY] - (borrowed if k == d else 0.0)
            b.other[HEAD + k] = min(held, max(room, 0.0))
            if b.other[HEAD + k] > 0.0:
                row[HEAD + k] = less(row[HEAD + k], b.other[HEAD + k] / b.currency[k, DEPOSIT_INDEX])
    cash_out = 0.0 if owes else max(row[CASH], 0.0)
    row[CASH] -= cash_out
    if not owes:
        row[BASIS] = 0.0
    if maintenance(b, row, terms, rules)[0] < 0.0:
        return False
    move_pools(b, -1, 0.0, d, borrowed, cash_in - cash_out, rules)
    if not owes:
        for k in range(K):
            move_pools(b, k, -b.other[HEAD + k], -1, 0.0, 0.0, rules)
    if n != 0.0:
        move_venue(b, m, n, x, price, rules)
        pay_fee(b, m, fee, rules)
    change(b, i, row, terms, rules)
    return True
