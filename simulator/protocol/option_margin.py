"""The margin of the options of an account. docs/model.md section 8.3."""

from __future__ import annotations

from simulator.kernel import rule, small_rule
from simulator.protocol.book import OPTION_VALUE, STRIKE
from simulator.protocol.option_portfolio import instruments_of, portfolio_requirement
from simulator.protocol.option_rules import IS_CALL, SLOT, SLOT_END, SLOT_FIRST, SLOT_UNDERLYING
from simulator.protocol.option_values import first_option, index_under
from simulator.protocol.portfolio_margin.standard_requirement import isolated, least_payoff

INITIAL, MAINTENANCE = range(2)


@small_rule
def short_requirement(terms, is_call, value, index, strike, is_initial):
    """Standard margin of one option sold, beside its mark: `terms` is the row of its underlying."""
    opened, kept = isolated(terms, index, strike, value, is_call)
    return opened if is_initial else kept


@small_rule
def own_requirement(b, j, n, is_initial, terms, rules):
    """Standard margin of `n` of option `j` by itself, its mark included where it is bought."""
    e, mark = int(rules.option[j, SLOT]), b.option[j, OPTION_VALUE]
    if n > 0.0:
        return n * mark
    own = terms.option[int(rules.slot[e, SLOT_UNDERLYING])]
    is_call = rules.option[j, IS_CALL] != 0.0
    return -n * short_requirement(own, is_call, mark, index_under(b, e, rules), b.option[j, STRIKE], is_initial)


@rule
def offset(b, row, is_initial, terms, rules):
    """What a record's expiries need less than their options by themselves: no more than they can lose at settlement."""
    first, saved = first_option(rules), 0.0
    options = row[first : first + rules.options]
    for e in range(rules.slots):
        alone = 0.0
        for j in range(int(rules.slot[e, SLOT_FIRST]), int(rules.slot[e, SLOT_END])):
            if options[j] < 0.0:
                alone += own_requirement(b, j, options[j], is_initial, terms, rules) - options[j] * b.option[j, OPTION_VALUE]
        if alone > 0.0:
            least, calls = least_payoff(instruments_of(b, rules), e, options)
            unpaired = rules.unpaired[INITIAL if is_initial else MAINTENANCE]
            saved += max(alone - max(-calls, 0.0) * unpaired * index_under(b, e, rules) + least, 0.0)
    return saved


@rule
def option_margin(b, row, requirement, is_initial, terms, rules):
    """(value, requirement, notional) with the options of a record, `requirement` being that of its positions.

    Each by itself, and what is bought counts nothing in health; or positions and options together by the portfolio margin.
    """
    first = first_option(rules)
    value = 0.0
    notional = 0.0
    for j in range(rules.options):
        n = row[first + j]
        if n == 0.0:
            continue
        value += n * b.option[j, OPTION_VALUE]
        notional += abs(n) * index_under(b, int(rules.option[j, SLOT]), rules)
        if rules.grid == 0:
            requirement += own_requirement(b, j, n, is_initial, terms, rules)
    if rules.grid > 0 and notional > 0.0:
        requirement = portfolio_requirement(b, row, requirement, is_initial, terms, rules)
    elif rules.offsets and notional > 0.0:
        requirement -= offset(b, row, is_initial, terms, rules)
    return value, requirement, notional
