"""Venues whose price is index and skew of the book: Synthetix's skew fill, GMX's power impact. docs/model.md section 2."""

from __future__ import annotations

from simulator.kernel import rule, small_rule
from simulator.protocol.book import FUNDING, HEAD, IMPACT_POOL, INDEX, MAKER, MARK, WINDOW_LEFT
from simulator.protocol.market_numbers import WINDOW
from simulator.protocol.price_impact.fill import paid_impact, power_impact, skew_fill
from simulator.protocol.rules import LINEAR, SKEW_FILL

LEAST_FACTOR = 1e-3  # [1] of the index: no skew brings a price below it


@small_rule
def skew_of(b, m, rules):
    """[asset] longs less shorts of everybody but the maker, who holds the other side."""
    return -b.accounts[rules.accounts + MAKER, HEAD + 2 * rules.currencies + m]


@rule
def skew_mark(b, m, rules):
    """The mark of a venue by skew."""
    index = b.asset[rules.market_asset[m], INDEX]
    if rules.perpetual[m, LINEAR] == SKEW_FILL:
        return max(skew_fill(index, skew_of(b, m, rules), 0.0, rules.impact[m, 0]), LEAST_FACTOR * index)
    return index


@rule
def quote_by_skew(b, m, n, rules):
    """The fill of `n` base in a venue by skew, without doing it."""
    index = b.asset[rules.market_asset[m], INDEX]
    skew = skew_of(b, m, rules)
    row = rules.impact[m]
    if rules.perpetual[m, LINEAR] == SKEW_FILL:
        return max(skew_fill(index, skew, n, row[0]), LEAST_FACTOR * index)
    if n == 0.0:
        return index
    impact = power_impact(skew * index, (skew + n) * index, row[0], row[1], row[2], row[3])
    paid, _change = paid_impact(impact, abs(n) * index, b.market[m, IMPACT_POOL], row[4], row[5])
    return index - paid / n


@rule
def makers_price(b, m, n, price, rules):
    """What the maker gets for a trade of `n` base at `price` (both net of funding); what is left is the impact pool's."""
    market = b.market[m]
    if rules.perpetual[m, LINEAR] == SKEW_FILL:
        return price
    own = b.asset[rules.market_asset[m], INDEX] - market[FUNDING]
    market[IMPACT_POOL] = max(market[IMPACT_POOL] + n * (price - own), 0.0)
    return own


@rule
def mark_by_skew(b, m, rules):
    """After a trade: the skew is another."""
    b.market[m, MARK] = skew_mark(b, m, rules)


@rule
def open_windows(b, terms, rules):
    """Synthetix: what may be liquidated in each market in this step, (maker + taker fee) x skew scale x multiplier x dt."""
    if rules.close_rule != WINDOW:
        return
    for m in range(rules.markets):
        b.market[m, WINDOW_LEFT] = (terms.fee[0] + terms.fee[1]) * rules.impact[m, 0] * rules.close[0]


@small_rule
def left_to_liquidate(b, m, size, rules):
    """[asset] of a position of `size` that a keeper may close now; a calm skew caps nothing."""
    if abs(skew_of(b, m, rules)) < rules.close[1] * rules.impact[m, 0]:
        return abs(size)
    return min(abs(size), b.market[m, WINDOW_LEFT])
