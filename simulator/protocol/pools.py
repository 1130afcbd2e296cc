"""Pools of borrowed money: utilisation, rates and accrual, by the curve of each currency; overdrafts. docs/model.md 4.4."""

from __future__ import annotations

from simulator.kernel import rule
from simulator.protocol.book import (
    AT_TARGET,
    BORROW_INDEX,
    BORROW_RATE,
    CASH,
    DEBT_TOTAL,
    DEPOSIT_INDEX,
    DEPOSIT_TOTAL,
    FUND,
    INDEX_PEAK,
    RESERVE,
    UTILISATION,
)
from simulator.protocol.health import note
from simulator.protocol.interest.accrual import SIMPLE, growth, split_interest
from simulator.protocol.interest.curves import ADAPTIVE, INDEPENDENT, KINKED, adapt, jump_rate, rates
from simulator.protocol.interest.curves import utilisation as share_in_use


@rule
def utilisation(b, k):
    """Share of the supplied tokens of currency `k` that is borrowed."""
    supplied = b.currency[k, DEPOSIT_TOTAL] * b.currency[k, DEPOSIT_INDEX]
    borrowed = b.currency[k, DEBT_TOTAL] * b.currency[k, BORROW_INDEX]
    if supplied <= 0.0:
        return 0.0
    return min(max(borrowed / supplied, 0.0), 1.0)


@rule
def borrow_rate(b, k, u, terms):
    """The rate [1/year] that borrowers of currency `k` pay at utilisation `u`."""
    row = terms.curve[k]
    if row[0] == KINKED:
        kink = row[4]
        return row[1] + row[2] * min(u, kink) / kink + row[3] * max(u - kink, 0.0) / (1.0 - kink)
    return rates(row, u, 0.0, b.currency[k, AT_TARGET])[0]


@rule
def supply_rate(b, k, u, terms):
    """The rate [1/year] that suppliers of currency `k` earn at utilisation `u`."""
    if terms.curve[k, 0] == INDEPENDENT:
        return rates(terms.curve[k], u, 0.0, 0.0)[1]
    return borrow_rate(b, k, u, terms) * u * (1.0 - terms.reserve_factor[k])


@rule
def _mean_rate(b, k, u, terms, rules):
    """The borrow rate over the coming substep; an adaptive curve moves meanwhile."""
    row = terms.curve[k]
    if row[0] != ADAPTIVE:
        return borrow_rate(b, k, u, terms)
    rate, end = adapt(u, b.currency[k, AT_TARGET], rules.year, row[1], row[2], row[3], row[4], row[5])
    b.currency[k, AT_TARGET] = end
    return rate


@rule
def accrue_interest(b, terms, rules):
    """Interest of every pool over one substep, by indices: borrowers' accrual = suppliers' accrual + reserve."""
    for k in range(rules.currencies):
        if rules.borrowable[k] == 0:
            continue
        currency = b.currency[k]
        supplied = currency[DEPOSIT_TOTAL] * currency[DEPOSIT_INDEX]
        borrowed = currency[DEBT_TOTAL] * currency[BORROW_INDEX]
        u = utilisation(b, k)
        rate = _mean_rate(b, k, u, terms, rules)
        grown = rate * rules.year
        interest = borrowed * rate * rules.year
        if rules.accrual != SIMPLE:
            grown = growth(rate, rules.year, rules.accrual)
            interest = borrowed * grown
        currency[BORROW_INDEX] *= 1.0 + grown
        if supplied <= 0.0:
            currency[RESERVE] += interest
        elif terms.curve[k, 0] == INDEPENDENT:
            earned = growth(supply_rate(b, k, u, terms), rules.year, rules.accrual)
            currency[DEPOSIT_INDEX] *= 1.0 + earned
            currency[RESERVE] += interest - supplied * earned
        else:
            currency[DEPOSIT_INDEX] *= 1.0 + (1.0 - terms.reserve_factor[k]) * interest / supplied
            currency[RESERVE] += terms.reserve_factor[k] * interest
        currency[BORROW_RATE] = rate
        currency[UTILISATION] = u
        currency[INDEX_PEAK] = max(currency[INDEX_PEAK], currency[DEPOSIT_INDEX])


@rule
def charge_overdrafts(b, terms, rules):
    """Negative cash of the cohorts' accounts grows; what it is charged goes to the fund and, pro rata, to positive cash."""
    owed, held = 0.0, 0.0
    for i in range(rules.accounts):
        owed += max(-b.accounts[i, CASH], 0.0)
        held += max(b.accounts[i, CASH], 0.0)
    if owed == 0.0:
        return
    base, slope, jump, kink, share = terms.overdraft[:5]
    grown = growth(jump_rate(share_in_use(owed, held), base, slope, jump, kink), rules.year, rules.accrual)
    earned, kept = split_interest(owed * grown, share if held > 0.0 else 1.0)
    b.accounts[rules.accounts + FUND, CASH] += kept
    for i in range(rules.accounts):
        cash = b.accounts[i, CASH]
        if cash > 0.0:  # it only gets healthier: the watch list need not know
            b.accounts[i, CASH] = cash + cash / held * earned
        elif cash < 0.0:
            b.accounts[i, CASH] = cash * (1.0 + grown)
            note(b, i, terms, rules)
