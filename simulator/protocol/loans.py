"""What a keeper does with an unhealthy loan: repay and seize, at the size and bonus of its shape. docs/model.md 5.3."""

from __future__ import annotations

from simulator.kernel import rule
from simulator.protocol.absorb import absorb, absorption_pays
from simulator.protocol.bands.market import liquidate_bands
from simulator.protocol.book import (
    BORROW_INDEX,
    CAPACITY,
    CASH,
    DEBT_VALUE,
    DEPOSIT_INDEX,
    DEPOSIT_VALUE,
    GAS_COST,
    HEAD,
    INDEX,
    LIQUIDATED,
    LIQUIDITY,
    RESERVE,
    USER_COST,
    less,
)
from simulator.protocol.categories import bonus_of, threshold_of
from simulator.protocol.keeper_trade import LEAST, most_profitable, trade_for_keeper
from simulator.protocol.liquidation_shapes.lending import discount_factor, incentive_factor
from simulator.protocol.loan_rules import INCENTIVE, REVERSE_DUTCH

WHOLE = 1.0 - 1e-12  # of an amount: what is left is rounding


@rule
def largest(values, first, count, other):
    """(place, value) of the largest of `count` products amount x value; first of equals."""
    best = -1
    greatest = 0.0
    for k in range(count):
        worth = values[first + k] * other[k]
        if worth > greatest:
            best, greatest = k, worth
    return best, greatest


@rule
def standing(b, row, terms, rules):
    """(collateral counted, debts weighted, debts) of an account without positions [usd]."""
    backing = max(row[CASH], 0.0)
    weighted = max(-row[CASH], 0.0)
    debts = weighted
    K = rules.currencies
    for k in range(K):
        if row[HEAD + k] != 0.0:
            backing += row[HEAD + k] * b.currency[k, DEPOSIT_VALUE] * threshold_of(row, k, terms, rules)
        owed = row[HEAD + K + k] * b.currency[k, DEBT_VALUE]
        weighted += owed * terms.debt_weight[k]
        debts += owed
    return backing, weighted, debts


@rule
def shape(row, c, served, collateral, backing, weighted, debts, terms, rules):
    """(most that may be repaid [usd], incentive 1 + b) for collateral `c`, by the protocol's shape."""
    if rules.loan_shape == INCENTIVE:
        return debts, incentive_factor(threshold_of(row, c, terms, rules), terms.cursor, terms.most_incentive)
    if rules.loan_shape == REVERSE_DUTCH:
        return debts, 1.0 / discount_factor(backing, weighted, terms.most_discount)
    incentive = 1.0 + bonus_of(row, c, terms, rules)
    if backing < terms.full_below * weighted or min(served, collateral) < terms.full_below_value:
        return debts, incentive
    return terms.close_factor * debts, incentive


@rule
def without_dust(x, served, collateral, incentive, terms):
    """The repayment of at most `x` that uses up debt or collateral, or leaves `least_leftover` of both."""
    if x >= WHOLE * served or incentive * x >= WHOLE * collateral:
        return x
    if min(served - x, collateral - incentive * x) >= terms.least_leftover:
        return x
    return max(min(served - terms.least_leftover, (collateral - terms.least_leftover) / incentive), 0.0)


@rule
def serve_loan(b, row, terms, rules):
    """Section 5.3: the shape of the protocol, on an account without positions. Returns whether anything was done."""
    if rules.bands > 0:
        return liquidate_bands(b, row, terms, rules)
    K = rules.currencies
    c, _ = largest(row, HEAD, K, b.currency[:, DEPOSIT_VALUE])
    d, served = largest(row, HEAD + K, K, b.currency[:, DEBT_VALUE])
    if -row[CASH] > served:
        d, served = -1, -row[CASH]
    if c < 0 and row[CASH] > 0.0 and served > 0.0:
        return not rules.at_a_profit or -b.scalar[GAS_COST] >= rules.minimum_profit  # its cash pays: `write_off`
    if c < 0 or served <= 0.0:
        return False
    if rules.absorbs:
        if not absorption_pays(b, row, c, terms, rules):
            return False
        absorb(b, row, terms, rules)
        return True
    return _repay_and_seize(b, row, c, d, served, terms, rules)


@rule
def _repay_and_seize(b, row, c, d, served, terms, rules):
    """Repay part of debt `d` (-1: cash), seize collateral `c` with the bonus, sell it at once."""
    K = rules.currencies
    ac = rules.currency_asset[c]
    index = b.asset[ac, INDEX]
    collateral = row[HEAD + c] * b.currency[c, DEPOSIT_INDEX] * index
    backing, weighted, debts = standing(b, row, terms, rules)
    limit, incentive = shape(row, c, served, collateral, backing, weighted, debts, terms, rules)
    kept = terms.protocol_share * (incentive - 1.0)  # of what is repaid: the protocol's part of the bonus
    paid = incentive - kept
    x = min(served, limit, collateral / incentive, b.currency[c, LIQUIDITY] * index / paid, b.scalar[CAPACITY])
    ad = rules.currency_asset[d] if d >= 0 else -1
    debt_index = b.asset[ad, INDEX] if d >= 0 else 1.0
    if rules.at_a_profit:
        x = min(x, most_profitable(b, ac, ad, paid, rules))
    x = without_dust(x, served, collateral, incentive, terms)
    if x < LEAST:
        return False
    repaid, seized = x / debt_index, incentive * x / index
    fee = kept * x / index
    if not trade_for_keeper(b, ac, ad, d == c, seized - fee, repaid, x, rules):
        return False
    if d >= 0:
        row[HEAD + K + d] = less(row[HEAD + K + d], repaid / b.currency[d, BORROW_INDEX])
        b.currency[d, LIQUIDITY] += repaid
    else:
        row[CASH] += x
    row[HEAD + c] = less(row[HEAD + c], seized / b.currency[c, DEPOSIT_INDEX])
    b.currency[c, LIQUIDITY] -= seized - fee
    b.currency[c, RESERVE] += fee
    b.scalar[LIQUIDATED] += x
    b.scalar[USER_COST] += (incentive - 1.0) * x
    return True
