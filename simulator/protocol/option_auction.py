"""Derive's auction of accounts that hold options, in the engine: liquidation_shapes/auction.py. docs/model.md section 8.8.

A bidder buys a share of everything that an account has and closes it in the venues at once; once equity is gone it is paid to
take the whole.
"""

from __future__ import annotations

from simulator.kernel import rule
from simulator.protocol.book import (
    A_CLOCK,
    BASIS,
    BORROW_INDEX,
    CASH,
    DEBT_TOTAL,
    DEFICIT_CASH,
    DEPOSIT_INDEX,
    DEPOSIT_TOTAL,
    FUND,
    FUND_DRAW,
    FUNDING,
    HEAD,
    INSOLVENT,
    KEEPER,
    LAST_SEEN,
    LIQUIDATED,
    LIQUIDITY,
    OUTSIDE_CASH,
    PENALTIES,
    REALISED,
    STARTED,
    USER_COST,
    less,
)
from simulator.protocol.health import maintenance
from simulator.protocol.liquidation_shapes.auction import buffer_margin, greatest_share, insolvent_payment, solvent_discount
from simulator.protocol.option_liquidation import close_share
from simulator.protocol.option_rules import (
    AUCTION_BUFFER,
    AUCTION_FAST,
    AUCTION_FAST_END,
    AUCTION_FEE,
    AUCTION_INSOLVENT,
    AUCTION_SLOW,
    AUCTION_START,
)
from simulator.protocol.option_values import first_option, holds_options, quote_option
from simulator.protocol.trading import quote, quote_spot, trade_spot
from simulator.protocol.waterfall import fund_pays, sell_deposit


@rule
def register(b, t, n, terms, rules):
    """The first `n` accounts of `found` are up for auction in step `t`: since when, and since when without equity."""
    b.scalar[A_CLOCK] = t
    for s in range(n):
        i = b.found[s]
        if not holds_options(b.accounts[i], rules):
            continue
        its = b.watch[i]
        if its[LAST_SEEN] < t - 1:
            its[STARTED] = t
            its[INSOLVENT] = -1.0
        its[LAST_SEEN] = t
        if maintenance(b, b.accounts[i], terms, rules)[1] > 0.0:
            its[INSOLVENT] = -1.0
        elif its[INSOLVENT] < 0.0:
            its[INSOLVENT] = t


@rule
def bid(b, i, row, slack, equity, notional, terms, rules):
    """A keeper's bid for account `i`, worked out on its copy `row`. Whether it was made."""
    if equity > 0.0:
        return _buy_share(b, i, row, slack, equity, notional, rules)
    return _take_whole(b, i, row, slack, equity, notional, rules)


@rule
def _buy_share(b, i, row, slack, equity, notional, rules):
    """Equity is left: a share of it at a discount that grows, as much as brings the buffer margin back to 0."""
    part = rules.auction
    elapsed = (b.scalar[A_CLOCK] - b.watch[i, STARTED]) * rules.dt
    price = solvent_discount(elapsed, part[AUCTION_START], part[AUCTION_FAST_END], part[AUCTION_FAST], part[AUCTION_SLOW])
    f = greatest_share(buffer_margin(slack, equity, part[AUCTION_BUFFER]), equity, price, 0.0)
    paid = f * equity * price
    if not _pays(b, row, f, paid, rules):
        return False
    _take(b, row, f, rules)
    b.accounts[rules.accounts + KEEPER, CASH] -= paid
    fee = part[AUCTION_FEE] * paid
    row[CASH] += paid - fee
    b.accounts[rules.accounts + FUND, CASH] += fee
    b.scalar[PENALTIES] += fee
    b.scalar[USER_COST] += f * equity - paid + fee
    b.scalar[LIQUIDATED] += f * notional
    return True


@rule
def _take_whole(b, i, row, slack, equity, notional, rules):
    """No equity is left: whoever takes the whole is paid by the fund, and by everybody after it."""
    elapsed = (b.scalar[A_CLOCK] - b.watch[i, INSOLVENT]) * rules.dt
    owed = insolvent_payment(elapsed, slack, equity, rules.auction[AUCTION_INSOLVENT])
    if not _pays(b, row, 1.0, -owed, rules):
        return False
    _take(b, row, 1.0, rules)
    paid = fund_pays(b, owed, rules)
    b.accounts[rules.accounts + KEEPER, CASH] += owed
    b.scalar[FUND_DRAW] += paid
    b.scalar[DEFICIT_CASH] += owed - paid
    b.scalar[REALISED] += owed
    b.scalar[LIQUIDATED] += notional
    return True


@rule
def _pays(b, row, f, price, rules):
    """Whether a share `f` of `row`, closed in the venues at its quotes, brings a keeper more than `price`, gas and its profit."""
    if not rules.at_a_profit:
        return True
    K = rules.currencies
    worth = f * row[CASH]
    for k in range(K):
        a = rules.currency_asset[k]
        worth -= quote_spot(b, a, -f * row[HEAD + k] * b.currency[k, DEPOSIT_INDEX], rules)
        worth -= quote_spot(b, a, f * row[HEAD + K + k] * b.currency[k, BORROW_INDEX], rules)
    for m in range(rules.markets):
        q = row[HEAD + 2 * K + m]
        if q != 0.0:
            fill = quote(b, m, -f * q, rules)[1]
            worth += f * (q * (fill - b.market[m, FUNDING]) - row[HEAD + 2 * K + rules.markets + m])
    for j in range(rules.options):
        n = row[first_option(rules) + j]
        if n != 0.0:
            worth += f * n * quote_option(b, j, -f * n, rules)[1]
    return worth - price - rules.gas >= rules.minimum_profit


@rule
def _take(b, row, f, rules):
    """The keeper takes a share `f` of every field of `row` and turns it into cash in the venues."""
    K = rules.currencies
    keeper = b.accounts[rules.accounts + KEEPER]
    for k in range(K):
        b.currency[k, DEPOSIT_TOTAL] += f * row[HEAD + k]
        b.currency[k, DEBT_TOTAL] += f * row[HEAD + K + k]
    for c in range(first_option(rules) + rules.options):
        if c != BASIS:
            keeper[c] += f * row[c]
            row[c] = 0.0 if f >= 1.0 else row[c] - f * row[c]
    if f >= 1.0:
        row[BASIS] = 0.0
    close_share(b, keeper, 1.0, rules)
    for k in range(K):
        tokens = min(keeper[HEAD + k] * b.currency[k, DEPOSIT_INDEX], b.currency[k, LIQUIDITY])
        if tokens > 0.0:
            sell_deposit(b, rules.accounts + KEEPER, k, tokens, rules)
        owed = keeper[HEAD + K + k] * b.currency[k, BORROW_INDEX]
        if owed > 0.0:
            spent = trade_spot(b, rules.currency_asset[k], owed, rules)
            keeper[CASH] -= spent
            b.scalar[OUTSIDE_CASH] += spent
            left = less(keeper[HEAD + K + k], owed / b.currency[k, BORROW_INDEX])
            b.currency[k, DEBT_TOTAL] += left - keeper[HEAD + K + k]
            keeper[HEAD + K + k] = left
            b.currency[k, LIQUIDITY] += owed
