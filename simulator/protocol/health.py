"""Who is liquidatable, and whom one need not look at. docs/model.md section 3; DESIGN: a quiet step touches few accounts."""

from __future__ import annotations

from simulator.kernel import rule, small_rule
from simulator.protocol.bands.table import loan_credit, loan_watch
from simulator.protocol.book import (
    ANY_STALE,
    CASH,
    CUT,
    DEBT_DOUBT,
    DEBT_VALUE,
    DEPOSIT_DOUBT,
    DEPOSIT_VALUE,
    DOUBT,
    FOUND,
    FUNDING,
    HEAD,
    LIST_LENGTH,
    MARGIN_PRICE,
    REFERENCE_DEBT,
    REFERENCE_DEPOSIT,
    REFERENCE_FUNDING,
    REFERENCE_PRICE,
    REFERENCE_VALUE,
    STALE,
    VALUE,
    commit,
)
from simulator.protocol.categories import category_credit
from simulator.protocol.margin import factors_left, refer_factors, scaled_requirement, watched_requirement
from simulator.protocol.option_margin import option_margin
from simulator.protocol.option_rules import SLOT
from simulator.protocol.option_values import asset_under, first_option, holds_options

ROUNDING = 1e-10  # of gross value: what the slack at the reference may be wrong by
ALWAYS = -1e300  # the slack of an account that is always looked at: it holds options, or oracles are doubted
REACH = 6.0  # the cut in standard deviations of a substep: beyond it the list is made anew


@small_rule
def health(b, row, weight, ratio, is_initial, terms, rules):
    """(slack, equity, requirement, notional) of a record, with the credit weights and margin ratios handed in.

    The ratios are those of flat markets; one market that is not flat, and every requirement is worked out by its rule.
    """
    K, M = rules.currencies, rules.markets
    equity = row[CASH]
    slack = row[CASH]
    for k in range(K):
        value = row[HEAD + k] * b.currency[k, DEPOSIT_VALUE]
        debt = row[HEAD + K + k] * b.currency[k, DEBT_VALUE]
        equity += value - debt
        slack += value * weight[k] - debt * terms.debt_weight[k]
    gain = 0.0
    requirement = 0.0
    notional = 0.0
    for m in range(M):
        q = row[HEAD + 2 * K + m]
        gain += q * b.market[m, VALUE] - row[HEAD + 2 * K + M + m]
        held = abs(q) * b.market[m, MARGIN_PRICE]
        notional += held
        requirement += held * ratio[m]
    if rules.scales_margin and notional > 0.0:
        requirement = scaled_requirement(b, row, is_initial, terms, rules)
    equity += gain
    if gain > 0.0:
        gain = min(rules.gain_weight * gain, rules.gain_cap)
    if rules.options > 0:
        value, requirement, written = option_margin(b, row, requirement, is_initial, terms, rules)
        equity += value
        slack += value
        notional += written
    return slack + gain - requirement, equity, requirement, notional


@rule
def doubt(b, row, weight, of_category, terms, rules):
    """[usd] what confidence intervals take from health: held assets count lower, owed ones higher, positions on both sides."""
    K = rules.currencies
    taken = 0.0
    for k in range(K):
        taken += row[HEAD + k] * b.currency[k, DEPOSIT_DOUBT] * weight[k]
        taken += row[HEAD + K + k] * b.currency[k, DEBT_DOUBT] * terms.debt_weight[k]
    if rules.categories > 0:
        taken += category_credit(b, row, DEPOSIT_DOUBT, weight, of_category, terms, rules)
    for m in range(rules.markets):
        taken += abs(row[HEAD + 2 * K + m]) * b.market[m, MARGIN_PRICE] * b.asset[rules.market_asset[m], DOUBT]
    return taken


@small_rule
def maintenance(b, row, terms, rules):
    """`health` that decides liquidation."""
    slack, equity, requirement, notional = health(b, row, terms.maintenance_weight, terms.maintenance_ratio, False, terms, rules)
    if rules.categories > 0:
        slack += category_credit(b, row, DEPOSIT_VALUE, terms.maintenance_weight, terms.category_threshold, terms, rules)
    if rules.bands > 0:
        credit, worth = loan_credit(b, row, terms, rules)
        slack += credit
        equity += worth
    if rules.cautious:
        slack -= doubt(b, row, terms.maintenance_weight, terms.category_threshold, terms, rules)
    return slack, equity, requirement, notional


@small_rule
def initial(b, row, terms, rules):
    """`health` that decides whether risk may be taken: the slack alone."""
    slack = health(b, row, terms.initial_weight, terms.initial_ratio, True, terms, rules)[0]
    if rules.categories > 0:
        slack += category_credit(b, row, DEPOSIT_VALUE, terms.initial_weight, terms.category_factor, terms, rules)
    if rules.cautious:
        slack -= doubt(b, row, terms.initial_weight, terms.category_factor, terms, rules)
    return slack


@small_rule
def note(b, i, terms, rules):
    """Keep the slack of account `i` at the reference, and how fast falls and rises of any coordinate can use it up."""
    row = b.accounts[i]
    K, M = rules.currencies, rules.markets
    slack = row[CASH]
    gross = abs(row[CASH])
    falls = 0.0
    rises = 0.0
    for k in range(K):
        value = row[HEAD + k] * b.currency[k, REFERENCE_DEPOSIT]
        debt = row[HEAD + K + k] * b.currency[k, REFERENCE_DEBT] * terms.debt_weight[k]
        falls += value * terms.maintenance_weight[k]
        rises += debt
        slack += value * terms.maintenance_weight[k] - debt
    if rules.categories > 0:
        added = category_credit(b, row, REFERENCE_DEPOSIT, terms.maintenance_weight, terms.category_threshold, terms, rules)
        falls += added
        slack += added
    gross += falls + rises
    gain = 0.0
    for m in range(M):
        q = row[HEAD + 2 * K + m]
        cost = row[HEAD + 2 * K + M + m]
        ratio = terms.maintenance_ratio[m]
        held = abs(q) * b.market[m, REFERENCE_PRICE]
        gain += q * b.market[m, REFERENCE_VALUE] - cost
        needed = held * ratio
        if rules.scales_margin and q != 0.0:
            needed, ratio = watched_requirement(terms.margin[m], q, b.market[m])
            gross += needed
        slack -= needed
        gross += held + abs(cost)
        # of P and F, both relative to M at the reference: a long loses by falls of P and rises of F, a short by rises of both
        if q > 0.0:
            falls += held * (1.0 + ratio)
            if rules.gains_limited:
                rises += held * 2.0 * ratio
        else:
            rises += held * (1.0 + 2.0 * ratio)
    if gain > 0.0:
        gain = min(rules.gain_weight * gain, rules.gain_cap)
    slack += gain - ROUNDING * gross
    if rules.cautious or (rules.options > 0 and holds_options(row, rules)):
        slack = ALWAYS
    if rules.bands > 0:
        slack, falls = loan_watch(b, row, slack, falls, rises, terms, rules)
        rises = max(rises, falls)
    b.watch[i, 0] = slack
    b.watch[i, 1] = falls
    b.watch[i, 2] = rises
    if b.is_listed[i] == 0 and (falls + rises > 0.0 or slack < 0.0) and slack <= b.scalar[CUT] * (falls + rises):
        b.is_listed[i] = 1
        b.listed[int(b.scalar[LIST_LENGTH])] = i
        b.scalar[LIST_LENGTH] += 1.0


@small_rule
def change(b, i, row, terms, rules):
    """Commit `row` to a cohort account or a special record, and keep its watch current."""
    commit(b, i, row, rules)
    if i < rules.accounts:
        note(b, i, terms, rules)


@rule
def rebuild(b, terms, rules):
    """Take the present values as the reference and list every account that the cut may reach."""
    for k in range(rules.currencies):
        b.currency[k, REFERENCE_DEPOSIT] = b.currency[k, DEPOSIT_VALUE]
        b.currency[k, REFERENCE_DEBT] = b.currency[k, DEBT_VALUE]
    for m in range(rules.markets):
        b.market[m, REFERENCE_PRICE] = b.market[m, MARGIN_PRICE]
        b.market[m, REFERENCE_VALUE] = b.market[m, VALUE]
        b.market[m, REFERENCE_FUNDING] = b.market[m, FUNDING]
    if rules.follows_volatility:
        refer_factors(b, terms, rules)
    b.scalar[LIST_LENGTH] = 0.0
    for i in range(rules.accounts):
        b.is_listed[i] = 0
        note(b, i, terms, rules)


@rule
def displacement(b, rules):
    """(fall, rise): the greatest relative moves of any coordinate since the reference, each at least 0."""
    fall = 0.0
    rise = 0.0
    for k in range(rules.currencies):
        if b.currency[k, REFERENCE_DEPOSIT] > 0.0:
            fall = max(fall, 1.0 - b.currency[k, DEPOSIT_VALUE] / b.currency[k, REFERENCE_DEPOSIT])
        if rules.borrowable[k] == 1:
            rise = max(rise, b.currency[k, DEBT_VALUE] / b.currency[k, REFERENCE_DEBT] - 1.0)
    for m in range(rules.markets):
        scale = 1.0 / b.market[m, REFERENCE_PRICE]
        move = (b.market[m, VALUE] - b.market[m, REFERENCE_VALUE]) * scale
        paid = (b.market[m, FUNDING] - b.market[m, REFERENCE_FUNDING]) * scale
        fall = max(fall, -move, paid)
        rise = max(rise, move, paid)
    return fall, rise


@rule
def find_liquidatable(b, terms, rules):
    """Write the liquidatable accounts into `found`, in no particular order, and return how many there are."""
    n = 0
    if not rules.watches:
        for i in range(rules.accounts):
            if maintenance(b, b.accounts[i], terms, rules)[0] < 0.0:
                b.found[n] = i
                n += 1
        b.scalar[FOUND] = n
        return n
    fall, rise = displacement(b, rules)
    if fall > b.scalar[CUT] or rise > b.scalar[CUT] or (rules.follows_volatility and factors_left(b, terms, rules)):
        rebuild(b, terms, rules)
        fall, rise = 0.0, 0.0
    for s in range(int(b.scalar[LIST_LENGTH])):
        i = b.listed[s]
        if b.watch[i, 0] <= b.watch[i, 1] * fall + b.watch[i, 2] * rise and maintenance(b, b.accounts[i], terms, rules)[0] < 0.0:
            b.found[n] = i
            n += 1
    b.scalar[FOUND] = n
    return n


@rule
def is_frozen(b, row, rules):
    """Whether a record holds a deposit, a debt, a position or an option of an asset whose oracle is stale."""
    if not rules.can_be_stale or b.scalar[ANY_STALE] == 0.0:
        return False
    K = rules.currencies
    for k in range(K):
        if b.asset[rules.currency_asset[k], STALE] != 0.0 and (row[HEAD + k] != 0.0 or row[HEAD + K + k] != 0.0):
            return True
    for m in range(rules.markets):
        if b.asset[rules.market_asset[m], STALE] != 0.0 and row[HEAD + 2 * K + m] != 0.0:
            return True
    for j in range(rules.options):
        if row[first_option(rules) + j] != 0.0 and b.asset[asset_under(int(rules.option[j, SLOT]), rules), STALE] != 0.0:
            return True
    return False


@rule
def is_empty(row, rules):
    """Whether a record holds no position, no option, no deposit and no debt."""
    for f in range(HEAD, HEAD + 2 * rules.currencies + rules.markets):
        if row[f] != 0.0:
            return False
    return rules.options == 0 or not holds_options(row, rules)
