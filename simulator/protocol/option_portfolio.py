"""The portfolio margin of accounts that hold options, over the path's own marks. docs/model.md section 8.3.

What the method makes of each option is worked out once for every set of values and terms, and kept in the fields of the option;
an account is a sum over them. The arithmetic is `portfolio_margin`'s.
"""

from __future__ import annotations

from simulator.kernel import rule, small_rule
from simulator.protocol.book import (
    FIXED,
    FORWARD,
    HEAD,
    INDEX,
    MARGIN_PRICE,
    MARK_VOLATILITY,
    OPTION_FIELDS,
    RATE,
    SHEET_DELTA,
    SHEET_EXPIRY,
    SHEET_GAMMA,
    SHEET_MARK,
    SHEET_SHORT,
    SHEET_STAMP,
    STRIKE,
    SURE,
    U_GAIN,
    U_PERPETUAL,
    U_PERPETUAL_SURE,
    U_SIZE,
    U_SPOT,
    U_SPOT_SURE,
    U_VOLATILITY,
    VARIANCE,
    YEARS,
    slot_row,
    underlying_row,
)
from simulator.protocol.option_rules import IS_CALL, MOST_NUMBERS, U_ASSET, U_MARKET
from simulator.protocol.option_values import first_option, index_under
from simulator.protocol.portfolio_margin.account import fill_sheet, requirement, work_rows
from simulator.protocol.portfolio_margin.grid_values import (
    A_OPTION,
    A_OPTION_INITIAL,
    A_PERPETUAL,
    A_PERPETUAL_INITIAL,
    INITIAL_FACTOR,
    MAINTENANCE_FACTOR,
    V_DOWN,
    V_UP,
)
from simulator.protocol.portfolio_margin.method import GRID, NAKED, Method
from simulator.protocol.portfolio_margin.records import Instruments, Market, Sheet


@rule
def portfolio_requirement(b, row, positions, is_initial, terms, rules):
    """What the method requires of a record: its options, and the perpetuals of their underlyings.

    A method that is of options only adds to what the `positions` need.
    """
    if b.option[underlying_row(0, rules), SHEET_STAMP] != terms.stamp:
        prepare(b, terms, rules)
    for u in range(rules.underlyings):
        m = int(rules.underlying[u, U_MARKET])
        b.option[underlying_row(u, rules), U_SIZE] = row[HEAD + 2 * rules.currencies + m] if m >= 0 else 0.0
    first, scratch = first_option(rules), scratch_row(rules)
    its = b.option[scratch - rules.underlyings : scratch]
    _equity, initial, maintenance = requirement(
        method_of(b, rules), instruments_of(b, rules), market_of(b, rules), sheet_of(b, rules),
        row[first : first + rules.options], its[:, U_SIZE], its[:, U_GAIN], b.row[0:0], is_initial,
        b.option[scratch : scratch + work_rows(rules.underlyings)],
    )  # fmt: skip
    beside = positions if rules.grid_kind[0] == NAKED else 0.0
    return beside + (initial if is_initial else maintenance)


@rule
def prepare(b, terms, rules):
    """The market as the method reads it, and what it makes of every option."""
    for u in range(rules.underlyings):
        its, m = b.option[underlying_row(u, rules)], int(rules.underlying[u, U_MARKET])
        asset = b.asset[int(rules.underlying[u, U_ASSET])]
        its[U_SPOT] = asset[INDEX]
        its[U_PERPETUAL] = b.market[m, MARGIN_PRICE] if m >= 0 else asset[INDEX]
        its[U_SPOT_SURE] = 1.0
        its[U_PERPETUAL_SURE] = 1.0
        its[U_VOLATILITY] = asset[VARIANCE] ** 0.5
        its[U_GAIN] = 0.0
    for e in range(rules.slots):
        b.option[slot_row(e, rules), FORWARD] = index_under(b, e, rules)
        b.option[slot_row(e, rules), FIXED] = 0.0
        b.option[slot_row(e, rules), RATE] = 0.0
        b.option[slot_row(e, rules), SURE] = 1.0
    set_number(b, terms, rules)
    fill_sheet(method_of(b, rules), instruments_of(b, rules), market_of(b, rules), sheet_of(b, rules))
    b.option[underlying_row(0, rules), SHEET_STAMP] = terms.stamp


@rule
def set_number(b, terms, rules):
    """The numbers of the method, of a grid with those of the vote in their places."""
    number = b.option[number_row(rules)]
    for f in range(MOST_NUMBERS):
        number[f] = rules.grid_number[f]
    if rules.grid_kind[0] != GRID or not terms.has_portfolio:
        return
    number[INITIAL_FACTOR] = terms.portfolio[0]
    number[MAINTENANCE_FACTOR] = terms.portfolio[1]
    number[V_UP] = terms.portfolio[2]
    number[V_DOWN] = terms.portfolio[3]
    number[A_PERPETUAL] = terms.portfolio[4]
    number[A_PERPETUAL_INITIAL] = terms.portfolio[5]
    number[A_OPTION] = terms.portfolio[6]
    number[A_OPTION_INITIAL] = terms.portfolio[7]


@small_rule
def scratch_row(rules):
    """The first row of scratch: of an account's sums; then the numbers of the method, then the covariance."""
    return rules.options + rules.slots + rules.underlyings


@small_rule
def number_row(rules):
    """The row that holds the numbers of the method."""
    return scratch_row(rules) + work_rows(rules.underlyings)


@small_rule
def method_of(b, rules):
    """The method, its numbers in the scratch array."""
    return Method(
        rules.grid_kind,
        b.option[number_row(rules)],
        rules.grid_scenario[: rules.grid],
        rules.grid_underlying[: rules.underlyings],
        rules.grid_correlation[: rules.underlyings, : rules.underlyings],
        b.option[0:0],
    )


@small_rule
def instruments_of(b, rules):
    """The options of the path."""
    return Instruments(
        b.option[: rules.options, STRIKE],
        rules.option[: rules.options, IS_CALL],
        rules.slot_first[: rules.slots + 1],
        rules.first_slot[: rules.underlyings + 1],
    )


@small_rule
def market_of(b, rules):
    """What the grid reads off the path."""
    end = rules.options + rules.slots
    its, slot, nothing = b.option[end : end + rules.underlyings], b.option[rules.options : end], b.row[0:0]
    return Market(
        its[:, U_SPOT],
        its[:, U_PERPETUAL],
        its[:, U_SPOT_SURE],
        its[:, U_PERPETUAL_SURE],
        its[:, U_VOLATILITY],
        slot[:, FORWARD],
        slot[:, FIXED],
        slot[:, YEARS],
        slot[:, RATE],
        slot[:, SURE],
        b.option[: rules.options, MARK_VOLATILITY],
        nothing,
        nothing,
        its[0, U_SPOT_SURE : U_SPOT_SURE + 1],
    )


@small_rule
def sheet_of(b, rules):
    """Where the grid writes: fields of options and slots."""
    return Sheet(
        b.option[: rules.options, SHEET_MARK],
        b.option[: rules.options, OPTION_FIELDS : OPTION_FIELDS + rules.grid],
        b.option[: rules.options, SHEET_DELTA],
        b.option[: rules.options, SHEET_GAMMA],
        b.option[: rules.options, SHEET_SHORT : SHEET_SHORT + 2],
        b.option[rules.options : rules.options + rules.slots, SHEET_EXPIRY : SHEET_EXPIRY + 3],
        b.option[number_row(rules) + 1 : number_row(rules) + 1 + rules.underlyings, : rules.underlyings],
    )
