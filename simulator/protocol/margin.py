"""Margin of a whole account where a market's rule is not flat. docs/model.md section 3, "Margin rules".

Apart from `health` so that a book of flat markets pays one branch an account for it.
"""

from __future__ import annotations

import numpy as np

from simulator.kernel import kernel, rule, small_rule
from simulator.protocol.book import (
    CORRELATION,
    HEAD,
    MAKER,
    MARGIN_PRICE,
    MARGIN_VARIANCE,
    OPEN_LONG,
    REFERENCE_FACTOR,
    REFERENCE_PRICE,
    VARIANCE,
)
from simulator.protocol.margin_ratio.requirement import (
    CAP,
    FACTOR,
    FIRST,
    HALF_LIFE,
    KIND,
    OPEN_INTEREST,
    REFERENCE_CORRELATION,
    SECOND,
    VOLATILITY,
    maintenance_slope,
    requirement,
    volatility_factor,
)

HEADROOM = 1.05  # [1] how far a factor may rise before the watch list is made anew; only speed depends on it
SLACK = 0.8  # [1] of the factor that the list was made for: below it, too many accounts are looked at


@small_rule
def side_open(b, m, sign, rules):
    """[asset] what everybody but the maker holds on one side of market `m`; longs of all records equal shorts of all."""
    maker = b.accounts[rules.accounts + MAKER, HEAD + 2 * rules.currencies + m]
    return b.market[m, OPEN_LONG] - max(sign * maker, 0.0)


@small_rule
def reading(b, m, sign, terms, rules):
    """What the rule of market `m` reads: open interest [usd] of the market (dYdX) or the side (GMX), its factor, nothing."""
    kind = terms.margin[m, KIND]
    if kind == OPEN_INTEREST:
        return b.market[m, OPEN_LONG] * b.market[m, MARGIN_PRICE]
    if kind == FACTOR:
        return side_open(b, m, sign, rules) * b.market[m, MARGIN_PRICE]
    if kind == VOLATILITY:
        return volatility_factor(terms.margin[m], b.market[m, MARGIN_VARIANCE])
    return 0.0


@rule
def scaled_requirement(b, row, is_initial, terms, rules):
    """[usd] the initial or the maintenance requirement of a record, market by market, each by its own rule."""
    total = 0.0
    for m in range(rules.markets):
        q = row[HEAD + 2 * rules.currencies + m]
        if q != 0.0:
            sign = 1.0 if q > 0.0 else -1.0
            read = reading(b, m, sign, terms, rules)
            initial, maintenance = requirement(terms.margin[m], q, b.market[m, MARGIN_PRICE], read)
            total += initial if is_initial else maintenance
    return total


@rule
def watched_requirement(row, q, market):
    """(maintenance requirement at the reference, its steepest rise with notional) of one position in a `market` record."""
    price, factor = market[REFERENCE_PRICE], market[REFERENCE_FACTOR]
    return requirement(row, q, price, factor)[1], maintenance_slope(row, q, abs(q) * price, factor)


@rule
def follow_volatility(b, terms, rules):
    """The variance of every market whose margin follows volatility learns from what the protocol reads, once a step."""
    for m in range(rules.markets):
        row = terms.margin[m]
        if row[KIND] == VOLATILITY:
            keep = 2.0 ** (-rules.dt / row[HALF_LIFE]) if row[HALF_LIFE] > 0.0 else 0.0
            variance = b.asset[rules.market_asset[m], VARIANCE]
            if row[REFERENCE_CORRELATION] >= 0.0 and b.scalar[CORRELATION] >= -1.0:
                others = rules.markets - 1.0
                variance *= max(1.0 + others * b.scalar[CORRELATION], 0.0) / (1.0 + others * row[REFERENCE_CORRELATION])
            b.market[m, MARGIN_VARIANCE] = keep * b.market[m, MARGIN_VARIANCE] + (1.0 - keep) * variance


@rule
def refer_factors(b, terms, rules):
    """A watch list is made for the greatest factors until the next: somewhat above those of now."""
    for m in range(rules.markets):
        if terms.margin[m, KIND] == VOLATILITY:
            b.market[m, REFERENCE_FACTOR] = min(HEADROOM * reading(b, m, 1.0, terms, rules), terms.margin[m, CAP])


@rule
def factors_left(b, terms, rules):
    """Whether a factor is above that for which the watch list was made, or so far below that looking is waste."""
    for m in range(rules.markets):
        if terms.margin[m, KIND] == VOLATILITY:
            factor = reading(b, m, 1.0, terms, rules)
            if not SLACK * b.market[m, REFERENCE_FACTOR] <= factor <= b.market[m, REFERENCE_FACTOR]:
                return True
    return False


@rule
def ratios_now(state, out, terms, rules):
    """out[market, path]: the initial ratio of a small position now. `terms` and `rules` are arrays of one record."""
    terms, rules = terms[0], rules[0]
    for p in range(state.market.shape[0]):
        for m in range(rules.markets):
            out[m, p] = terms.initial_ratio[m]
            if terms.margin[m, KIND] == VOLATILITY:
                out[m, p] = terms.margin[m, FIRST] * volatility_factor(terms.margin[m], state.market[p, m, MARGIN_VARIANCE])


@small_rule
def margin_gap(b, m, terms, rules):
    """Least initial less least maintenance ratio of a market as they are now."""
    if terms.margin[m, KIND] == VOLATILITY:
        return (terms.margin[m, FIRST] - terms.margin[m, SECOND]) * reading(b, m, 1.0, terms, rules)
    return terms.margin_gap[m]


@rule
def ratio_of_worth(b, m, worth, terms, rules):
    """The initial ratio of a position worth `worth` [usd] in market `m`, at what its rule reads now; GMX's of the fuller side."""
    price = b.market[m, MARGIN_PRICE]
    if worth <= 0.0:
        return terms.initial_ratio[m]
    read = max(reading(b, m, 1.0, terms, rules), reading(b, m, -1.0, terms, rules))
    return requirement(terms.margin[m], worth / price, price, read)[0] / worth


@kernel
def ratios_at_load(row, worth, price, variance, least, out):
    """out[path, account]: the initial ratio of positions worth `worth` [account] at `price`, `variance` [path], nothing open."""
    for p in range(price.size):
        read = volatility_factor(row, variance[p]) if row[KIND] == VOLATILITY else 0.0
        for i in range(worth.size):
            if worth[i] > 0.0:
                out[p, i] = requirement(row, worth[i] / price[p], price[p], read)[0] / worth[i]
            else:
                out[p, i] = least


def load_ratios(row: np.ndarray, worth: np.ndarray, price: np.ndarray, variance: np.ndarray, least: float) -> np.ndarray:
    """float64 [path, account] of `ratios_at_load`."""
    out = np.empty((price.size, worth.size))
    row, worth, price, variance = (np.ascontiguousarray(x) for x in (row, worth, price, variance))
    ratios_at_load(row, worth, price, variance, least, out)
    return out
