"""What paths bring to a step beside prices and volatility: droughts, halted oracles, gas, room in blocks. docs/model.md 4.1."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from simulator.kernel import small_rule
from simulator.market import MarketPaths
from simulator.protocol.book import CORRELATION, DEPTH_SHARE, GAS_COST, HALTED, ROOM


class Conditions(NamedTuple):
    """Arrays by substep; empty where there is nothing of the kind."""

    depth_share: np.ndarray  # float64 [substep, asset]
    oracle_halted: np.ndarray  # bool [substep, asset]
    gas: np.ndarray  # float64 [substep, path] gwei
    block_capacity: np.ndarray  # float64 [substep] liquidations
    correlation: np.ndarray  # float64 [market step, path]


def conditions_of(market: MarketPaths) -> Conditions:
    """The conditions that `market` carries."""
    return Conditions(
        np.zeros((0, 0)) if market.depth_share is None else market.depth_share,
        np.zeros((0, 0), np.bool_) if market.oracle_halted is None else market.oracle_halted,
        np.zeros((0, 0)) if market.gas is None else market.gas,
        np.zeros(0) if market.block_capacity is None else market.block_capacity,
        np.zeros((0, 0)) if market.correlation is None else np.array(market.correlation, order="C"),
    )


@small_rule
def meet(b, t, p, price, conditions, rules):
    """Write the conditions of substep `t` on path `p` into the book; `price` [asset] is what holds at its end."""
    if conditions.depth_share.shape[0] > 0:
        for a in range(rules.assets):
            b.asset[a, DEPTH_SHARE] = conditions.depth_share[t, a]
    if conditions.correlation.shape[0] > 0:
        b.scalar[CORRELATION] = conditions.correlation[t // rules.substeps, p]
    if conditions.oracle_halted.shape[0] > 0:
        for a in range(rules.assets):
            b.asset[a, HALTED] = 1.0 if conditions.oracle_halted[t, a] else 0.0
    if conditions.gas.shape[0] > 0:
        b.scalar[GAS_COST] = conditions.gas[t, p] * rules.gas_units * price[rules.gas_asset]
    if conditions.block_capacity.shape[0] > 0:
        fresh = conditions.block_capacity[t]
        b.scalar[ROOM] = min(b.scalar[ROOM] + fresh, max(fresh, 1.0))
