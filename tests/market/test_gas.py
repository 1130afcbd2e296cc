"""The price of gas: its closed forms, and what ties it to the volatility of the path."""

import math

import numpy as np
import pytest
from pydantic import TypeAdapter

from simulator.market import Grid
from simulator.market.gas import Gas
from simulator.market.stress import stressed_paths

YEAR = 365 * 86_400
HOURS = Grid(market_step=3600.0, substeps=2, transition=1, horizon=3)
DAYS = Grid(market_step=86_400.0, transition=1, horizon=40)


def log_gas(market, grid, count=20_000, **fields):
    """[market step, path]"""
    own = TypeAdapter(Gas).validate_python({"kind": "mean-reverting", "asset": "A0", "level": 25.0} | fields)
    gas = stressed_paths(market, (), own, grid, 11, "run", 0, count).gas
    assert gas.shape == (grid.steps, count)
    assert all((gas[k :: grid.substeps] == gas[:: grid.substeps]).all() for k in range(grid.substeps))
    return np.log(gas[:: grid.substeps] / 25.0)


@pytest.mark.parametrize("grid", [HOURS, DAYS], ids=["hours", "days"])
@pytest.mark.parametrize(("spread", "half_life"), [(0.6, 40_000.0), (2.0, 900_000.0)], ids=["calm", "wild"])
def test_without_jumps_it_is_stationary_from_the_start(grid, spread, half_life, make_market, score):
    x = log_gas(make_market("brownian"), grid, spread=spread, half_life=half_life)
    kept = 2.0 ** (-grid.market_step / half_life)
    for t in (0, 1, grid.market_steps - 1):
        assert abs(score(x[t], 0.0)) < 4
        assert abs(score(x[t] ** 2, spread**2)) < 4
    for lag in (1, 5, grid.market_steps - 1):
        assert abs(score(x[0] * x[lag], spread**2 * kept**lag)) < 4
    assert abs(score((x[-1] > 0).astype(float), 0.5)) < 4  # `level` is the median


@pytest.mark.parametrize(("intensity", "mean"), [(50.0, 0.5), (3_000.0, 1.5)], ids=["rare", "many"])
def test_jumps_have_their_rate_their_size_and_their_way_back(intensity, mean, make_market, score):
    """At constant volatility: a jump in a step with p = 1 - exp(-intensity step), exponential, kept 2^(-step / half-life)."""
    x = log_gas(make_market("brownian"), HOURS, spread=0.3, half_life=20_000.0, jump_intensity=intensity, jump_mean=mean)
    kept, p = 2.0 ** (-3600 / 20_000), -math.expm1(-intensity * 3600 / YEAR)
    for t in (1, 10, HOURS.market_steps - 1):
        expected = p * mean * (1 - kept**t) / (1 - kept)
        spread = 0.09 + (2 * p - p * p) * mean**2 * (1 - kept ** (2 * t)) / (1 - kept**2)
        assert abs(score(x[t], expected)) < 4
        assert abs(score((x[t] - expected) ** 2, spread)) < 4


def test_it_answers_to_the_volatility_of_its_asset(make_market):
    market = make_market("garch-t", "brownian")
    volatility = market.paths(HOURS, 11, "run", 0, 50).volatility[:, 0]
    plain, tied = (log_gas(market, HOURS, count=50, spread=0.5, half_life=40_000.0, volatility_elasticity=e) for e in (0.0, 1.5))
    assert np.abs(tied - plain - 1.5 * np.log(volatility / market.reference_volatility("A0"))).max() < 1e-12


def test_jumps_come_with_the_variance(make_market, score):
    """Their chance grows with the square of volatility: at twice the reference, 1 - exp(-4 intensity step)."""
    process = {"kind": "garch", "volatility": 0.4, "alpha": 0.0, "beta": 0.999999, "volatility_today": 0.8}
    x = log_gas(make_market(process), HOURS, spread=0.0, half_life=1e12, jump_intensity=200.0, jump_mean=1.0)
    chance = -math.expm1(-4 * 200.0 * 3600 / YEAR)
    jumped = (np.diff(x, axis=0) > 1e-9).mean(axis=0)
    assert abs(score(jumped, chance)) < 4


def test_it_starts_where_it_stands_today(make_market):
    x = log_gas(make_market("brownian"), HOURS, count=5, spread=0.5, half_life=40_000.0, today=50.0)
    assert np.abs(x[0] - math.log(2.0)).max() < 1e-14


def test_one_price_is_the_same_at_every_step(make_market):
    own = TypeAdapter(Gas).validate_python({"kind": "constant", "asset": "A0", "price": 30.0})
    paths = stressed_paths(make_market("brownian"), (), own, HOURS, 1, "run", 0, 3)
    assert (paths.gas == 30.0).all()
    assert paths.block_capacity is None
