"""Worlds in which markets have margin rules that are not flat, sized so that every rule bites."""

import random
import sys
from dataclasses import replace
from pathlib import Path

from simulator.parameters import RiskParameters

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
}  # fmt: skip
CHANGES = {
    "flat": {"initial_margin_ratio": 0.1},
    "open-interest-scaled": {"upper_open_interest": 3e5, "maintenance_fraction": 0.8},
    "size-scaled": {"size_factor": 0.006},
    "skew-scaled": {"scaled_ratio": 2.0, "maintenance_scalar": 0.7},
    "collateral-factor": {"minimum_factor_liquidation": 0.05, "open_interest_factor": 3e-6},
    "tiered": {"tiers.1.greatest_leverage": 8.0, "tiers.0.greatest_leverage": 15.0},
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
    rules = world.protocol.model_copy(update={"valuation_price": draw.choice(["mark", "index"])})
    return replace(world, current=current, candidate=current.replace(changes), protocol=rules)


MAKERS = [margin_world]
