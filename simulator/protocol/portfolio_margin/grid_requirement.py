"""What a scenario grid requires of one account: the worst scenario of each underlying, and the additions. See `scenario_grid.py`.

Sums run over instruments in their order, then expiries, then underlyings: the same bytes however accounts are grouped.
"""

from __future__ import annotations

from simulator.kernel import rule, small_rule
from simulator.protocol.portfolio_margin.grid_values import (
    A_CONFIDENCE,
    A_CONFIDENCE_FACTOR,
    A_DEPEG,
    A_DEPEG_FACTOR,
    A_MINIMUM,
    A_OPTION,
    A_OPTION_INITIAL,
    A_PERPETUAL,
    A_PERPETUAL_INITIAL,
    ABSOLUTE,
    BASIS,
    BASIS_WEIGHT,
    INITIAL_FACTOR,
    LINEAR,
    LONG_FACTOR,
    MAINTENANCE_FACTOR,
    SHARE,
    SHORT_FACTOR,
    SPOT,
    VOLATILITY,
)
from simulator.protocol.portfolio_margin.method import HEDGES, INITIAL_HAIRCUT, ITS_UNDERLYING, MAINTENANCE_HAIRCUT

PART, TOTAL = range(2)  # rows of the scratch array: an expiry's values, an underlying's results


@small_rule
def oracle_addition(number, confidence, notional):
    """(1 - confidence) x factor x notional where the oracle is not sure enough."""
    return (1.0 - confidence) * number[A_CONFIDENCE_FACTOR] * notional if confidence < number[A_CONFIDENCE] else 0.0


@small_rule
def naked_shorts(instruments, e, options):
    """Options short at a strike of expiry `e`, calls and puts of the same strike netted; and the number held, long or short."""
    naked, gross, net = 0.0, 0.0, 0.0
    last = instruments.first[e + 1]
    for i in range(instruments.first[e], last):
        net += options[i]
        gross += abs(options[i])
        if i + 1 == last or instruments.strike[i + 1] != instruments.strike[i]:
            naked += max(-net, 0.0)
            net = 0.0
    return naked, gross


@small_rule
def add_expiry(method, instruments, sheet, e, options, work):
    """Add what expiry `e` gains in each scenario to the totals of its underlying; its mark and its loss by the basis."""
    scenario = method.scenario
    S = scenario.shape[0]
    for s in range(S):
        work[PART, s] = 0.0
    mark = 0.0
    for i in range(instruments.first[e], instruments.first[e + 1]):
        held = options[i]
        if held != 0.0:
            mark += held * sheet.mark[i]
            for s in range(S):
                work[PART, s] += held * sheet.shocked[i, s]
    basis = 0.0
    for s in range(S):
        value = work[PART, s]
        if scenario[s, VOLATILITY] == BASIS:
            basis = min(basis, value - mark)
        else:
            gain = value * (sheet.expiry[e, LONG_FACTOR] if value > 0.0 else sheet.expiry[e, SHORT_FACTOR]) - mark
            if scenario[s, VOLATILITY] in (LINEAR, ABSOLUTE):
                gain = -abs(gain)
            work[TOTAL, s] += gain
    return mark, basis * sheet.expiry[e, BASIS_WEIGHT]


@small_rule
def worst_loss(scenario, moving, basis, work):
    """The greatest loss, at least 0, of `moving` dollars that follow spot together with the totals in `work`; or of the basis."""
    worst = basis
    for s in range(scenario.shape[0]):
        kind = scenario[s, VOLATILITY]
        if kind != BASIS:
            linear = 0.0 if kind in (LINEAR, ABSOLUTE) else moving * (scenario[s, SPOT] - 1.0)
            work[TOTAL, s] = scenario[s, SHARE] * (work[TOTAL, s] + linear)
            worst = min(worst, work[TOTAL, s])
    return max(-worst, 0.0)


@rule
def grid_margin(method, instruments, market, sheet, options, perpetuals, gains, deposits, work):
    """(equity without cash, initial, maintenance) [usd] of one account; `work` [2, s] is scratch."""
    number = method.number
    equity, loss, kept, opened = 0.0, 0.0, 0.0, 0.0
    for u in range(market.spot.size):
        size, spot = perpetuals[u], market.spot[u]
        equity += gains[u]
        kept += abs(size) * spot * number[A_PERPETUAL]
        opened += abs(size) * spot * number[A_PERPETUAL_INITIAL]
        sure = market.spot_confidence[u]
        if size != 0.0:
            sure = min(sure, market.perpetual_confidence[u])
            opened += oracle_addition(number, sure, abs(size) * spot)
        for s in range(method.scenario.shape[0]):
            work[TOTAL, s] = 0.0
        basis, least = 0.0, 0.0
        for e in range(instruments.first_expiry[u], instruments.first_expiry[u + 1]):
            naked, gross = naked_shorts(instruments, e, options)
            if gross > 0.0:
                mark, moved = add_expiry(method, instruments, sheet, e, options, work)
                equity += mark
                basis += moved
                least += naked * spot * number[A_MINIMUM]
                kept += naked * spot * number[A_OPTION]
                opened += naked * spot * number[A_OPTION_INITIAL]
                opened += oracle_addition(number, min(sure, market.expiry_confidence[e]), gross * spot)
        moving = size * market.perpetual[u]
        for k in range(deposits.size):
            terms = method.collateral[k]
            if int(terms[ITS_UNDERLYING]) == u:
                value = deposits[k] * market.collateral_price[k] / market.settlement[0]
                equity += value
                kept += value * terms[MAINTENANCE_HAIRCUT]
                opened += value * terms[INITIAL_HAIRCUT]
                opened += oracle_addition(number, min(market.collateral_confidence[k], market.spot_confidence[u]), value)
                moving += value * terms[HEDGES]
        loss += max(worst_loss(method.scenario, moving, basis, work), least)
    depeg = max(number[A_DEPEG] - market.settlement[0], 0.0) * number[A_DEPEG_FACTOR]
    maintenance = number[MAINTENANCE_FACTOR] * loss + kept
    return equity, (number[INITIAL_FACTOR] + depeg) * loss + kept + opened, maintenance
