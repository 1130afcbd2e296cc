"""Limits on a book of options, and what dealers make of its price, against figures of Black's formula."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from simulator.calibration.calibrate import calibrate
from simulator.calibration.change import unit_of
from simulator.calibration.confirmation import CONFIRMED
from simulator.market import MarketPaths
from simulator.model import RiskModel
from simulator.parameters import DAY, YEAR
from simulator.pricing.black_scholes import greeks, price
from simulator.protocol import book
from simulator.scenario import Scenario

sys.path.insert(0, str(Path(__file__).parent))
from test_options import FLAT, PLAIN, TEXT, scenario_of

BUYERS = """
[[cohorts]]
kind = "option-buyers"
name = "buyers"
underlying = "ETH"
choice = { type = "call", lowest = 1.0, highest = 1.0 }
accounts = 6
wealth = { median = 1000.0 }
spending = { low = 0.1, high = 0.1 }
open_share = 0.999
activity = 20.0
holding_days = 50.0
"""
YEARS, VOLATILITY = 6 * DAY / YEAR, 0.8
VALUE = price(3000.0, 3000.0, YEARS, VOLATILITY, True).item()
EACH = 100.0 / VALUE  # options that a buyer wants
GREEKS = greeks(3000.0, 3000.0, YEARS, VOLATILITY, True)
SIZES = {
    "most_open": 1.0,
    "most_open_in_expiry": 1.0,
    "most_vega": GREEKS.vega.item(),
    "most_gamma": GREEKS.gamma.item() * 3000.0**2,
}


def after_a_step(cohorts, limits, surface=FLAT):
    """Options held of the call at the money, by account, and requests refused, once everybody looked."""
    scenario = scenario_of(cohorts=cohorts, surface=surface)
    changed = scenario.parameters.replace({f"options.ETH.{name}": value for name, value in limits.items()})
    scenario = scenario.model_copy(update={"parameters": changed})
    grid = scenario.grid
    still = MarketPaths(
        ("ETH",), grid.dt, grid.substeps, np.full((grid.steps + 1, 1, 1), 3000.0), np.full((grid.market_steps, 1, 1), VOLATILITY)
    )
    model = RiskModel(scenario, still, purpose="test")
    model.run(1)
    held = model.state.accounts[0, : model.rules.accounts, -model.rules.options :]
    return held.sum(axis=1), model.state.scalar[0, book.REFUSED]


@pytest.mark.parametrize("name", SIZES)
def test_a_limit_lets_in_who_still_fits_and_counts_who_is_refused(name):
    """Six buyers of 100 USD of one call each against room for two and a half of them."""
    held, refused = after_a_step(BUYERS, {name: 2.5 * EACH * SIZES[name]})
    assert sorted(held)[-2:] == pytest.approx([EACH, EACH], rel=1e-5)
    assert np.count_nonzero(held) == 2
    assert refused == 4


@pytest.mark.parametrize(("elasticity", "bought", "sold"), [(0.0, 1.0, 1.0), (1.0, 0.5, 2.0), (2.0, 0.25, 4.0)])
def test_who_buys_does_less_at_twice_the_usual_volatility_and_who_sells_more(elasticity, bought, sold):
    """Marked at 1.6 where 0.8 is usual: premium spent is divided, index sold multiplied by 2 to the elasticity."""
    dear = FLAT.replace("premium = 1.0", "premium = 2.0")
    line = f"price_elasticity = {{ low = {elasticity}, central = {elasticity}, high = {elasticity} }}\n"
    held, _ = after_a_step(BUYERS + line, {}, dear)
    worth = price(3000.0, 3000.0, YEARS, 1.6, True).item()
    assert held[held != 0.0] == pytest.approx(bought * 100.0 / worth, rel=1e-5)
    writers = BUYERS.replace("option-buyers", "option-writers").replace("spending", "leverage")
    held, _ = after_a_step(writers + line, {}, dear)
    assert held[held != 0.0] == pytest.approx(-sold * 100.0 / 3000.0, rel=1e-12)


def test_a_vote_may_move_every_limit_and_a_proposal_says_its_unit():
    vote = scenario_of().vote
    units = {"most_open": "asset", "most_open_in_expiry": "asset", "most_vega": "usd", "most_gamma": "usd"}
    for name, unit in units.items():
        assert vote.replace({f"options.ETH.{name}": 7.0}).get(f"options.ETH.{name}") == 7.0
        assert unit_of(f"options.ETH.{name}") == unit


SEARCHED = """
[appetite]
confidence = 0.95
[[appetite.limits]]
kind = "probability"
quantity = "loss"
window = "steady"
of = "usd"
threshold = {threshold}
probability = 0.05
[calibration]
objective = {{ capital_efficiency = 0.0, revenue = 1.0 }}
candidates = 8
search_paths = 100
selection_paths = 400
confirmation_paths = 1500
[[calibration.search]]
parameter = "options.ETH.most_open"
low = {low}
high = {high}
step = {low}
"""


def test_a_search_finds_the_largest_book_of_calls_that_its_writer_can_bear():
    """A writer without capital or hedge loses more than T on n calls where payoff less premium is above T / n: 5 % of paths at
    the quantile that Black and Scholes's world has. More is asked for, fees reward a larger book, and the vote starts small."""
    z = np.random.default_rng(5).standard_normal((2, 200_000))
    moves = VOLATILITY * np.sqrt([DAY / YEAR, YEARS])[:, None] * z
    sold, expired = 3000.0 * np.exp(np.cumsum(moves - 0.5 * moves.var(axis=1, keepdims=True), axis=0))
    losses = np.maximum(expired - 3000.0, 0.0) - price(sold, 3000.0, YEARS, VOLATILITY, True)
    most = 2.5
    text = TEXT.format(**PLAIN | {"cohorts": BUYERS})
    for old, new in (("fee = 0.0\n", "most_open = 0.25\n"), ("capital = 1e7", "capital = 1e-6")):
        assert text.count(old) == 1
        text = text.replace(old, new)
    text += SEARCHED.format(threshold=most * np.quantile(losses, 0.95), low=0.25, high=5.0)
    found = calibrate(Scenario.from_text(text, ".", "options"))
    (proposed,) = found.proposed
    assert found.verdict == CONFIRMED
    assert 0.6 * most < proposed <= most
