"""Worlds in which markets have margin rules that are not flat, sized so that every rule bites."""

import random
import sys
from dataclasses import replace
from pathlib import Path

from simulator.agents.demand import Elasticity
from simulator.market.online import VolatilityFeed
from simulator.parameters import RiskParameters
from simulator.protocol import Protocol

sys.path.insert(0, str(Path(__file__).parent))
from reference_worlds import many_asset_world

RULES = {
    "flat": {"initial_margin_ratio": 0.08, "maintenance_margin_ratio": 0.04},
    "open-interest-scaled": {
        "initial_margin_ratio": 0.05, "maintenance_fraction": 0.6,
        "lower_open_interest": 3e4, "upper_open_interest": 6e5,
    },
    "size-scaled": {"initial_margin_ratio": 0.08, "maintenance_margin_ratio": 0.04, "size_factor": 0.004},
    "skew-scaled": {
        "skew_scale": 3000.0, "scaled_ratio": 1.0, "minimum_ratio": 0.03, "maintenance_scalar": 0.5, "minimum_margin": 2.0,
    },
    "collateral-factor": {
        "minimum_factor": 0.06, "minimum_factor_liquidation": 0.03, "open_interest_factor": 1.5e-6, "minimum_collateral": 40.0,
    },
    "tiered": {
        "tiers": [
            {"lower_bound": 0.0, "greatest_leverage": 20.0},
            {"lower_bound": 4e3, "greatest_leverage": 12.0},
            {"lower_bound": 1.5e4, "greatest_leverage": 6.0},
        ],
    },
    "volatility-scaled": {
        "initial_margin_ratio": 0.08, "maintenance_margin_ratio": 0.04, "reference_volatility": 0.6, "half_life": 20_000.0,
        "buffer": 0.25, "stressed_weight": 0.25, "stressed_volatility": 1.4, "floor": 0.6, "cap": 5.0,
    },
}  # fmt: skip
CHANGES = {
    "flat": {"initial_margin_ratio": 0.1},
    "open-interest-scaled": {"upper_open_interest": 3e5, "maintenance_fraction": 0.8},
    "size-scaled": {"size_factor": 0.006},
    "skew-scaled": {"scaled_ratio": 2.0, "maintenance_scalar": 0.7},
    "collateral-factor": {"minimum_factor_liquidation": 0.05, "open_interest_factor": 3e-6},
    "tiered": {"tiers.1.greatest_leverage": 8.0, "tiers.0.greatest_leverage": 15.0},
    "volatility-scaled": {"half_life": 7200.0, "floor": 1.0, "cap": 3.0, "stressed_weight": 0.1},
}


def margin_world(seed):
    """Two markets of different rules in the many-asset world: each kind is met once with each of its neighbours."""
    draw = random.Random(f"margin {seed}")
    world = many_asset_world(seed)
    kinds = list(RULES)
    first = kinds[seed % len(kinds)]
    second = kinds[(seed + 1 + seed // len(kinds)) % len(kinds)]
    tree = world.current.model_dump()
    tree["perpetuals"] = {"BTC": {"kind": first, **RULES[first]}, "ETH": {"kind": second, **RULES[second]}}
    current = RiskParameters.model_validate(tree)
    changes = {"collateral.ETH.liquidation_threshold": 0.82}
    for market, kind in (("BTC", first), ("ETH", second)):
        if draw.random() < 0.7:
            changes |= {f"perpetuals.{market}.{name}": value for name, value in CHANGES[kind].items()}
    changed = {"valuation_price": draw.choice(["mark", "index"]), "volatility_source": draw.choice(["observed", "conditional"])}
    rules = world.protocol.model_copy(update=changed)
    return replace(world, current=current, candidate=current.replace(changes), protocol=rules)


VOLATILITY = "volatility-scaled"
FEEDS = [
    {"kind": "ewma", "volatility_today": 0.6, "half_life": 3e4},
    {"kind": "rolling", "volatility_today": 0.6, "window": 4e4},
    {
        "kind": "garch-filter",
        "volatility_today": 0.5,
        "volatility": 0.7,
        "alpha": 0.1,
        "gamma": 0.05,
        "beta": 0.8,
        "ceiling": 3.0,
    },
    {"kind": "rolling", "volatility_today": 0.6, "window": 1.0},
]
GUARDS = [
    {}, {"buffer": 0.25}, {"stressed_weight": 0.25, "stressed_volatility": 2.0}, {"floor": 1.0}, {"floor": 1.0, "cap": 1.0},
]  # fmt: skip


def volatility_world(seed):
    """Both markets of margin worlds by volatility: with and without memory, each way against procyclicality."""
    world = margin_world(seed)
    draw = random.Random(f"volatility {seed}")
    tree, changes = world.current.model_dump(), {"collateral.ETH.liquidation_threshold": 0.82}
    for n, market in enumerate(("BTC", "ETH")):
        free = {"initial_margin_ratio": draw.uniform(0.04, 0.1), "maintenance_margin_ratio": 0.03, "reference_volatility": 0.5}
        memory = {"half_life": draw.choice([0.0, 9000.0, 86_400.0]), "floor": 0.3, "cap": 8.0}
        tree["perpetuals"][market] = {"kind": VOLATILITY, **free, **memory, **GUARDS[(seed + 2 * n) % len(GUARDS)]}
        if draw.random() < 0.7:
            changes |= {f"perpetuals.{market}.{name}": value for name, value in (("half_life", 3600.0), ("cap", 9.0))}
    if seed % 2:
        tree["perpetuals"]["ETH"]["reference_correlation"] = draw.choice([0.0, 0.6])
    current = RiskParameters.model_validate(tree)
    rules = world.protocol
    wary = {"leverage_volatility_elasticity": Elasticity(low=0.2, central=0.5, high=1.5)}
    cohorts = [c.model_copy(update=wary) if c.kind == "perp-traders" else c for c in world.cohorts]
    correlation = [draw.uniform(-0.9, 1.0) for _ in world.volatility] if seed % 4 else None
    if seed % 3:
        feed = {
            "estimator": {"ETH": FEEDS[seed % len(FEEDS)]},
            "refresh": draw.choice([0.0, 2e4]),
            "lag": draw.choice([0.0, 9e3]),
        }
        rules = rules.model_copy(update={"volatility_source": "observed", "volatility_feed": VolatilityFeed(**feed)})
    fields = {"protocol": rules, "cohorts": cohorts, "correlation": correlation}
    return replace(world, current=current, candidate=current.replace(changes), **fields)


DRIFT_FUNDING = {"kind": "premium", "hourly_interest": 8e-6, "convergence_hours": 24.0, "most_of_fees": 0.3, "fees_at_load": 2.0}
FUNDINGS = [
    {"kind": "premium", "hourly_interest": 1.25e-5, "hourly_cap": 0.004},
    {"kind": "premium", "hourly_interest": 1.25e-5, "hourly_band": 6e-5, "hourly_cap": 0.04},
    {"kind": "premium", "hourly_cap": 0.5, "margin_multiple": 0.5},
    DRIFT_FUNDING,
    {"kind": "velocity", "skew_scale": 4000.0, "greatest_velocity": 3.0},
    {"kind": "adaptive", "increase": 1e-10, "decrease": 1e-11, "threshold_decrease": 0.02, "least": 1e-9, "greatest": 3e-6},
]
VENUES = [
    {"kind": "linear", "depth": 3e5},
    {"kind": "skew-fill", "skew_scale": 30_000.0},
    {"kind": "power", "positive_factor": 1e-8, "negative_factor": 2e-8, "positive_exponent": 2.0, "pool": 20.0},
    {"kind": "power", "positive_factor": 4e-6, "negative_factor": 6e-6, "positive_exponent": 1.4, "negative_exponent": 1.5,
     "greatest_gain": 0.001},
]  # fmt: skip
FEES = [
    {"kind": "maker-taker", "maker": -0.0002, "taker": 0.0008},
    {"kind": "two-sigmoid", "middle_1": 40.0, "width_1": 10.0, "middle_2": 80.0, "width_2": 12.0},
    {"kind": "liquidity-book", "bin_step": 0.002, "base": 0.0005, "control": 2.0, "decay_period": 6000.0},
    {"kind": "sliding", "base": 0.001, "sensitivity": 8.0},
    {"kind": "one-sided", "base": 0.0005, "delay": 9000.0, "cap": 0.02},
]


def market_world(seed):
    """The margin worlds with other funding, venues and fees: each kind is met with several of the others."""
    world = margin_world(seed)
    draw = random.Random(f"market {seed}")
    tree = world.protocol.model_dump()
    funding = FUNDINGS[seed % len(FUNDINGS)]
    tree["funding"] = funding
    for number, name in enumerate(("BTC", "ETH")):
        tree["venues"][name]["perpetual"] = VENUES[(seed + seed // 4 + 2 * number) % len(VENUES)]
    values = world.current.model_dump()
    values["fees"] = FEES[(2 * seed + seed // 5) % len(FEES)]
    current = RiskParameters.model_validate(values)
    changes = {name: value for name, value in world.candidate.items() if name in dict(current.items())}
    if draw.random() < 0.5:
        name, value = next((name, value) for name, value in current.items() if name.startswith("fees."))
        changes[name] = value * 1.5
    return replace(world, protocol=Protocol.model_validate(tree), current=current, candidate=current.replace(changes))


CLOSES = [
    {"kind": "staged-close", "large": 3e3, "first_share": 0.3, "cooldown": 3000.0},
    {"kind": "staged-close", "large": 2e3, "first_share": 0.2, "cooldown": 9000.0, "guaranteed": True},
    {"kind": "window-cap", "multiplier": 5e-5, "calm_skew": 0.002},
    {"kind": "fillable-price", "block": 1800.0, "most_of_position": 0.4, "most_notional": 4e3, "least_notional": 500.0},
    {"kind": "fillable-price", "spread": 0.1, "most_fee": 0.005, "most_insurance_lost": 0.02},
    {"kind": "growing-fee", "grace": 3600.0, "growth": 3e-6, "duration": 9000.0, "first_share": 0.3},
    {"kind": "growing-fee", "grace": 0.0, "growth": 1e-5, "fund_fee": 0.004, "buffer": 0.01, "small": 200.0},
]


def liquidation_world(seed):
    """The market worlds with other liquidations, and crowds that get into trouble."""
    world = market_world(seed)
    draw = random.Random(f"liquidation {seed}")
    tree, values, changes = world.protocol.model_dump(), world.current.model_dump(), dict(world.candidate.items())
    tree["liquidation"] = rule = CLOSES[seed % len(CLOSES)]
    tree["gains"] = {"weight": 1.0, "cap": 1e18}
    if rule["kind"] == "window-cap":
        values["fees"] = {"kind": "maker-taker", "maker": 0.0002, "taker": 0.0008}
        for name in ("BTC", "ETH"):
            tree["venues"][name]["perpetual"] = {"kind": "skew-fill", "skew_scale": draw.choice([20_000.0, 60_000.0])}
    keepers = {"acts": "always"} if rule["kind"] == "fillable-price" or draw.random() < 0.3 else {}
    cohorts = [c.model_copy(update=keepers) if c.kind == "keepers" else c for c in world.cohorts]
    tree["backstop"] = {"kind": "vault", "capital": draw.choice([0.0, 1e4]), "threshold": draw.choice([0.0, 0.67])}
    current = RiskParameters.model_validate(values)
    changes = {name: value for name, value in changes.items() if name in dict(current.items())}
    changes = {name: value for name, value in changes.items() if not name.startswith("fees.")}
    protocol = Protocol.model_validate(tree)
    return replace(world, protocol=protocol, current=current, candidate=current.replace(changes), cohorts=cohorts)


ORACLES = [
    {"window": 3 * 3600.0},
    {"most_growth": 0.5},
    {"most_move": 0.02},
    {"width": 0.02, "widest": 0.016, "stale_after": 7200.0, "heartbeat": 3600.0, "deviation": 0.0},
    {},
    {"width": 0.02, "widest": 0.5, "caution": 2.0},
]
ALLOCATIONS = ["pro-rata", "leverage-weighted", "queue"]


def guarded_world(seed):
    """The margin worlds with oracles that average, cap or doubt, circuit breakers, a capped fund, and other allocations."""
    world = margin_world(seed)
    draw = random.Random(f"guarded {seed}")
    tree = world.protocol.model_dump()
    for number, name in enumerate(("BTC", "ETH")):
        tree["venues"][name]["oracle"] |= ORACLES[(seed + number) % len(ORACLES)]
        if draw.random() < 0.5:
            window, halt = draw.choice([3600.0, 14_000.0]), draw.choice([3600.0, 9000.0])
            tree["venues"][name]["breaker"] = {"move": draw.choice([0.03, 0.06]), "window": window, "halt": halt}
    tree["fund"] |= {"cash": 500.0, "most_per_event": draw.choice([None, 20.0]), "most_per_day": draw.choice([None, 90.0])}
    kind = ALLOCATIONS[seed % len(ALLOCATIONS)]
    tree["backstop"] = {"kind": "vault", "capital": draw.choice([0.0, 2e4]), "threshold": 0.9, "allocation": kind}
    return replace(world, protocol=Protocol.model_validate(tree))


def drift_world(seed):
    """Drift's liquidation and capped funding under other margins and venues, shorter than the others."""
    world, draw = market_world(seed), random.Random(f"drift {seed}")
    tree = world.protocol.model_dump()
    tree["liquidation"] = CLOSES[-1 - seed % 2]
    tree["funding"] = {**DRIFT_FUNDING, "fees_at_load": draw.choice([0.0, 5.0])}
    tree["backstop"] = {"kind": "none"} if seed % 3 else {"kind": "vault", "capital": 0.0, "threshold": 0.0}
    tree["residual"] = ("funding-index", "opposite-side")[seed % 2]
    acts = "always" if seed % 4 == 3 else "at-a-profit"
    cohorts = [c.model_copy(update={"acts": acts}) if c.kind == "keepers" else c for c in world.cohorts]
    fields = {"protocol": Protocol.model_validate(tree), "cohorts": cohorts, "steps": 45}
    return replace(world, prices=world.prices[:46], volatility=world.volatility[:15], **fields)


def banded_world(seed):
    """Fill bands in the market worlds: they refuse or cut, hold for keepers or not, under every liquidation."""
    plain = {0: {"kind": "whole"}, 4: {"kind": "partial", "buffer": 0.4}}.get(seed % len(CLOSES))
    world, draw = (market_world if plain else liquidation_world)(seed), random.Random(f"banded {seed}")
    tree = world.protocol.model_dump()
    for number, name in enumerate(("BTC", "ETH")):
        beyond = ("refused", "cut")[(seed + number) % 2]
        band = {"width": draw.choice([0.0005, 0.002, 0.01]), "beyond": beyond, "liquidations": draw.random() < 0.8}
        tree["venues"][name]["fill_band"] = band if draw.random() < 0.8 else None
    tree["liquidation"] = plain or tree["liquidation"]
    fields = {"protocol": Protocol.model_validate(tree), "steps": 45}
    return replace(world, prices=world.prices[:46], volatility=world.volatility[:15], **fields)


SHORT = [(drift_world, 4), (banded_world, len(CLOSES))]  # and how many seeds meet every rule once
MAKERS = [margin_world, market_world, liquidation_world, volatility_world, guarded_world]
