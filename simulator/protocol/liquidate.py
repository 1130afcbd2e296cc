"""What a keeper does with a liquidatable account, and what is written off after it. docs/model.md sections 5.2 and 5.4."""

from __future__ import annotations

from simulator.kernel import rule
from simulator.protocol.bands.table import loan_of
from simulator.protocol.book import (
    BASIS,
    BORROW_INDEX,
    CASH,
    DEFICIT_CASH,
    DEFICIT_OUTSIDE,
    DEPOSIT_INDEX,
    DEPOSIT_TOTAL,
    FUND,
    FUND_DRAW,
    GAS,
    GAS_COST,
    HEAD,
    INDEX,
    KEEPER,
    LIQUIDATED,
    LIQUIDATIONS,
    LIQUIDITY,
    LOST,
    OUTSIDE_CASH,
    PENALTIES,
    REALISED,
    ROOM,
    SOCIALISED,
    UNBACKED,
    UNCOVERED,
    USER_COST,
    enter,
    less,
)
from simulator.protocol.close_by_rule import close_at_fillable, close_in_window, close_size, share_by_rule, share_in_bands
from simulator.protocol.close_growing import close_with_growing_fee
from simulator.protocol.health import change, is_frozen, maintenance
from simulator.protocol.loans import serve_loan
from simulator.protocol.loss_sharing.by_position import deficits, owe
from simulator.protocol.market_numbers import FILLABLE, GROWING, STAGED, WINDOW
from simulator.protocol.option_auction import bid
from simulator.protocol.option_liquidation import close_portfolio
from simulator.protocol.option_values import holds_options
from simulator.protocol.trading import trade
from simulator.protocol.waterfall import fund_pays

DUST = 1e-9  # [usd] deposits worth no more than this are nothing


@rule
def share_to_close(slack, requirement, notional, terms, rules):
    """The share of every position that brings slack back to `buffer` x requirement, as one linear equation; 1 if none does."""
    if rules.whole or notional <= rules.minimum_notional:
        return 1.0
    scale = requirement * (1.0 + rules.buffer) - terms.penalty * notional
    if scale <= 0.0:
        return 1.0
    return min((rules.buffer * requirement - slack) / scale, 1.0)


@rule
def serve(b, i, terms, rules):
    """A keeper looks at account `i` and acts if it is still liquidatable and pays. Returns whether anything was done."""
    row = b.row
    for f in range(row.size):
        row[f] = b.accounts[i, f]
    slack, equity, requirement, notional = maintenance(b, row, terms, rules)
    if slack >= 0.0 or b.scalar[ROOM] < 1.0 or is_frozen(b, row, rules):
        return False
    realised, owed = b.scalar[REALISED], deficits(b)
    if rules.options > 0 and holds_options(row, rules):
        if rules.auctions:
            done = bid(b, i, row, slack, equity, notional, terms, rules)
        else:
            done = close_portfolio(b, row, slack, equity, requirement, notional, terms, rules)
    elif notional > 0.0:
        done = _close_positions(b, i, row, slack, equity, requirement, notional, terms, rules)
    else:
        done = serve_loan(b, row, terms, rules)
    if done:
        b.scalar[LIQUIDATIONS] += 1.0
        gas = b.scalar[GAS_COST]
        b.scalar[ROOM] -= 1.0
        b.scalar[GAS] += gas
        b.accounts[rules.accounts + KEEPER, CASH] -= gas
        b.scalar[OUTSIDE_CASH] += gas
        write_off(b, row, rules)
        if rules.by_position > 0:
            owe(b, b.accounts[i], deficits(b) - owed, rules)
        enter(b, i, LOST, b.scalar[REALISED] - realised, equity)
        change(b, i, row, terms, rules)
    return done


@rule
def _close_positions(b, i, row, slack, equity, requirement, notional, terms, rules):
    """Section 5.2: close a share of every position in its venue; the penalty goes to keeper and fund."""
    if rules.close_rule == FILLABLE:
        return close_at_fillable(b, row, equity, requirement, terms, rules)
    if rules.close_rule == GROWING:
        return close_with_growing_fee(b, row, slack, requirement, notional, terms, rules)
    f = share_to_close(slack, requirement, notional, terms, rules)
    if rules.close_rule >= STAGED:
        f = share_by_rule(b, row, notional, rules)
        if f <= 0.0:
            return False
    asked = f
    if rules.limits_closes and rules.close_rule != WINDOW:
        f = share_in_bands(b, row, asked, notional, rules)
        if f <= 0.0:
            return False
    due = terms.penalty * f * notional
    pay = due if rules.guaranteed else min(due, max(equity, 0.0))
    if rules.at_a_profit and rules.keeper_share * pay - b.scalar[GAS_COST] < rules.minimum_profit:
        return False
    for m in range(rules.markets):
        q = row[HEAD + 2 * rules.currencies + m]
        if q != 0.0:
            if rules.close_rule == WINDOW:
                close_in_window(b, row, m, q, rules)
            else:
                trade(b, row, m, close_size(b, m, -asked * q, rules), rules)
    available = max(maintenance(b, row, terms, rules)[1], 0.0)
    paid = min(due, available)
    row[CASH] -= paid
    if rules.guaranteed and available < due:
        b.scalar[OUTSIDE_CASH] += paid
        b.scalar[DEFICIT_OUTSIDE] += due - paid
        b.scalar[REALISED] += due - paid
    else:
        b.accounts[rules.accounts + KEEPER, CASH] += rules.keeper_share * paid
        b.accounts[rules.accounts + FUND, CASH] += (1.0 - rules.keeper_share) * paid
    b.scalar[PENALTIES] += paid
    b.scalar[USER_COST] += paid
    b.scalar[LIQUIDATED] += f * notional
    return True


@rule
def write_off(b, row, rules):
    """Section 5.4: an account without positions and collateral pays with what cash it has; the rest becomes realised bad debt."""
    K = rules.currencies
    for m in range(rules.markets):
        if row[HEAD + 2 * K + m] != 0.0:
            return
    if rules.options > 0 and holds_options(row, rules):
        return
    if rules.bands > 0 and loan_of(row, rules)[2] > 0.0:
        return
    worth = 0.0
    for k in range(K):
        worth += row[HEAD + k] * b.currency[k, DEPOSIT_INDEX] * b.asset[rules.currency_asset[k], INDEX]
    if worth > DUST:
        return
    if row[CASH] < 0.0:
        b.scalar[DEFICIT_CASH] -= row[CASH]
        b.scalar[REALISED] -= row[CASH]
        row[CASH] = 0.0
    for k in range(K):
        if row[HEAD + K + k] > 0.0 and row[CASH] > 0.0:
            _pay_from_cash(b, k, row, rules)
        if row[HEAD + K + k] > 0.0:
            _forgive(b, k, row, rules)
    if row[CASH] <= DUST:
        row[BASIS] = 0.0


@rule
def _pay_from_cash(b, k, row, rules):
    """One debt, as far as cash goes: tokens bought at the index go to the pool."""
    debt, index = HEAD + rules.currencies + k, b.asset[rules.currency_asset[k], INDEX]
    owed = row[debt] * b.currency[k, BORROW_INDEX]
    paid = min(owed * index, row[CASH])
    row[CASH] -= paid
    row[debt] = less(row[debt], paid / index / b.currency[k, BORROW_INDEX])
    b.scalar[OUTSIDE_CASH] += paid
    b.currency[k, LIQUIDITY] += paid / index


@rule
def _forgive(b, k, row, rules):
    """One debt: the fund buys back what it can at the index, suppliers of the currency lose the rest."""
    K = rules.currencies
    currency = b.currency[k]
    index = b.asset[rules.currency_asset[k], INDEX]
    tokens = row[HEAD + K + k] * currency[BORROW_INDEX]
    row[HEAD + K + k] = 0.0
    b.scalar[REALISED] += tokens * index
    paid = fund_pays(b, tokens * index, rules)
    b.scalar[OUTSIDE_CASH] += paid
    b.scalar[FUND_DRAW] += paid
    currency[LIQUIDITY] += paid / index
    missing = tokens - paid / index
    if missing <= 1e-15 * tokens:
        return
    supplied = currency[DEPOSIT_TOTAL] * currency[DEPOSIT_INDEX]
    cut = min(1.0, missing / supplied) if supplied > 0.0 else 1.0
    currency[DEPOSIT_INDEX] *= 1.0 - cut
    lost = min(missing, supplied)
    b.scalar[SOCIALISED] += lost * index
    b.scalar[UNCOVERED] += (missing - lost) * index
    currency[UNBACKED] += missing - lost
