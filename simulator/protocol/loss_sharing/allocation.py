"""How a quantity that must be closed, or a loss that must be borne, is spread over accounts.

Sources: Hyperliquid's documentation (queue), drift-labs/protocol-v2 @0ae3e3b (indices), morpho-blue (bad debt), gmx-synthetics
@a5c0c88 (gains against the pool), Chitra 2025 (allocation rules).
"""

from __future__ import annotations

import numpy as np

from simulator.kernel import rule, small_rule


@small_rule
def queue_score(gain, cost, notional, equity):
    """Profit ratio x leverage: gain / |cost| x notional / equity; an account at a loss or without equity stands last, at 0."""
    if gain <= 0.0 or equity <= 0.0 or cost == 0.0:
        return 0.0
    return gain / abs(cost) * notional / equity


@rule
def take_by_queue(amount, sizes, scores, taken):
    """Take `amount` from the accounts with the greatest scores first, whole; `taken` is filled. Returns what was not taken.

    Of equal scores the first account is first. An account with size 0 is passed over.
    """
    left = amount
    for i in range(sizes.size):
        taken[i] = 0.0
    while left > 0.0:
        best = -1
        for i in range(sizes.size):
            if taken[i] == 0.0 and sizes[i] > 0.0 and (best < 0 or scores[i] > scores[best]):
                best = i
        if best < 0:
            return left
        taken[best] = min(sizes[best], left)
        left -= taken[best]
    return 0.0


@rule
def take_in_proportion(amount, sizes, weights, taken):
    """Take size x weight x lambda from every account, at most its size, so that the sum is `amount`; returns what was not taken.

    Equal weights: pro rata. Weights that are leverages: leverage-weighted. Accounts that are used up leave the rest to others,
    so lambda is found in as many rounds as there are levels of exhaustion.
    """
    for i in range(sizes.size):
        taken[i] = 0.0
    left = amount
    while left > 0.0:
        total = 0.0
        for i in range(sizes.size):
            if taken[i] < sizes[i]:
                total += sizes[i] * weights[i]
        if total <= 0.0:
            return left
        used_up, before = False, left
        for i in range(sizes.size):
            if taken[i] < sizes[i] and weights[i] * before >= total:
                left -= sizes[i]
                taken[i] = sizes[i]
                used_up = True
        if used_up:
            left = max(left, 0.0)
            continue
        for i in range(sizes.size):
            if taken[i] < sizes[i]:
                taken[i] = sizes[i] * (weights[i] * before / total)
        left = 0.0
    return left


@small_rule
def funding_index_loss(loss, longs, shorts):
    """Drift: what longs and shorts each pay per base; nothing where nobody is open."""
    total = longs + abs(shorts)
    return loss / total if total > 0.0 else 0.0


@small_rule
def deposit_index_cut(loss, deposits):
    """The share by which the deposit index falls: loss over deposits, at most all."""
    return min(loss / deposits, 1.0) if deposits > 0.0 else 0.0


@small_rule
def capped_gain(gain, gains, pool, most_share):
    """GMX v2: what one of all `gains` is paid where the pool pays at most `most_share` of itself: all alike."""
    return gain * min(most_share * pool / gains, 1.0) if gains > 0.0 else gain


@small_rule
def gains_to_close(gains, pool, starts_above, stops_at):
    """GMX v2: deleveraging closes profitable positions once gains exceed a share of the pool, until they are at a lower one."""
    return max(gains - stops_at * pool, 0.0) if gains > starts_above * pool else 0.0


def deleverage(kind: str, amount: float, sizes, gains, costs, notionals, equities) -> tuple[np.ndarray, float]:
    """(taken from each account, what was not taken) by a rule of this package, from arrays over accounts."""
    sizes = np.ascontiguousarray(sizes, dtype=float)
    taken = np.zeros_like(sizes)
    if kind == "queue":
        rows = zip(gains, costs, notionals, equities, strict=True)
        scores = np.array([queue_score(*map(float, row)) for row in rows])
        return taken, take_by_queue(float(amount), sizes, scores, taken)
    weights = np.ones_like(sizes)
    if kind == "leverage-weighted":
        equity = np.maximum(np.asarray(equities, float), 1e-300)
        weights = np.minimum(np.asarray(notionals, float) / equity, 1e300)
    return taken, take_in_proportion(float(amount), sizes, weights, taken)
