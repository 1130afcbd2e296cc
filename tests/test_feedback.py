"""What trading here does to volatility: W06 asset by asset, and fits with it taken out (DESIGN 3.5)."""

import json
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from simulator.calibration.feedback import amplification, market_with, reconcile
from simulator.checks import volatilities, volatility_warnings
from simulator.cli import main
from simulator.estimation.errors import FitError
from simulator.estimation.fit import fit_market
from simulator.estimation.jumps import fit_kou, fit_merton
from simulator.estimation.returns import read_each
from simulator.estimation.scaling import scaled
from simulator.estimation.settings import FitSettings
from simulator.market import ModelMarket
from simulator.model import simulate
from simulator.outcomes import Outcomes
from simulator.scenario import Scenario

ROOT = Path(__file__).resolve().parent.parent
UNTIL = datetime(2023, 1, 1, tzinfo=UTC)
HOURS = 8_760
HALF_HOURS = {"market_step = 3600.0": "market_step = 1800.0", "step = 3600.0": "step = 1800.0"}
THIN = {
    "accounts = 600": "accounts = 40",
    "depth = 1.2e9": "depth = 3e7",
    "horizon = 2.0": "horizon = 0.5",
    "transition = 1.0": "transition = 0.25",
    "burn_in = 1.0": "burn_in = 0.25",
}


@pytest.fixture(scope="module")
def thin(tmp_path_factory) -> Path:
    """A shipped scenario with few accounts in a venue so thin that their trading moves the mark."""
    text = (ROOT / "scenarios" / "eth-perpetual.toml").read_text()
    for old, new in THIN.items():
        assert old in text
        text = text.replace(old, new)
    path = tmp_path_factory.mktemp("thin") / "thin.toml"
    path.write_text(text)
    return path


def write(path: Path, returns: np.ndarray, names: tuple[str, ...]) -> Path:
    """Hourly prices from log returns [t, asset]."""
    prices = 100 * np.exp(np.vstack([np.zeros(returns.shape[1]), np.cumsum(returns, axis=0)]))
    moments = (datetime(2022, 1, 1, tzinfo=UTC) + timedelta(hours=t) for t in range(len(prices)))
    stamps = [f"{moment:%Y-%m-%dT%H:%M:%SZ}" for moment in moments]
    rows = [",".join((stamp, *(repr(float(price)) for price in row))) for stamp, row in zip(stamps, prices, strict=True)]
    path.write_text("\n".join([",".join(("timestamp", *names)), *rows]) + "\n")
    return path


@pytest.fixture(scope="module")
def prices(tmp_path_factory) -> tuple[Path, float]:
    """Hourly prices with normal returns, and their realised variance a year."""
    r = 0.008 * np.random.default_rng(7).standard_normal((3_000, 1))
    return write(tmp_path_factory.mktemp("prices") / "eth.csv", r, ("ETH",)), float(np.mean(r**2)) * HOURS


def observed(scenario: Scenario, market: ModelMarket) -> tuple[float, float]:
    """Observable variance a year of ETH on paths that no fit has seen: mean and standard error over paths."""
    place = scenario.model_copy(update={"market": market})
    values = simulate(place, count=1_500, purpose="fresh").column("observed_variance.ETH.whole")
    return float(values.mean()), float(values.std(ddof=1)) / math.sqrt(len(values))


def test_the_corrected_market_shows_the_variance_of_the_data_and_the_plain_fit_shows_more(thin, prices, tmp_path, capsys):
    path, variance = prices
    scenario = Scenario.load(thin)
    base = ["fit", str(path), "--until", "2023-01-01T00:00:00Z", "--innovation", "normal", "--jumps", "none", "--json"]
    found = {}
    for name, more in (("plain", ["--paths", "0"]), ("corrected", ["--paths", "600", "--with-feedback", str(thin)])):
        out = tmp_path / f"{name}.toml"
        assert main([*base, *more, "--out", str(out)]) == 0
        facts = json.loads(capsys.readouterr().out)
        text = thin.read_text()
        block = out.read_text().replace('start = "today"', 'start = "stationary"\nparameter_law_off = true')
        whole = text[: text.index("[market]")] + block + text[text.index("[protocol]") :]
        found[name] = observed(scenario, Scenario.from_text(whole, tmp_path).market)
    (plain, plain_error), (corrected, error) = found["plain"], found["corrected"]
    assert (plain - variance) / plain_error > 4
    own = 2 * facts["feedback"][0]["error"] * variance  # of the factor
    assert abs(corrected - variance) < 4 * math.hypot(error, own)
    assert error < 0.06 * variance
    shares = [Scenario.from_text(whole, tmp_path).market.assets[0].external_share, facts["feedback"][0]["factor"]]
    assert shares[0] == pytest.approx(shares[1], rel=1e-7)
    said = " ".join((tmp_path / "corrected.toml").read_text().replace("#", "").split())
    assert "every external return is therefore multiplied" in said
    assert "external returns reconciled with the feedback of eth-perpetual" in said


def test_a_market_nobody_moves_keeps_its_fit(thin, prices):
    table = read_each(prices[0])
    fit = fit_market(table, until=UNTIL, settings=FitSettings(jumps="none", innovation="normal"), paths=0)
    deep = Scenario.from_text(thin.read_text().replace("depth = 3e7", "depth = 1e13"), ROOT / "scenarios")
    (row,) = reconcile(fit, deep, paths=20).feedback
    assert row.factor == pytest.approx(1.0, abs=1e-3)
    assert row.amplified == pytest.approx(1.0, abs=1e-3)


def test_scaling_a_fit_is_fitting_scaled_returns(tmp_path):
    r = 0.01 * np.random.default_rng(3).standard_t(5, (2_000, 1))
    files = [write(tmp_path / f"{factor}.csv", factor * r, ("AAA",)) for factor in (1.0, 1.7)]
    plain, larger = (fit_market(read_each(file), until=UNTIL, paths=0).assets[0] for file in files)
    by_hand = scaled(plain, 1.7)
    for key, estimate in larger.estimates.items():
        assert by_hand.estimates[key].value == pytest.approx(estimate.value, rel=1e-4)
        if estimate.standard_error is not None:
            assert by_hand.estimates[key].standard_error == pytest.approx(estimate.standard_error, rel=1e-2)
    np.testing.assert_allclose(by_hand.law.covariance, larger.law.covariance, rtol=2e-2, atol=1e-6)
    sizes = np.random.default_rng(4).normal(-0.02, 0.05, 60)
    for make in (fit_merton, fit_kou):
        jumps = make(sizes, 3.0)
        covariance = tuple(map(tuple, np.diag(list(jumps.law.values())).tolist()))
        law = plain.law.model_copy(update={"names": tuple(jumps.law), "covariance": covariance})
        asset = scaled(replace(plain, jumps=jumps, law=law), 0.6)
        due = make(0.6 * sizes, 3.0)
        ours, theirs = (found.jumps.model_dump(exclude={"kind"}) for found in (asset.jumps, due))
        assert ours == pytest.approx(theirs, rel=1e-9)
        assert np.diag(asset.law.covariance) == pytest.approx(list(due.law.values()), rel=1e-9)
        assert asset.jumps.estimates["intensity"] == due.estimates["intensity"]


def test_the_warning_names_every_asset_that_is_moved():
    moved = {"AAA": 1.0, "BBB": 1.2, "CCC": 0.8, "DDD": 1.04}
    columns = {f"external_variance.{name}.whole": np.full(3, 0.25) for name in moved}
    columns |= {f"observed_variance.{name}.whole": np.full(3, 0.25) * by**2 for name, by in moved.items()}
    outcomes = Outcomes(np.arange(3), columns)
    assert volatilities(outcomes, ["BBB"])["BBB"] == pytest.approx((0.5, 0.6))
    lines = volatility_warnings(outcomes, list(moved), {})
    assert [line.split(" is ")[0] for line in lines] == [f"W06 the observable volatility of {name}" for name in ("BBB", "CCC")]
    assert "+20 %" in lines[0]
    assert "-20 %" in lines[1]
    taken_out = volatility_warnings(outcomes, list(moved), {"BBB": 1 / 1.16, "CCC": 1.1, "DDD": 0.9})
    assert [line.split(" is ")[0][-3:] for line in taken_out] == ["CCC", "DDD"]
    assert "the external one 0.5, 0.9 of what was fitted: trading moves it by -6 %" in taken_out[1]
    ratio, error = amplification(outcomes, "BBB")
    assert ratio == pytest.approx(1.44)
    assert error == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(
    ("change", "columns", "line"),
    [
        (HALF_HOURS, ("ETH",), "has a market step of 1800 s, the fit one of 3600 s"),
        ({}, ("BTC",), "has none of the fitted assets; it has ETH"),
    ],
)
def test_a_scenario_that_cannot_take_the_fit_is_refused(change, columns, line, thin, tmp_path):
    text = thin.read_text()
    for old, new in change.items():
        text = text.replace(old, new)
    r = 0.008 * np.random.default_rng(8).standard_normal((600, 1))
    table = read_each(write(tmp_path / "p.csv", r, columns))
    fit = fit_market(table, until=UNTIL, settings=FitSettings(jumps="none", innovation="normal"), paths=0)
    with pytest.raises(FitError) as raised:
        market_with(fit, Scenario.from_text(text, ROOT / "scenarios"))
    assert raised.value.problems == [("--with-feedback", f"eth-perpetual {line}")]


def test_fitted_assets_take_the_place_of_the_scenarios_own_and_the_others_stay(tmp_path):
    lending = Scenario.load(ROOT / "tests" / "corpus" / "good-lending.toml")
    z = np.random.default_rng(9).standard_normal((600, 3))
    z[:, 2] = 0.8 * z[:, 1] + 0.6 * z[:, 2]
    settings = FitSettings(jumps="none", innovation="normal")
    files = [
        write(tmp_path / f"{len(names)}.csv", 0.01 * z[:, : len(names)], names) for names in (("ETH",), ("BTC", "USDC", "ETH"))
    ]
    alone, together = (fit_market(read_each(file), until=UNTIL, settings=settings, paths=0) for file in files)
    market = market_with(alone, lending)
    assert (market.asset_names, market.start, market.correlation) == (("ETH", "USDC"), "stationary", None)
    assert market.assets[0].process == alone.market.assets[0].process
    assert market.assets[1] == lending.market.assets[1]
    market = market_with(together, lending)
    assert market.asset_names == ("ETH", "USDC")
    assert market.correlation[0][1] == together.correlation[1][2] == pytest.approx(0.8, abs=0.1)
    assert all(asset.parameter_law is None for asset in market.assets)


@pytest.mark.parametrize("base", [None, "ETH"])
def test_a_peg_to_a_dollar_is_reconciled_and_one_to_another_asset_keeps_its_law(base, tmp_path, monkeypatch):
    """Trading that multiplies every volatility by 1.1, whatever it is: what is left of a fitted one is 1 / 1.1 of it."""
    rng, x = np.random.default_rng(10), [0.0]
    for shock in 5e-4 * rng.standard_normal(1_500):
        x.append(0.9 * x[-1] + shock)
    ether = 0.01 * rng.standard_normal(1_500)
    r = np.column_stack([ether, np.diff(x) + (ether if base else 0.0)])
    table = read_each(write(tmp_path / "p.csv", r, ("ETH", "USDC")))
    settings = FitSettings(jumps="none", innovation="normal", pegs=(("USDC", base),))
    fit = fit_market(table, until=UNTIL, settings=settings, paths=0)

    def evaluate(place, _parameters, _purpose, _first, count, _jobs):
        external = {name: place.market.reference_volatility(name) ** 2 for name in place.assets}
        columns = {f"external_variance.{name}.whole": np.full(count, value) for name, value in external.items()}
        columns |= {f"observed_variance.{name}.whole": np.full(count, 1.21 * value) for name, value in external.items()}
        return [Outcomes(np.arange(count), columns)]

    monkeypatch.setattr("simulator.model.evaluate", evaluate)
    found = reconcile(fit, Scenario.load(ROOT / "tests" / "corpus" / "good-lending.toml"), paths=20)
    before, after = fit.market.assets[1].process, found.market.assets[1].process
    assert [row.asset for row in found.feedback] == (["ETH"] if base else ["ETH", "USDC"])
    assert all(row.factor == pytest.approx(1 / 1.1, rel=1e-3) for row in found.feedback)
    assert after.volatility == pytest.approx(before.volatility / (1.0 if base else 1.1), rel=1e-3)
    assert (after.half_life, after.peg) == (before.half_life, before.peg)


def test_bad_options_are_one_line(thin, prices, tmp_path, capsys):
    base = ["fit", str(prices[0]), "--until", "2023-01-01T00:00:00Z", "--out", str(tmp_path / "m.toml")]
    assert main([*base, "--with-feedback", str(thin), "--paths", "9"]) == 2
    assert capsys.readouterr().err == f"{prices[0]}: --with-feedback: simulates --paths paths: at least 10, but got 9\n"
    assert main([*base, "--with-feedback", str(tmp_path / "none.toml")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not (tmp_path / "m.toml").exists()
