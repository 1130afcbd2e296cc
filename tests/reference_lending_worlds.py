"""Worlds of lending on which the engine and the plain reference model are compared: every shape, curve, limit and category."""

from __future__ import annotations

import math
import random
import sys
from pathlib import Path

from simulator.agents import Keepers
from simulator.agents.demand import Elasticity
from simulator.parameters import RiskParameters

sys.path.insert(0, str(Path(__file__).parent))
from reference_worlds import HOUR, borrowers, falling, linear, people, protocol, suppliers, traders, world

STEPS = 60
ONE = Elasticity(low=0.5, central=1.0, high=2.0)
SHAPES = {
    "close-factor": None,
    "incentive-factor": {"kind": "incentive-factor", "cursor": 0.3, "most": 1.15},
    "reverse-dutch": {"kind": "reverse-dutch", "most_discount": 0.1},
    "absorb-and-resale": {"kind": "absorb-and-resale", "storefront_factor": 0.6, "target_reserves": 2000.0},
}


def among(risks):
    """The head of a world of assets, each with its volatility now and its reference volatility."""
    return {
        "assets": list(risks),
        "volatility": [[now for now, _ in risks.values()]] * STEPS,
        "reference_volatility": {name: usual for name, (_, usual) in risks.items()},
        "burn_in_steps": 8,
        "transition_steps": 20,
    }


FOUR = among({"ETH": (0.6, 0.5), "STE": (0.6, 0.5), "ISO": (0.9, 0.9), "USDC": (0.01, 0.01)})


def curves(draw):
    """One of each kind of interest curve, steep enough to matter within days."""
    line = {"slope": 1.0, "jump": 8.0, "kink": 0.6, "base_rate": 0.02}
    return draw.choice(
        [
            {"slope_below": 0.5, "slope_above": 6.0, "optimal_utilisation": 0.7, "reserve_factor": 0.2},
            {"kind": "flat", "rate": 1.5, "reserve_factor": 0.1},
            {"kind": "jump-rate", **line, "reserve_factor": 0.1},
            {"kind": "independent-curves", "borrow": line, "supply": {**line, "base_rate": 0.0, "slope": 0.9}},
            {"kind": "adaptive-curve", "target_utilisation": 0.5, "initial_rate": 0.8, "reserve_factor": 0.05},
        ]
    )


def pool_parameters(draw, shape):
    """ETH and its staked twin in one category, an isolated asset, USDC: caps that bind at times."""
    lent = ["USDC"] if shape == "absorb-and-resale" else ["USDC", "ETH"]
    credit = {"collateral_factor": 0.75, "liquidation_threshold": 0.8, "liquidation_bonus": 0.06, "liquidation_factor": 0.9}
    tree = {
        "collateral": {
            "ETH": {**credit, "supply_cap": draw.choice([1e18, 2000.0])},
            "STE": {**credit, "supply_cap": draw.choice([1e18, 900.0]), "liquidation_bonus": 0.08},
            "ISO": {**credit, "collateral_factor": 0.6, "debt_ceiling": draw.choice([0.0, 15_000.0, 40_000.0])},
            "USDC": {"collateral_factor": 0.7, "liquidation_threshold": 0.7, "borrow_weight": draw.choice([0.0, 0.02])},
        },
        "borrowing": {name: {**curves(draw), "borrow_cap": draw.choice([1e18, 60_000.0])} for name in lent},
        "categories": {"ether": {"collateral_factor": 0.9, "liquidation_threshold": 0.93, "liquidation_bonus": 0.02}},
        "liquidation": {
            "close_factor": 0.5,
            "full_below_health": 0.95,
            "full_below_value": draw.choice([0.0, 2000.0]),
            "protocol_share": draw.choice([0.0, 0.1]),
            "loans": SHAPES[shape],
        },
    }
    if tree["liquidation"]["full_below_value"]:
        tree["liquidation"]["least_leftover"] = 1000.0
    return RiskParameters.model_validate(tree)


def crowd(draw, n, least=1000.0, most=9000.0, use=(0.6, 0.98)):
    return people(
        [draw.uniform(least, most) for _ in range(n)], [draw.uniform(*use) for _ in range(n)], None,
        [draw.random() < 0.8 for _ in range(n)],
    )  # fmt: skip


def pool_world(seed, shape):
    """Borrowers of four kinds under one shape; the vote moves thresholds, a cap and a curve's end."""
    draw = random.Random(f"{shape} {seed}")
    eth, iso = falling(draw, STEPS, 0.02, 25, 0.25), falling(draw, STEPS, 0.02, 26, 0.35)
    ratio = [1.1 * math.exp(draw.gauss(0.0, 0.004)) for _ in eth]
    usdc = [1.0 + draw.gauss(0, 0.001) for _ in eth]
    current = pool_parameters(draw, shape)
    changes = {"collateral.ETH.liquidation_threshold": 0.78, "collateral.STE.supply_cap": 700.0}
    changes |= {"categories.ether.liquidation_threshold": 0.92, "borrowing.USDC.borrow_cap": 50_000.0}
    candidate = current.replace(changes)
    absorbs = shape == "absorb-and-resale"
    twin = {"collateral": "STE", "debt": "USDC" if absorbs else "ETH"}
    both = {"collateral": draw.choice(["STE", "ISO"]), "debt": "USDC", "also": () if absorbs else ("ETH",)}
    cohorts = [
        borrowers(name="eth", activity=8.0, holding_days=2.0, top_up_probability=0.3, factor_elasticity=ONE),
        borrowers(name="ste", activity=8.0, holding_days=2.0, top_up_probability=0.2).model_copy(update=twin),
        borrowers(name="iso", activity=8.0, holding_days=2.0).model_copy(update={"collateral": "ISO"}),
        borrowers(name="two", activity=12.0, holding_days=1.0, top_up_probability=0.5).model_copy(update=both),
        suppliers(name="usdc", activity=6.0, rate_elasticity=ONE, run_utilisation=0.9, reference_rate=0.5),
        Keepers(
            kind="keepers", latency=draw.choice([0.0, 3000.0]), capital=draw.choice([3e3, 5e4]), turnover=7200.0,
            gas=draw.choice([0.0, 2.0]), acts=draw.choice(["at-a-profit", "at-a-profit", "always"]),
        ),
    ]  # fmt: skip
    books = [
        crowd(draw, 8),
        crowd(draw, 8),
        crowd(draw, 6, 1000.0, 5000.0),
        crowd(draw, 8),
        people([draw.uniform(1e4, 3e4) for _ in range(5)]),
    ]
    if not absorbs:
        cohorts.append(suppliers(name="eth-lent", activity=6.0).model_copy(update={"asset": "ETH"}))
        books.append(people([draw.uniform(2e4, 4e4) for _ in range(3)]))
    spot = {"oracle": {"oracle_weight": 0.7}}
    rules = protocol(
        venues={
            "ETH": {"spot": linear(draw.choice([1e5, 2e6]), permanent_share=0.2), **spot},
            "STE": {"spot": linear(3e5, half_life=5000.0), **spot},
            "ISO": {"spot": {"kind": "linear-permanent", "depth": 1e6, "coefficient": 0.5}},
            "USDC": {"spot": linear(1e6)},
        },
        fund={"cash": draw.choice([0.0, 300.0])},
        lending={
            "accrual": draw.choice(["simple", "three-term", "continuous"]),
            "categories": {"ether": ["ETH", "STE"]},
            "borrowable_in_isolation": ["USDC"],
            "siloed": draw.choice([[], ["USDC"], [list(current.borrowing)[-1]]]),
            "reserves": draw.choice([{}, {"USDC": 300.0}]),
        },
        change={"notice": 0.0, "phase_in": draw.choice([0.0, 5 * HOUR])},
    )
    return world(
        eth,
        current,
        cohorts,
        books,
        rules,
        candidate=candidate,
        cash=[draw.choice([0.0, 150.0, 900.0]) for book in books for _ in book["wealth"]] if seed % 2 and not absorbs else (),
        prices=[list(row) for row in zip(eth, [e * r for e, r in zip(eth, ratio, strict=True)], iso, usdc, strict=True)],
        seed=seed,
        **FOUR,
    )


def close_factor_world(seed):
    return pool_world(seed, "close-factor")


def incentive_world(seed):
    return pool_world(seed, "incentive-factor")


def reverse_dutch_world(seed):
    return pool_world(seed, "reverse-dutch")


def absorbing_world(seed):
    return pool_world(seed, "absorb-and-resale")


def cross_world(seed):
    """A perpetual book and a pool in the same accounts: deposits under positions, under every shape but absorption."""
    draw = random.Random(f"cross {seed}")
    shape = draw.choice(["close-factor", "incentive-factor", "reverse-dutch"])
    tree = pool_parameters(draw, shape).model_dump()
    tree["perpetuals"] = {"ETH": {"initial_margin_ratio": 0.1, "maintenance_margin_ratio": 0.05}}
    tree["liquidation"]["penalty"] = 0.01
    tree["collateral"]["ETH"]["haircut"] = 0.05
    if seed % 3:
        tree["overdraft"] = {"base_rate": 0.2, "slope": 2.0, "jump": 9.0, "kink": 0.6, "reserve_factor": draw.choice([0.0, 0.2])}
    current = RiskParameters.model_validate(tree)
    eth, iso = falling(draw, STEPS, 0.02, 25, 0.25), falling(draw, STEPS, 0.02, 26, 0.35)
    cohorts = [
        borrowers(name="eth", activity=8.0, holding_days=2.0, top_up_probability=0.3),
        traders(name="on-eth", activity=24.0, holding_days=2.0, top_up_probability=0.4).model_copy(update={"collateral": "ETH"}),
        traders(name="on-usdc", activity=24.0, holding_days=2.0).model_copy(update={"collateral": "USDC"}),
        suppliers(name="usdc", activity=6.0, rate_elasticity=ONE),
        Keepers(kind="keepers", latency=draw.choice([0.0, 3000.0]), capital=2e4, turnover=7200.0, gas=1.0),
    ]
    books = [crowd(draw, 8), crowd(draw, 10, 500, 5000, (1, 6)), crowd(draw, 10, 500, 5000, (1, 6)), people([2e4, 3e4, 2e4])]
    for book in books[1:3]:
        book["side"] = [draw.choice([1.0, -1.0]) for _ in book["wealth"]]
    rules = protocol(
        venues={
            "ETH": {"spot": linear(3e5), "perpetual": linear(2e5, permanent_share=0.2), "oracle": {"oracle_weight": 0.8}},
            "STE": {"spot": linear(3e5)},
            "ISO": {"spot": linear(1e6)},
            "USDC": {"spot": linear(1e6)},
        },
        counterparty={"kind": "maker", "capital": 3e4, "hedge_ratio": 0.5},
        liquidation={"kind": "partial", "buffer": 0.3, "minimum_notional": 200.0},
        fund={"cash": 100.0},
        lending={
            "categories": {"ether": ["ETH", "STE"]},
            "borrowable_in_isolation": ["USDC"],
            "accrual": draw.choice(["simple", "continuous"]),
        },
        backstop={"kind": "vault", "capital": draw.choice([500.0, 1e5]), "threshold": 0.9, "unwind_half_life": 9000.0},
    )
    return world(
        eth,
        current,
        cohorts,
        books,
        rules,
        prices=[[e, 1.1 * e, i, 1.0] for e, i in zip(eth, iso, strict=True)],
        cash=[draw.choice([0.0, 200.0]) for book in books for _ in book["wealth"]] if seed % 2 else (),
        seed=seed,
        **FOUR,
    )


def bands_world(seed):
    """Two collaterals in bands against one debt asset, prices that fall and come back through them."""
    draw = random.Random(f"bands {seed}")
    eth, wbtc = (_there_and_back(draw, depth) for depth in (draw.uniform(0.1, 0.3), draw.uniform(0.05, 0.4)))
    usd = [1.0 + draw.gauss(0, 0.001) for _ in eth]
    loans = {
        "kind": "bands",
        "amplification": draw.choice([20, 50, 100]),
        "bands": draw.choice([4, 10]),
        "fee": draw.choice([0.0, 0.006]),
        "fee_delay": (0.0, 2000.0, 9000.0)[seed % 3],
    }
    tree = {
        "collateral": {"ETH": {}, "WBTC": {}, "USD": {"liquidation_threshold": 0.9, "collateral_factor": 0.0}},
        "borrowing": {"USD": {**curves(draw), "borrow_cap": draw.choice([1e18, 90_000.0])}},
        "liquidation": {"loans": {**loans, "loan_discount": 0.09, "liquidation_discount": 0.06}},
    }
    current = RiskParameters.model_validate(tree)
    candidate = current.replace({"liquidation.loans.liquidation_discount": 0.08, "liquidation.loans.fee": 0.01})
    like = {"activity": 8.0, "holding_days": 2.0, "top_up_probability": 0.3, "top_up_below": 1.01, "factor_elasticity": ONE}
    cohorts = [
        borrowers(name="eth", **like).model_copy(update={"debt": "USD"}),
        borrowers(name="wbtc", **like).model_copy(update={"debt": "USD", "collateral": "WBTC", "bands": (None, 5, 17)[seed % 3]}),
        suppliers(name="usd", activity=6.0, rate_elasticity=ONE, run_utilisation=0.9).model_copy(update={"asset": "USD"}),
        Keepers(
            kind="keepers", latency=draw.choice([0.0, 3000.0]), capital=draw.choice([3e3, 5e4]), turnover=7200.0,
            gas=draw.choice([0.0, 2.0]), acts=draw.choice(["at-a-profit", "at-a-profit", "always"]),
        ),
    ]  # fmt: skip
    books = [crowd(draw, 8, use=(0.6, 0.97)), crowd(draw, 8, use=(0.6, 0.97)), people([draw.uniform(3e4, 6e4) for _ in range(4)])]
    rules = protocol(
        venues={
            "ETH": {"spot": linear(draw.choice([1e5, 2e6]), permanent_share=0.2), "oracle": {"oracle_weight": 0.7}},
            "WBTC": {"spot": {"kind": "linear-permanent", "depth": 1e6, "coefficient": 0.5}, "oracle": {"deviation": 0.01}},
            "USD": {"spot": linear(1e6)},
        },
        lending={"accrual": "continuous", "reserves": draw.choice([{}, {"USD": 3000.0}])},
    )
    return world(
        eth,
        current,
        cohorts,
        books,
        rules,
        candidate=candidate,
        prices=[list(row) for row in zip(eth, wbtc, usd, strict=True)],
        **among({"ETH": (0.6, 0.5), "WBTC": (0.7, 0.5), "USD": (0.01, 0.01)}),
        block_capacity=draw.choice([None, [0.7] * STEPS]),
        seed=seed,
    )


def _there_and_back(draw, depth):
    """A noisy fall by `depth` in the first half, and half of it back."""
    found = [100.0]
    for t in range(STEPS):
        found.append(found[-1] * math.exp((-depth if t < STEPS // 2 else depth / 2) * 2 / STEPS + draw.gauss(0, 0.006)))
    return found


MAKERS = [close_factor_world, incentive_world, reverse_dutch_world, absorbing_world, cross_world, bands_world]
