"""Double entry: every record summed against the running totals of a path."""

from __future__ import annotations

import numpy as np

from simulator.kernel import rule
from simulator.protocol.bands.table import bands_imbalance
from simulator.protocol.book import (
    ADL_HAIRCUT,
    BORROW_INDEX,
    CASH,
    DEBT_TOTAL,
    DEFICIT_CASH,
    DEPOSIT_INDEX,
    DEPOSIT_TOTAL,
    FUND,
    FUND_DRAW,
    GROSS_FLOW,
    HEAD,
    IMPACT_POOL,
    LIQUIDITY,
    MOST_OPEN,
    OPEN_LONG,
    OUTSIDE_CASH,
    REALISED,
    RESERVE,
    SOCIALISED,
    SPECIAL,
    STOCK,
    UNBACKED,
    UNCOVERED,
    UNCOVERED_CASH,
    WORST_IMBALANCE,
)
from simulator.protocol.option_liquidation import options_imbalance


@rule
def audit(b, rules):
    """Sum every record against the running totals. Returns the worst imbalance, relative to gross stock plus gross flow."""
    K, M = rules.currencies, rules.markets
    n = rules.accounts + SPECIAL
    cash = b.scalar[OUTSIDE_CASH] - b.scalar[DEFICIT_CASH] - b.scalar[UNCOVERED_CASH]
    gross = abs(b.scalar[OUTSIDE_CASH]) + b.scalar[GROSS_FLOW] + 1.0
    for m in range(M):
        cash += b.market[m, IMPACT_POOL]
    for i in range(n):
        cash += b.accounts[i, CASH]
        gross += abs(b.accounts[i, CASH])
        for m in range(M):
            cash -= b.accounts[i, HEAD + 2 * K + M + m]
            gross += abs(b.accounts[i, HEAD + 2 * K + M + m])
    worst = abs(cash) / gross
    for k in range(K):
        worst = max(worst, _pool_imbalance(b, k, rules))
    for m in range(M):
        net = 0.0
        size = b.market[m, MOST_OPEN] + 1e-12  # an emptied market keeps the rounding of what it once held
        long = 0.0
        for i in range(n):
            q = b.accounts[i, HEAD + 2 * K + m]
            net += q
            size += abs(q)
            long += max(q, 0.0)
        b.market[m, MOST_OPEN] = max(b.market[m, MOST_OPEN], long)
        worst = max(worst, abs(net) / size, abs(long - b.market[m, OPEN_LONG]) / size)
    if rules.bands > 0:
        worst = max(worst, bands_imbalance(b, rules))
    for j in range(rules.options):
        worst = max(worst, options_imbalance(b, j, n, rules))
    classified = b.scalar[FUND_DRAW] + b.scalar[ADL_HAIRCUT] + b.scalar[SOCIALISED] + b.scalar[UNCOVERED]
    worst = max(worst, abs(classified - b.scalar[REALISED]) / (gross + b.scalar[REALISED]))
    if not (worst < 1e300) or b.accounts[rules.accounts + FUND, CASH] < 0.0:
        worst = np.inf
    b.scalar[WORST_IMBALANCE] = max(b.scalar[WORST_IMBALANCE], worst)
    return worst


@rule
def _pool_imbalance(b, k, rules):
    """Tokens supplied + reserve - borrowed = liquidity, for one currency, and its running totals."""
    K = rules.currencies
    supplied = 0.0
    borrowed = 0.0
    for i in range(rules.accounts + SPECIAL):
        supplied += b.accounts[i, HEAD + k]
        borrowed += b.accounts[i, HEAD + K + k]
    currency = b.currency[k]
    size = supplied + borrowed + 1e-12
    worst = max(abs(supplied - currency[DEPOSIT_TOTAL]), abs(borrowed - currency[DEBT_TOTAL])) / (size + currency[STOCK])
    supplied *= currency[DEPOSIT_INDEX]
    borrowed *= currency[BORROW_INDEX]
    gap = supplied + currency[RESERVE] - borrowed - currency[LIQUIDITY] - currency[UNBACKED]
    return max(worst, abs(gap) / (supplied + borrowed + abs(currency[LIQUIDITY]) + currency[STOCK] + 1e-12))
