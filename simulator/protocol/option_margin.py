"""The margin of the options of an account. docs/model.md section 8.3."""

from __future__ import annotations

from simulator.kernel import rule, small_rule
from simulator.protocol.book import OPTION_VALUE, STRIKE
from simulator.protocol.option_portfolio import portfolio_requirement
from simulator.protocol.option_rules import IS_CALL, SLOT, SLOT_UNDERLYING
from simulator.protocol.option_values import first_option, index_under
from simulator.protocol.rules import CALL_SPOT, INITIAL_SPOT, LEAST_SPOT, PUT_MARK, PUT_OFFSET, PUT_SPOT


@small_rule
def short_requirement(terms, is_call, value, index, strike, is_initial):
    """Standard margin of one option sold, beside its mark: `terms` is the row of its underlying."""
    if is_call:
        maintenance = terms[CALL_SPOT] * index
        out = max(strike - index, 0.0)
    else:
        maintenance = max(terms[PUT_SPOT] * index, terms[PUT_MARK] * value)
        out = max(index - strike, 0.0)
    if not is_initial:
        return maintenance
    initial = max(terms[INITIAL_SPOT] * index - out, terms[LEAST_SPOT] * index)
    if is_call:
        return initial
    return max(initial, terms[PUT_OFFSET] * maintenance)


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
        e = int(rules.option[j, SLOT])
        index = index_under(b, e, rules)
        mark = b.option[j, OPTION_VALUE]
        value += n * mark
        notional += abs(n) * index
        if n > 0.0:
            requirement += n * mark
        else:
            own = terms.option[int(rules.slot[e, SLOT_UNDERLYING])]
            is_call = rules.option[j, IS_CALL] != 0.0
            requirement -= n * short_requirement(own, is_call, mark, index, b.option[j, STRIKE], is_initial)
    if rules.grid > 0 and notional > 0.0:
        requirement = portfolio_requirement(b, row, is_initial, terms, rules)
    return value, requirement, notional
