"""A request for options: worked out on a copy, granted whole or refused whole. docs/model.md section 8.4."""

from __future__ import annotations

from simulator.kernel import rule
from simulator.protocol.book import ACCOUNT, COUNT, R_CASH, R_CURRENCY, R_OPTION, REDUCE
from simulator.protocol.health import change, initial, is_frozen
from simulator.protocol.option_limits import may_open
from simulator.protocol.option_trading import is_leaving, move_option_venue, work_out
from simulator.protocol.option_values import first_option
from simulator.protocol.requests import leave, move_pools
from simulator.protocol.trading import pay_fee


@rule
def grant_option(b, request, terms, rules):
    """Cash and tokens in, a trade of one option, or leaving with all that is left. Returns whether it was granted."""
    i = int(request[ACCOUNT])
    row = b.row
    old = b.accounts[i]
    for f in range(row.size):
        row[f] = old[f]
    n, x, fill, fee, tokens = work_out(b, row, request, terms, rules)
    if is_leaving(row, request, rules):
        if not leave(b, i, row, -1, 0.0, request[R_CASH], -1, 0.0, 0.0, 0.0, 0.0, terms, rules):
            return False
    else:
        risky = request[REDUCE] == 0.0 and request[COUNT] != 0.0
        if risky and terms.limits_options:
            place = first_option(rules) + int(request[R_OPTION])
            if not may_open(b, old[place], int(request[R_OPTION]), n, terms, rules):
                return False
        if risky and (is_frozen(b, row, rules) or initial(b, row, terms, rules) < 0.0):
            return False
        move_pools(b, int(request[R_CURRENCY]), tokens, -1, 0.0, request[R_CASH], rules)
        change(b, i, row, terms, rules)
    if n != 0.0:
        move_option_venue(b, int(request[R_OPTION]), n, x, fill, rules)
        pay_fee(b, -1, fee, rules)
    return True
