"""Margins of whole accounts as the engine works them out, across two assets, equal the slow second writing of each method."""

from __future__ import annotations

import math
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from pydantic import TypeAdapter

from simulator.kernel import rule
from simulator.market import MarketPaths
from simulator.model import RiskModel
from simulator.parameters import PortfolioParameters
from simulator.protocol import book
from simulator.protocol.book import path_of
from simulator.protocol.health import initial, maintenance
from simulator.protocol.option_rules import IS_CALL, SLOT
from simulator.protocol.options import OptionMargin
from simulator.protocol.portfolio_margin.presets import derive_pmrm2
from simulator.protocol.prices import value
from simulator.scenario import Scenario

sys.path.insert(0, str(Path(__file__).parent / "protocol"))
import reference_portfolio_margin as slow

FILE = Path(__file__).resolve().parent.parent / "scenarios" / "options-var.toml"
RISK = {
    "ETH": {"long_run_volatility": 0.6, "stressed_volatility": 1.4},
    "BTC": {"long_run_volatility": 0.5, "stressed_volatility": 1.1},
}
TOGETHER = {"markets": RISK, "correlation": [[1.0, 0.7], [0.7, 1.0]]}  # in another order than the options are listed
LOGNORMAL = {name: {"volatility": volatility, "slippage": 0.01} for name, volatility in (("ETH", 0.8), ("BTC", 0.6))}
MARGINS = {
    "scenario-grid": derive_pmrm2().model_dump(),
    "span": {"kind": "span", "price_scan_range": 0.1, "volatility_scan_range": 0.2},
    "expected-shortfall": {"kind": "expected-shortfall", "markets": LOGNORMAL},
    "naked": {"kind": "naked", "bounds": [{"days": 1.0, "share": 0.03}, {"days": 30.0, "share": 0.2}], "initial_scale": 1.2},
    "parametric": {"kind": "parametric", "measure": "var", "anti_procyclical": {"kind": "buffer"}} | TOGETHER,
    "delta-gamma": {"kind": "delta-gamma", "anti_procyclical": {"kind": "stressed-weight"}} | TOGETHER,
}  # fmt: skip
ACCOUNTS = 30


@rule
def _needs(state, out, terms, rules):
    for p in range(out.shape[0]):
        b = path_of(state, p)
        value(b, rules)
        for i in range(out.shape[1]):
            kept, _, out[p, i, 1], _ = maintenance(b, b.accounts[i], terms, rules)
            out[p, i, 0] = kept + out[p, i, 1] - initial(b, b.accounts[i], terms, rules)


def engine(kind):
    """A model at its start under the margin `kind`, books drawn for its first accounts; float64 [path, account, 2] of needs."""
    text = re.sub(r"^(burn_in|transition|horizon) = [\d.]+", r"\1 = 0.125", FILE.read_text(), flags=re.MULTILINE)
    scenario = Scenario.from_text(re.sub(r"^accounts = \d+", "accounts = 6", text, flags=re.MULTILINE), FILE.parent, FILE.stem)
    margin = TypeAdapter(OptionMargin).validate_python(MARGINS[kind])
    options = scenario.protocol.options.model_copy(update={"margin": margin})
    changes = {"protocol": scenario.protocol.model_copy(update={"options": options})}
    if kind == "scenario-grid":
        part = margin.volatility, margin.add_ons
        numbers = {"volatility_up": part[0].up, "volatility_down": part[0].down} | part[1].model_dump(include=ADDED)
        changes["parameters"] = scenario.parameters.model_copy(update={"portfolio": PortfolioParameters(**numbers)})
    scenario = scenario.model_copy(update=changes)
    grid, names = scenario.grid, scenario.market.asset_names
    price = np.ones((grid.steps + 1, 1, 2)) * np.array([[60_000.0], [3_000.0]])
    still = MarketPaths(names, grid.dt, grid.substeps, price, np.full((grid.market_steps, 2, 2), 0.7))
    model = RiskModel(scenario, still, purpose="test")
    rng, state, rules = np.random.default_rng(5), model.state, model.rules
    first = state.accounts.shape[2] - rules.options
    held = rng.normal(0, 5, (2, ACCOUNTS, rules.options)) * (rng.uniform(size=(2, ACCOUNTS, rules.options)) < 0.2)
    held[:, :, 0] += 1.0  # a method of whole accounts is of accounts that hold options
    state.accounts[:, :ACCOUNTS, first:] = held
    state.accounts[:, :ACCOUNTS, first - 2 * rules.markets : first - rules.markets] = rng.normal(
        0, 3, (2, ACCOUNTS, rules.markets)
    )
    state.asset[:, :, book.VARIANCE] *= rng.uniform(0.5, 2, (2, rules.assets))
    out = np.empty((2, ACCOUNTS, 2))
    _needs(state, out, model.terms, rules)
    return scenario, model, out


ADDED = {"maintenance_perpetual", "initial_perpetual", "maintenance_option", "initial_option"}


def by_hand(scenario, model, p, i):
    """(initial, maintenance) of account `i` on path `p` from what the path's arrays say."""
    rules, names, sure = model.rules, list(scenario.parameters.options), {"confidence": 1.0, "perpetual_confidence": 1.0}
    options, slots = (book.option_part(model.state, rules, name)[p] for name in ("options", "slots"))
    asset = model.state.asset[p, [scenario.market.asset_names.index(name) for name in names]]
    index, row = asset[:, book.INDEX], model.state.accounts[p, i]
    first = len(row) - rules.options
    expiries = [
        sure | {"underlying": int(rules.slot[e, 0]), "years": float(slots[e, book.YEARS]), "rate": 0.0,
                "forward": float(index[int(rules.slot[e, 0])])} for e in range(rules.slots)
    ]  # fmt: skip
    world = {
        "names": names, "settlement": 1.0, "collaterals": [], "expiries": expiries,
        "underlyings": [
            sure | {"spot": float(s), "perpetual": float(s), "volatility": math.sqrt(v)}
            for s, v in zip(index, asset[:, book.VARIANCE], strict=True)
        ],
    }  # fmt: skip
    held = [
        {"amount": float(row[first + j]), "strike": float(options[j, book.STRIKE]), "is_call": bool(rules.option[j, IS_CALL]),
         "expiry": int(rules.option[j, SLOT]), "volatility": float(options[j, book.MARK_VOLATILITY])}
        for j in range(rules.options) if row[first + j]
    ]  # fmt: skip
    sizes = row[first - 2 * rules.markets : first - rules.markets].tolist()
    its = {"cash": 0.0, "gains": [], "deposits": [], "perpetuals": sizes, "options": held}
    margin = scenario.protocol.options.margin
    _, opened, kept = slow.margin(margin.model_dump(), its, world)
    if margin.kind == "naked":
        ratios = [scenario.parameters.perpetuals[name] for name in scenario.parameters.perpetuals]
        prices = dict(zip(names, index, strict=True))
        worth = [abs(q) * prices[name] for q, name in zip(sizes, scenario.parameters.perpetuals, strict=True)]
        opened += sum(w * part.initial_margin_ratio for w, part in zip(worth, ratios, strict=True))
        kept += sum(w * part.maintenance_margin_ratio for w, part in zip(worth, ratios, strict=True))
    return opened, kept


@pytest.mark.parametrize("kind", MARGINS)
def test_a_whole_account_of_two_assets_needs_what_the_slow_writing_says(kind):
    scenario, model, found = engine(kind)
    for p in range(2):
        for i in range(ACCOUNTS):
            assert found[p, i] == pytest.approx(by_hand(scenario, model, p, i), rel=1e-9), (p, i)
    assert (found[..., 1] <= found[..., 0] * (1 + 1e-12)).all()
    assert (found >= 0).all()
    assert (found[..., 1] > 0).mean() > 0.5
