"""The shipped scenarios that carry real protocols' rules: each is sound, runs with its books in balance, and calibrates."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from simulator.calibration.calibrate import calibrate
from simulator.model import simulate
from simulator.scenario import Scenario

FOLDER = Path(__file__).resolve().parent.parent / "scenarios"
PRESETS = ("drift", "dydx", "gmx", "hyperliquid", "synthetix")
LENDING = ("aave-v3-ethereum", "comet", "crvusd", "lending-pool", "morpho")
OF_OPTIONS = ("derive-portfolio", "derive-standard")


def small(name: str, accounts: int = 60) -> Scenario:
    """The scenario with fewer accounts and paths and shorter windows."""
    text = (FOLDER / f"{name}.toml").read_text()
    smaller = {
        "accounts": str(accounts), "burn_in": "0.125", "transition": "0.125", "horizon": "0.25",
        "candidates": "4", "search_paths": "4", "selection_paths": "8", "draws": "2",
    }  # fmt: skip
    for key, value in smaller.items():
        text, found = re.subn(rf"^{key} = [\d.]+", f"{key} = {value}", text, flags=re.MULTILINE)
        assert found, key
    text = re.sub(r"^threshold = .*\nprobability = .*", "threshold = 0.5\nprobability = 0.5", text, flags=re.MULTILINE)
    text = text.replace("[calibration]\n", "[calibration]\nconfirmation_paths = 16\n")
    return Scenario.from_text(text, FOLDER, name)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_says_what_it_shows_and_where_its_numbers_come_from(name):
    scenario = Scenario.load(FOLDER / f"{name}.toml")
    head = (FOLDER / f"{name}.toml").read_text().split('name = "')[0]
    assert "assumed" in head.lower()
    assert "From" in head or "from" in head or "those of" in head
    assert scenario.parameters.perpetuals[scenario.cohorts[0].market].kind != "flat"


@pytest.mark.parametrize(("name", "accounts"), [*((name, 60) for name in PRESETS), *((name, 6) for name in OF_OPTIONS)])
def test_a_preset_runs_and_calibrates(name, accounts):
    scenario = small(name, accounts)
    outcomes = simulate(scenario, count=4)
    assert np.isfinite(np.concatenate(list(outcomes.columns.values()))).all()
    assert (outcomes.column("fees.whole") > 0).all()
    found = calibrate(scenario)
    assert found.verdict
    assert len(found.found.trials) >= 4


@pytest.mark.parametrize("name", LENDING)
def test_a_lending_preset_runs_and_calibrates_to_parameters_within_its_bounds(name):
    scenario = small(name)
    outcomes = simulate(scenario, count=4)
    assert np.isfinite(np.concatenate(list(outcomes.columns.values()))).all()
    assert (outcomes.column("borrowed.whole") > 0).all()
    found = calibrate(scenario)
    assert found.verdict
    assert len(found.found.trials) >= 4
    for searched, value in zip(scenario.calibration.search, found.proposed or found.space.current_point, strict=True):
        assert searched.low <= value <= searched.high
        assert abs(value - scenario.parameters.get(searched.parameter)) <= searched.max_change + 1e-12


def test_the_time_promised_counts_options_scenarios_and_dealers():
    """As measured: the grid of 33 scenarios takes over four times the standard margin, and both far more than their accounts."""
    grid, standard = (Scenario.load(FOLDER / f"{name}.toml") for name in OF_OPTIONS)
    assert 4 < grid.size.seconds / standard.size.seconds < 6
    bare = standard.paths * standard.grid.steps * standard.account_count / 2e8
    assert standard.size.seconds > 20 * bare


@pytest.mark.shared_data
def test_the_numbers_of_the_presets_are_those_of_the_tables(shared_data):
    file = shared_data / "vectors" / "parameter_tables.json"
    if not file.is_file():
        pytest.skip(f"{file.name} is not among the shared data")
    tables = json.loads(file.read_text())
    tiers = {tier["name"]: tier for tier in tables["dydx_v4"]["liquidity_tiers"]}
    dydx = Scenario.load(FOLDER / "dydx.toml")
    for market, name in (("ETH", "Large-Cap"), ("SOL", "Mid-Cap")):
        part, tier = dydx.parameters.perpetuals[market], tiers[name]
        assert (part.initial_margin_ratio, part.maintenance_fraction) == (tier["imf"], tier["mm_fraction"])
        assert (part.lower_open_interest, part.upper_open_interest) == (tier["oi_lower_usdc"], tier["oi_upper_usdc"])
    gmx, table = Scenario.load(FOLDER / "gmx.toml"), tables["gmx_v2"]
    assert gmx.parameters.perpetuals["ETH"].minimum_factor == table["min_collateral_factor"]
    assert gmx.protocol.funding.greatest == pytest.approx(table["funding"]["default"]["max_per_year"] / 31_536_000, rel=1e-6)
    venue = gmx.protocol.venues["ETH"].perpetual
    assert (venue.negative_factor, venue.positive_factor) == (table["neg_impact_factor"], table["pos_impact_factor"])
    drift, table = Scenario.load(FOLDER / "drift.toml").protocol, tables["drift_v2"]
    slot, rule = 0.4, drift.liquidation  # [s]
    assert (rule.buffer, rule.most_fee_multiple) == (table["liquidation_margin_buffer"], table["max_liquidation_multiplier"])
    assert rule.growth * slot == pytest.approx(table["liq_fee_increase_per_slot"], rel=1e-12)
    assert rule.grace == pytest.approx(table["liq_fee_grace_slots"] * slot, rel=1e-12)
    assert drift.fund.most_per_event == table["insurance_tier_max_usd"]["B"]
    assert drift.funding.hourly_interest * 24 == pytest.approx(table["funding_offset"], rel=1e-6)
    hyperliquid = Scenario.load(FOLDER / "hyperliquid.toml").parameters.perpetuals["BTC"]
    bounds = [[tier.lower_bound, tier.greatest_leverage] for tier in hyperliquid.tiers]
    assert bounds == tables["hyperliquid"]["btc_tiers"]


@pytest.mark.shared_data
def test_all_dydx_tiers_load_as_parameters(shared_data):
    from simulator.parameters import RiskParameters
    from simulator.protocol.rules import make_terms

    file = shared_data / "vectors" / "parameter_tables.json"
    if not file.is_file():
        pytest.skip(f"{file.name} is not among the shared data")
    tiers = json.loads(file.read_text())["dydx_v4"]["liquidity_tiers"]
    markets = {
        tier["name"]: {
            "kind": "open-interest-scaled",
            "initial_margin_ratio": float(tier["imf"]),
            "maintenance_fraction": float(tier["mm_fraction"]),
            "lower_open_interest": float(tier["oi_lower_usdc"]),
            "upper_open_interest": float(tier["oi_upper_usdc"]),
        }
        for tier in tiers
    }
    terms = make_terms(RiskParameters.model_validate({"perpetuals": markets}))
    assert list(terms.initial_ratio[: len(tiers)]) == [float(tier["imf"]) for tier in tiers]
