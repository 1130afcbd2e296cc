"""The four prices, and what accrues by itself: venues recover, the oracle observes, funding and interest run.

docs/model.md sections 2 and 4.1 to 4.4.
"""

from __future__ import annotations

import numpy as np

from simulator.kernel import rule, small_rule
from simulator.parameters import YEAR
from simulator.protocol.bands.fee import note_moves
from simulator.protocol.bands.table import value_bands
from simulator.protocol.book import (
    BORROW_INDEX,
    CAPACITY,
    CASH,
    CLOCK,
    DEBT_DOUBT,
    DEBT_VALUE,
    DEPOSIT_DOUBT,
    DEPOSIT_INDEX,
    DEPOSIT_VALUE,
    DEPTH,
    DEPTH_SHARE,
    DOUBT,
    EXTERNAL,
    EXTERNAL_SQUARES,
    FLOW,
    FUNDING,
    HEAD,
    HEDGE,
    INDEX,
    LAST_EXTERNAL,
    LAST_INDEX,
    LAST_OBSERVED,
    MAKER,
    MARGIN_PRICE,
    MARK,
    OBSERVED_SQUARES,
    OUTSIDE_CASH,
    PERMANENT,
    SPOT,
    SPOT_DEPTH,
    SPOT_FLOW,
    SPOT_PERMANENT,
    SPOT_TRANSIENT,
    TRANSIENT,
    VALUE,
    VOLATILITY_NOW,
)
from simulator.protocol.fee_numbers import FEE_LINEAR
from simulator.protocol.fees import learn
from simulator.protocol.funding import accrue_by_rule
from simulator.protocol.impact import open_windows, skew_mark
from simulator.protocol.margin import follow_volatility
from simulator.protocol.market_numbers import BY_INTERVAL, STAGED
from simulator.protocol.option_values import value_options
from simulator.protocol.oracles import O_WEIGHT, find_stale, learn_variance, publish
from simulator.protocol.pools import accrue_interest, charge_overdrafts
from simulator.protocol.rules import LINEAR, SKEW_FILL, V_COEFFICIENT, V_DEPTH, V_ELASTICITY, V_FLOOR, V_KEEP


@rule
def depth_of(venue, volatility, reference):
    """Depth of a venue at the present volatility [usd]."""
    if venue[V_ELASTICITY] == 0.0 or reference <= 0.0:
        return venue[V_DEPTH]
    if volatility <= 0.0:
        return venue[V_DEPTH]
    share = reference / volatility
    if venue[V_ELASTICITY] != 1.0:
        share **= venue[V_ELASTICITY]
    return venue[V_DEPTH] * min(max(share, venue[V_FLOOR]), 1.0)


@small_rule
def shifted(price, permanent, transient):
    """`price` moved by a log impact; exact where there is none."""
    impact = permanent + transient
    if impact == 0.0:
        return price
    return price * np.exp(impact)


@small_rule
def observe(b, rules, elapsed):
    """Spot prices, the oracle's rule, marks. `elapsed` seconds make the oracle older; 0 within a step."""
    for a in range(rules.assets):
        asset = b.asset[a]
        oracle = rules.oracle[a]
        spot = asset[EXTERNAL]
        if oracle[O_WEIGHT] < 1.0:
            spot = shifted(spot, asset[SPOT_PERMANENT], asset[SPOT_TRANSIENT])
        publish(asset, oracle, spot, elapsed, rules)
    mark(b, rules)


@small_rule
def mark(b, rules):
    """Spot and mark prices from the impacts as they are now; the oracle publishes nothing."""
    for a in range(rules.assets):
        asset = b.asset[a]
        asset[SPOT] = shifted(asset[EXTERNAL], asset[SPOT_PERMANENT], asset[SPOT_TRANSIENT])
    for m in range(rules.markets):
        market = b.market[m]
        if rules.perpetual[m, LINEAR] >= SKEW_FILL:
            market[MARK] = skew_mark(b, m, rules)
        else:
            market[MARK] = shifted(b.asset[rules.market_asset[m], INDEX], market[PERMANENT], market[TRANSIENT])


@small_rule
def value(b, rules):
    """Refresh what health is computed from: X, Y, M and P."""
    for k in range(rules.currencies):
        currency = b.currency[k]
        index = b.asset[rules.currency_asset[k], INDEX]
        currency[DEPOSIT_VALUE] = currency[DEPOSIT_INDEX] * index
        currency[DEBT_VALUE] = currency[BORROW_INDEX] * index
        if rules.cautious:
            currency[DEPOSIT_DOUBT] = b.asset[rules.currency_asset[k], DOUBT] * currency[DEPOSIT_VALUE]
            currency[DEBT_DOUBT] = b.asset[rules.currency_asset[k], DOUBT] * currency[DEBT_VALUE]
    for m in range(rules.markets):
        market = b.market[m]
        price = market[MARK] if rules.values_at_mark else b.asset[rules.market_asset[m], INDEX]
        market[MARGIN_PRICE] = price
        market[VALUE] = price - market[FUNDING]
    if rules.options > 0:
        value_options(b, rules)
    if rules.bands > 0:
        value_bands(b, rules)


@rule
def accrue_funding(b, rules):
    """Premium funding by index: longs pay where mark is above index, on oracle notional."""
    for m in range(rules.markets):
        market = b.market[m]
        index = b.asset[rules.market_asset[m], INDEX]
        rate = (market[MARK] / index - 1.0) * YEAR / rules.funding_interval
        rate = min(max(rate, -rules.funding_cap), rules.funding_cap)
        market[FUNDING] += rate * rules.year * index


@rule
def hedge_maker(b, m, move, rules):
    """The maker's hedge earned `move` per base; it is then set anew."""
    market = b.market[m]
    earned = market[HEDGE] * move
    maker = b.accounts[rules.accounts + MAKER]
    maker[CASH] += earned
    b.scalar[OUTSIDE_CASH] -= earned
    market[HEDGE] = -rules.hedge_ratio * maker[HEAD + 2 * rules.currencies + m]


@rule
def begin(b, price, previous, volatility, known, terms, rules):
    """Sections 4.1 to 4.4 on one path: `price`, `previous`, `volatility` and what is `known` of it are [asset]."""
    for a in range(rules.assets):
        asset = b.asset[a]
        asset[EXTERNAL] = price[a]
        asset[VOLATILITY_NOW] = volatility[a]
        asset[SPOT_DEPTH] = asset[DEPTH_SHARE] * depth_of(rules.spot[a], volatility[a], rules.reference_volatility[a])
        asset[SPOT_TRANSIENT] *= rules.spot[a, V_KEEP]
    for m in range(rules.markets):
        market = b.market[m]
        a = rules.market_asset[m]
        share = b.asset[a, DEPTH_SHARE]
        market[DEPTH] = share * depth_of(rules.perpetual[m], volatility[a], rules.reference_volatility[a])
        market[TRANSIENT] *= rules.perpetual[m, V_KEEP]
    observe_and_learn(b, known, rules)
    if rules.can_be_stale:
        find_stale(b, rules)
    if rules.bands > 0:
        note_moves(b, rules)
    if rules.follows_volatility:
        follow_volatility(b, terms, rules)
    if terms.fee_kind != FEE_LINEAR:
        learn(b, terms, rules)
    if rules.funding_kind == BY_INTERVAL:
        accrue_funding(b, rules)
    else:
        accrue_by_rule(b, terms, rules)
    accrue_interest(b, terms, rules)
    if terms.charges_overdraft:
        charge_overdrafts(b, terms, rules)
    for m in range(rules.markets):
        if rules.hedge_ratio > 0.0:
            a = rules.market_asset[m]
            hedge_maker(b, m, price[a] - previous[a], rules)
    if rules.close_rule >= STAGED:
        b.scalar[CLOCK] += rules.dt
        open_windows(b, terms, rules)
    b.scalar[CAPACITY] = min(rules.capital, b.scalar[CAPACITY] + rules.capital * rules.dt / rules.turnover)
    value(b, rules)


@rule
def observe_and_learn(b, known, rules):
    """The oracle observes, and the volatility that is read learns from what it published, or is what is known elsewhere."""
    for a in range(rules.assets):
        b.asset[a, LAST_INDEX] = b.asset[a, INDEX]
    observe(b, rules, rules.dt)
    learn_variance(b, known, rules)


@rule
def move_permanently(b, rules):
    """`linear-permanent` venues move once, at the end of the step, by the step's net flow."""
    for a in range(rules.assets):
        if rules.spot[a, LINEAR] == 0.0 and b.asset[a, SPOT_FLOW] != 0.0:
            ratio = 1.0 + rules.spot[a, V_COEFFICIENT] * b.asset[a, SPOT_FLOW] / b.asset[a, SPOT_DEPTH]
            b.asset[a, SPOT_PERMANENT] += np.log(max(ratio, 1e-3))
            b.asset[a, SPOT_FLOW] = 0.0
    for m in range(rules.markets):
        if rules.perpetual[m, LINEAR] == 0.0 and b.market[m, FLOW] != 0.0:
            ratio = 1.0 + rules.perpetual[m, V_COEFFICIENT] * b.market[m, FLOW] / b.market[m, DEPTH]
            b.market[m, PERMANENT] += np.log(max(ratio, 1e-3))
            b.market[m, FLOW] = 0.0


@rule
def watch_variance(b, rules):
    """Squared market-step returns of every asset, outside and as people here observe it: what `run` compares with the fit."""
    for a in range(rules.assets):
        external, observed = b.asset[a, EXTERNAL], b.asset[a, SPOT]
        for m in range(rules.markets):
            if rules.market_asset[m] == a:
                observed = b.market[m, MARK]
        b.asset[a, EXTERNAL_SQUARES] += np.log(external / b.asset[a, LAST_EXTERNAL]) ** 2
        b.asset[a, OBSERVED_SQUARES] += np.log(observed / b.asset[a, LAST_OBSERVED]) ** 2
        b.asset[a, LAST_EXTERNAL] = external
        b.asset[a, LAST_OBSERVED] = observed
