"""What account holders decide at their own events: kernels that read the state and write requests. docs/model.md section 6."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from simulator.kernel import rule, small_rule, uniform, uniform_pair
from simulator.protocol.bands.table import loan_credit
from simulator.protocol.book import (
    ACCOUNT,
    ARRIVAL,
    BORROW,
    BORROW_INDEX,
    CASH,
    COUNT,
    DEBT_VALUE,
    DEPOSIT_INDEX,
    DEPOSIT_VALUE,
    EXIT,
    HEAD,
    INDEX,
    INDEX_PEAK,
    MARGIN_PRICE,
    QUANTITY,
    R_CASH,
    R_CURRENCY,
    R_DEBT,
    R_MARKET,
    R_OPTION,
    REDUCE,
    TOKENS,
    VOLATILITY_NOW,
    path_of,
)
from simulator.protocol.categories import factor_of, threshold_against
from simulator.protocol.fees import expected_fee
from simulator.protocol.health import maintenance
from simulator.protocol.margin import ratio_of_worth
from simulator.protocol.pools import borrow_rate, supply_rate, utilisation


class Holders(NamedTuple):
    """One cohort of account holders as numbers; what a behaviour does not use is 0."""

    start: int  # its first account in the protocol
    accounts: int
    wealth: np.ndarray  # float64 [account of the cohort], usd
    appetite: np.ndarray  # float64 [account of the cohort]: leverage, or share of the borrowing power
    activity_key: np.uint64
    decision_key: np.uint64
    log_quiet: float  # ln(1 - ceiling probability of a look in one substep); 0: nobody ever looks
    p_close: float
    p_enter: float
    markets: np.ndarray  # int64 [market of the cohort]
    first: int  # collateral currency (-1: cash), or supplied currency
    debts: np.ndarray  # int64 [currency that the cohort may owe]
    long_share: float
    margin_buffer: float
    top_up_below: float
    top_up_probability: float
    band: float
    elasticity: float  # of leverage to margin, of debt to the collateral factor, of supply to the rate
    volatility_elasticity: float  # of leverage
    entry_elasticity: float
    sensitivity: float  # of openings to the fee, of debt to the rate
    reference_rate: float
    run_utilisation: float
    bands: int  # of a loan, where loans lie in bands
    carries: float  # borrowing power in so many bands over that in the rule's own; 1 elsewhere


@small_rule
def gap(holders, t, path, n):
    """How many accounts the n-th draw passes over until the next one that looks."""
    return int(min(np.log(uniform(holders.activity_key, t, 0, path, n)) / holders.log_quiet, 2.0e9))


@small_rule
def ask(state, p, account, arrival):
    """The place of a fresh request of `account`, at the end of the queue of path p."""
    s = state.waiting[p]
    state.waiting[p] = s + 1
    request = state.requests[p, s]
    request[ACCOUNT] = account
    request[ARRIVAL] = arrival
    request[R_MARKET] = -1.0
    request[QUANTITY] = 0.0
    request[R_CASH] = 0.0
    request[R_CURRENCY] = -1.0
    request[TOKENS] = 0.0
    request[R_DEBT] = -1.0
    request[BORROW] = 0.0
    request[EXIT] = 0.0
    request[REDUCE] = 0.0
    request[R_OPTION] = -1.0
    request[COUNT] = 0.0
    return s


@small_rule
def initial_ratio(b, m, worth, terms, rules):
    """The initial ratio of a position worth `worth` [usd] in market `m` now; in a book of flat markets, the parameter."""
    if rules.scales_margin:
        return ratio_of_worth(b, m, worth, terms, rules)
    return terms.initial_ratio[m]


@small_rule
def most_leverage(ratio, holders, terms):
    """The leverage on what they put in that an initial ratio allows, less their own buffer."""
    credit = terms.initial_weight[holders.first] if holders.first >= 0 else 1.0
    return (1.0 - holders.margin_buffer) * credit / ratio


@rule
def caution(b, m, holders, rules):
    """What the market's volatility makes of a trader's leverage: 1 at the reference volatility."""
    a = rules.market_asset[m]
    now, usual = b.asset[a, VOLATILITY_NOW], rules.reference_volatility[a]
    return (now / usual) ** -holders.volatility_elasticity if now > 0.0 and usual > 0.0 else 1.0


@rule
def traders_decide(state, t, first, holders, terms, current, rules):
    """Perp traders, on every path."""
    terms, current, rules = terms[0], current[0], rules[0]
    if holders.log_quiet == 0.0:
        return
    for p in range(state.accounts.shape[0]):
        b = path_of(state, p)
        n = 0
        j = gap(holders, t, first + p, n)
        while j < holders.accounts:
            _trader_decides(state, b, p, t, first + p, j, holders, terms, current, rules)
            n += 1
            j += 1 + gap(holders, t, first + p, n)


@small_rule
def _entry(b, m, j, holders, terms, current, rules):
    """The probability that a look at market `m` without a position opens one."""
    fee, fee0 = expected_fee(b, m, terms, rules), expected_fee(b, m, current, rules)
    p_enter = holders.p_enter
    worth = holders.wealth[j] * holders.appetite[j] / holders.markets.size
    now, before = initial_ratio(b, m, worth, terms, rules), initial_ratio(b, m, worth, current, rules)
    if now != before:
        p_enter *= (now / before) ** -holders.entry_elasticity
    if fee != fee0:
        p_enter *= np.exp(-holders.sensitivity * (fee - fee0))
    return p_enter


@small_rule
def _trader_decides(state, b, p, t, path, j, holders, terms, current, rules):
    """One trader looks, at one of the markets."""
    i = holders.start + j
    row = b.accounts[i]
    arrival, chance = uniform_pair(holders.decision_key, t, j, path, 0)
    arrival *= rules.dt
    side, which = 0.0, 0.0
    count = holders.markets.size
    if count > 1:
        side, which = uniform_pair(holders.decision_key, t, j, path, 1)
    m = holders.markets[int(which * count)]
    price = b.market[m, MARGIN_PRICE]
    q = row[HEAD + 2 * rules.currencies + m]
    if q == 0.0 and chance >= _entry(b, m, j, holders, terms, current, rules):
        return
    _slack, equity, need, notional = maintenance(b, row, terms, rules)
    capital = holders.wealth[j] if notional == 0.0 else max(equity, 0.0)
    leverage = holders.appetite[j]
    worth = capital * leverage / count
    now, before = initial_ratio(b, m, worth, terms, rules), initial_ratio(b, m, worth, current, rules)
    if now != before:
        leverage *= (now / before) ** -holders.elasticity
    if holders.volatility_elasticity != 0.0:
        leverage *= caution(b, m, holders, rules)
    leverage = min(leverage, most_leverage(now, holders, terms))
    if q == 0.0:
        if count == 1:
            side, which = uniform_pair(holders.decision_key, t, j, path, 1)
        size = capital / count * leverage / price
        if size > 0.0:
            request = b.requests[ask(state, p, i, arrival)]
            request[R_MARKET] = m
            request[QUANTITY] = size if side < holders.long_share else -size
            if notional == 0.0:
                put_in(b, request, holders.wealth[j] - _held(b, row, holders), holders, rules)
        return
    if equity < holders.top_up_below * need:
        wanted = notional / leverage - equity
        if chance < holders.top_up_probability and wanted > 0.0:
            put_in(b, b.requests[ask(state, p, i, arrival)], wanted, holders, rules)
        return
    if chance > 1.0 - holders.p_close:
        request = b.requests[ask(state, p, i, arrival)]
        request[R_MARKET] = m
        request[QUANTITY] = -q
        request[EXIT] = 1.0 if notional == abs(q) * price else 0.0
        request[REDUCE] = 1.0
        return
    if equity > 0.0:
        change = (1.0 if q > 0.0 else -1.0) * equity / count * leverage / price - q
        if abs(change) > holders.band * abs(q):
            request = b.requests[ask(state, p, i, arrival)]
            request[R_MARKET] = m
            request[QUANTITY] = change
            request[REDUCE] = 1.0 if change * q < 0.0 else 0.0


@small_rule
def _held(b, row, holders):
    """What a flat trader still has in the protocol [usd]."""
    if holders.first < 0:
        return row[CASH]
    return row[CASH] + row[HEAD + holders.first] * b.currency[holders.first, DEPOSIT_VALUE]


@small_rule
def put_in(b, request, amount, holders, rules):
    """Ask to put in `amount` usd, in cash or in the cohort's currency."""
    if amount <= 0.0:
        return
    k = holders.first
    if k < 0:
        request[R_CASH] = amount
    else:
        request[R_CURRENCY] = k
        request[TOKENS] = amount / b.asset[rules.currency_asset[k], INDEX]


@rule
def debt_target(b, appetite, counted, d, holders, terms, current, rules):
    """What a borrower wants to owe [usd] of currency `d` against `counted` [usd] of collateral (after its haircut)."""
    base = counted / terms.debt_weight[d] / holders.debts.size
    factor = holders.carries * factor_of(holders.first, holders.debts, terms, rules)
    usual = holders.carries * factor_of(holders.first, holders.debts, current, rules)
    e = holders.elasticity
    wanted = appetite * min(factor**e * usual ** (1.0 - e), factor) * base
    if holders.sensitivity != 0.0:
        rate = borrow_rate(b, d, utilisation(b, d), terms)
        wanted *= np.exp(-holders.sensitivity * (rate - holders.reference_rate))
    return min(wanted, 0.999 * factor * base)


@rule
def owed_beside(b, row, d, holders, terms, rules):
    """What a borrower owes of its other currencies [usd], each by its weight."""
    owed = 0.0
    for other in holders.debts:
        if other != d:
            owed += row[HEAD + rules.currencies + other] * b.currency[other, DEBT_VALUE] * terms.debt_weight[other]
    return owed


@rule
def borrowers_decide(state, t, first, holders, terms, current, rules):
    """Borrowers of one debt or several against one collateral, on every path."""
    terms, current, rules = terms[0], current[0], rules[0]
    if holders.log_quiet == 0.0:
        return
    for p in range(state.accounts.shape[0]):
        b = path_of(state, p)
        n = 0
        j = gap(holders, t, first + p, n)
        while j < holders.accounts:
            _borrower_decides(state, b, p, t, first + p, j, holders, terms, current, rules)
            n += 1
            j += 1 + gap(holders, t, first + p, n)


@rule
def _borrower_decides(state, b, p, t, path, j, holders, terms, current, rules):
    """One borrower looks, at one of the debts."""
    i = holders.start + j
    k, d, count = holders.first, holders.debts[0], holders.debts.size
    row = b.accounts[i]
    arrival, chance = uniform_pair(holders.decision_key, t, j, path, 0)
    arrival *= rules.dt
    if count > 1:
        _, which = uniform_pair(holders.decision_key, t, j, path, 1)
        d = holders.debts[int(which * count)]
    deposit = row[HEAD + k] * b.currency[k, DEPOSIT_VALUE]
    debt = row[HEAD + rules.currencies + d] * b.currency[d, DEBT_VALUE]
    credit = deposit * threshold_against(k, holders.debts, terms, rules)
    if rules.bands > 0:
        credit, worth = loan_credit(b, row, terms, rules)
        deposit += worth
    index = b.asset[rules.currency_asset[d], INDEX]
    wanted = debt_target(b, holders.appetite[j], deposit * terms.counted[k], d, holders, terms, current, rules)
    if debt > 0.0:
        beside = owed_beside(b, row, d, holders, terms, rules) if count > 1 else 0.0
        health_factor = credit / (debt * terms.debt_weight[d] + beside)
        if health_factor < holders.top_up_below:
            if chance < holders.top_up_probability and debt > wanted:
                request = b.requests[ask(state, p, i, arrival)]
                request[R_DEBT] = d
                request[BORROW] = -(debt - wanted) / index
        elif chance > 1.0 - holders.p_close:
            request = b.requests[ask(state, p, i, arrival)]
            request[R_DEBT] = d
            request[BORROW] = -1.001 * row[HEAD + rules.currencies + d] * b.currency[d, BORROW_INDEX]
            request[EXIT] = 1.0 if beside == 0.0 else 0.0
        elif wanted > (1.0 + holders.band) * debt:
            request = b.requests[ask(state, p, i, arrival)]
            request[R_DEBT] = d
            request[BORROW] = (wanted - debt) / index
        return
    if chance >= holders.p_enter:
        return
    request = b.requests[ask(state, p, i, arrival)]
    if deposit <= 0.0:
        request[R_CURRENCY] = k
        request[TOKENS] = holders.wealth[j] / b.asset[rules.currency_asset[k], INDEX]
        wanted = debt_target(b, holders.appetite[j], holders.wealth[j] * terms.counted[k], d, holders, terms, current, rules)
    request[R_DEBT] = d
    request[BORROW] = wanted / index


@rule
def suppliers_decide(state, t, first, holders, terms, current, rules):
    """Suppliers of one currency, on every path."""
    terms, current, rules = terms[0], current[0], rules[0]
    if holders.log_quiet == 0.0:
        return
    k = holders.first
    for p in range(state.accounts.shape[0]):
        b = path_of(state, p)
        used = utilisation(b, k)
        rate = supply_rate(b, k, used, terms)
        runs = used > holders.run_utilisation or b.currency[k, DEPOSIT_INDEX] < b.currency[k, INDEX_PEAK]
        draw_in = 1.0
        if holders.elasticity != 0.0:
            draw_in = min(max((rate / holders.reference_rate) ** holders.elasticity, 0.0), 2.0)
        n = 0
        j = gap(holders, t, first + p, n)
        while j < holders.accounts:
            _supplier_decides(state, b, p, t, first + p, j, k, runs, draw_in, holders, rules)
            n += 1
            j += 1 + gap(holders, t, first + p, n)


@rule
def _supplier_decides(state, b, p, t, path, j, k, runs, draw_in, holders, rules):
    """One supplier looks."""
    i = holders.start + j
    arrival, _ = uniform_pair(holders.decision_key, t, j, path, 0)
    lent = b.accounts[i, HEAD + k] * b.currency[k, DEPOSIT_VALUE]
    target = 0.0 if runs else holders.wealth[j] * draw_in
    if runs and lent <= 0.0:
        return
    if runs or abs(target - lent) > holders.band * max(lent, target):
        request = b.requests[ask(state, p, i, arrival * rules.dt)]
        request[R_CURRENCY] = k
        request[TOKENS] = (target - lent) / b.asset[rules.currency_asset[k], INDEX]


__all__ = ["Holders", "borrowers_decide", "suppliers_decide", "traders_decide"]
