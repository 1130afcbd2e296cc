"""Margin of a whole account where a market's rule is not flat. docs/model.md section 3, "Margin rules".

Apart from `health` so that a book of flat markets pays one branch an account for it.
"""

from __future__ import annotations

import numpy as np

from simulator.kernel import kernel, rule, small_rule
from simulator.protocol.book import HEAD, MAKER, MARGIN_PRICE, OPEN_LONG
from simulator.protocol.margin_ratio.requirement import FACTOR, KIND, OPEN_INTEREST, maintenance_slope, requirement


@small_rule
def side_open(b, m, sign, rules):
    """[asset] what everybody but the maker holds on one side of market `m`; longs of all records equal shorts of all."""
    maker = b.accounts[rules.accounts + MAKER, HEAD + 2 * rules.currencies + m]
    return b.market[m, OPEN_LONG] - max(sign * maker, 0.0)


@small_rule
def scaling_interest(b, m, sign, terms, rules):
    """[usd] the open interest that the rule of market `m` reads: the whole market's (dYdX), the side's (GMX), none."""
    kind = terms.margin[m, KIND]
    if kind == OPEN_INTEREST:
        return b.market[m, OPEN_LONG] * b.market[m, MARGIN_PRICE]
    if kind == FACTOR:
        return side_open(b, m, sign, rules) * b.market[m, MARGIN_PRICE]
    return 0.0


@rule
def scaled_requirement(b, row, is_initial, terms, rules):
    """[usd] the initial or the maintenance requirement of a record, market by market, each by its own rule."""
    total = 0.0
    for m in range(rules.markets):
        q = row[HEAD + 2 * rules.currencies + m]
        if q != 0.0:
            sign = 1.0 if q > 0.0 else -1.0
            interest = scaling_interest(b, m, sign, terms, rules)
            initial, maintenance = requirement(terms.margin[m], q, b.market[m, MARGIN_PRICE], interest)
            total += initial if is_initial else maintenance
    return total


@rule
def watched_requirement(row, q, price):
    """(maintenance requirement at the reference price, its steepest rise with notional) of one position."""
    return requirement(row, q, price, 0.0)[1], maintenance_slope(row, q, abs(q) * price)


@rule
def ratio_of_worth(b, m, worth, terms, rules):
    """The initial ratio of a position worth `worth` [usd] in market `m`, at its open interest now; GMX's of the fuller side."""
    price = b.market[m, MARGIN_PRICE]
    if worth <= 0.0:
        return terms.initial_ratio[m]
    interest = max(scaling_interest(b, m, 1.0, terms, rules), scaling_interest(b, m, -1.0, terms, rules))
    return requirement(terms.margin[m], worth / price, price, interest)[0] / worth


@kernel
def ratios_at_load(row, worth, price, least, out):
    """out[path, account]: the initial ratio of positions worth `worth` [account] at `price` [path], nothing being open yet."""
    for p in range(price.size):
        for i in range(worth.size):
            if worth[i] > 0.0:
                out[p, i] = requirement(row, worth[i] / price[p], price[p], 0.0)[0] / worth[i]
            else:
                out[p, i] = least


def load_ratios(row: np.ndarray, worth: np.ndarray, price: np.ndarray, least: float) -> np.ndarray:
    """float64 [path, account] of `ratios_at_load`."""
    out = np.empty((price.size, worth.size))
    ratios_at_load(np.ascontiguousarray(row), np.ascontiguousarray(worth), np.ascontiguousarray(price), least, out)
    return out
