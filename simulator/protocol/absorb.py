"""Comet: the protocol takes an unhealthy loan whole and sells its collateral while reserves are short. docs/model.md 5.8."""

from __future__ import annotations

from simulator.kernel import rule
from simulator.protocol.book import (
    BORROW_INDEX,
    CAPACITY,
    CASH,
    DEBT_VALUE,
    DEPOSIT_INDEX,
    DEPOSIT_VALUE,
    FUND_DRAW,
    GAS,
    GAS_COST,
    HEAD,
    INDEX,
    KEEPER,
    LIQUIDATED,
    LIQUIDITY,
    OUTSIDE_CASH,
    OVERDRAWN,
    REALISED,
    RESERVE,
    ROOM,
    UNCOVERED,
    USER_COST,
)
from simulator.protocol.keeper_trade import LEAST, most_profitable, trade_for_keeper
from simulator.protocol.liquidation_shapes.lending import absorb as settle_absorption
from simulator.protocol.liquidation_shapes.lending import resale_is_open, resale_price


@rule
def resale_incentive(c, terms):
    """Value of collateral `c` per dollar that a buyer pays the protocol."""
    return 1.0 / resale_price(1.0, terms.storefront, terms.liquidation_factor[c])


@rule
def absorption_pays(b, row, c, terms, rules):
    """Whether the buyer's discount on the largest collateral `c` pays the gas of the keeper who absorbs and buys."""
    if not rules.at_a_profit:
        return True
    discount = 1.0 - 1.0 / resale_incentive(c, terms)
    return discount * row[HEAD + c] * b.currency[c, DEPOSIT_VALUE] - b.scalar[GAS_COST] >= rules.minimum_profit


@rule
def reserves_value(b, rules):
    """Reserves of all currencies at the index [usd]; negative where suppliers are not backed."""
    total = 0.0
    for k in range(rules.currencies):
        total += b.currency[k, RESERVE] * b.asset[rules.currency_asset[k], INDEX]
    return total


@rule
def absorb(b, row, terms, rules):
    """Collateral and debt go to the reserves; what was credited beyond the debt is the account's deposit of the base."""
    K, base = rules.currencies, rules.base_currency
    credited, worth, debts = 0.0, 0.0, 0.0
    for k in range(K):
        value = row[HEAD + k] * b.currency[k, DEPOSIT_VALUE]
        worth += value
        credited += value * terms.liquidation_factor[k]
        debts += row[HEAD + K + k] * b.currency[k, DEBT_VALUE]
        b.currency[k, RESERVE] += row[HEAD + k] * b.currency[k, DEPOSIT_INDEX]
        b.currency[k, RESERVE] -= row[HEAD + K + k] * b.currency[k, BORROW_INDEX]
        row[HEAD + k] = 0.0
        row[HEAD + K + k] = 0.0
    left, _ = settle_absorption(credited, debts)
    tokens = left / b.asset[rules.currency_asset[base], INDEX]
    row[HEAD + base] = tokens / b.currency[base, DEPOSIT_INDEX]
    b.currency[base, RESERVE] -= tokens
    b.scalar[LIQUIDATED] += debts
    b.scalar[USER_COST] += max(worth - debts - left, 0.0)
    book_absorbed_loss(b, debts - worth, rules)


@rule
def book_absorbed_loss(b, loss, rules):
    """A debt above its collateral is realised bad debt: paid by reserves as long as they last, uncovered beyond."""
    if loss <= 0.0:
        return
    uncovered = min(max(-(reserves_value(b, rules) + b.scalar[OVERDRAWN]), 0.0), loss)
    b.scalar[REALISED] += loss
    b.scalar[FUND_DRAW] += loss - uncovered
    b.scalar[UNCOVERED] += uncovered
    b.scalar[OVERDRAWN] += uncovered


@rule
def reserves_left(b, rules):
    """Reserves at the index plus what of their loss was booked already [usd]: negative is bad debt that nobody booked."""
    return reserves_value(b, rules) + b.scalar[OVERDRAWN]


@rule
def is_for_sale(b, c, terms, rules):
    """Whether the protocol holds collateral `c` of absorbed accounts and wants base money for it."""
    if rules.borrowable[c] == 1 or b.currency[c, RESERVE] <= 0.0:
        return False
    return resale_is_open(b.currency[rules.base_currency, RESERVE], terms.target_reserves)


@rule
def buy_absorbed(b, c, terms, rules):
    """A keeper buys absorbed collateral `c` from the protocol for the base and sells it. Returns whether it did."""
    if not is_for_sale(b, c, terms, rules) or b.scalar[ROOM] < 1.0:
        return False
    base = rules.base_currency
    ac, ad = rules.currency_asset[c], rules.currency_asset[base]
    index, incentive = b.asset[ac, INDEX], resale_incentive(c, terms)
    held = b.currency[c, RESERVE]
    x = min(min(held, b.currency[c, LIQUIDITY]) * index / incentive, b.scalar[CAPACITY])
    if rules.at_a_profit:
        x = min(x, most_profitable(b, ac, ad, incentive, rules))
    if x < LEAST:
        return False
    paid, sold = x / b.asset[ad, INDEX], incentive * x / index
    if not trade_for_keeper(b, ac, ad, False, sold, paid, x, rules):
        return False
    b.currency[base, LIQUIDITY] += paid
    b.currency[base, RESERVE] += paid
    b.currency[c, LIQUIDITY] -= sold
    b.currency[c, RESERVE] = held - sold if held - sold > 1e-12 * held else 0.0
    b.accounts[rules.accounts + KEEPER, CASH] -= b.scalar[GAS_COST]
    b.scalar[OUTSIDE_CASH] += b.scalar[GAS_COST]
    b.scalar[GAS] += b.scalar[GAS_COST]
    b.scalar[ROOM] -= 1.0
    return True
