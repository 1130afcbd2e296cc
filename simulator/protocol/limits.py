"""What the protocol as a whole may owe and hold: caps, debt ceilings of isolated collateral, silos. docs/model.md section 5.1."""

from __future__ import annotations

from simulator.kernel import rule
from simulator.protocol.book import (
    BORROW_INDEX,
    DEBT_TOTAL,
    DEBT_VALUE,
    DEPOSIT_INDEX,
    DEPOSIT_TOTAL,
    HEAD,
    INDEX,
    REFUSED,
)
from simulator.protocol.categories import category_of


@rule
def may_supply(b, k, tokens, terms):
    """Whether `tokens` more of currency `k` stay within its supply cap; a refusal is counted."""
    if b.currency[k, DEPOSIT_TOTAL] * b.currency[k, DEPOSIT_INDEX] + tokens <= terms.supply_cap[k]:
        return True
    b.scalar[REFUSED] += 1.0
    return False


@rule
def may_borrow(b, row, d, tokens, terms, rules):
    """Whether `tokens` more of currency `d` stay within its borrow cap, isolation and silos; a refusal is counted."""
    allowed = b.currency[d, DEBT_TOTAL] * b.currency[d, BORROW_INDEX] + tokens <= terms.borrow_cap[d]
    k = isolating(row, terms, rules)
    if allowed and k >= 0:
        value = tokens * b.asset[rules.currency_asset[d], INDEX]
        allowed = rules.isolation_debt[d] == 1 and isolated_debt(b, k, rules) + value <= terms.debt_ceiling[k]
    if rules.silos and allowed:
        allowed = not breaks_silo(row, d, rules)
    if not allowed:
        b.scalar[REFUSED] += 1.0
    return allowed


@rule
def breaks_silo(row, d, rules):
    """Whether owing currency `d` puts two debts side by side of which one is siloed."""
    for k in range(rules.currencies):
        if k != d and row[HEAD + rules.currencies + k] > 0.0 and (rules.siloed[d] == 1 or rules.siloed[k] == 1):
            return True
    return False


@rule
def isolating(row, terms, rules):
    """The first isolated currency that a record holds; -1 if none."""
    for k in range(rules.currencies):
        if terms.debt_ceiling[k] > 0.0 and row[HEAD + k] > 0.0:
            return k
    return -1


@rule
def isolated_debt(b, k, rules):
    """What all accounts that hold currency `k` owe [usd]."""
    total = 0.0
    for i in range(rules.accounts):
        row = b.accounts[i]
        if row[HEAD + k] > 0.0:
            for d in range(rules.currencies):
                total += row[HEAD + rules.currencies + d] * b.currency[d, DEBT_VALUE]
    return total


@rule
def leaves_category(b, i, row, rules):
    """Whether a change takes account `i` out of the category in which it was."""
    before = category_of(b.accounts[i], rules)
    return before >= 0 and category_of(row, rules) != before
