"""Trading fees by the rules of `protocol.trading_fees`, and what they remember of a market. docs/model.md section 5.1."""

from __future__ import annotations

import numpy as np

from simulator.kernel import rule, small_rule
from simulator.parameters import YEAR
from simulator.protocol.book import (
    FEE_CROSSED,
    FEE_FACTOR,
    FEE_KEPT,
    FEE_LAST,
    FEE_REFERENCE,
    INDEX,
    LAST_INDEX,
    MARK,
    VARIANCE,
)
from simulator.protocol.fee_numbers import FEE_LINEAR, LIQUIDITY_BOOK, MAKER_TAKER, ONE_SIDED, SLIDING, TWO_SIGMOID
from simulator.protocol.impact import skew_of
from simulator.protocol.price_impact.fill import balancing_share
from simulator.protocol.trading_fees.rates import (
    bin_fee,
    bin_reference,
    bins_crossed,
    one_sided_fee,
    sliding_factor,
    two_sigmoid_fee,
)

TICK = np.log(1.0001)  # of Algebra's pools
TICK_SECONDS = 15.0


@small_rule
def linear_fee_at(variance, terms):
    """min(cap, flat + slope x volatility) at an observed variance."""
    if terms.fee_slope == 0.0:
        return min(terms.fee_cap, terms.fee_flat)
    return min(terms.fee_cap, terms.fee_flat + terms.fee_slope * np.sqrt(variance))


@rule
def even_fee(b, m, terms, rules):
    """A fee of another kind, of a trade that leans neither way: what a trader who has not chosen a side expects."""
    row = terms.fee
    if terms.fee_kind == MAKER_TAKER:
        return row[1]
    if terms.fee_kind == TWO_SIGMOID:
        deviation = b.asset[rules.market_asset[m], VARIANCE] * TICK_SECONDS / YEAR / (TICK * TICK)
        return two_sigmoid_fee(deviation, row[0], row[1], row[2], row[3], row[4], row[5], row[6])
    if terms.fee_kind == LIQUIDITY_BOOK:
        return bin_fee(b.market[m, FEE_CROSSED], row[0], row[1], row[2], row[3])
    if terms.fee_kind == ONE_SIDED:
        asset = b.asset[rules.market_asset[m]]
        return one_sided_fee(b.market[m, FEE_REFERENCE], asset[INDEX], b.market[m, FEE_CROSSED], row[0], row[1], row[2])
    return row[0]


@rule
def leaning_fee(b, m, n, terms, rules):
    """The same of a trade of `n` base: what follows the skew or the last move pays more."""
    row = terms.fee
    if terms.fee_kind == MAKER_TAKER:
        share = balancing_share(skew_of(b, m, rules), n) if n != 0.0 else 0.0
        return share * row[0] + (1.0 - share) * row[1]
    if terms.fee_kind == SLIDING:
        factor = b.market[m, FEE_FACTOR]
        return row[0] * (2.0 - factor) if n > 0.0 else row[0] * factor
    return even_fee(b, m, terms, rules)


@small_rule
def expected_fee(b, m, terms, rules):
    """The fee that a trader reckons with before choosing a side."""
    if terms.fee_kind == FEE_LINEAR:
        return linear_fee_at(b.asset[rules.market_asset[m], VARIANCE], terms)
    return even_fee(b, m, terms, rules)


@small_rule
def fee_rate(b, m, n, terms, rules):
    """The fee of a trade of `n` base in market `m`, of its value."""
    if terms.fee_kind == FEE_LINEAR:
        return linear_fee_at(b.asset[rules.market_asset[m], VARIANCE], terms)
    return leaning_fee(b, m, n, terms, rules)


@rule
def learn(b, terms, rules):
    """What a fee remembers, once a step: the move of the venue (Liquidity Book), of the oracle (sliding, one-sided)."""
    row = terms.fee
    for m in range(rules.markets):
        market, asset = b.market[m], b.asset[rules.market_asset[m]]
        if terms.fee_kind == LIQUIDITY_BOOK:
            kept, moves = bin_reference(market[FEE_CROSSED], rules.dt, market[FEE_KEPT], row[4], row[5], row[6])
            market[FEE_KEPT] = kept
            if moves:
                market[FEE_REFERENCE] = market[FEE_LAST]
            distance = np.log(market[MARK] / market[FEE_REFERENCE]) / np.log(1.0 + row[0])
            market[FEE_CROSSED] = bins_crossed(kept, distance, row[7])
            market[FEE_LAST] = market[MARK]
        elif terms.fee_kind == SLIDING:
            market[FEE_FACTOR] = sliding_factor(market[FEE_FACTOR], asset[INDEX] / asset[LAST_INDEX] - 1.0, row[1])
        elif terms.fee_kind == ONE_SIDED:
            market[FEE_CROSSED] += rules.dt
            if asset[INDEX] != asset[LAST_INDEX]:
                market[FEE_REFERENCE] = asset[LAST_INDEX]
                market[FEE_CROSSED] = 0.0
