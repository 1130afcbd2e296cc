"""A loan against options: under a margin of whole accounts what is bought counts, and cash may be negative."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from simulator.market import MarketPaths
from simulator.model import RiskModel
from simulator.protocol import book

sys.path.insert(0, str(Path(__file__).parent))
from test_options import scenario_of

ON_CREDIT = """
[[cohorts]]
kind = "option-buyers"
name = "on-credit"
underlying = "ETH"
choice = { type = "call", lowest = 1.0, highest = 1.0 }
accounts = 6
wealth = { median = 1000.0 }
spending = { low = 1.5, high = 1.5 }
most_notional = 1000.0
open_share = 0.999
activity = 1.0
holding_days = 1000.0
"""
GRID = """
[protocol.options.margin]
kind = "scenario-grid"
scenarios = [{ spot = 0.97 }, { spot = 1.03 }]
[parameters.portfolio]
"""


def at_rest(margin):
    """Six who want to spend 1.5 times what they have on a call at the money, at a price that never moves; nobody liquidates."""
    scenario = scenario_of(cohorts=ON_CREDIT + margin, latency=1e12)
    grid = scenario.grid
    still = MarketPaths(
        ("ETH",), grid.dt, grid.substeps, np.full((grid.steps + 1, 1, 1), 3000.0), np.full((grid.market_steps, 1, 1), 0.8)
    )
    model = RiskModel(scenario, still, purpose="test")
    return scenario, model


@pytest.mark.parametrize(("margin", "lends"), [(GRID, True), ("", False)], ids=["scenario-grid", "standard"])
def test_a_portfolio_margin_lends_against_options_and_bears_what_they_lose(margin, lends):
    """Half of each one's wealth is owed in cash while the options last; they expire worthless, and all of it is bad debt.

    The standard margin counts nothing of what is bought, so nobody may owe for it.
    """
    scenario, model = at_rest(margin)
    model.run(6)
    rows = model.state.accounts[0, : model.rules.accounts]
    holds = (rows[:, -model.rules.options :] > 0).any(axis=1)
    assert holds.sum() == (rows[:, book.CASH] < 0).sum()
    assert bool(holds.any()) == lends
    assert rows[holds, book.CASH] == pytest.approx(-500.0)
    _, model = at_rest(margin)
    outcomes = model.outcomes_of(scenario.parameters)
    assert outcomes.column("realised_bad_debt.whole")[0] == pytest.approx(500.0 * holds.sum(), rel=1e-9)
