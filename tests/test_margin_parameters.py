"""Margin rules as parameters of a vote: dotted names, phase-in, efficiency, and the bound that the watch list relies on."""

from __future__ import annotations

import importlib.util
import math
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from simulator.calibration.change import parts_of, unit_of
from simulator.calibration.promise import available_change
from simulator.parameters import PerpetualParameters, RiskParameters
from simulator.protocol.margin_ratio.requirement import maintenance_slope, requirement, row_of, volatility_factor
from simulator.protocol.rules import blend


def _module(name: str):
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / f"{name}.py")
        sys.modules[name] = importlib.util.module_from_spec(spec)
        sys.modules[name].__loader__.exec_module(sys.modules[name])
    return sys.modules[name]


PART = TypeAdapter(PerpetualParameters)
RULES = _module("reference_margin_worlds").RULES
needs = _module("reference_margin").needs
KINDS = sorted(RULES)
VARIANCE = 0.9**2  # of a market whose margin follows volatility, and the factor that it means
BY_VOLATILITY = PART.validate_python({"kind": "volatility-scaled", **RULES["volatility-scaled"]})
FACTOR = float(volatility_factor(row_of(BY_VOLATILITY), VARIANCE))


def market(kind: str) -> RiskParameters:
    return RiskParameters.model_validate({"perpetuals": {"ETH": {"kind": kind, **RULES[kind]}}})


@pytest.mark.parametrize("kind", KINDS)
def test_every_number_of_a_margin_rule_has_a_name_and_can_be_changed(kind):
    parameters = market(kind)
    names = [name for name, _ in parameters.items() if name.startswith("perpetuals.")]
    numbers = 0
    for field, value in RULES[kind].items():
        numbers += 2 * len(value) if isinstance(value, list) else 1
        if not isinstance(value, list):
            assert parameters.get(f"perpetuals.ETH.{field}") == value
    assert len(names) >= numbers
    for name in names:
        now = parameters.get(name)
        changed = parameters.replace({name: now * (1 - 1e-9)})
        assert changed.get(name) == now * (1 - 1e-9)
        assert {n for n, v in changed.items() if v != parameters.get(n)} <= {name}


@pytest.mark.parametrize("name", ["perpetuals.ETH.tiers.3.lower_bound", "perpetuals.ETH.tiers", "perpetuals.ETH.kind"])
def test_what_is_no_number_cannot_be_changed(name):
    with pytest.raises(KeyError):
        market("tiered").replace({name: 2.0})


def test_a_market_without_a_kind_is_flat():
    plain = RiskParameters.model_validate({"perpetuals": {"ETH": RULES["flat"]}})
    assert plain == market("flat")


def test_a_phase_in_passes_through_every_tier():
    current = market("tiered")
    candidate = current.replace({"perpetuals.ETH.tiers.0.greatest_leverage": 16.0, "perpetuals.ETH.tiers.2.lower_bound": 2e4})
    halfway = blend(current, candidate, 0.5).perpetuals["ETH"]
    assert halfway.kind == "tiered"
    assert halfway.tiers[0].greatest_leverage == 18.0
    assert halfway.tiers[2].lower_bound == 1.75e4
    assert halfway.tiers[1] == current.perpetuals["ETH"].tiers[1]


@pytest.mark.parametrize(
    ("kind", "change", "expected"),
    [
        ("tiered", {"tiers.0.greatest_leverage": 12.0}, math.log(12 / 20)),
        ("open-interest-scaled", {"initial_margin_ratio": 0.1}, math.log(0.5)),
        ("skew-scaled", {"minimum_ratio": 0.061}, math.log(0.031 / 0.062)),
        ("collateral-factor", {"minimum_factor": 0.03}, math.log(2)),
        ("size-scaled", {"size_factor": 0.001}, 0.0),
        ("volatility-scaled", {"initial_margin_ratio": 0.16}, math.log(0.5)),
        ("volatility-scaled", {"half_life": 0.0}, 0.0),
    ],
)
def test_available_efficiency_is_that_of_a_small_position(kind, change, expected):
    now = market(kind)
    candidate = now.replace({f"perpetuals.ETH.{name}": value for name, value in change.items()})
    assert available_change(candidate, now) == pytest.approx(expected, abs=1e-12)


def test_the_table_of_a_vote_names_a_tier_and_its_unit():
    assert parts_of("perpetuals.ETH.tiers.1.lower_bound") == (["perpetuals", "ETH"], "tiers.1.lower_bound")
    assert unit_of("perpetuals.ETH.tiers.1.lower_bound") == "usd"
    assert unit_of("perpetuals.ETH.skew_scale") == "asset"
    assert unit_of("perpetuals.ETH.tiers.1.greatest_leverage") == "1"


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=200, deadline=None)
@given(size=st.floats(1e-6, 1e6), price=st.floats(1e-3, 1e5), move=st.floats(-0.4, 0.9), is_long=st.booleans())
def test_maintenance_rises_with_price_no_steeper_than_its_bound(kind, size, price, move, is_long):
    """The watch list skips an account by this bound: what it says must hold wherever prices go between two looks."""
    row = row_of(PART.validate_python({"kind": kind, **RULES[kind]}))
    q = size if is_long else -size
    before, after = (requirement(row, q, price * (1 + x), FACTOR)[1] for x in (0.0, move))
    steepest = maintenance_slope(row, q, size * price, FACTOR)
    rise = size * price * move
    assert after - before <= max(steepest * rise, 0.0) + 1e-9 * (after + before)
    if move <= 0:
        assert after <= before * (1 + 1e-12)
    rule = {"maintenance_share": 0.5} | RULES[kind] | {"kind": kind}
    assert after == pytest.approx(needs(rule, q, price * (1 + move), variance=VARIANCE)[1], rel=1e-12)
