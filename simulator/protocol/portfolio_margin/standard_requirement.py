"""What standard margin requires of one account. See `standard.py`; source: derivexyz/v2-core @7736900 (standard manager)."""

from __future__ import annotations

import numpy as np

from simulator.kernel import rule, small_rule
from simulator.pricing.option_kernel import black_price
from simulator.protocol.portfolio_margin.method import (
    INITIAL_HAIRCUT,
    ITS_UNDERLYING,
    MAINTENANCE_HAIRCUT,
    STANDARD,
    Method,
    method,
)
from simulator.protocol.portfolio_margin.standard import StandardCollateral, StandardMargin

# columns of Method.number
PERPETUAL_INITIAL, PERPETUAL, OF_OPTIONS = range(3)
GREATEST, LEAST, CALL, PUT, PUT_OF_MARK, PUT_SCALE = range(6)  # from OF_OPTIONS on: those of an option by itself
UNPAIRED_INITIAL, UNPAIRED, CONFIDENCE, CONFIDENCE_FACTOR, DEPEG, DEPEG_FACTOR = range(8, 14)
OPENED, KEPT = range(2)  # columns of Sheet.short


def standard_method(part: StandardMargin, underlyings: tuple[str, ...], collaterals: tuple[str, ...] = ()) -> Method:
    """`part` as kernels read it; a collateral that it does not name counts in full."""
    number = [value for name, value in part if name not in ("kind", "collateral")]
    held = []
    for name in collaterals:
        its = part.collateral.get(name, StandardCollateral())
        place = underlyings.index(its.underlying) if its.underlying in underlyings else -1
        held.append((1 - its.counted, its.counted * (1 - its.initial_scale), 0.0, float(place)))
    return method(STANDARD, number, collateral=held or None)


@small_rule
def isolated(number, spot, strike, mark, is_call):
    """(to open, to keep) [usd] of one short option, beside its mark."""
    beyond = max(strike - spot if is_call else spot - strike, 0.0)
    opened = max(number[GREATEST] * spot - beyond, number[LEAST] * spot)
    if is_call:
        return opened, number[CALL] * spot
    kept = max(number[PUT] * spot, number[PUT_OF_MARK] * mark)
    return max(opened, number[PUT_SCALE] * (kept + mark) - mark), kept


@rule
def fill_standard(method, instruments, market, sheet):
    """Write the mark and the isolated requirement of every instrument for one path's `market`."""
    for u in range(market.spot.size):
        for e in range(instruments.first_expiry[u], instruments.first_expiry[u + 1]):
            root = np.sqrt(market.years[e])
            discount = np.exp(-max(market.rate[e], 0.0) * market.years[e])
            for i in range(instruments.first[e], instruments.first[e + 1]):
                strike, is_call = instruments.strike[i], instruments.is_call[i] != 0.0
                forward = market.forward[e] + market.fixed_forward[e]
                sheet.mark[i] = discount * black_price(forward, strike, market.implied[i] * root, is_call)
                needed = isolated(method.number[OF_OPTIONS:], market.spot[u], strike, sheet.mark[i], is_call)
                sheet.short[i, OPENED], sheet.short[i, KEPT] = needed


@small_rule
def least_payoff(instruments, e, options):
    """The least value at expiry over settlement prices from 0 to the last strike, at most 0; and calls held net of all strikes.

    Payoffs are straight between strikes: the walk goes from strike to strike with the slope that calls below and puts above make.
    """
    value, slope, calls, at = 0.0, 0.0, 0.0, 0.0
    for i in range(instruments.first[e], instruments.first[e + 1]):
        if instruments.is_call[i] == 0.0:
            value += options[i] * instruments.strike[i]
            slope -= options[i]
    least = min(value, 0.0)
    for i in range(instruments.first[e], instruments.first[e + 1]):
        if options[i] != 0.0:
            value += slope * (instruments.strike[i] - at)
            at = instruments.strike[i]
            least = min(least, value)
            slope += options[i]
            calls += options[i] if instruments.is_call[i] != 0.0 else 0.0
    return least, calls


@small_rule
def expiry_margin(method, instruments, market, sheet, e, options):
    """(mark, to open, to keep, options short) of what an account holds of expiry `e`; the requirements hold the mark too."""
    mark, opened, kept, short, gross = 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(instruments.first[e], instruments.first[e + 1]):
        held = options[i]
        mark += held * sheet.mark[i]
        gross += abs(held)
        if held < 0.0:
            short -= held
            opened -= held * (sheet.short[i, OPENED] + sheet.mark[i])
            kept -= held * (sheet.short[i, KEPT] + sheet.mark[i])
    if gross > 0.0:
        least, calls = least_payoff(instruments, e, options)
        forward = market.forward[e] + market.fixed_forward[e]
        unpaired = max(-calls, 0.0) * forward
        opened = mark + min(opened, unpaired * method.number[UNPAIRED_INITIAL] - least)
        kept = mark + min(kept, unpaired * method.number[UNPAIRED] - least)
    return mark, opened, kept, short


@small_rule
def unsure(number, confidence):
    """[1] of notional that is added while the oracle is not sure enough."""
    return (1.0 - confidence) * number[CONFIDENCE_FACTOR] if confidence < number[CONFIDENCE] else 0.0


@rule
def standard_margin(method, instruments, market, sheet, options, perpetuals, gains, deposits):
    """(equity without cash, initial, maintenance) [usd] of one account."""
    number = method.number
    depeg = max(number[DEPEG] - market.settlement[0], 0.0) * number[DEPEG_FACTOR]
    equity, initial, maintenance = 0.0, 0.0, 0.0
    for u in range(market.spot.size):
        sure, spot = market.spot_confidence[u], market.spot[u]
        size = abs(perpetuals[u])
        equity += gains[u]
        initial += size * market.perpetual[u] * number[PERPETUAL_INITIAL] + size * spot * depeg
        initial += size * market.perpetual[u] * unsure(number, min(sure, market.perpetual_confidence[u]))
        maintenance += size * market.perpetual[u] * number[PERPETUAL]
        for e in range(instruments.first_expiry[u], instruments.first_expiry[u + 1]):
            mark, opened, kept, short = expiry_margin(method, instruments, market, sheet, e, options)
            equity += mark
            initial += opened + short * spot * (depeg + unsure(number, min(sure, market.expiry_confidence[e])))
            maintenance += kept
    for k in range(deposits.size):
        terms, value = method.collateral[k], deposits[k] * market.collateral_price[k]
        sure = market.collateral_confidence[k]
        if terms[ITS_UNDERLYING] >= 0.0:
            sure = min(sure, market.spot_confidence[int(terms[ITS_UNDERLYING])])
        equity += value
        maintenance += value * terms[MAINTENANCE_HAIRCUT]
        initial += value * (terms[MAINTENANCE_HAIRCUT] + terms[INITIAL_HAIRCUT] + unsure(number, sure))
    return equity, initial, maintenance
