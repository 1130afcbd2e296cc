"""E-mode: an account whose deposits and debts are all of one category has the category's credit. docs/model.md section 3."""

from __future__ import annotations

from simulator.kernel import rule
from simulator.protocol.book import HEAD


@rule
def category_of(row, rules):
    """The category of everything that a record holds and owes; -1 where there is none, or more than one."""
    found = -1
    for k in range(rules.currencies):
        if row[HEAD + k] > 0.0 or row[HEAD + rules.currencies + k] > 0.0:
            g = rules.category[k]
            if g < 0 or (found >= 0 and g != found):
                return -1
            found = g
    return found


@rule
def category_credit(b, row, field, weight, category_weight, terms, rules):
    """What a category adds to the credit of a record [usd]: its weight instead of each currency's own, on values of `field`."""
    g = category_of(row, rules)
    if g < 0:
        return 0.0
    added = 0.0
    for k in range(rules.currencies):
        added += row[HEAD + k] * b.currency[k, field] * (terms.counted[k] * category_weight[g] - weight[k])
    return added


@rule
def threshold_of(row, k, terms, rules):
    """(1 - haircut) x liquidation threshold of currency `k` in this account."""
    g = category_of(row, rules) if rules.categories > 0 else -1
    return terms.maintenance_weight[k] if g < 0 else terms.counted[k] * terms.category_threshold[g]


@rule
def bonus_of(row, k, terms, rules):
    """The liquidation bonus of currency `k` in this account."""
    g = category_of(row, rules) if rules.categories > 0 else -1
    return terms.bonus[k] if g < 0 else terms.category_bonus[g]


@rule
def category_with(k, debts, rules):
    """The category of currency `k` and of all of `debts`; -1 if they share none."""
    for d in debts:
        if rules.category[d] != rules.category[k]:
            return -1
    return rules.category[k]


@rule
def factor_of(k, debts, terms, rules):
    """The collateral factor of currency `k` for who owes nothing but `debts`."""
    g = category_with(k, debts, rules)
    return terms.factor[k] if g < 0 else terms.category_factor[g]


@rule
def threshold_against(k, debts, terms, rules):
    """(1 - haircut) x liquidation threshold of currency `k` for who owes nothing but `debts`."""
    g = category_with(k, debts, rules)
    return terms.maintenance_weight[k] if g < 0 else terms.counted[k] * terms.category_threshold[g]
