"""Closing an account that holds options: by keepers in the venues, by the vault, or wound down. docs/model.md section 8.6."""

from __future__ import annotations

from simulator.kernel import rule
from simulator.protocol.book import (
    CASH,
    DEFICIT_OUTSIDE,
    FUND,
    GAS_COST,
    HEAD,
    KEEPER,
    LIQUIDATED,
    MARGIN_PRICE,
    OPTION_OPEN,
    OPTION_TRADED,
    OUTSIDE_CASH,
    PENALTIES,
    REALISED,
    USER_COST,
    VAULT,
    VEGA,
    VEGA_DEPTH,
)
from simulator.protocol.health import maintenance
from simulator.protocol.option_rules import SLOT, SLOT_END, SLOT_FIRST, SLOT_UNDERLYING
from simulator.protocol.option_trading import trade_option
from simulator.protocol.option_values import fill_option, first_option, index_under
from simulator.protocol.rules import OPTION_PENALTY
from simulator.protocol.trading import trade


@rule
def whole_penalty(b, row, terms, rules):
    """What closing all positions and options of a record costs."""
    due = 0.0
    for m in range(rules.markets):
        due += terms.penalty * abs(row[HEAD + 2 * rules.currencies + m]) * b.market[m, MARGIN_PRICE]
    for j in range(rules.options):
        n = abs(row[first_option(rules) + j])
        if n > 0.0:
            e = int(rules.option[j, SLOT])
            due += terms.option[int(rules.slot[e, SLOT_UNDERLYING]), OPTION_PENALTY] * n * index_under(b, e, rules)
    return due


@rule
def close_portfolio(b, row, slack, equity, requirement, notional, terms, rules):
    """A share of every position and option is closed in its venue; the penalty goes to keeper and fund. Whether it was done."""
    penalty = whole_penalty(b, row, terms, rules)
    f = 1.0
    scale = requirement * (1.0 + rules.buffer) - penalty
    if not rules.whole and notional > rules.minimum_notional and scale > 0.0:
        f = min((rules.buffer * requirement - slack) / scale, 1.0)
    due = f * penalty
    pay = due if rules.guaranteed else min(due, max(equity, 0.0))
    if rules.at_a_profit and rules.keeper_share * pay - b.scalar[GAS_COST] < rules.minimum_profit:
        return False
    close_share(b, row, f, rules)
    collect(b, row, due, terms, rules)
    b.scalar[LIQUIDATED] += f * notional
    return True


@rule
def close_share(b, row, f, rules):
    """Trade a share `f` of every position and option of the copy `row` back into the venues."""
    for m in range(rules.markets):
        q = row[HEAD + 2 * rules.currencies + m]
        if q != 0.0:
            trade(b, row, m, -f * q, rules)
    for j in range(rules.options):
        n = row[first_option(rules) + j]
        if n != 0.0:
            trade_option(b, row, j, -f * n, rules)


@rule
def collect(b, row, due, terms, rules):
    """The penalty leaves the account as far as its equity goes; a guaranteed one is owed by the fund beyond."""
    paid = min(due, max(maintenance(b, row, terms, rules)[1], 0.0))
    row[CASH] -= paid
    if rules.guaranteed and paid < due:
        b.scalar[OUTSIDE_CASH] += paid
        b.scalar[DEFICIT_OUTSIDE] += due - paid
        b.scalar[REALISED] += due - paid
    else:
        b.accounts[rules.accounts + KEEPER, CASH] += rules.keeper_share * paid
        b.accounts[rules.accounts + FUND, CASH] += (1.0 - rules.keeper_share) * paid
    b.scalar[PENALTIES] += paid
    b.scalar[USER_COST] += paid


@rule
def give_options(b, row, rules):
    """The vault takes every option of a record that it takes over."""
    vault = b.accounts[rules.accounts + VAULT]
    for j in range(rules.options):
        place = first_option(rules) + j
        if row[place] != 0.0:
            before = max(vault[place], 0.0)
            vault[place] += row[place]
            b.option[j, OPTION_OPEN] += max(vault[place], 0.0) - before
            row[place] = 0.0


@rule
def unwind_options(b, share, rules):
    """The vault trades a share of its options back; the whole where they are worth less than 1 usd of the index."""
    vault = b.accounts[rules.accounts + VAULT]
    for j in range(rules.options):
        place = first_option(rules) + j
        n = vault[place]
        if n != 0.0:
            small = abs(n) * index_under(b, int(rules.option[j, SLOT]), rules) < 1.0
            before = max(n, 0.0)
            trade_option(b, vault, j, -n if small else -share * n, rules)
            b.option[j, OPTION_OPEN] += max(vault[place], 0.0) - before


@rule
def options_notional(b, row, rules):
    """Options of a record, bought and sold, at the index [usd]."""
    notional = 0.0
    for j in range(rules.options):
        n = row[first_option(rules) + j]
        if n != 0.0:
            notional += abs(n) * index_under(b, int(rules.option[j, SLOT]), rules)
    return notional


@rule
def open_options(b, rules):
    """Options open between all records, at the index [usd]."""
    total = 0.0
    for j in range(rules.options):
        total += b.option[j, OPTION_OPEN] * index_under(b, int(rules.option[j, SLOT]), rules)
    return total


@rule
def bought_notional(b, row, rules):
    """Options that a record bought, at the index [usd]."""
    total = 0.0
    for j in range(rules.options):
        total += max(row[first_option(rules) + j], 0.0) * index_under(b, int(rules.option[j, SLOT]), rules)
    return total


@rule
def wound_down(b, n, rules):
    """What each option brings or costs when the first `n` accounts of `found` close theirs together. Left in `b.due`."""
    first = first_option(rules)
    for e in range(rules.slots):
        moved = 0.0
        for j in range(int(rules.slot[e, SLOT_FIRST]), int(rules.slot[e, SLOT_END])):
            b.due[j] = 0.0
            for s in range(n):
                b.due[j] -= b.accounts[b.found[s], first + j]
            moved += b.due[j] * b.option[j, VEGA] / b.option[j, VEGA_DEPTH]
        for j in range(int(rules.slot[e, SLOT_FIRST]), int(rules.slot[e, SLOT_END])):
            b.due[j] = fill_option(b, j, moved, 1.0 if b.due[j] > 0.0 else -1.0, rules)


@rule
def worth_wound_down(b, row, rules):
    """The options of a record at the prices that `wound_down` left in `b.due`."""
    worth = 0.0
    for j in range(rules.options):
        worth += row[first_option(rules) + j] * b.due[j]
    return worth


@rule
def options_imbalance(b, j, n, rules):
    """How far option `j` is from netting to zero over `n` records, and from its running total; relative to what was traded."""
    place = first_option(rules) + j
    net, bought = 0.0, 0.0
    for i in range(n):
        net += b.accounts[i, place]
        bought += max(b.accounts[i, place], 0.0)
    return max(abs(net), abs(bought - b.option[j, OPTION_OPEN])) / (b.option[j, OPTION_TRADED] + 1e-12)
