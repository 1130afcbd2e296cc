"""Trades of options: premium in cash, the writer on the other side, the venue's volatility moves. docs/model.md section 8.4."""

from __future__ import annotations

from simulator.kernel import rule
from simulator.protocol.book import (
    BASIS,
    CASH,
    COUNT,
    DEPOSIT_INDEX,
    EXIT,
    GROSS_FLOW,
    HEAD,
    IMPACT,
    INDEX,
    OPTION_OPEN,
    OPTION_TRADED,
    R_CASH,
    R_CURRENCY,
    R_OPTION,
    REDUCE,
    TOKENS,
    WRITER,
    slot_row,
)
from simulator.protocol.option_rules import SLOT, SLOT_UNDERLYING
from simulator.protocol.option_values import first_option, index_under, quote_option
from simulator.protocol.rules import OPTION_FEE, OPTION_FEE_CAP


@rule
def move_option_venue(b, j, n, x, fill, rules):
    """`n` of option `j` were traded at `fill`: volatility moves by `x` and the writer takes the other side."""
    place = first_option(rules) + j
    writer = b.accounts[rules.accounts + WRITER]
    before = max(writer[place], 0.0)
    writer[CASH] += n * fill
    writer[place] -= n
    b.option[j, OPTION_OPEN] += max(writer[place], 0.0) - before
    b.option[slot_row(int(rules.option[j, SLOT]), rules), IMPACT] += x
    b.option[j, OPTION_TRADED] += abs(n)
    b.scalar[GROSS_FLOW] += abs(n) * fill


@rule
def trade_option(b, row, j, n, rules):
    """Trade `n` of option `j` for the copy `row` against the venue. Returns the fill."""
    x, fill = quote_option(b, j, n, rules)
    take(row, first_option(rules) + j, n, fill)
    move_option_venue(b, j, n, x, fill, rules)
    return fill


@rule
def take(row, place, n, fill):
    """Add `n` options at `fill` to a record; a rounding residue is nothing."""
    held = row[place]
    row[CASH] -= n * fill
    row[place] = held + n
    if abs(row[place]) < 1e-12 * abs(held):
        row[place] = 0.0


@rule
def option_fee(b, j, n, fill, terms, rules):
    """A share of the index, never more than a share of the premium."""
    e = int(rules.option[j, SLOT])
    own = terms.option[int(rules.slot[e, SLOT_UNDERLYING])]
    return abs(n) * min(own[OPTION_FEE] * index_under(b, e, rules), own[OPTION_FEE_CAP] * fill)


@rule
def work_out(b, row, request, terms, rules):
    """Everything of a request for options but what leaves, on the copy `row` alone: (number, move, fill, fee, tokens in)."""
    j = int(request[R_OPTION])
    place = first_option(rules) + j
    tokens = 0.0
    row[CASH] += request[R_CASH]
    row[BASIS] += request[R_CASH]
    c = int(request[R_CURRENCY])
    if c >= 0 and request[TOKENS] > 0.0 and b.currency[c, DEPOSIT_INDEX] > 0.0:
        tokens = request[TOKENS]
        row[HEAD + c] += tokens / b.currency[c, DEPOSIT_INDEX]
        row[BASIS] += tokens * b.asset[rules.currency_asset[c], INDEX]
    n, held = request[COUNT], row[place]
    if request[REDUCE] != 0.0:
        n = min(max(n, -abs(held)), abs(held)) if held * n < 0.0 else 0.0
    x, fill, fee = 0.0, 0.0, 0.0
    if n != 0.0:
        x, fill = quote_option(b, j, n, rules)
        take(row, place, n, fill)
        fee = option_fee(b, j, n, fill, terms, rules)
        row[CASH] -= fee
    return n, x, fill, fee, tokens


@rule
def is_leaving(row, request, rules):
    """Whether the request is to leave and nothing is held that would stay behind."""
    K, M = rules.currencies, rules.markets
    if request[EXIT] == 0.0:
        return False
    for f in range(HEAD + K, HEAD + 2 * K + M):
        if row[f] != 0.0:
            return False
    for j in range(rules.options):
        if row[first_option(rules) + j] != 0.0:
            return False
    return True
