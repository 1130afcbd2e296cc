"""Values of each instrument in every scenario of a grid, one path: what `grid_requirement.py` sums over positions.

Sources: derivexyz/v2-core @7736900 (PMRM_2), Deribit's and Paradex's documentation. Volatility is shocked at the strike (the
smile does not slide with spot); the part of a settlement average that is already known does not move.
"""

from __future__ import annotations

import numpy as np

from simulator.kernel import rule, small_rule
from simulator.pricing.option_kernel import black_price, intrinsic, time_value
from simulator.protocol.portfolio_margin.method import GRID, Method, method
from simulator.protocol.portfolio_margin.scenario_grid import GridCollateral, ScenarioGrid

NONE, UP, DOWN, LINEAR, ABSOLUTE, BASIS = range(6)  # what volatility does in a scenario; BASIS: only the forward moves
SPOT, VOLATILITY, SHARE = range(3)  # columns of Method.scenario
WORD = {"none": NONE, "up": UP, "down": DOWN, "linear-skew": LINEAR, "absolute-skew": ABSOLUTE}

# columns of Method.number
INITIAL_FACTOR, MAINTENANCE_FACTOR = 0, 1
V_UP, V_DOWN, V_SHIFT, V_SHORT_POWER, V_LONG_POWER, V_PIVOT, V_LEAST_DAYS, V_LEAST_UP = range(2, 10)
K_LINEAR, K_LINEAR_SLOPE, K_ABSOLUTE, K_ABSOLUTE_SLOPE, K_LEAST, K_WIDTH, K_LEVEL, K_LEVEL_SLOPE = range(10, 18)
D_LONG, D_SHORT, D_LONG_RATE, D_SHORT_RATE, D_LONG_ADDED, D_SHORT_ADDED = range(18, 24)
B_UP, B_DOWN, B_ADDED, B_PER_YEAR = range(24, 28)
A_PERPETUAL, A_PERPETUAL_INITIAL, A_OPTION, A_OPTION_INITIAL = range(28, 32)
A_DEPEG, A_DEPEG_FACTOR, A_CONFIDENCE, A_CONFIDENCE_FACTOR, A_MINIMUM = range(32, 37)

LONG_FACTOR, SHORT_FACTOR, BASIS_WEIGHT = range(3)  # columns of Sheet.expiry
DAYS = 365.0


def grid_method(part: ScenarioGrid, underlyings: tuple[str, ...], collaterals: tuple[str, ...] = ()) -> Method:
    """`part` as kernels read it; a collateral that it does not name has no haircut and hedges nothing."""
    fields = (part.volatility, part.skew, part.discount, part.basis, part.add_ons)
    number = [part.initial_factor, part.maintenance_factor, *(x for record in fields for x in record.model_dump().values())]
    moves = [(max(1 + part.spot_scale * (s.spot - 1), 0.0), WORD[s.volatility], s.share) for s in part.scenarios]
    basis = [(part.basis.up, BASIS, 1.0), (part.basis.down, BASIS, 1.0)]
    held = []
    for name in collaterals:
        its = part.collateral.get(name, GridCollateral())
        hedges = its.hedges in underlyings
        place = underlyings.index(its.hedges) if hedges else 0
        held.append((its.maintenance_haircut, its.initial_haircut, float(hedges), float(place)))
    return method(GRID, number, moves + basis, collateral=held or None)


@small_rule
def volatility_bend(number, years):
    """b: how strongly an expiry's volatility is shocked, 1 at the pivot."""
    days = max(DAYS * years, number[V_LEAST_DAYS])
    power = number[V_SHORT_POWER] if DAYS * years <= number[V_PIVOT] else number[V_LONG_POWER]
    return (number[V_PIVOT] / max(days, 1e-9)) ** power


@small_rule
def tilt(number, move, k, years):
    """The relative change of volatility at log-moneyness `k` in a skew shock."""
    root = np.sqrt(years)
    if move == LINEAR:
        cap = number[K_LINEAR] + number[K_LINEAR_SLOPE] * root
    else:
        cap, k = number[K_ABSOLUTE] + number[K_ABSOLUTE_SLOPE] * root, abs(k)
    width = max(number[K_LEAST], root * number[K_WIDTH] * (number[K_LEVEL] + root * number[K_LEVEL_SLOPE]))
    change = k * cap / width
    return min(change, cap) if k >= 0.0 else max(change, -cap)


@small_rule
def shocked_volatility(number, move, bend, v, k, years):
    """Volatility after the shock `move`."""
    if move == UP:
        return max(v * (1.0 + number[V_UP] * bend) + number[V_SHIFT], number[V_LEAST_UP])
    if move == DOWN:
        return max(v * (1.0 - number[V_DOWN] * bend) - number[V_SHIFT], 0.0)
    if move in (LINEAR, ABSOLUTE):
        return v * max(1.0 + tilt(number, move, k, years), 0.0)
    return v


@rule
def fill_grid(method, instruments, market, sheet):
    """Write `mark` and `shocked` of every instrument and the three factors of every expiry, for one path's `market`."""
    number, scenario = method.number, method.scenario
    for e in range(market.forward.size):
        years, fixed, moving = market.years[e], market.fixed_forward[e], market.forward[e]
        rate = max(market.rate[e], 0.0)
        discount = np.exp(-rate * years)
        long_rate = rate * number[D_LONG_RATE] + number[D_LONG_ADDED]
        short_rate = rate * number[D_SHORT_RATE] + number[D_SHORT_ADDED]
        sheet.expiry[e, LONG_FACTOR] = number[D_LONG] * np.exp(-long_rate * years)
        sheet.expiry[e, SHORT_FACTOR] = min(number[D_SHORT] * np.exp(short_rate * years), 1.0 / discount)
        sheet.expiry[e, BASIS_WEIGHT] = number[B_ADDED] + number[B_PER_YEAR] * years
        bend, root = volatility_bend(number, years), np.sqrt(years)
        for i in range(instruments.first[e], instruments.first[e + 1]):
            strike, call, v = instruments.strike[i], instruments.is_call[i] != 0.0, market.implied[i]
            sheet.mark[i] = discount * black_price(fixed + moving, strike, v * root, call)
            twin = i > instruments.first[e] and instruments.strike[i - 1] == strike and market.implied[i - 1] == v
            other = instruments.is_call[i - 1] != 0.0 if twin else False
            k = np.log(strike / (fixed + moving)) if strike > 0.0 and fixed + moving > 0.0 else 0.0
            for s in range(scenario.shape[0]):
                forward = fixed + moving * scenario[s, SPOT]
                paid = intrinsic(forward, strike, call)
                if twin:  # put-call parity spares half of the time that a sheet takes
                    sheet.shocked[i, s] = sheet.shocked[i - 1, s] + discount * (paid - intrinsic(forward, strike, other))
                    continue
                after = shocked_volatility(number, scenario[s, VOLATILITY], bend, v, k, years)
                sheet.shocked[i, s] = discount * (paid + time_value(forward, strike, after * root))
