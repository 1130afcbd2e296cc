"""Requirements that need no scenario: expected shortfall by side of a perpetual, and naked short options. See their parts.

Sources: vegaprotocol/vega @a50750c and quant @afa0c5d (linear slippage, risk factors); Opyn's Gamma protocol, documentation.
"""

from __future__ import annotations

import numpy as np

from simulator.kernel import rule, small_rule
from simulator.pricing.option_kernel import black_price
from simulator.protocol.portfolio_margin.expected_shortfall import ExpectedShortfallMargin
from simulator.protocol.portfolio_margin.method import EXPECTED_SHORTFALL, NAKED, Method, method
from simulator.protocol.portfolio_margin.naked import NakedMargin

INITIAL_SCALE, SPOT_SHARE = range(2)  # columns of Method.number
SLIPPAGE, LONG, SHORT = range(3)  # columns of Method.underlying
DAYS, SHARE = range(2)  # columns of Method.scenario of a naked margin: its bounds
OPENED, KEPT = range(2)  # columns of Sheet.short


def shortfall_method(part: ExpectedShortfallMargin, underlyings: tuple[str, ...]) -> Method:
    """`part` as kernels read it. Raises KeyError for an underlying that it does not name."""
    risks = [part.markets[name] for name in underlyings]
    factors = [(risk.slippage, *risk.factors(part.tail, part.margin_period)) for risk in risks]
    return method(EXPECTED_SHORTFALL, [part.initial_scale], underlying=factors)


def naked_method(part: NakedMargin) -> Method:
    """`part` as kernels read it; the bounds lie where a grid has its scenarios."""
    return method(NAKED, [part.initial_scale, part.spot_share], [(bound.days, bound.share, 0.0) for bound in part.bounds])


@small_rule
def shortfall_margin(position, buys, sells, mark, slippage, long, short):
    """[usd] what a side could lose: the position closes at a slippage, and orders count as if they were filled."""
    upper = max(position, 0.0) * mark * slippage + max(position + buys, 0.0) * mark * long
    lower = max(-position, 0.0) * mark * slippage + max(sells - position, 0.0) * mark * short
    return max(upper, lower)


@small_rule
def naked_put(strike, spot, bound, share):
    """[usd] of one short put."""
    return bound * min(strike, share * spot) + max(strike - share * spot, 0.0)


@small_rule
def naked_call(strike, spot, bound, share):
    """[asset] of one short call, which is collateralised in the asset."""
    reached = share * strike / spot
    return bound * min(1.0, reached) + max(1.0 - reached, 0.0)


@small_rule
def bound_at(bounds, days):
    """The share of the first bound whose days are not exceeded."""
    n = 0
    while n + 1 < bounds.shape[0] and bounds[n, DAYS] < days:
        n += 1
    return bounds[n, SHARE]


@rule
def fill_marks(instruments, market, sheet):
    """Write the mark of every instrument for one path's `market`."""
    for e in range(market.forward.size):
        root, discount = np.sqrt(market.years[e]), np.exp(-max(market.rate[e], 0.0) * market.years[e])
        forward = market.forward[e] + market.fixed_forward[e]
        for i in range(instruments.first[e], instruments.first[e + 1]):
            is_call = instruments.is_call[i] != 0.0
            sheet.mark[i] = discount * black_price(forward, instruments.strike[i], market.implied[i] * root, is_call)


@rule
def fill_naked(method, instruments, market, sheet):
    """Write the mark of every instrument and what one short needs in all, its mark included, in `short`."""
    fill_marks(instruments, market, sheet)
    share = method.number[SPOT_SHARE]
    for u in range(market.spot.size):
        spot = market.spot[u]
        for e in range(instruments.first_expiry[u], instruments.first_expiry[u + 1]):
            bound = bound_at(method.scenario, 365.0 * market.years[e])
            for i in range(instruments.first[e], instruments.first[e + 1]):
                strike = instruments.strike[i]
                if instruments.is_call[i] != 0.0:
                    kept = naked_call(strike, spot, bound, share) * spot
                else:
                    kept = naked_put(strike, spot, bound, share)
                sheet.short[i, KEPT], sheet.short[i, OPENED] = kept, method.number[INITIAL_SCALE] * kept


@rule
def side_margin(method, instruments, market, sheet, options, perpetuals, gains, deposits):
    """(equity without cash, initial, maintenance) [usd] of one account under an expected shortfall by side, options counted
    as the part says: what is held long gives no credit, a short call could cost spot, a short put its strike."""
    equity, kept, against = 0.0, 0.0, 0.0
    for u in range(market.spot.size):
        equity += gains[u]
        terms = method.underlying[u]
        kept += shortfall_margin(perpetuals[u], 0.0, 0.0, market.perpetual[u], terms[SLIPPAGE], terms[LONG], terms[SHORT])
        for i in range(instruments.first[instruments.first_expiry[u]], instruments.first[instruments.first_expiry[u + 1]]):
            held = options[i]
            equity += held * sheet.mark[i]
            most = market.spot[u] if instruments.is_call[i] != 0.0 else instruments.strike[i]
            against += held * sheet.mark[i] if held > 0.0 else -held * max(most - sheet.mark[i], 0.0)
    for k in range(deposits.size):
        equity += deposits[k] * market.collateral_price[k]
    return equity, method.number[INITIAL_SCALE] * kept + against, kept + against


@rule
def naked_margin(method, instruments, market, sheet, options, gains, deposits):
    """(equity without cash, initial, maintenance) [usd] of one account's options, each by itself."""
    equity, opened, kept = 0.0, 0.0, 0.0
    for i in range(options.size):
        held = options[i]
        equity += held * sheet.mark[i]
        if held < 0.0:
            opened -= held * max(sheet.short[i, OPENED] - sheet.mark[i], 0.0)
            kept -= held * max(sheet.short[i, KEPT] - sheet.mark[i], 0.0)
        else:
            opened += held * sheet.mark[i]
            kept += held * sheet.mark[i]
    for u in range(gains.size):
        equity += gains[u]
    for k in range(deposits.size):
        equity += deposits[k] * market.collateral_price[k]
    return equity, opened, kept
