"""What dealers in options decide at their own events. docs/model.md section 8.7."""

from __future__ import annotations

import numpy as np

from simulator.agents.decide import ask, gap, put_in
from simulator.kernel import rule, uniform_pair
from simulator.protocol.book import (
    CASH,
    COUNT,
    DELTA,
    DEPOSIT_VALUE,
    EXIT,
    HEAD,
    INDEX,
    MARK_VOLATILITY,
    OPTION_VALUE,
    QUANTITY,
    R_MARKET,
    R_OPTION,
    REDUCE,
    STRIKE,
    path_of,
)
from simulator.protocol.health import maintenance
from simulator.protocol.option_margin import short_requirement
from simulator.protocol.option_rules import IS_CALL, U_ASSET
from simulator.protocol.option_values import first_option
from simulator.protocol.rules import OPTION_FEE


@rule
def option_dealers_decide(state, t, first, dealers, terms, current, rules):
    """Buyers, writers and hedgers, on every path."""
    terms, current, rules = terms[0], current[0], rules[0]
    if dealers.log_quiet == 0.0 or dealers.options.size == 0:
        return
    for p in range(state.accounts.shape[0]):
        b = path_of(state, p)
        n = 0
        j = gap(dealers, t, first + p, n)
        while j < dealers.accounts:
            _dealer_decides(state, b, p, t, first + p, j, dealers, terms, current, rules)
            n += 1
            j += 1 + gap(dealers, t, first + p, n)


@rule
def _dealer_decides(state, b, p, t, path, j, dealers, terms, current, rules):
    """One dealer looks."""
    i = dealers.start + j
    row = b.accounts[i]
    arrival, chance = uniform_pair(dealers.decision_key, t, j, path, 0)
    arrival *= rules.dt
    held = option_held(row, rules)
    hedge = row[HEAD + 2 * rules.currencies + dealers.market] if dealers.market >= 0 else 0.0
    if held >= 0:
        _holder_decides(state, b, p, i, held, hedge, arrival, chance, dealers, terms, rules)
    elif hedge != 0.0:
        _trade_hedge(state, b, p, i, -hedge, hedge, 1.0, arrival, dealers)
    else:
        side, which = uniform_pair(dealers.decision_key, t, j, path, 1)
        _entrant_decides(state, b, p, j, side, which, arrival, chance, dealers, terms, current, rules)


@rule
def option_held(row, rules):
    """The first option of a record, -1 if it holds none."""
    for o in range(rules.options):
        if row[first_option(rules) + o] != 0.0:
            return o
    return -1


@rule
def _holder_decides(state, b, p, i, o, hedge, arrival, chance, dealers, terms, rules):
    """Top up or not, close, or hedge."""
    n = b.accounts[i, first_option(rules) + o]
    if dealers.top_up_below > 0.0:
        _slack, equity, need, _notional = maintenance(b, b.accounts[i], terms, rules)
        missing = dealers.top_up_below * need - equity
        if missing > 0.0:
            if chance < dealers.top_up_probability:
                put_in(b, b.requests[ask(state, p, i, arrival)], missing, dealers, rules)
            return
    if chance > 1.0 - dealers.p_close:
        request = b.requests[ask(state, p, i, arrival)]
        request[R_OPTION] = o
        request[COUNT] = -n
        request[REDUCE] = 1.0
        request[EXIT] = 1.0
    elif dealers.market >= 0:
        net = n * b.option[o, DELTA] + hedge
        if abs(net) > dealers.band * abs(n):
            _trade_hedge(state, b, p, i, -net, hedge, 0.0, arrival, dealers)


@rule
def _trade_hedge(state, b, p, i, quantity, hedge, leaves, arrival, dealers):
    """Ask for a trade of the perpetual."""
    request = b.requests[ask(state, p, i, arrival)]
    request[R_MARKET] = dealers.market
    request[QUANTITY] = quantity
    request[REDUCE] = 1.0 if quantity * hedge < 0.0 else 0.0
    request[EXIT] = leaves


@rule
def initial_ratio(b, o, dealers, terms, rules):
    """Initial margin of selling option `o`, over the index."""
    index = b.asset[int(rules.underlying[dealers.underlying, U_ASSET]), INDEX]
    is_call = rules.option[o, IS_CALL] != 0.0
    own = terms.option[dealers.underlying]
    return short_requirement(own, is_call, b.option[o, OPTION_VALUE], index, b.option[o, STRIKE], True) / index


@rule
def dearness(b, o, dealers, rules):
    """(volatility of the mark of option `o` / reference volatility of its asset) ^ the dealers' elasticity to price."""
    usual = rules.reference_volatility[int(rules.underlying[dealers.underlying, U_ASSET])]
    return (b.option[o, MARK_VOLATILITY] / usual) ** dealers.price_elasticity if usual > 0.0 else 1.0


@rule
def _entrant_decides(state, b, p, j, side, which, arrival, chance, dealers, terms, current, rules):
    """Open or not: which option, which side, how many."""
    o = dealers.options[int(which * dealers.options.size)]
    now, before = initial_ratio(b, o, dealers, terms, rules), initial_ratio(b, o, dealers, current, rules)
    p_enter = dealers.p_enter
    if now != before:
        p_enter *= (now / before) ** -dealers.entry_elasticity
    fee, fee0 = terms.option[dealers.underlying, OPTION_FEE], current.option[dealers.underlying, OPTION_FEE]
    if fee != fee0:
        p_enter *= np.exp(-dealers.sensitivity * (fee - fee0))
    if chance >= p_enter:
        return
    wealth = dealers.wealth[j]
    index = b.asset[int(rules.underlying[dealers.underlying, U_ASSET]), INDEX]
    value = max(b.option[o, OPTION_VALUE], 1e-12 * index)
    leverage = dealers.appetite[j]
    dear = dearness(b, o, dealers, rules) if dealers.price_elasticity != 0.0 else 1.0
    if dealers.spends:
        leverage = min(min(leverage / dear, max(leverage, 1.0)) * index / value, dealers.most_notional)
    elif side < dealers.buy_share:
        leverage = min(leverage / dear, (1.0 - dealers.margin_buffer) * index / value)
    else:
        leverage *= dear
        if now != before:
            leverage *= (now / before) ** -dealers.elasticity
        credit = terms.initial_weight[dealers.first] if dealers.first >= 0 else 1.0
        leverage = min(leverage, (1.0 - dealers.margin_buffer) * credit / now)
    size = leverage * wealth / index
    if size > 0.0:
        i = dealers.start + j
        row = b.accounts[i]
        request = b.requests[ask(state, p, i, arrival)]
        request[R_OPTION] = o
        request[COUNT] = size if side < dealers.buy_share else -size
        has = row[CASH]
        if dealers.first >= 0:
            has += row[HEAD + dealers.first] * b.currency[dealers.first, DEPOSIT_VALUE]
        put_in(b, request, wealth - has, dealers, rules)
