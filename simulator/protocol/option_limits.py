"""How large the book of options on one underlying may grow: what would take it beyond a limit is refused. docs/model.md 8.4."""

from __future__ import annotations

from simulator.kernel import rule
from simulator.protocol.book import MARK_VOLATILITY, OPTION_OPEN, REFUSED, VEGA, WRITER, YEARS, slot_row
from simulator.protocol.option_rules import SLOT, SLOT_UNDERLYING
from simulator.protocol.option_values import first_option
from simulator.protocol.rules import MOST_GAMMA, MOST_OPEN, MOST_OPEN_IN_EXPIRY, MOST_VEGA


@rule
def book_of(b, j, rules):
    """(open, open in its expiry, vega, gamma x index^2) of all that is bought on the underlying of option `j`."""
    its = int(rules.option[j, SLOT])
    u = int(rules.slot[its, SLOT_UNDERLYING])
    bought, in_expiry, vega, gamma = 0.0, 0.0, 0.0, 0.0
    for e in range(rules.first_slot[u], rules.first_slot[u + 1]):
        years = b.option[slot_row(e, rules), YEARS]
        for o in range(rules.slot_first[e], rules.slot_first[e + 1]):
            option = b.option[o]
            bought += option[OPTION_OPEN]
            if e == its:
                in_expiry += option[OPTION_OPEN]
            vega += option[OPTION_OPEN] * option[VEGA]
            gamma += option[OPTION_OPEN] * option[VEGA] / (option[MARK_VOLATILITY] * years)
    return bought, in_expiry, vega, gamma


@rule
def may_open(b, held, j, n, terms, rules):
    """Whether buying `n` of option `j` (n < 0: selling) on top of `held` keeps its book in its limits; a refusal counts."""
    written = b.accounts[rules.accounts + WRITER, first_option(rules) + j]
    former = b.option[j, OPTION_OPEN]
    added = max(held + n, 0.0) - max(held, 0.0) + max(written - n, 0.0) - max(written, 0.0)
    if added <= 1e-12 * abs(n):
        return True
    b.option[j, OPTION_OPEN] = former + added
    bought, in_expiry, vega, gamma = book_of(b, j, rules)
    b.option[j, OPTION_OPEN] = former
    most = terms.option[int(rules.slot[int(rules.option[j, SLOT]), SLOT_UNDERLYING])]
    within = bought <= most[MOST_OPEN] and in_expiry <= most[MOST_OPEN_IN_EXPIRY]
    within = within and vega <= most[MOST_VEGA] and gamma <= most[MOST_GAMMA]
    if not within:
        b.scalar[REFUSED] += 1.0
    return within
