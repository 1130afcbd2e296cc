"""Options in the engine equal the plain reference, written from section 8 of docs/model.md, to 1e-9 on random worlds."""

from __future__ import annotations

import dataclasses
import importlib.util
import math
import random
import sys
from pathlib import Path

import numpy as np
import pytest
from pydantic import TypeAdapter

from simulator.agents import Keepers, OptionBuyers, OptionHedgers, OptionWriters
from simulator.agents.demand import Elasticity
from simulator.market import MarketPaths
from simulator.market.surface import ImpliedSurface, make_surfaces
from simulator.parameters import PortfolioParameters, RiskParameters
from simulator.protocol.liquidation_shapes import DutchAuction
from simulator.protocol.options import OptionMargin
from simulator.protocol.portfolio_margin.scenario_grid import ScenarioGrid


def _module(name: str):
    """A module of this folder, whatever way pytest imports tests."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


engine = _module("test_engine_equals_reference")
worlds = _module("reference_worlds")
reference = _module("reference_options")

ONE = Elasticity(low=0.5, central=1.0, high=2.0)
SIZES = {"accounts": 1, "wealth": {"median": 1.0}}


GRID = TypeAdapter(ScenarioGrid).validate_python(
    {
        "kind": "scenario-grid",
        "scenarios": [
            *({"spot": spot, "volatility": moves} for spot in (0.85, 0.93, 1.0, 1.07, 1.15) for moves in ("up", "none", "down")),
            {"spot": 0.5, "volatility": "up", "share": 0.2},
            {"spot": 2.0, "volatility": "up", "share": 0.14},
            {"volatility": "linear-skew"},
            {"volatility": "absolute-skew"},
        ],
    }
)


SEEDS = (*range(14), 38, 40)  # latent bad debt is rare: two worlds of it
BOUNDS = {"open": 150.0, "open_in_expiry": 60.0, "vega": 300.0, "gamma": 1e5}


def dealers(draw):
    """Buyers, writers of both kinds and hedgers, who look often."""
    fields = {"underlying": "ETH", "activity": 12.0} | SIZES
    return [
        OptionBuyers(
            kind="option-buyers", name="buyers", spending={"low": 0.1, "high": 1.0}, holding_days=1.0,
            price_elasticity=ONE, **fields,
        ),
        OptionWriters(
            kind="option-writers", name="covered", collateral="ETH", choice={"type": "call", "lowest": 1.0},
            leverage={"low": 1, "high": 2}, holding_days=3.0, top_up_probability=0.5,
            leverage_elasticity=ONE, entry_margin_elasticity=ONE, **fields,
        ),
        OptionWriters(
            kind="option-writers", name="naked", leverage={"low": 1, "high": 2}, margin_buffer=draw.choice([0.0, 0.1]),
            holding_days=3.0, entry_fee_sensitivity=ONE, price_elasticity=ONE, **fields,
        ),
        OptionHedgers(
            kind="option-hedgers", name="hedgers", leverage={"low": 1, "high": 2}, holding_days=2.0,
            price_elasticity=ONE, **fields,
        ),
    ]  # fmt: skip


def option_world(seed):
    """ETH options, a perpetual and a pool, hourly for four days, a crash; grids where `seed` is odd, auctions at 2 and 3 of 4."""
    draw, draw_of_limits = random.Random(f"options {seed}"), random.Random(f"limits of options {seed}")
    steps, substeps = 96, draw.choice([1, 2])
    eth = worlds.falling(draw, steps, 0.012, 50, draw.choice([-0.2, 0.0, 0.25]))
    prices = [[p, 1.0] for p in eth]
    volatility = [[0.7 * math.exp(draw.gauss(0, 0.3)), 0.01] for _ in range(steps // substeps)]
    tree = worlds.lending_parameters().model_dump() | worlds.perpetual_parameters().model_dump(include={"perpetuals"})
    tree["fees"] = {"flat": 0.0005}
    tree["liquidation"]["penalty"] = 0.01
    tree["options"] = {"ETH": {"penalty": draw.choice([0.0, 0.002]), "initial_spot": 0.15, "least_spot": 0.13}}
    bound = draw_of_limits.choice(["none", "open", "open_in_expiry", "vega", "gamma"])
    tree["options"]["ETH"] |= {f"most_{bound}": BOUNDS[bound]} if bound in BOUNDS else {}
    current = RiskParameters.model_validate(tree)
    if seed % 2 == 1:
        portfolio = PortfolioParameters(maintenance_factor=draw.choice([0.3, 0.8]))
        current = current.model_copy(update={"portfolio": portfolio})
    candidate = current.replace(
        {"options.ETH.most_open": 200.0, "options.ETH.initial_spot": 0.3, "options.ETH.maintenance_put": draw.choice([0.05, 0.2])}
    )
    cohorts = [
        *dealers(draw),
        worlds.traders(activity=12.0, holding_days=1.0),
        worlds.borrowers(activity=6.0, holding_days=2.0),
        worlds.suppliers(activity=6.0),
        Keepers(
            kind="keepers", latency=draw.choice([0.0, 2500.0]), gas=draw.choice([0.0, 0.5]),
            acts=draw.choice(["always", "at-a-profit"]),
        ),
    ]  # fmt: skip

    def crowd(n, low, high):
        return worlds.people([draw.uniform(200, 5000) for _ in range(n)], [draw.uniform(low, high) for _ in range(n)])

    books = [
        crowd(8, 0.05, draw_of_limits.choice([0.5, 1.3])),
        crowd(8, 1, 5),
        crowd(8, 1, 8),
        crowd(6, 1, 4),
        crowd(8, 1, 8),
        crowd(4, 0.4, 0.9),
    ]
    books.append(worlds.people([draw.uniform(1e4, 5e4) for _ in range(4)]))
    rules = worlds.protocol(
        venues={
            "ETH": {
                "spot": worlds.linear(5e5, permanent_share=0.3),
                "perpetual": worlds.linear(5e5),
                "oracle": {"oracle_weight": 0.7},
            },
            "USDC": {"spot": worlds.linear(1e9)},
        },
        options={
            "markets": {
                "ETH": {
                    "expiries": [{"interval": 0.5, "listed": 2}, {"interval": 3.0, "listed": 1}],
                    "strikes": [0.9, 1.0, 1.1],
                    "settlement_window": draw.choice([0.0, 1800.0, 10_800.0]),
                }
            },
            "venue": {"depth": draw.choice([3e3, 1e5]), "half_life": 8000.0},
            "writer": {"capital": draw.choice([1e3, 1e6]), "hedge_ratio": draw.choice([0.0, 1.0])},
        },
        valuation_price=draw.choice(["mark", "index"]),
        liquidation={"kind": draw.choice(["partial", "whole"]), "guaranteed": draw.random() < 0.3},
        counterparty=worlds.maker(1e5, 0.7),
        fund={"cash": draw.choice([0.0, 300.0]), "tokens": {"ETH": 1.0}, "fee_share": 0.3},
        backstop=draw.choice([{"kind": "none"}, {"kind": "vault", "capital": 5e3, "threshold": 0.9}]),
        residual=draw.choice(["socialised", "uncovered"]),
    )
    if seed % 2 == 1:
        rules = rules.model_copy(update={"options": rules.options.model_copy(update={"margin": GRID})})
    if seed % 4 >= 2:
        auction = TypeAdapter(DutchAuction).validate_python({"kind": "dutch-auction", "fast": draw.choice([900.0, 9000.0])})
        rules = rules.model_copy(update={"options": rules.options.model_copy(update={"liquidation": auction})})
    base = worlds.world(
        eth, current, cohorts, books, rules, candidate=candidate, prices=prices, volatility=volatility, substeps=substeps,
        burn_in_steps=36, transition_steps=24, seed=seed, reference_volatility={"ETH": 0.7, "USDC": 0.01},
    )  # fmt: skip
    parts = {"ETH": ImpliedSurface()}
    paths = MarketPaths(("ETH", "USDC"), base.dt, substeps, np.array(prices)[:, :, None], np.array(volatility)[:, :, None])
    surface = make_surfaces(parts, paths, [0.7, 0.01], base.seed, base.purpose, base.path)
    fields = {name: getattr(base, name) for name in base.__dataclass_fields__}
    return reference.OptionWorld(**fields, surface_parts=parts, surfaces=surface[:, :, :, 0].tolist())


RISK = {"ETH": {"long_run_volatility": 0.6, "stressed_volatility": 1.4}}
MARGINS = {
    "offsets": {"kind": "standard", "offsets": True, "initial_unpaired": 0.5, "maintenance_unpaired": 0.05},
    "span": {"kind": "span", "price_scan_range": 0.1, "volatility_scan_range": 0.2, "short_option_minimum": 0.02},
    "expected-shortfall": {"kind": "expected-shortfall", "markets": {"ETH": {"volatility": 0.8, "slippage": 0.01}}},
    "naked": {"kind": "naked", "bounds": [{"days": 1.0, "share": 0.03}, {"days": 3.0, "share": 0.08}], "spot_share": 0.95},
    "parametric": {"kind": "parametric", "markets": RISK, "degrees_of_freedom": 4.0},
    "delta-gamma": {"kind": "delta-gamma", "markets": RISK, "anti_procyclical": {"kind": "stressed-weight"}},
}


def margined(world, name):
    """`world` with the margin `name` of accounts that hold options, and of one an oracle that is stale in every third step."""
    margin = TypeAdapter(OptionMargin).validate_python(MARGINS[name])
    options = world.protocol.options.model_copy(update={"margin": margin})
    venue = world.protocol.venues["ETH"]
    slow = {"deviation": 0.9, "heartbeat": 2.5 * world.dt, "stale_after": 1.5 * world.dt}
    oracle = venue.oracle.model_copy(update=slow if name == "naked" else {})
    venues = world.protocol.venues | {"ETH": venue.model_copy(update={"oracle": oracle})}
    return dataclasses.replace(world, protocol=world.protocol.model_copy(update={"options": options, "venues": venues}))


def drawn(seed, margin=None):
    """The next world from `seed` whose decisions all stay clear of their thresholds, and its reference run."""
    for attempt in range(20):
        world = option_world(1000 * attempt + seed)
        world = margined(world, margin) if margin else world
        try:
            run = reference.reference_run(world)
        except OverflowError:
            continue
        if run["worlds_near_threshold"] > 1e-11 and not engine._squeezed(world, run):
            return world, run
    raise AssertionError("20 worlds in a row could not be compared")


@pytest.mark.parametrize("watches", [True, False], ids=["watch-list", "brute-force"])
@pytest.mark.parametrize("seed", SEEDS)
def test_options_in_the_engine_equal_the_reference(seed, watches):
    assert_equal(*drawn(seed), watches)


@pytest.mark.parametrize("name", MARGINS)
def test_every_margin_method_in_the_engine_equals_the_reference(name):
    assert_equal(*drawn(4, name), watches=True)


def assert_equal(world, run, watches):
    """Every outcome, account and option of the engine is the reference's."""
    model = engine.engine_of(world, watches)
    model.run(world.burn_in_steps)
    engine.compare(world, run, model)
    first = model.state.accounts.shape[2] - model.rules.options
    gross = 1.0 + float(np.abs(model.state.accounts).max())
    for i, row in enumerate(run["rows"]):
        ours = model.state.accounts[0, i]
        assert engine.close(ours[0], row.cash, gross), f"record {i}: cash {ours[0]} != {row.cash}"
        for j, n in enumerate(row.option):
            assert engine.close(ours[first + j], n, 1.0), f"record {i} option {j}: {ours[first + j]} != {n}"
    for j, option in enumerate(run["options"]):
        ours = model.state.option[0, j]
        assert engine.close(ours[0], option.strike)
        assert engine.close(ours[2], option.value, option.strike)


def test_the_worlds_use_every_mechanism():
    """Else equality would prove nothing: trades, expiries, liquidations, takeovers and bad debt all happen in some world."""
    seen = dict.fromkeys(
        ("fees", "refusals", "liquidations", "takeovers", "realised_bad_debt", "latent_bad_debt", "penalties"), 0.0
    )
    traded = 0.0
    for seed in SEEDS:
        _, run = drawn(seed)
        for name in seen:
            seen[name] += run["outcomes"][f"{name}.whole"]
        traded += sum(abs(n) for row in run["rows"] for n in row.option)
    assert traded > 0
    assert all(value > 0 for value in seen.values()), seen
