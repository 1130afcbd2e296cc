"""Options as positions against closed forms: their price on average, parity, hedging error, conservation, and the same bytes."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import pytest

from simulator.kernel import rule
from simulator.model import RiskModel, simulate
from simulator.parameters import DAY, YEAR
from simulator.pricing.black_scholes import price
from simulator.protocol import book
from simulator.protocol.book import path_of
from simulator.protocol.health import change
from simulator.protocol.option_trading import trade_option
from simulator.protocol.option_values import value_options
from simulator.scenario import Scenario

FLAT = "[surfaces.ETH]\npremium = 1.0\nlong_premium = 1.0\nelasticity = 0.0\nskew = 0.0\ncurvature = 1e-6\n" + "".join(
    f"{name}_{what} = 0.0\n" for name in ("level", "skew", "curvature") for what in ("response", "noise")
)  # Black and Scholes's world: one volatility, that of the path
TEXT = """
name = "options"
seed = 11
paths = 4
[grid]
market_step = {step}
substeps = {substeps}
burn_in = 0.0
transition = 1.0
horizon = {days}
[market]
kind = "model"
[[market.assets]]
name = "ETH"
price = 3000.0
process = {{ kind = "geometric-brownian", volatility = {volatility} }}
{surface}
[protocol]
valuation_price = "{valued}"
residual = "uncovered"
volatility_half_life = 1e9
[protocol.venues.ETH]
spot = {{ kind = "linear", depth = 1e15, half_life = 1e9 }}
perpetual = {{ kind = "linear", depth = {depth}, half_life = 1e9 }}
[protocol.options.markets.ETH]
expiries = [{{ interval = {interval}, listed = 1 }}]
strikes = [0.85, 1.0, 1.2]
settlement_window = {window}
[protocol.options.venue]
depth = {vega}
half_life = 1e9
spread = {spread}
[protocol.options.writer]
capital = 1e7
hedge_ratio = {hedge}
[protocol.backstop]
kind = "vault"
capital = 1e6
unwind_half_life = 1e6
[parameters.perpetuals.ETH]
initial_margin_ratio = 0.05
maintenance_margin_ratio = 0.03
[parameters.options.ETH]
fee = 0.0
{cohorts}
[[cohorts]]
kind = "keepers"
latency = {latency}
"""
SLEEPERS = """
[[cohorts]]
kind = "option-buyers"
name = "sleepers"
underlying = "ETH"
accounts = 7
wealth = { median = 1000.0 }
spending = { low = 0.1, high = 0.1 }
activity = 0.0
"""
CROWD = """
[[cohorts]]
kind = "option-buyers"
name = "buyers"
underlying = "ETH"
accounts = 20
wealth = { median = 5000.0, sigma = 1.0 }
spending = { low = 0.02, high = 0.5 }
activity = 6.0
holding_days = 1.0
[[cohorts]]
kind = "option-writers"
name = "naked"
underlying = "ETH"
accounts = 20
wealth = { median = 5000.0, sigma = 1.0 }
leverage = { low = 1.0, high = 9.0 }
margin_buffer = 0.0
activity = 6.0
holding_days = 3.0
[[cohorts]]
kind = "option-hedgers"
name = "hedgers"
underlying = "ETH"
accounts = 20
wealth = { median = 5000.0, sigma = 1.0 }
leverage = { low = 1.0, high = 3.0 }
holding_days = 2.0
"""
PLAIN = {
    "step": 86_400.0, "substeps": 1, "days": 7.0, "volatility": 0.8, "surface": FLAT, "valued": "index", "depth": 1e15,
    "interval": 7.0, "window": 0.0, "vega": 1e15, "spread": 0.0, "hedge": 0.0, "cohorts": SLEEPERS, "latency": 0.0,
}  # fmt: skip


def scenario_of(**changes) -> Scenario:
    return Scenario.from_text(TEXT.format(**(PLAIN | changes)), ".", "options")


def model_of(scenario, paths) -> RiskModel:
    return RiskModel(scenario, scenario.market.paths(scenario.grid, scenario.seed, "test", 0, paths), purpose="test")


@rule
def _value(state, rules):
    for p in range(state.accounts.shape[0]):
        value_options(path_of(state, p), rules)


@rule
def _buy(state, i, j, n, cash, paid, terms, rules):
    for p in range(state.accounts.shape[0]):
        b = path_of(state, p)
        row = b.row
        for f in range(row.size):
            row[f] = b.accounts[i, f]
        row[book.CASH] += cash
        b.scalar[book.OUTSIDE_CASH] -= cash
        paid[p] = n * trade_option(b, row, j, n, rules)
        change(b, i, row, terms, rules)


def buy(model, i, j, n, cash=1e6):
    """Account `i` gets `cash` and buys `n` of option `j` on every path. Returns float64 [path], what each paid."""
    paid = np.empty(model.state.accounts.shape[0])
    _buy(model.state, i, j, n, cash, paid, model.terms, model.rules)
    return paid


def started(scenario, paths):
    """A model whose first marks are made: the values at the start, before the first step."""
    model = model_of(scenario, paths)
    _value(model.state, model.rules)
    return model


def test_an_option_held_to_expiry_pays_its_price_on_average_and_parity_holds_on_every_path():
    """Driftless Brownian motion, a surface at its volatility: options earn nothing in the mean, calls less puts a forward."""
    model = started(scenario_of(), 20_000)
    paid = [buy(model, j, j, 1.0) for j in range(6)]
    strikes = 3000.0 * np.array([0.85, 0.85, 1.0, 1.0, 1.2, 1.2])
    fair = price(3000.0, strikes, 7 * DAY / YEAR, 0.8, np.arange(6) % 2 == 0)
    for j in range(6):
        assert paid[j] == pytest.approx(fair[j], rel=2e-6)  # a curvature of 1e-6 is nearly none
    model.run(6)
    assert (model.state.accounts[:, :6, book.CASH] == 1e6 - np.array(paid).T).all()
    model.run(1)
    last = model.market.price[-1, 0]
    gain = model.state.accounts[:, :6, book.CASH] - 1e6
    for j in range(6):
        worth = np.maximum((last - strikes[j]) * (1 if j % 2 == 0 else -1), 0.0)
        np.testing.assert_allclose(gain[:, j], worth - paid[j], atol=1e-8)
        assert abs(gain[:, j].mean()) < 4 * gain[:, j].std() / math.sqrt(len(gain)) + 1e-5 * fair[j]
    for j in (0, 2, 4):
        np.testing.assert_allclose(gain[:, j] - gain[:, j + 1], last - 3000.0, atol=1e-7)
    listed = book.option_part(model.state, model.rules, "options")[:, :, book.STRIKE]
    assert listed == pytest.approx(last[:, None] * np.array([0.85, 0.85, 1, 1, 1.2, 1.2]))


def test_premium_paid_is_premium_received_and_spread_and_depth_cost_the_buyer():
    model = started(scenario_of(spread=0.02, vega=1e5), 3)
    writer = model.rules.accounts + book.WRITER
    before = model.state.accounts[:, writer, book.CASH].copy()
    paid = buy(model, 0, 2, 10.0)
    np.testing.assert_allclose(model.state.accounts[:, writer, book.CASH] - before, paid, atol=1e7 * 2.0**-52)
    vega = model.state.option[0, 2, book.VEGA]
    volatility = 0.8 + 0.5 * 10.0 * vega / 1e5 + 0.01 * (30 / 7) ** 0.35
    assert paid == pytest.approx(10 * price(3000.0, 3000.0, 7 * DAY / YEAR, volatility, True), rel=2e-6)
    sold = buy(model, 0, 2, -10.0, cash=0.0)
    assert (sold + paid > 0).all()  # a round trip costs the spread; what the buy moved, the sale moves back
    assert sold == pytest.approx(
        -10 * price(3000.0, 3000.0, 7 * DAY / YEAR, volatility - 0.02 * (30 / 7) ** 0.35, True), rel=2e-6
    )
    assert book.option_part(model.state, model.rules, "slots")[:, 0, book.IMPACT] == pytest.approx(0.0, abs=1e-18)


@pytest.mark.parametrize("step", [86_400.0, 21_600.0, 5_400.0])
def test_a_hedged_writer_loses_less_the_finer_it_hedges(step):
    """The deviation of a hedged option is sqrt(pi / 4) vega volatility / sqrt(hedges) to first order (Derman and Kamal 1999)."""
    model = started(scenario_of(step=step, hedge=1.0), 4000)
    paid = buy(model, 0, 2, 1.0)
    writer = model.rules.accounts + book.WRITER
    vega, delta = model.state.option[0, 2, book.VEGA], model.state.option[:, 2, book.DELTA]
    book.option_part(model.state, model.rules, "underlyings")[:, 0, book.OPTION_HEDGE] = (
        delta  # as `hedge_writer` sets it from the first step on
    )
    steps = int(7 * DAY / step)
    model.run(steps)
    gain = model.state.accounts[:, writer, book.CASH] - 1e7
    assert abs(gain.mean()) < 4 * gain.std() / math.sqrt(len(gain)) + 1e-5 * paid.mean()
    first_order = math.sqrt(math.pi / 4) * vega * 0.8 / math.sqrt(steps)
    spread = 4 * math.sqrt(((gain / gain.std()) ** 4).mean() - 1) / (2 * math.sqrt(len(gain)))
    assert abs(gain.std() / first_order - 1) < spread + 0.5 / steps**0.5  # the second order falls with the number of hedges


def test_the_settlement_is_the_mean_of_the_window():
    model = started(scenario_of(step=3600.0, window=6 * 3600.0), 5)
    paid = buy(model, 0, 0, 1.0)
    model.run(7 * 24)
    mean = model.market.price[-6:, 0].mean(axis=0)
    expected = 1e6 - paid + np.maximum(mean - 2550.0, 0.0)
    np.testing.assert_allclose(model.state.accounts[:, 0, book.CASH], expected, rtol=1e-13)


CROWDED = {
    "step": 3600.0, "substeps": 2, "days": 6.0, "volatility": 1.6, "surface": "[surfaces.ETH]\n", "valued": "mark", "depth": 3e6,
    "interval": 2.0, "window": 7200.0, "vega": 3e4, "spread": 0.01, "hedge": 0.5, "cohorts": CROWD, "latency": 5000.0,
}  # fmt: skip


def digest(outcomes) -> str:
    hash_ = hashlib.sha256(outcomes.path.tobytes())
    for name in sorted(outcomes.columns):
        hash_.update(outcomes.columns[name].tobytes())
    return hash_.hexdigest()


def test_a_crowd_of_dealers_conserves_value_and_its_bytes_do_not_depend_on_blocks():
    """Books are audited to 1e-9 inside the run; here options net to zero and losses fall into buckets, whatever the block."""
    scenario = scenario_of(**CROWDED)
    outcomes = simulate(scenario, count=24)
    assert outcomes.column("liquidations.whole").sum() > 0
    assert outcomes.column("open_interest.steady").min() > 0
    for block in (1, 7):
        assert digest(simulate(scenario, count=24, block=block)) == digest(outcomes)
    model = model_of(scenario, 8)
    model.run(100)
    first = model.state.accounts.shape[2] - model.rules.options
    held = model.state.accounts[:, :, first:]
    assert np.abs(held.sum(axis=1)).max() < 1e-12 * np.abs(held).sum(axis=1).max()
    assert np.abs(held).sum() > 0
    assert model.state.scalar[:, book.WORST_IMBALANCE].max() < 1e-12


def test_the_watch_list_finds_every_account_that_brute_force_finds():
    scenario = scenario_of(**CROWDED)
    market = scenario.market.paths(scenario.grid, scenario.seed, "test", 0, 6)
    found = []
    for watches in (True, False):
        model = RiskModel(scenario, market, purpose="test", watches=watches)
        found.append(digest(model.outcomes_of(scenario.parameters)))
    assert found[0] == found[1]


def test_hedgers_move_the_perpetual_and_stricter_margin_evicts_writers():
    quiet = scenario_of(**(CROWDED | {"cohorts": CROWD.split("[[cohorts]]\nkind = \"option-hedgers\"")[0]}))  # fmt: skip
    loud = scenario_of(**CROWDED)
    runs = [simulate(s, count=40) for s in (quiet, loud)]
    moved = [run.column("observed_variance.ETH.whole") - run.column("external_variance.ETH.whole") for run in runs]
    assert np.abs(moved[0]).max() == 0.0  # nobody trades the perpetual
    assert np.abs(moved[1]).min() > 0.0
    strict = loud.parameters.replace({"options.ETH.maintenance_put": 0.6, "options.ETH.initial_spot": 0.6})
    assert simulate(loud, parameters=strict, count=40).column("newly_liquidatable.transition").sum() >= 0
    fewer = simulate(loud, parameters=strict, count=40).column("open_interest.steady")
    assert (fewer - simulate(loud, count=40).column("open_interest.steady")).mean() < 0
