"""What a keeper does with a liquidatable account, and what is written off after it. docs/model.md sections 5.2 to 5.4."""

from __future__ import annotations

import numpy as np

from simulator.kernel import rule
from simulator.protocol.book import (
    BASIS,
    BORROW_INDEX,
    CAPACITY,
    CASH,
    DEBT_VALUE,
    DEFICIT_CASH,
    DEFICIT_OUTSIDE,
    DEPOSIT_INDEX,
    DEPOSIT_TOTAL,
    DEPOSIT_VALUE,
    FUND,
    FUND_DRAW,
    GAS,
    HEAD,
    INDEX,
    KEEPER,
    LIQUIDATED,
    LIQUIDATIONS,
    LIQUIDITY,
    OUTSIDE_CASH,
    PENALTIES,
    REALISED,
    SOCIALISED,
    SPOT,
    SPOT_DEPTH,
    UNBACKED,
    UNCOVERED,
    USER_COST,
    less,
)
from simulator.protocol.health import change, maintenance
from simulator.protocol.option_auction import bid
from simulator.protocol.option_liquidation import close_portfolio
from simulator.protocol.option_values import holds_options
from simulator.protocol.rules import LINEAR
from simulator.protocol.trading import quote_spot, trade, trade_spot
from simulator.protocol.waterfall import fund_pays

DUST = 1e-9  # [usd] deposits worth no more than this are nothing
LEAST = 0.01  # [usd] no keeper repays less: after the most profitable size, the sign of the next cap is rounding


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
    if slack >= 0.0:
        return False
    if rules.options > 0 and holds_options(row, rules):
        if rules.auctions:
            done = bid(b, i, row, slack, equity, notional, terms, rules)
        else:
            done = close_portfolio(b, row, slack, equity, requirement, notional, terms, rules)
    elif notional > 0.0:
        done = _close_positions(b, i, row, slack, equity, requirement, notional, terms, rules)
    else:
        done = _repay_and_seize(b, i, row, terms, rules)
    if done:
        b.scalar[LIQUIDATIONS] += 1.0
        b.scalar[GAS] += rules.gas
        b.accounts[rules.accounts + KEEPER, CASH] -= rules.gas
        b.scalar[OUTSIDE_CASH] += rules.gas
        write_off(b, row, rules)
        change(b, i, row, terms, rules)
    return done


@rule
def _close_positions(b, i, row, slack, equity, requirement, notional, terms, rules):
    """Section 5.2: close a share of every position in its venue; the penalty goes to keeper and fund."""
    f = share_to_close(slack, requirement, notional, terms, rules)
    due = terms.penalty * f * notional
    pay = due if rules.guaranteed else min(due, max(equity, 0.0))
    if rules.at_a_profit and rules.keeper_share * pay - rules.gas < rules.minimum_profit:
        return False
    for m in range(rules.markets):
        q = row[HEAD + 2 * rules.currencies + m]
        if q != 0.0:
            trade(b, row, m, -f * q, rules)
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
def _largest(values, first, count, other):
    """(place, value) of the largest of `count` products amount x value; first of equals."""
    best = -1
    greatest = 0.0
    for k in range(count):
        worth = values[first + k] * other[k]
        if worth > greatest:
            best, greatest = k, worth
    return best, greatest


@rule
def _repay_and_seize(b, i, row, terms, rules):
    """Section 5.3: repay part of the largest debt, seize of the largest collateral with the bonus, sell it at once."""
    K = rules.currencies
    c, _ = _largest(row, HEAD, K, b.currency[:, DEPOSIT_VALUE])
    d, served = _largest(row, HEAD + K, K, b.currency[:, DEBT_VALUE])
    if -row[CASH] > served:
        d, served = -1, -row[CASH]
    if c < 0 or served <= 0.0:
        return False
    backing = max(row[CASH], 0.0)
    weighted = max(-row[CASH], 0.0)
    debts = max(-row[CASH], 0.0)
    for k in range(K):
        backing += row[HEAD + k] * b.currency[k, DEPOSIT_VALUE] * terms.maintenance_weight[k]
        weighted += row[HEAD + K + k] * b.currency[k, DEBT_VALUE] * terms.debt_weight[k]
        debts += row[HEAD + K + k] * b.currency[k, DEBT_VALUE]
    limit = debts if backing < terms.full_below * weighted else terms.close_factor * debts
    bonus = 1.0 + terms.bonus[c]
    ac = rules.currency_asset[c]
    index = b.asset[ac, INDEX]
    collateral = row[HEAD + c] * b.currency[c, DEPOSIT_INDEX] * index
    x = min(served, limit, collateral / bonus, b.currency[c, LIQUIDITY] * index / bonus, b.scalar[CAPACITY])
    ad = rules.currency_asset[d] if d >= 0 else -1
    debt_index = b.asset[ad, INDEX] if d >= 0 else 1.0
    if rules.at_a_profit:
        x = min(x, most_profitable(b, ac, ad, bonus, rules))
    if x < LEAST:
        return False
    repaid, seized = x / debt_index, bonus * x / index
    outlay = quote_spot(b, ad, repaid, rules) if d >= 0 else x
    if rules.at_a_profit and c != d and -quote_spot(b, ac, -seized, rules) - outlay - rules.gas < rules.minimum_profit:
        return False
    outlay = trade_spot(b, ad, repaid, rules) if d >= 0 else x
    proceeds = -trade_spot(b, ac, -seized, rules)
    keeper = b.accounts[rules.accounts + KEEPER]
    keeper[CASH] += proceeds - outlay
    b.scalar[OUTSIDE_CASH] -= proceeds - (outlay if d >= 0 else 0.0)
    b.scalar[CAPACITY] -= x
    if d >= 0:
        row[HEAD + K + d] = less(row[HEAD + K + d], repaid / b.currency[d, BORROW_INDEX])
        b.currency[d, LIQUIDITY] += repaid
    else:
        row[CASH] += x
    row[HEAD + c] = less(row[HEAD + c], seized / b.currency[c, DEPOSIT_INDEX])
    b.currency[c, LIQUIDITY] -= seized
    b.scalar[LIQUIDATED] += x
    b.scalar[USER_COST] += (bonus - 1.0) * x
    return True


@rule
def most_profitable(b, ac, ad, bonus, rules):
    """The size [usd repaid] at which the last dollar repaid earns nothing: marginal proceeds equal marginal outlay."""
    ratio = bonus * b.asset[ac, SPOT] / b.asset[ac, INDEX]
    resistance = 0.0
    if rules.spot[ac, LINEAR] != 0.0:
        resistance += ratio / b.asset[ac, SPOT_DEPTH]
    if ad >= 0:
        owed = b.asset[ad, SPOT] / b.asset[ad, INDEX]
        if rules.spot[ad, LINEAR] != 0.0:
            resistance += owed / b.asset[ad, SPOT_DEPTH]
        ratio /= owed
    if resistance == 0.0:
        return np.inf if ratio > 1.0 else 0.0
    return np.log(ratio) / resistance


@rule
def write_off(b, row, rules):
    """Section 5.4: an account without positions and collateral cannot pay; its debts become realised bad debt."""
    K = rules.currencies
    for m in range(rules.markets):
        if row[HEAD + 2 * K + m] != 0.0:
            return
    if rules.options > 0 and holds_options(row, rules):
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
        if row[HEAD + K + k] > 0.0:
            _forgive(b, k, row, rules)
    if row[CASH] <= DUST:
        row[BASIS] = 0.0


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
