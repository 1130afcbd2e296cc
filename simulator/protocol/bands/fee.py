"""What trading with bands costs: more just after the oracle moved, when the bands are furthest from the market (crvUSD)."""

from __future__ import annotations

from simulator.kernel import rule
from simulator.protocol.bands.table import oracle_price
from simulator.protocol.book import BAND_AGE, BAND_FROM, LAST_INDEX
from simulator.protocol.trading_fees.rates import one_sided_fee


@rule
def fee_of(b, c, p, terms):
    """The fee [1] of the bands of collateral `c`, whose oracle price is `p` now."""
    if terms.band_fee_delay == 0.0:
        return terms.band_fee
    return one_sided_fee(b.currency[c, BAND_FROM], p, b.currency[c, BAND_AGE], terms.band_fee_delay, terms.band_fee, 1.0)


@rule
def note_moves(b, rules):
    """Once a step, after the oracle observed: where every oracle price came from, and when."""
    base = rules.currency_asset[rules.base_currency]
    for c in range(rules.currencies):
        asset, currency = b.asset[rules.currency_asset[c]], b.currency[c]
        before = asset[LAST_INDEX] / b.asset[base, LAST_INDEX]
        currency[BAND_AGE] += rules.dt
        if oracle_price(b, c, rules) != before:
            currency[BAND_FROM] = before
            currency[BAND_AGE] = 0.0
