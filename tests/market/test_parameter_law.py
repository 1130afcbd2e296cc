"""Each path draws its parameters from their estimated law; without a law, or with it off, all use the point estimate."""

import math

import numpy as np
import pytest

from simulator.market import Grid
from simulator.market.innovations import StudentT
from simulator.market.law import at, coordinates
from simulator.market.processes import Garch

GRID = Grid(market_step=3600.0, transition=1, horizon=1)


def _market(make_market, deviation=0.25, draws=200, **fields):
    law = {"names": ["log_volatility"], "covariance": [[deviation**2]], "draws": draws}
    return make_market("brownian", parameter_law=law, **fields)


def test_the_volatility_of_paths_has_the_stated_law(make_market):
    first = _market(make_market, draws=4_000).paths(GRID, 1, "run", 0, 8_000).volatility[0, 0]
    drawn = np.unique(first)
    logs = np.log(drawn / 0.8)
    assert len(drawn) > 3_000
    assert abs(logs.mean() / (0.25 / math.sqrt(len(drawn)))) < 4
    assert abs((logs.std() / 0.25 - 1) * math.sqrt(2 * len(drawn))) < 4


def test_no_more_vectors_than_draws_and_each_used_about_alike(make_market):
    first = _market(make_market, draws=50).paths(GRID, 1, "run", 0, 10_000).volatility[0, 0]
    values, counts = np.unique(first, return_counts=True)
    assert len(values) == 50
    assert np.abs((counts - 200) / np.sqrt(200)).max() < 4.5


def test_point_parameters_are_the_market_without_a_law(make_market):
    market = _market(make_market)
    bytes_of = [
        m.paths(GRID, 1, "run", 0, 20).price.tobytes()
        for m in (market.with_point_parameters(), market.model_copy(update={"parameter_law_off": True}), make_market("brownian"))
    ]
    assert bytes_of[0] == bytes_of[1] == bytes_of[2]
    assert bytes_of[0] != market.paths(GRID, 1, "run", 0, 20).price.tobytes()


def test_every_drawn_path_is_a_martingale(make_market, score):
    names = ["log_volatility", "logit_persistence", "logit_alpha_share", "log_degrees_above_two", "log_jump_intensity"]
    law = {"names": names, "covariance": np.diag([0.04, 0.1, 0.1, 0.05, 0.3]).tolist(), "draws": 100}
    market = make_market("garch-t", jumps="kou", parameter_law=law)
    grid = Grid(market_step=864_000.0, transition=10, horizon=40)
    assert abs(score(market.paths(grid, 3, "run", 0, 60_000).price[-1, 0], 1.0)) < 4


@pytest.mark.parametrize("jumps", ["none", "merton", "kou"])
@pytest.mark.parametrize("process", ["brownian", "garch", "garch-t", "gjr-t"])
def test_the_point_is_where_its_coordinates_lead(process, jumps, make_market):
    asset = make_market(process, jumps=jumps).assets[0]
    point = coordinates(asset.process, asset.jumps)
    back, jumps_back = at(asset.process, asset.jumps, point)
    assert coordinates(back, jumps_back) == pytest.approx(point, rel=1e-12)
    assert back.volatility == pytest.approx(asset.process.volatility, rel=1e-14)
    if isinstance(back, Garch):
        assert (back.alpha, back.beta, back.gamma) == pytest.approx(
            (asset.process.alpha, asset.process.beta, asset.process.gamma), rel=1e-12
        )


def test_no_draw_leaves_what_the_parts_accept(make_market):
    asset = make_market("gjr-t", jumps="kou").assets[0]
    for far in (-60.0, 60.0):
        process, jumps = at(asset.process, asset.jumps, dict.fromkeys(coordinates(asset.process, asset.jumps), far))
        assert process.persistence < 1
        assert isinstance(process.innovation, StudentT)
        assert process.innovation.degrees_of_freedom > 2
        assert jumps.eta_up > 1
        assert 0 < process.volatility <= 1_000
