"""Worlds on which the engine and the plain reference model are compared, small and rough: every mechanism fires."""

import contextlib
import math
import random
import sys
from dataclasses import replace
from pathlib import Path

from pydantic import ValidationError

from simulator.agents import Borrowers, Keepers, PerpTraders, Suppliers
from simulator.agents.demand import Elasticity, Wealth
from simulator.agents.perp_traders import LeverageRange
from simulator.market.gas import ConstantGas
from simulator.parameters import RiskParameters
from simulator.protocol import Protocol
from simulator.scenario import Vote

sys.path.insert(0, str(Path(__file__).parent))
from reference_model import World

HOUR = 3600.0
SIZES = {"accounts": 1, "wealth": Wealth(median=1.0)}
RANGE = LeverageRange(low=0.1, high=1.0)


def traders(**fields):
    fields = {"name": "traders", "activity": 0.0, "margin_buffer": 0.0} | fields
    return PerpTraders(kind="perp-traders", market="ETH", leverage=RANGE, **SIZES, **fields)


def borrowers(**fields):
    fields = {"name": "borrowers", "activity": 0.0} | fields
    return Borrowers(kind="borrowers", collateral="ETH", debt="USDC", use=RANGE, **SIZES, **fields)


def suppliers(**fields):
    return Suppliers(kind="suppliers", asset="USDC", **({"name": "suppliers", "activity": 0.0} | SIZES | fields))


def people(wealth, appetite=None, side=None, is_open=None):
    n = len(wealth)
    return {
        "wealth": wealth,
        "appetite": appetite or [1.0] * n,
        "side": side or [1.0] * n,
        "is_open": is_open or [True] * n,
    }


def perpetual_parameters(**changes):
    tree = {
        "perpetuals": {"ETH": {"initial_margin_ratio": 0.1, "maintenance_margin_ratio": 0.05}},
        "liquidation": {"penalty": 0.01},
    }
    return RiskParameters.model_validate(tree).replace(changes)


def lending_parameters():
    tree = {
        "collateral": {
            "ETH": {"collateral_factor": 0.8, "liquidation_threshold": 0.85, "liquidation_bonus": 0.05},
            "USDC": {"collateral_factor": 0.0, "liquidation_threshold": 0.0},
        },
        "borrowing": {"USDC": {"slope_below": 0.0, "slope_above": 0.0, "optimal_utilisation": 0.8}},
        "liquidation": {"close_factor": 0.5, "full_below_health": 0.95},
    }
    return RiskParameters.model_validate(tree)


def linear(depth, **fields):
    return {"kind": "linear", "depth": depth} | fields


def maker(capital, hedge_ratio):
    return {"kind": "maker", "capital": capital, "hedge_ratio": hedge_ratio}


def protocol(**fields):
    venues = {"ETH": {"spot": linear(1e6), "perpetual": linear(1e5)}, "USDC": {"spot": linear(1e9)}}
    return Protocol.model_validate({"venues": venues, "counterparty": maker(0.0, 0.0)} | fields)


def world(eth, parameters, cohorts, populations, rules=None, **fields):
    """ETH at the given prices, USDC at 1, hourly steps, the vote at load."""
    settings = {
        "assets": ["ETH", "USDC"],
        "prices": [[p, 1.0] for p in eth],
        "volatility": [[0.5, 0.01]] * (len(eth) - 1),
        "substeps": 1,
        "dt": HOUR,
        "reference_volatility": {"ETH": 0.5, "USDC": 0.01},
        "path": 0,
        "seed": 1,
        "purpose": "test",
        "burn_in_steps": 0,
        "transition_steps": 1,
        "steps": len(eth) - 1,
        "protocol": rules or protocol(),
        "current": parameters,
        "candidate": parameters,
        "cohorts": cohorts,
        "populations": populations,
    }
    return World(**(settings | fields))


def mixed_world(seed):
    """Everything at once: perps, lending, a vault, a fund in tokens, keepers who wait, and falling prices."""
    draw = random.Random(seed)
    eth = [100.0]
    for t in range(120):
        eth.append(eth[-1] * math.exp(draw.gauss(-0.004, 0.02) - (0.25 if t == 60 else 0.0)))
    tree = lending_parameters().model_dump() | perpetual_parameters().model_dump(include={"perpetuals"})
    tree["borrowing"]["USDC"] = {"slope_below": 0.05, "slope_above": 2.0, "optimal_utilisation": 0.8, "reserve_factor": 0.1}
    tree["fees"] = {"flat": 0.0005, "volatility_slope": 0.001, "cap": 0.01}
    tree["liquidation"]["penalty"] = 0.01
    current = RiskParameters.model_validate(tree)
    candidate = current.replace({"perpetuals.ETH.initial_margin_ratio": 0.2, "perpetuals.ETH.maintenance_margin_ratio": 0.1})
    one = Elasticity(low=0.5, central=1.0, high=2.0)
    cohorts = [
        traders(activity=12.0, holding_days=1.0, top_up_probability=0.5, leverage_elasticity=one, entry_margin_elasticity=one),
        Keepers(kind="keepers", latency=1800.0, capital=5e4, gas=0.5),
        borrowers(activity=6.0, holding_days=2.0, top_up_probability=0.3, rate_sensitivity=one),
        suppliers(activity=6.0, rate_elasticity=Elasticity(low=0.1, central=0.2, high=0.3)),
    ]
    flat = [draw.random() < 0.7 for _ in range(25)]
    books = [
        people([draw.uniform(100, 5000) for _ in flat], [draw.uniform(1, 10) for _ in flat],
               [draw.choice([1.0, -1.0]) for _ in flat], flat),
        people([draw.uniform(1000, 9000) for _ in range(12)], [draw.uniform(0.4, 0.95) for _ in range(12)], None, flat[:12]),
        people([draw.uniform(1e4, 5e4) for _ in range(5)]),
    ]  # fmt: skip
    asset = {"oracle_weight": 0.5, "deviation": 0.005}
    rules = protocol(
        venues={
            "ETH": {
                "spot": linear(2e5, permanent_share=0.3, depth_elasticity=1.0),
                "perpetual": linear(3e5),
                "oracle": asset,
            },
            "USDC": {"spot": {"kind": "linear-permanent", "depth": 1e8, "coefficient": 0.5}},
        },
        valuation_price="mark",
        liquidation={"kind": "partial", "guaranteed": seed % 2 == 1},
        counterparty=maker(1e5, 0.7),
        fund={"cash": 50.0, "tokens": {"ETH": 1.0}, "fee_share": 0.3},
        backstop={"kind": "vault", "capital": 2000.0},
        change={"notice": 5 * HOUR, "phase_in": 20 * HOUR},
        residual="socialised" if seed % 3 else "uncovered",
    )
    volatility = [[0.5 * math.exp(draw.gauss(0, 0.5)), 0.01] for _ in range(60)]
    fields = {"substeps": 2, "volatility": volatility, "burn_in_steps": 20, "transition_steps": 30, "seed": seed}
    return world(eth, current, cohorts, books, rules, candidate=candidate, **fields)


def falling(draw, steps, deviation, crash_at, crash):
    """Prices that wander and once fall."""
    prices = [100.0]
    for t in range(steps):
        prices.append(prices[-1] * math.exp(draw.gauss(0.0, deviation) - (crash if t == crash_at else 0.0)))
    return prices


def perpetual_world(seed):
    """One market, whole liquidation by instant keepers who always act, no vault, an instant oracle that sees the venue."""
    draw = random.Random(f"perpetual {seed}")
    n = 30
    prices = falling(draw, 80, 0.015, 40, 0.15)
    crowd = people(
        [draw.uniform(100, 5000) for _ in range(n)],
        [draw.uniform(1, 9.9) for _ in range(n)],
        [draw.choice([1.0, -1.0, 1.0]) for _ in range(n)],
        [draw.random() < 0.8 for _ in range(n)],
    )
    keepers = Keepers(kind="keepers", acts=draw.choice(["always", "at-a-profit"]), gas=draw.choice([0.0, 3.0]))
    venue = draw.choice(
        [linear(6e5, permanent_share=draw.random()), {"kind": "linear-permanent", "depth": 3e6, "coefficient": 0.5}]
    )
    rules = protocol(
        venues={"ETH": {"spot": linear(1e6), "perpetual": venue, "oracle": {"oracle_weight": draw.random()}}},
        valuation_price=draw.choice(["mark", "index"]),
        liquidation={"kind": "whole", "guaranteed": draw.random() < 0.5, "keeper_share": draw.choice([0.0, 0.5])},
        counterparty=draw.choice([{"kind": "outside"}, maker(1e4, 1.0), maker(1e5, 0.0)]),
        fund={"cash": draw.choice([0.0, 300.0])},
        gains={"weight": draw.choice([1.0, 0.5]), "cap": draw.choice([1e18, 500.0])},
        residual=draw.choice(["socialised", "uncovered"]),
        max_rounds=draw.choice([1, 16]),
    )
    return world(
        prices,
        perpetual_parameters(),
        [traders(activity=12.0, holding_days=1.0, top_up_probability=0.3, long_share=0.7), keepers],
        [crowd],
        rules,
        assets=["ETH"],
        prices=[[p] for p in prices],
        volatility=[[0.5]] * 80,
        reference_volatility={"ETH": 0.5},
        seed=seed,
        burn_in_steps=10,
        transition_steps=20,
    )


def many_asset_world(seed):
    """Two markets and three currencies margined together, borrowers of two kinds, a vault without much."""
    draw = random.Random(f"many {seed}")
    steps = 60
    eth, btc = falling(draw, steps, 0.02, 25, 0.3), falling(draw, steps, 0.015, 26, 0.2)
    usdc = [1.0 + draw.gauss(0, 0.001) for _ in range(steps + 1)]
    tree = {
        "perpetuals": {
            "BTC": {"initial_margin_ratio": 0.08, "maintenance_margin_ratio": 0.04},
            "ETH": {"initial_margin_ratio": 0.1, "maintenance_margin_ratio": 0.05},
        },
        "collateral": {
            "ETH": {"haircut": 0.05, "collateral_factor": 0.8, "liquidation_threshold": 0.85, "liquidation_bonus": 0.05},
            "BTC": {"haircut": 0.02, "collateral_factor": 0.75, "liquidation_threshold": 0.8, "liquidation_bonus": 0.07},
            "USDC": {"collateral_factor": 0.9, "liquidation_threshold": 0.92, "borrow_weight": 0.05},
        },
        "borrowing": {
            "USDC": {"slope_below": 0.05, "slope_above": 2.0, "optimal_utilisation": 0.8, "reserve_factor": 0.1},
            "ETH": {"base_rate": 0.01, "slope_below": 0.05, "slope_above": 1.0, "optimal_utilisation": 0.7},
        },
        "fees": {"flat": 0.0005, "volatility_slope": 0.0005, "cap": 0.01},
        "liquidation": {"penalty": 0.01, "close_factor": 0.5, "full_below_health": 0.95},
    }
    current = RiskParameters.model_validate(tree)
    candidate = current.replace({"collateral.ETH.liquidation_threshold": 0.82, "perpetuals.BTC.initial_margin_ratio": 0.05})
    one = Elasticity(low=0.5, central=1.0, high=2.0)

    def crowd(n, low, high, least, most):
        return people(
            [draw.uniform(low, high) for _ in range(n)],
            [draw.uniform(least, most) for _ in range(n)],
            [draw.choice([1.0, -1.0]) for _ in range(n)],
            [draw.random() < 0.8 for _ in range(n)],
        )

    cohorts = [
        borrowers(name="eth-usdc", activity=8.0, holding_days=2.0, top_up_probability=0.3, factor_elasticity=one),
        traders(name="btc", activity=8.0, holding_days=1.0, leverage_elasticity=one).model_copy(update={"market": "BTC"}),
        suppliers(name="usdc", activity=6.0, rate_elasticity=one, run_utilisation=0.9),
        Keepers(kind="keepers", latency=draw.choice([0.0, 4000.0]), capital=2e4, turnover=7200.0, gas=1.0),
        borrowers(name="btc-eth", activity=8.0, holding_days=3.0).model_copy(update={"collateral": "BTC", "debt": "ETH"}),
        suppliers(name="eth", activity=6.0).model_copy(update={"asset": "ETH"}),
        traders(name="eth-perp", activity=12.0, holding_days=1.0, top_up_probability=0.4),
        traders(name="both", activity=24.0, holding_days=2.0, top_up_probability=0.4, margin_buffer=0.02).model_copy(
            update={"also": ("BTC",), "collateral": draw.choice(["ETH", "USDC", None])}
        ),
    ]
    books = [
        crowd(10, 1000, 9000, 0.4, 0.95),
        crowd(15, 100, 5000, 1, 11),
        people([draw.uniform(1e4, 3e4) for _ in range(4)]),
        crowd(8, 1000, 9000, 0.4, 0.9),
        people([draw.uniform(5e3, 1e4) for _ in range(4)]),
        crowd(15, 100, 5000, 1, 9),
        crowd(12, 500, 5000, 1, 6) | {"side": [[draw.choice([1.0, -1.0, 0.0]) for _ in range(2)] for _ in range(12)]},
    ]
    both = {"spot": linear(3e5, half_life=5000.0), "perpetual": linear(2e5, permanent_share=0.2, depth_elasticity=0.7)}
    rules = protocol(
        venues={
            "BTC": both | {"oracle": {"oracle_weight": 0.9}},
            "USDC": {"spot": linear(1e6)},
            "ETH": both | {"oracle": {"oracle_weight": 0.6, "deviation": 0.003, "heartbeat": 10_000.0}},
        },
        liquidation={"kind": "partial", "buffer": 0.4, "minimum_notional": 200.0},
        counterparty=maker(3e4, 0.5),
        fund={"cash": 100.0, "tokens": {"BTC": 2.0}, "fee_share": 0.5},
        backstop={"kind": "vault", "capital": draw.choice([0.0, 500.0, 1e5]), "threshold": 0.9, "unwind_half_life": 9000.0},
        residual=draw.choice(["socialised", "uncovered"]),
        change={"notice": 0.0, "phase_in": draw.choice([0.0, 7200.0]), "steps": (1, 5, 10_000)[seed % 3]},
    )
    return world(
        eth,
        current,
        cohorts,
        books,
        rules,
        candidate=candidate,
        assets=["BTC", "USDC", "ETH"],
        prices=[[b, u, e] for b, u, e in zip(btc, usdc, eth, strict=True)],
        volatility=[[0.5 * math.exp(draw.gauss(0, 0.4)), 0.01, 0.7 * math.exp(draw.gauss(0, 0.4))] for _ in range(steps // 3)],
        reference_volatility={"BTC": 0.5, "USDC": 0.01, "ETH": 0.7},
        substeps=3,
        burn_in_steps=9,
        transition_steps=21,
        seed=seed,
        elasticity=draw.choice(["low", "central", "high"]),
    )


def pressed(make, seed):
    """One of the worlds above under stress: a drought, halted oracles that grow stale, gas, and blocks without much room."""
    base = make(seed)
    draw = random.Random(f"pressed {make.__name__} {seed}")
    n, k = base.steps, len(base.assets)
    tree = base.protocol.model_dump()
    tree["volatility_source"] = draw.choice(["observed", "conditional"])
    for venues in tree["venues"].values():
        venues["oracle"]["stale_after"] = venues["oracle"]["heartbeat"] = 1.5 * base.dt
    (start, stop), halted = sorted(draw.sample(range(n // 4, n), 2)), draw.randrange(k)
    stress = {
        "gas": ConstantGas(kind="constant", asset="ETH", price=1.0, gas_per_liquidation=1e7),
        "gas_price": [draw.uniform(1.0, 30.0) for _ in range(n)],
        "block_capacity": draw.choice([None, [draw.choice([0.4, 1.0, 2.3]) for _ in range(n)]]),
        "depth_share": [[0.2 if start <= t < stop else 1.0] * k for t in range(n)],
        "oracle_halted": [[start <= t < stop and a == halted for a in range(k)] for t in range(n)],
        "protocol": Protocol.model_validate(tree),
        "cohorts": [c.model_copy(update={"gas": 0.0}) if isinstance(c, Keepers) else c for c in base.cohorts],
    }
    return replace(base, **stress)


def pressed_perpetual_world(seed):
    return pressed(perpetual_world, seed)


def pressed_mixed_world(seed):
    return pressed(mixed_world, seed)


def pressed_many_asset_world(seed):
    return pressed(many_asset_world, seed)


def voted(make, seed):
    """A world under stress whose vote also changes rules: some of every number of protocol and keepers that may change."""
    base = pressed(make, seed)
    draw = random.Random(f"voted {make.__name__} {seed}")
    keepers = next(c for c in base.cohorts if isinstance(c, Keepers)).model_copy(update={"gas_limit": 2e4})
    vote = Vote(parameters=base.candidate, protocol=base.protocol, keepers=keepers)
    rules = [(name, value) for name, value in vote.items() if name.startswith(("protocol.", "keepers."))]
    changed = {"protocol.fund.cash": base.protocol.fund.cash * draw.uniform(0.0, 2.0)}
    for name, value in draw.sample(rules, len(rules) // 2):
        tried = changed | {name: value * draw.uniform(0.5, 1.5)}
        with contextlib.suppress(ValidationError):
            vote.replace(tried)
            changed = tried
    vote = vote.replace(changed)
    cohorts = [keepers if isinstance(c, Keepers) else c for c in base.cohorts]
    return replace(base, cohorts=cohorts, voted_protocol=vote.protocol, voted_gas_limit=vote.keepers.gas_limit)


def voted_perpetual_world(seed):
    return voted(perpetual_world, seed)


def voted_many_asset_world(seed):
    return voted(many_asset_world, seed)


VOTED = [voted_perpetual_world, voted_many_asset_world]
PRESSED = [pressed_perpetual_world, pressed_mixed_world, pressed_many_asset_world]
MAKERS = [perpetual_world, mixed_world, many_asset_world]
