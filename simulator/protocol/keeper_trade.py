"""The two trades of a keeper of loans: it buys what is owed and sells what it is given. docs/model.md sections 5.3 and 5.8."""

from __future__ import annotations

import numpy as np

from simulator.kernel import rule
from simulator.protocol.book import CAPACITY, CASH, GAS_COST, INDEX, KEEPER, OUTSIDE_CASH, SPOT, SPOT_DEPTH
from simulator.protocol.rules import LINEAR
from simulator.protocol.trading import quote_spot, trade_spot

LEAST = 0.01  # [usd] no keeper repays less: after the most profitable size, the sign of the next cap is rounding


@rule
def trade_for_keeper(b, ac, ad, same, sold, bought, x, rules):
    """A keeper buys `bought` tokens of asset `ad` (-1: pays `x` in cash) and sells `sold` of asset `ac`, if that pays."""
    outlay = quote_spot(b, ad, bought, rules) if ad >= 0 else x
    if rules.at_a_profit and not same and -quote_spot(b, ac, -sold, rules) - outlay - b.scalar[GAS_COST] < rules.minimum_profit:
        return False
    outlay = trade_spot(b, ad, bought, rules) if ad >= 0 else x
    proceeds = -trade_spot(b, ac, -sold, rules)
    b.accounts[rules.accounts + KEEPER, CASH] += proceeds - outlay
    b.scalar[OUTSIDE_CASH] -= proceeds - (outlay if ad >= 0 else 0.0)
    b.scalar[CAPACITY] -= x
    return True


@rule
def most_profitable(b, ac, ad, incentive, rules):
    """The size [usd repaid] at which the last dollar repaid earns nothing: marginal proceeds equal marginal outlay."""
    ratio = incentive * b.asset[ac, SPOT] / b.asset[ac, INDEX]
    resistance = 0.0
    if rules.spot[ac, LINEAR] != 0.0:
        resistance += ratio / b.asset[ac, SPOT_DEPTH]
    if ad >= 0:
        owed = b.asset[ad, SPOT] / b.asset[ad, INDEX]
        if rules.spot[ad, LINEAR] != 0.0:
            resistance += owed / b.asset[ad, SPOT_DEPTH]
        ratio /= owed
    if resistance == 0.0:
        return np.inf if ratio > 1.0 else 0.0
    return np.log(ratio) / resistance
