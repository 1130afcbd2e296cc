"""A fit on rows it never saw: the law of the next return, coverage on markets whose truth is known, and no look ahead."""

import json
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from scipy.integrate import quad

from simulator.cli import main
from simulator.estimation.errors import FitError
from simulator.estimation.fit import fit_market
from simulator.estimation.held_out import held_out
from simulator.estimation.next_return import NextReturn, variances
from simulator.market import Grid, ModelMarket
from simulator.market.model import Asset
from simulator.market.price_file import PriceTable

START = datetime(2022, 1, 1, tzinfo=UTC)
T = {"kind": "student-t", "degrees_of_freedom": 4.0, "max_move": 20.0}
GARCH = {"kind": "garch", "volatility": 0.8, "alpha": 0.08, "beta": 0.9, "volatility_today": 0.8, "innovation": T}


def asset(**fields) -> Asset:
    return Asset.model_validate({"name": "ETH", "price": 100.0, "process": {**GARCH, **fields.pop("process", {})}, **fields})


def table(prices: np.ndarray) -> PriceTable:
    moments = np.array([int((START + timedelta(hours=i)).timestamp()) * 10**9 for i in range(len(prices))])
    return PriceTable(("ETH",), moments, prices[:, None], 3_600.0, "0" * 64, ())


def simulated(hours: int, path: int = 0, **process) -> np.ndarray:
    market = ModelMarket(assets=(asset(process=process),))
    days = hours / 24
    return market.paths(Grid(market_step=3_600.0, transition=days, horizon=days), 3, "held out", path, 1).price[:, 0, 0]


@pytest.mark.parametrize(
    "jumps",
    [
        None,
        {"kind": "merton", "intensity": 876.0, "mean": -0.05, "deviation": 0.02},
        {"kind": "kou", "intensity": 876.0, "up_probability": 0.3, "eta_up": 30.0, "eta_down": 20.0},
    ],
)
def test_the_density_is_the_slope_of_the_probability_and_sums_to_one(jumps):
    law = NextReturn(asset(jumps=jumps), 3_600.0)
    h = np.array([1e-4])

    def density(x: float) -> float:
        return float(law.density(np.array([x]), h)[0])

    points = np.linspace(-0.3, 0.3, 61)
    slope = (law.probability(points + 1e-6, h) - law.probability(points - 1e-6, h)) / 2e-6
    assert np.allclose(law.density(points, h), slope, rtol=1e-4, atol=1e-6)
    fine = np.linspace(-0.6, 0.6, 400_001)
    assert np.sum(law.density(fine, h)) * (fine[1] - fine[0]) == pytest.approx(1, abs=2e-3)
    if jumps is None:
        variance = quad(lambda x: x * x * density(x), -0.25, 0.25, points=[0], limit=500)[0]
        assert variance == pytest.approx(1e-4, rel=1e-5)


def test_variances_are_those_of_the_path_and_do_not_look_ahead():
    """The filter on simulated returns gives the volatility that made them; garbage later on changes nothing before."""
    market = ModelMarket(assets=(asset(),))
    paths = market.paths(Grid(market_step=3_600.0, transition=10, horizon=10), 1, "filter", 0, 1)
    known = paths.volatility[:, 0, 0] ** 2 * 3_600 / (365 * 86_400)
    shocks = np.diff(np.log(paths.price[:, 0, 0]))
    found = variances(market.assets[0], shocks, 3_600.0, "filter", 1e9)
    assert np.abs(found / known - 1).max() < 5e-3  # a fit takes returns as having mean zero, paths have -h / 2
    for strategy in ("filter", "ewma", "still"):
        before = variances(market.assets[0], shocks, 3_600.0, strategy, 8.0)
        spoilt = shocks.copy()
        spoilt[120:] = 1e3
        assert (variances(market.assets[0], spoilt, 3_600.0, strategy, 8.0)[:121] == before[:121]).all()


def test_a_true_law_is_covered_and_a_wrong_one_is_not():
    """The exact test rejects a true law on about one series in twenty, and volatility that is a third too low on all."""
    truth, wrong = asset(), asset(process={"volatility": 0.55, "volatility_today": 0.55})
    rejected = {"truth": 0, "wrong": 0}
    for path in range(40):
        r = np.diff(np.log(simulated(3_000, path)))
        for name, law in (("truth", truth), ("wrong", wrong)):
            h = variances(law, r, 3_600.0, "filter" if name == "truth" else "still", 1e9)
            below = NextReturn(law, 3_600.0).probability(r, h)
            from simulator.risk.backtests import exact_p

            rejected[name] += exact_p(r.size, int((below < 0.05).sum()), 0.05) < 0.05
    assert rejected["truth"] <= 6  # binomial(40, .05): 7 or more once in 300
    assert rejected["wrong"] >= 35


@pytest.fixture(scope="module")
def fitted():
    prices = simulated(8_000)
    whole = table(prices)
    return whole, fit_market(whole, until=START + timedelta(hours=6_000), paths=0, file="x.csv")


def test_a_fit_on_later_rows(fitted):
    whole, fit = fitted
    (found,) = held_out(whole, fit)
    assert (found.asset, found.returns) == ("ETH", 2_000)
    assert found.since == START + timedelta(hours=6_000)
    by_strategy = {score.strategy: score for score in found.scores}
    assert by_strategy["filter"].log_score > by_strategy["still"].log_score
    assert by_strategy["still"].behind_low <= by_strategy["still"].behind <= by_strategy["still"].behind_high
    assert all(c.exact_p > 1e-3 for c in found.coverage.values())


def test_later_rows_change_no_fit_and_earlier_ones_no_test(fitted):
    """Truncating the file after the window leaves the fit, and spoiling rows before it leaves the test, as they were."""
    whole, fit = fitted
    short = replace(whole, timestamps=whole.timestamps[:6_001], prices=whole.prices[:6_001])
    assert fit_market(short, until=START + timedelta(hours=6_000), paths=0, file="x.csv").toml() == fit.toml()
    spoilt = whole.prices.copy()
    spoilt[:5_000] *= 7.0
    assert held_out(replace(whole, prices=spoilt), fit) == held_out(whole, fit)


def test_too_few_later_rows_are_refused(fitted):
    whole, fit = fitted
    short = replace(whole, timestamps=whole.timestamps[:6_100], prices=whole.prices[:6_100])
    with pytest.raises(FitError, match=">= 500 returns"):
        held_out(short, fit)


def test_the_command_prints_and_says_what_was_looked_at(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    prices = simulated(4_000)
    rows = [f"{(START + timedelta(hours=i)).isoformat()},{p:.6f}" for i, p in enumerate(prices)]
    (tmp_path / "p.csv").write_text("timestamp,ETH\n" + "\n".join(rows) + "\n")
    until = (START + timedelta(hours=3_000)).isoformat()
    assert main(["fit", "p.csv", "--until", until, "--paths", "0", "--held-out", "--online"]) == 0
    printed = capsys.readouterr().out
    assert "one-step VaR on 1,000 later returns" in printed
    assert "a volatility looked at now and then costs, on 1,000 later returns" in printed
    assert "they cannot confirm it" in " ".join(printed.split())
    assert max(map(len, printed.splitlines())) <= 80
    assert main(["fit", "p.csv", "--until", until, "--paths", "0", "--held-out", "--online", "--json", "--out", "m.toml"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["held_out"][0]["returns"] == 1_000
    assert {row["returns"] for row in data["online"]} == {1_000}
    assert math.isfinite(data["held_out"][0]["scores"][0]["log_score"])
