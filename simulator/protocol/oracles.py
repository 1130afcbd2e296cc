"""Oracles, circuit breakers, and the volatility that is learned from them: numbers and law. docs/model.md 2 and 4.3."""

from __future__ import annotations

from typing import Any

import numpy as np

from simulator.kernel import rule, small_rule
from simulator.parameters import YEAR
from simulator.protocol import Protocol
from simulator.protocol.book import (
    ANY_STALE,
    ASSET_FIELDS,
    BREAK_AGE,
    BREAK_REFERENCE,
    DOUBT,
    EXTERNAL,
    HALT_LEFT,
    HALTED,
    INDEX,
    LAST_INDEX,
    ORACLE_AGE,
    ORACLE_CAP,
    ORACLE_CURSOR,
    ORACLE_SNAPSHOT,
    STALE,
    UNSURE,
    VARIANCE,
)

# columns of the table of oracles
O_WEIGHT, O_DEVIATION, O_HEARTBEAT, O_STALE, O_WINDOW, O_GROWTH, O_WIDTH, O_WIDEST, O_MOVE, O_SPAN, O_HALT = range(11)
O_CAUTION, O_MOST_MOVE = 11, 12
ORACLE_NUMBERS = 13
AT_FIRST_PRICE = (ORACLE_CAP, ORACLE_SNAPSHOT, BREAK_REFERENCE)  # asset fields that start there, as what a window remembers does


def oracle_fields(most: int) -> list[tuple]:
    """Fields of `RULES`."""
    return [
        ("oracle", "f8", (most, ORACLE_NUMBERS)),  # [asset, oracle column]
        ("shapes_oracle", "?"),  # any oracle has a window, a width, or a growth or moves that are capped
        ("cautious", "?"),  # health counts any oracle's confidence interval
        ("can_be_stale", "?"),
        ("reads_known", "?"),  # v is handed in by market step, not learned from what the oracle shows
        ("variance_keep", "f8"),
    ]


def oracle_rules(protocol: Protocol, assets: tuple[str, ...], dt: float) -> dict[str, Any]:
    """What every asset's oracle does, and how volatility is learned from it."""
    table = np.array([_row(protocol.venues.get(name), dt) for name in assets], float)
    averages_or_doubts = (table[:, [O_WINDOW, O_WIDTH]] > 0.0).any()
    is_capped = (table[:, O_GROWTH] >= 0.0).any() or (table[:, O_MOST_MOVE] < 1e30).any()
    return {
        "oracle": table,
        "shapes_oracle": bool(averages_or_doubts or is_capped),
        "cautious": bool((table[:, O_CAUTION] > 0.0).any()),
        "can_be_stale": bool((table[:, O_STALE] < 1e30).any() or (table[:, O_MOVE] > 0.0).any()),
        "reads_known": not protocol.knows_observed,
        "variance_keep": 2.0 ** (-dt / protocol.volatility_half_life),
    }


def _row(venues, dt: float) -> list[float]:
    oracle = venues.oracle if venues else None
    if oracle is None:
        return [1.0, 0.0, 1e30, 1e30, 0.0, -1.0, 0.0, 1e30, 0.0, 0.0, 0.0, 0.0, 1e30]
    stale_after = 1e30 if oracle.stale_after is None else oracle.stale_after
    beat = oracle.oracle_weight, oracle.deviation, oracle.heartbeat, stale_after
    steps = 0.0 if oracle.window is None else float(max(round(oracle.window / dt), 1))
    shape = steps, -1.0 if oracle.most_growth is None else oracle.most_growth, oracle.width, oracle.widest
    halt = (venues.breaker.move, venues.breaker.window, venues.breaker.halt) if venues.breaker else (0.0, 0.0, 0.0)
    return [*beat, *shape, *halt, oracle.caution, 1e30 if oracle.most_move is None else oracle.most_move]


def remembered(rules: np.record) -> int:
    """How many prices the longest window of an oracle remembers."""
    return int(rules.oracle[: rules.assets, O_WINDOW].max(initial=0.0))


@rule
def believed(asset, oracle, raw, elapsed):
    """What an oracle makes of the raw value: its mean over the window, no more than growth since the load and one move allow."""
    steps = int(oracle[O_WINDOW])
    if steps > 0:
        if elapsed > 0.0:
            asset[ORACLE_CURSOR] = (asset[ORACLE_CURSOR] + 1.0) % steps
        asset[ASSET_FIELDS + int(asset[ORACLE_CURSOR])] = raw
        raw = 0.0
        for s in range(steps):
            raw += asset[ASSET_FIELDS + s] / steps
    if oracle[O_GROWTH] >= 0.0:
        asset[ORACLE_CAP] += asset[ORACLE_SNAPSHOT] * oracle[O_GROWTH] * elapsed / YEAR
        raw = min(raw, asset[ORACLE_CAP])
    if oracle[O_MOST_MOVE] < 1e30:
        most = 1.0 + oracle[O_MOST_MOVE]
        raw = min(max(raw, asset[LAST_INDEX] / most), asset[LAST_INDEX] * most)
    return raw


@small_rule
def publish(asset, oracle, spot, elapsed, rules):
    """The oracle of an asset looks at the price outside and at its own venue's, `elapsed` seconds later, and may publish."""
    asset[ORACLE_AGE] += elapsed
    raw = asset[EXTERNAL]
    if oracle[O_WEIGHT] < 1.0:
        raw = oracle[O_WEIGHT] * asset[EXTERNAL] + (1.0 - oracle[O_WEIGHT]) * spot
    if rules.shapes_oracle:
        raw = believed(asset, oracle, raw, elapsed)
        if elapsed > 0.0:
            interval = oracle[O_WIDTH] * np.sqrt(asset[VARIANCE])
            asset[UNSURE] = 1.0 if interval > oracle[O_WIDEST] else 0.0
            asset[DOUBT] = min(oracle[O_CAUTION] * interval, 1.0)
    moved = asset[ORACLE_AGE] >= oracle[O_HEARTBEAT] or abs(raw / asset[INDEX] - 1.0) >= oracle[O_DEVIATION]
    if moved and asset[HALTED] + asset[UNSURE] == 0.0:
        asset[INDEX] = raw
        if elapsed > 0.0:
            asset[ORACLE_AGE] = 0.0


@rule
def is_halted(asset, oracle, dt):
    """Whether the circuit breaker of an asset holds, a substep later: it looks at the index once a substep."""
    asset[HALT_LEFT] = max(asset[HALT_LEFT] - dt, 0.0)
    asset[BREAK_AGE] += dt
    broke = abs(asset[INDEX] / asset[BREAK_REFERENCE] - 1.0) >= oracle[O_MOVE]
    if broke:
        asset[HALT_LEFT] = oracle[O_HALT]
    if broke or asset[BREAK_AGE] >= oracle[O_SPAN]:
        asset[BREAK_REFERENCE] = asset[INDEX]
        asset[BREAK_AGE] = 0.0
    return asset[HALT_LEFT] > 0.0


@rule
def find_stale(b, rules):
    """Which oracles are older than their protocol believes, or halted by their circuit breaker."""
    b.scalar[ANY_STALE] = 0.0
    for a in range(rules.assets):
        b.asset[a, STALE] = 1.0 if b.asset[a, ORACLE_AGE] > rules.oracle[a, O_STALE] else 0.0
        if rules.oracle[a, O_MOVE] > 0.0 and is_halted(b.asset[a], rules.oracle[a], rules.dt):
            b.asset[a, STALE] = 1.0
        b.scalar[ANY_STALE] = max(b.scalar[ANY_STALE], b.asset[a, STALE])


@rule
def learn_variance(b, known, rules):
    """The volatility that is read learns from what the oracle published, or is what is known elsewhere."""
    if rules.reads_known:
        for a in range(rules.assets):
            b.asset[a, VARIANCE] = known[a] * known[a]
        return
    for a in range(rules.assets):
        keep = rules.variance_keep
        squared = 0.0
        if b.asset[a, INDEX] != b.asset[a, LAST_INDEX]:
            move = np.log(b.asset[a, INDEX] / b.asset[a, LAST_INDEX])
            squared = move * move
        b.asset[a, VARIANCE] = keep * b.asset[a, VARIANCE] + (1.0 - keep) * squared / rules.year
