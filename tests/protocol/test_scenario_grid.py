"""Scenario-grid margin: Derive's own portfolios, every scenario of them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from simulator.protocol.portfolio_margin.account import account_margin, fill_sheet, scratch, sheet_for
from simulator.protocol.portfolio_margin.grid_requirement import TOTAL
from simulator.protocol.portfolio_margin.grid_values import BASIS, VOLATILITY, grid_method
from simulator.protocol.portfolio_margin.records import Market, instruments
from simulator.protocol.portfolio_margin.scenario_grid import ScenarioGrid

sys.path.insert(0, str(Path(__file__).parent))
from protocol_vectors import FOLDER, cases

RULES = (
    ("scenario-grid margin: requirements, marks and every scenario", "Derive PMRM_2", "derivexyz/v2-core @7736900",
     "derive_pmrm2.json"),
)  # fmt: skip

FILE = "vectors/derive_pmrm2.json"
YEAR = 31_536_000.0
WORD = {"Up": "up", "Down": "down", "None": "none", "LINEAR": "linear-skew", "ABS": "absolute-skew"}
FIELDS = {
    "volatility": ("VolShock", {
        "up": "VOLRANGEUP", "down": "VOLRANGEDOWN", "short_power": "SHORTTERMPOWER", "long_power": "LONGTERMPOWER",
        "least_days": "DTE_FLOOR", "least_up": "MIN_VOL_EVAL_SHOCKED",
    }),
    "skew": ("SkewShock", {
        "linear_cap": "LINEAR_SCALE_CAP", "linear_slope": "LINEAR_CBASE", "absolute_cap": "ABS_SCALE_CAP",
        "absolute_slope": "ABS_CBASE", "least_width": "MIN_K_STAR", "width": "MIN_WIDTH_SCALE", "level": "VOL_PARAM_STATIC",
        "level_slope": "VOL_PARAM_SCALE",
    }),
    "discount": ("Margin", {
        "long_share": "BASE_STATIC_DISCOUNT", "short_share": "BASE_STATIC_DISCOUNT_NEG",
        "long_rate_factor": "LONG_RATE_MULTSCALE", "short_rate_factor": "SHORT_RATE_MULTSCALE",
        "long_rate_added": "LONG_RATE_ADDSCALE", "short_rate_added": "SHORT_RATE_ADDSCALE",
    }),
    "basis": ("BasisContingency", {
        "up": "SCENARIO_SPOT_UP", "down": "SCENARIO_SPOT_DOWN", "added": "BASIS_CONT_ADD_FACTOR",
        "per_year": "BASIS_CONT_MULT_FACTOR",
    }),
    "add_ons": ("OtherContingency", {
        "maintenance_perpetual": "MM_PERP_PERCENT", "initial_perpetual": "IM_PERP_PERCENT",
        "maintenance_option": "MM_OPTION_PERCENT", "initial_option": "IM_OPTION_PERCENT",
        "depeg_threshold": "PEG_LOSS_THRESHOLD", "depeg_factor": "PEG_LOSS_FACTOR",
        "confidence_threshold": "CONF_THRESHOLD", "confidence_factor": "CONF_MARGIN",
    }),
}  # fmt: skip


def base_parameters() -> dict:
    return json.loads((FOLDER / FILE).read_text(encoding="utf-8"))["base_parameters"]


def part_of(case: dict) -> ScenarioGrid:
    """The case's numbers as a part; loss factors that a part refuses (sweeps of one alone) are put in afterwards."""
    table = base_parameters()
    for group, changes in case["param_overrides"].items():
        table[group] = {**table[group], **changes} if isinstance(changes, dict) else changes
    fields = {
        name: {field: float(table[group][theirs]) for field, theirs in names.items()} for name, (group, names) in FIELDS.items()
    }
    scenarios = [
        {"spot": float(spot), "volatility": WORD[word], "share": float(share)} for spot, word, share in table["Scenarios"]
    ]
    collateral = {
        held["Name"]: {
            "maintenance_haircut": float(held["MMHaircut"]), "initial_haircut": float(held["IMHaircut"]),
            "hedges": "S" if held["IsRiskCancelling"] else "",
        }
        for held in case["scenario"]["Collaterals"]
    }  # fmt: skip
    factors = float(table["Margin"]["IM_LOSS_FACTOR"]), float(table["Margin"]["MM_LOSS_FACTOR"])
    told = {"initial_factor": factors[0], "maintenance_factor": factors[1]}
    fields = {"kind": "scenario-grid", "scenarios": scenarios, "collateral": collateral, **fields}
    if factors[1] > factors[0]:
        with pytest.raises(ValidationError, match=f"{factors[1]:g} and {factors[0]:g}"):
            ScenarioGrid.model_validate({**fields, **told})
        return ScenarioGrid.model_validate(fields).model_copy(update=told)
    return ScenarioGrid.model_validate({**fields, **told})


def book_of(scenario: dict):
    """(instruments, market, holdings) of one case, in the engine's arrays."""
    feeds = sorted(scenario["OptionFeeds"], key=lambda feed: feed["FeedExpiry"])
    number = {feed["FeedExpiry"]: e for e, feed in enumerate(feeds)}
    options = sorted(scenario["Options"], key=lambda o: (number[o["Expiry"]], o["Strike"]))
    held = scenario["Collaterals"]
    chain = instruments(
        [0] * len(options), [number[o["Expiry"]] for o in options], [o["Strike"] for o in options],
        [o["IsCall"] for o in options], underlyings=1, expiries=[0] * len(feeds),
    )  # fmt: skip

    def row(*values):
        return np.array([values], float)

    market = Market(
        spot=row(scenario["SpotPrice"]), perpetual=row(scenario["PerpPrice"]), spot_confidence=row(scenario["SpotConfidence"]),
        perpetual_confidence=row(scenario["PerpConfidence"]), volatility=row(0.0),
        forward=row(*(feed["Forward"] for feed in feeds)), fixed_forward=row(*(0.0 for _ in feeds)),
        years=row(*(feed["FeedExpiry"] / YEAR for feed in feeds)), rate=row(*(feed["Rate"] for feed in feeds)),
        expiry_confidence=row(
            *(min(feed["ForwardConfidence"], feed["RateConfidence"], feed["OptionVolConfidences"]) for feed in feeds)
        ),
        implied=row(*(o["MarkVol"] for o in options)), collateral_price=row(*(c["Price"] for c in held)),
        collateral_confidence=row(*(c["Confidence"] for c in held)), settlement=row(scenario["StablePrice"]),
    )  # fmt: skip
    gain = scenario["UnrealisedPerpPNL"] + scenario["UnrealisedFunding"]
    rows = (
        np.array([o["Amount"] for o in options], float), np.array([scenario["NumPerps"]], float), np.array([gain], float),
        np.array([c["Amount"] for c in held], float),
    )  # fmt: skip
    return chain, Market(*(x[0] for x in market)), rows


@pytest.mark.parametrize("case", cases(FILE, "cases"))
def test_derive_portfolio(case):
    scenario, told = case["scenario"], case["expected"]
    part = part_of(case)
    method = grid_method(part, ("S",), tuple(held["Name"] for held in scenario["Collaterals"]))
    chain, market, rows = book_of(scenario)
    sheet, work = sheet_for(method, chain), scratch(method, chain)
    fill_sheet(method, chain, market, sheet)
    equity, initial, maintenance = account_margin(method, chain, market, sheet, float(scenario["Cash"]), *rows, work)
    assert equity - initial == pytest.approx(told["IM"], rel=1e-8, abs=1e-8)
    assert equity - maintenance == pytest.approx(told["MM"], rel=1e-8, abs=1e-8)
    assert float((rows[0] * sheet.mark).sum()) == pytest.approx(told["OptionMTM"], rel=1e-8, abs=1e-8)
    deposits = float((rows[3] * market.collateral_price).sum() / market.settlement[0])
    assert deposits == pytest.approx(told["CollateralMTM"], rel=1e-8, abs=1e-8)
    found = work[TOTAL, : len(method.scenario)][method.scenario[:, VOLATILITY] != BASIS]
    gross = float((np.abs(rows[0]) * sheet.mark).sum()) + abs(rows[1][0]) * market.perpetual[0] + deposits
    assert found == pytest.approx(told["scenario_pnl"], rel=1e-8, abs=1e-15 * gross + 1e-12)
