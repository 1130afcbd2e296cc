"""A fit as a market: what is written is what was fitted, says where it comes from, and cannot be broken by a name."""

import math
import tomllib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from simulator.estimation.errors import FitError
from simulator.estimation.fit import fit_market
from simulator.estimation.market_fit import MarketFit
from simulator.estimation.settings import FitSettings
from simulator.market import ModelMarket
from simulator.market.innovations import StudentT
from simulator.market.price_file import PriceTable
from simulator.market.processes import Garch

START = datetime(2022, 1, 1, tzinfo=UTC)
LATE = datetime(2030, 1, 1, tzinfo=UTC)
TRUE = {"alpha": 0.06, "beta": 0.9, "nu": 5.0}


def prices_of(returns: np.ndarray, names: tuple[str, ...], warnings: tuple[str, ...] = ()) -> PriceTable:
    log_price = np.vstack([np.zeros(returns.shape[1]), np.cumsum(returns, axis=0)])
    moments = (START.timestamp() + 3600 * np.arange(len(log_price))) * 1e9
    return PriceTable(names, moments.astype(np.int64), 100 * np.exp(log_price), 3600.0, "ab" * 32, warnings)


@pytest.fixture(scope="module")
def prices(make_returns) -> PriceTable:
    return prices_of(make_returns(2500, 31, **TRUE, paths=2), ("AAA", "BBB"))


@pytest.fixture(scope="module")
def fit(prices) -> MarketFit:
    return fit_market(prices, until=LATE, file="prices.csv", paths=0)


def test_the_block_is_the_market_that_was_fitted(fit):
    market = fit.market
    assert isinstance(market, ModelMarket)
    assert market.asset_names == ("AAA", "BBB")
    for asset, found in zip(market.assets, fit.assets, strict=True):
        process = asset.process
        assert isinstance(process, Garch)
        assert isinstance(process.innovation, StudentT)
        for key in ("volatility", "alpha", "beta", "gamma", "volatility_today"):
            assert getattr(process, key) == pytest.approx(found.estimates[key].value, rel=1e-7)
        assert process.innovation.degrees_of_freedom == pytest.approx(found.estimates["degrees_of_freedom"].value, rel=1e-7)
        assert process.innovation.max_move == math.ceil(1.5 * found.largest_residual)
        assert asset.price == found.price
        assert asset.parameter_law == found.law
    assert market.correlation == fit.correlation


def test_volatility_today_is_the_variance_of_the_step_to_come(fit, prices):
    """The filter goes one step beyond the last return; forgetting it is a day-old volatility."""
    r = np.diff(np.log(prices.prices[:, 0]))
    p = fit.assets[0].estimates
    level = p["volatility"].value ** 2 / 8760
    alpha, beta = p["alpha"].value, p["beta"].value
    h = level
    for e in r[-500:]:
        h = level * (1 - alpha - beta) + alpha * e * e + beta * h
    assert p["volatility_today"].value == pytest.approx(math.sqrt(h * 8760), rel=1e-6)


def test_where_numbers_come_from_stands_in_the_block_as_data_and_beside_them(fit):
    text = fit.toml()
    facts = tomllib.loads(text)["market"]["provenance"]
    assert facts["prices"] == "prices.csv"
    assert facts["sha256"] == "ab" * 32
    assert facts["since"] == "2022-01-01T00:00:00Z"
    assert facts["until"] == (START + timedelta(hours=2500)).isoformat().replace("+00:00", "Z")
    assert facts["rows"] == 2501
    assert facts["step"] == 3600.0
    assert "variance targeted; persistence <= 0.995 a day" in facts["method"]
    for key in ("volatility", "alpha", "beta", "degrees_of_freedom"):
        assert any(line.startswith(f"{key} = ") and "standard error" in line for line in text.splitlines())
    assert "numpy" in text
    assert "substeps = 60" in fit.toml(substeps=60)


def test_a_hostile_file_name_is_text_and_nothing_else(fit):
    name = 'x"\n[market]\nkind = "replay"\x1b[2J\u202e.csv'
    hostile = replace(fit, source=replace(fit.source, file=name), warnings=("line\nbreak = 1",))
    block = tomllib.loads(hostile.toml())
    assert block["market"]["provenance"]["prices"] == name
    assert block["market"]["kind"] == "model"
    assert "\x1b" not in hostile.toml()
    assert "break" not in block


def test_persistence_at_its_bound_has_no_variance_in_the_law(make_returns):
    returns = make_returns(2500, 32, alpha=0.05, beta=0.945, nu=6.0)
    found = fit_market(prices_of(returns, ("A",)), until=LATE, settings=FitSettings(persistence_per_day=0.5), paths=0)
    asset = found.assets[0]
    assert asset.estimates["persistence"].value == pytest.approx(0.5 ** (1 / 24), rel=1e-9)
    assert asset.estimates["persistence"].standard_error is None
    place = asset.law.names.index("logit_persistence")
    assert set(asset.law.covariance[place]) == {0.0}
    assert "at the bound: no standard error" in found.toml()
    assert asset.cost_of_bounds > 0
    assert found.market.assets[0].process.volatility == pytest.approx(math.sqrt(np.mean(returns**2) * 8760), rel=1e-6)


def test_the_law_gives_the_market_draws_around_the_estimate(fit):
    from simulator.market import Grid

    grid = Grid(market_step=3600.0, transition=1.0, horizon=2.0)
    paths = fit.market.paths(grid, 1, "test", 0, 50)
    assert np.isfinite(paths.price).all()


def test_frames_and_print_hold_the_numbers(fit):
    frame = fit.frame()
    assert list(frame.columns) == ["asset", "parameter", "value", "standard_error", "low", "high", "note"]
    assert set(frame["asset"]) == {"AAA", "BBB"}
    assert "AAA: volatility" in str(fit)
    assert all(len(line) < 130 for line in str(fit).splitlines())


def test_rows_outside_the_window_change_nothing(fit, prices):
    """M20 and M21: a future of garbage, or one that is left out, leaves every number as it was."""
    until = START + timedelta(hours=2500)
    more = np.vstack([prices.prices, np.full((50, 2), 7.0)])
    moments = np.concatenate([prices.timestamps, prices.timestamps[-1] + 3_600_000_000_000 * np.arange(1, 51)])
    garbage = replace(prices, prices=more, timestamps=moments)
    assert fit_market(garbage, until=until, file="prices.csv", paths=0).toml() == fit.toml()
    out = fit_market(garbage, until=LATE, exclude=[(until, LATE)], paths=0)
    assert out.frame().equals(fit.frame())


@pytest.mark.parametrize("kind", ["merton", "kou"])
def test_jumps_stand_in_the_block_with_their_errors_and_their_law(make_returns, kind):
    returns = make_returns(2500, 33, alpha=0.06, beta=0.9, nu=10.0)
    returns[300:2400:200, 0] += 0.2 * np.resize([-1, -1, 1], 11)
    found = fit_market(prices_of(returns, ("A",)), until=LATE, settings=FitSettings(jumps=kind), paths=0)
    asset = found.market.assets[0]
    assert asset.jumps is not None
    assert asset.jumps.kind == kind
    assert asset.jumps.intensity == pytest.approx(found.assets[0].jumps.count / (2500 / 8760))
    assert asset.volatility == pytest.approx(found.assets[0].estimates["total_volatility"].value, rel=1e-6)
    if kind == "merton":  # sizes of one second moment; an exponential law of these would have twice as much
        assert asset.volatility == pytest.approx(math.sqrt(np.mean(returns**2) * 8760), rel=0.05)
    assert "log_jump_intensity" in asset.parameter_law.names
    assert "intensity = " in found.toml()


def test_a_name_no_market_accepts_is_refused_before_the_work(prices):
    with pytest.raises(FitError, match="A/B: is no name of an asset"):
        fit_market(replace(prices, assets=("A/B", "B")), until=LATE)


def test_one_asset_has_no_correlation(prices):
    single = replace(prices, assets=("AAA",), prices=prices.prices[:, :1])
    found = fit_market(single, until=LATE, paths=0)
    assert "correlation" not in tomllib.loads(found.toml())["market"]
    assert found.market.correlation is None
