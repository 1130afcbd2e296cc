"""What a scenario may say about a market, and the words that a wrong one gets."""

import math
import subprocess
import sys

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from simulator.market import Asset, Grid, Market, MarketPaths, ModelMarket
from simulator.market.innovations import Innovation
from simulator.market.jumps import Jumps
from simulator.market.processes import Process

GARCH = {"kind": "garch", "volatility": 0.8, "alpha": 0.1, "beta": 0.85, "volatility_today": 0.7}
KOU = {"kind": "kou", "intensity": 10.0, "up_probability": 0.4, "eta_up": 20.0, "eta_down": 15.0}
LAW = {"names": ["log_volatility"], "covariance": [[0.01]]}


def _asset(name="ETH", **fields):
    return {"name": name, "price": 2_000, "process": GARCH, **fields}


def _words(kind, value):
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(kind).validate_python(value)
    return " ".join(error["msg"] for error in caught.value.errors())


def _grid(**change):
    return {"market_step": 3600.0, "transition": 1.0, "horizon": 7.0, **change}


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        (Process, {**GARCH, "beta": 0.9}, "`alpha + beta < 1` must hold, but got 1"),
        (Process, {**GARCH, "gamma": 0.2}, "`alpha + gamma/2 + beta < 1` must hold, but got 1.05"),
        (Process, {**GARCH, "gamma": -0.2}, "`alpha + gamma >= 0` must hold, but got 0.1 and -0.2"),
        (Process, {**GARCH, "alpha": -0.1}, "greater than or equal to 0"),
        (Process, {**GARCH, "volatility": -0.8}, "greater than 0"),
        (Process, {**GARCH, "volatility": True}, "valid number"),
        (Process, {**GARCH, "volatility": "80%"}, "valid number"),
        (Process, {**GARCH, "volatility": math.nan}, "finite number"),
        (Process, {**GARCH, "omega": -1.0}, "Extra inputs"),
        (Process, {**GARCH, "kind": "gartch"}, "'geometric-brownian', 'garch'"),
        (Innovation, {"kind": "student-t", "degrees_of_freedom": 2.0}, "`degrees_of_freedom > 2` must hold, but got 2"),
        (Innovation, {"kind": "student-t", "degrees_of_freedom": 5000}, 'write innovation = { kind = "normal" }'),
        (Innovation, {"kind": "student-t", "degrees_of_freedom": 4, "max_move": 1.0}, "greater than or equal to 3"),
        (
            Jumps,
            {**KOU, "eta_up": 1.0},
            "`eta_up > 1` must hold, but got 1: the expected price after an up jump would be infinite",
        ),
        (Jumps, {**KOU, "up_probability": 1.5}, "less than or equal to 1"),
        (Jumps, {**KOU, "kind": "mertn"}, "'merton', 'kou'"),
        (Asset, _asset(name="<script>"), "match pattern"),
        (Asset, _asset(price=0), "greater than 0"),
        (Asset, _asset(parameter_law={**LAW, "names": ["log_vol"]}), "unknown coordinate `log_vol`; there are log_volatility"),
        (
            Asset,
            _asset(parameter_law={**LAW, "names": ["log_eta_down"]}),
            "which this asset does not have; it has log_volatility",
        ),
        (
            Asset,
            _asset(parameter_law={**LAW, "covariance": [[-0.1]]}),
            "`covariance` must be positive semi-definite, but its pivot 1",
        ),
        (Asset, _asset(parameter_law={**LAW, "covariance": [[0.1, 0.0]]}), "`covariance` must be 1 x 1"),
        (Grid, _grid(horizon=7.01), "`horizon` must be a whole number of market steps, but 7.01 days are 168.24 steps of 3600 s"),
        (Grid, _grid(market_step=864_000.0), "`transition` must be a whole number of market steps"),
        (Grid, _grid(transition=8.0), "`transition <= horizon` must hold, but got 8 and 7 days"),
        (Grid, _grid(substeps=0), "greater than or equal to 1"),
        (Grid, _grid(substeps=1.5), "valid integer"),
        (Grid, _grid(market_step=0.0), "greater than 0"),
    ],
)
def test_a_wrong_part_is_refused_with_the_rule_and_the_value(kind, value, words):
    assert words in _words(kind, value)


@pytest.mark.parametrize(
    ("matrix", "words"),
    [
        ([[1.0, 0.5]], "`correlation` must be 3 x 3, one row for each of A, B, C, but is 1 x 2"),
        ([[1, 0.5, 0], [0.4, 1, 0], [0, 0, 1]], "must be symmetric, but B with A is 0.4 and 0.5"),
        ([[0.9, 0, 0], [0, 1, 0], [0, 0, 1]], "must have 1 on its diagonal, but A with itself is 0.9"),
        ([[1, 1.2, 0], [1.2, 1, 0], [0, 0, 1]], "must lie between -1 and 1, but B with A is 1.2"),
        ([[1, 0.9, -0.9], [0.9, 1, 0.9], [-0.9, 0.9, 1]], "must be positive definite, but C contradicts A, B"),
    ],
)
def test_a_wrong_correlation_is_refused_with_the_number_that_breaks_it(matrix, words):
    value = {"kind": "model", "assets": [_asset(name) for name in "ABC"], "correlation": matrix}
    assert words in _words(ModelMarket, value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"assets": []}, "at least 1 item"),
        ({"assets": [_asset(), _asset()]}, "the asset ETH is there twice"),
        ({"start": "yesterday"}, "expected today, stationary or a percentile between 0 and 1 such as 0.9, but got yesterday"),
        ({"start": 90}, "expected today, stationary or a percentile between 0 and 1 such as 0.9, but got 90"),
        (
            {"assets": [_asset("A", parameter_law=LAW), _asset("B", parameter_law={**LAW, "draws": 9})]},
            "`draws` must be one number for all assets, but got 9, 200",
        ),
    ],
)
def test_a_wrong_market_is_refused(change, words):
    assert words in _words(Market, {"kind": "model", "assets": [_asset()], **change})


def test_a_volatility_in_percent_is_noticed():
    market = ModelMarket.model_validate({"assets": [_asset(process={**GARCH, "volatility": 80.0})]})
    assert market.notices() == ["assets.0.process.volatility: 80 is 8,000 percent a year; did you mean 0.8?"]
    assert ModelMarket.model_validate({"assets": [_asset()]}).notices() == []


def test_more_jumps_in_a_step_than_a_model_can_mean_are_refused():
    market = ModelMarket.model_validate({"assets": [_asset(jumps={**KOU, "intensity": 20_000.0})]})
    grid = Grid(market_step=86_400.0, transition=1, horizon=1)
    assert market.problems(grid) == [
        "assets.0.jumps.intensity: `intensity x market step <= 50` must hold, but got 54.7945 jumps in one step; "
        "lower the intensity or the step"
    ]
    with pytest.raises(ValueError, match="intensity x market step"):
        market.paths(grid, 1, "run", 0, 1)


def test_a_grid_counts_in_substeps():
    grid = Grid(market_step=3600.0, substeps=12, burn_in=2, transition=1, horizon=7)
    assert (grid.dt, grid.burn_in_steps, grid.transition_steps, grid.horizon_steps) == (300.0, 576, 288, 2016)
    assert (grid.steps, grid.market_steps) == (2592, 216)


def test_the_stationary_volatility_counts_jumps():
    market = ModelMarket.model_validate({"assets": [_asset(jumps=KOU)]})
    second = 2 * (0.4 / 400 + 0.6 / 225)
    assert market.reference_volatility("ETH") == pytest.approx(math.sqrt(0.64 + 10 * second), rel=1e-14)
    with pytest.raises(KeyError):
        market.reference_volatility("BTC")


def test_a_market_survives_its_own_dump():
    value = {"kind": "model", "assets": [_asset(jumps=KOU, parameter_law=LAW)], "correlation": [[1.0]], "start": 0.5}
    market = TypeAdapter(Market).validate_python(value)
    assert TypeAdapter(Market).validate_python(market.model_dump()) == market
    assert TypeAdapter(Market).validate_json(market.model_dump_json()) == market
    assert "assets" in str(TypeAdapter(Market).json_schema())


def test_explicit_prices_become_paths():
    price = np.array([[[1.0, 2.0]], [[1.1, 2.0]], [[1.0, 2.2]]])
    paths = MarketPaths.from_prices(["ETH"], price, dt=3600.0)
    assert (paths.n_paths, paths.n_steps, paths.volatility.shape) == (2, 2, (2, 1, 2))
    realised = math.sqrt(np.mean(np.diff(np.log(price[:, 0, 0])) ** 2) * 8760)
    assert paths.volatility[0, 0, 0] == pytest.approx(realised, rel=1e-14)
    stated = MarketPaths.from_prices(["ETH"], price, dt=1800.0, substeps=2, volatility=[[[0.5, 0.6]]])
    assert stated.volatility.tolist() == [[[0.5, 0.6]]]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"price": [[1.0]]}, r"`price` must be \[substep \+ 1, asset, path\]"),
        ({"price": [[[1.0]], [[-1.0]]]}, "every price must be positive and finite"),
        ({"assets": ["A", "B"]}, "with 2 assets"),
        ({"substeps": 2}, "1 substeps must be a whole number of market steps of 2 substeps"),
        ({"dt": 0.0}, "`dt > 0` must hold"),
        ({"volatility": [[[0.1, 0.1]]]}, "`volatility` must be"),
    ],
)
def test_wrong_explicit_prices_are_refused(change, words):
    with pytest.raises(ValueError, match=words):
        MarketPaths.from_prices(**{"assets": ["A"], "price": [[[1.0]], [[1.1]]], "dt": 1.0, **change})


def test_reading_a_market_loads_nothing_heavy():
    code = (
        "import sys; from simulator.market import Market; from pydantic import TypeAdapter; TypeAdapter(Market);"
        "print([m for m in ('numpy', 'numba', 'pandas', 'scipy', 'arch', 'mesa') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found.strip() == "[]"
