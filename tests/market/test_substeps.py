"""Inside a market step: a bridge with the step's own variance, and each jump whole in one substep."""

import numpy as np
import pytest
from scipy import stats

from simulator.market import Grid
from simulator.parameters import YEAR

GRID = Grid(market_step=3600.0, transition=1, horizon=2, substeps=5)
COARSE = Grid(market_step=3600.0, transition=1, horizon=2)


@pytest.mark.parametrize("process", ["brownian", "garch-t"])
@pytest.mark.parametrize("jumps", ["none", "kou"])
def test_substeps_leave_the_market_points_as_they_are(process, jumps, make_market):
    market = make_market(process, process, jumps=jumps, correlation=[[1.0, 0.5], [0.5, 1.0]])
    fine, coarse = (market.paths(grid, 1, "run", 0, 50) for grid in (GRID, COARSE))
    assert fine.price[::5].tobytes() == coarse.price.tobytes()
    assert fine.volatility.tobytes() == coarse.volatility.tobytes()


def test_geometric_brownian_motion_at_substeps_is_geometric_brownian_motion(make_market, score):
    """Increments of substeps are independent normals, of two assets with the stated correlation."""
    market = make_market("brownian", "brownian", correlation=[[1.0, -0.6], [-0.6, 1.0]])
    paths = market.paths(GRID, 2, "run", 0, 2_000)
    variance = 0.64 * GRID.dt / YEAR
    x = (np.diff(np.log(paths.price), axis=0) + variance / 2) / np.sqrt(variance)
    for place in range(5):
        assert stats.kstest(x[place::5, 0].ravel(), "norm").pvalue > 1e-4
        assert abs(score((x[place::5, 0] * x[place::5, 1]).ravel(), -0.6)) < 4
    for lag in (1, 2, 4, 5):
        assert abs(score((x[lag:, 0] * x[:-lag, 0]).ravel(), 0.0)) < 4
        assert abs(score((x[lag:, 0] * x[:-lag, 1]).ravel(), 0.0)) < 4


def test_the_bridge_has_the_variance_of_its_own_step(make_market, score):
    """Every substep of a step with variance h has variance h / substeps, for fat-tailed innovations too."""
    paths = make_market("garch-t").paths(GRID, 3, "run", 0, 4_000)
    h = paths.volatility[:, 0] ** 2 * GRID.market_step / YEAR
    x = np.diff(np.log(paths.price[:, 0]), axis=0).reshape(len(h), 5, -1)
    for place in range(5):
        assert abs(score((x[:, place] ** 2 * 5 / h).mean(axis=0), 1.0)) < 4
    assert abs(score((x[:, 0] * x[:, 3] / h).mean(axis=0), 0.0)) < 4


def test_a_jump_lands_whole_in_one_substep_and_in_any_of_them(make_market):
    jumps = {"kind": "merton", "intensity": 200.0, "mean": -0.2, "deviation": 0.0}
    still = {"kind": "geometric-brownian", "volatility": 1e-4}
    paths = make_market(still, jumps=jumps).paths(GRID, 4, "run", 0, 4_000)
    x = np.diff(np.log(paths.price[:, 0]), axis=0)
    drift = -200.0 * np.expm1(-0.2) * GRID.dt / YEAR
    sizes = (x - drift) / -0.2
    assert np.abs(sizes - np.rint(sizes)).max() < 1e-3
    landed = np.rint(sizes).sum(axis=1).reshape(-1, 5).sum(axis=0)
    assert landed.sum() > 3_000
    assert stats.chisquare(landed).pvalue > 1e-4


def test_two_jumps_of_a_step_land_apart(make_market):
    grid = Grid(market_step=864_000.0, transition=10, horizon=10, substeps=50)
    jumps = {"kind": "merton", "intensity": 73.0, "mean": 0.3, "deviation": 0.0}
    still = {"kind": "geometric-brownian", "volatility": 1e-6}
    x = np.diff(np.log(make_market(still, jumps=jumps).paths(grid, 5, "run", 0, 5_000).price[:, 0]), axis=0)
    counts = np.rint((x + 2.0 / 50 * np.expm1(0.3)) / 0.3)
    pairs = counts[:, counts.sum(axis=0) == 2]
    together = (pairs == 2).any(axis=0)
    assert abs(together.mean() - 1 / 50) < 4 * np.sqrt(0.02 * 0.98 / len(together))


def test_the_size_of_a_jump_says_nothing_of_its_moment(make_market, score):
    jumps = {"kind": "merton", "intensity": 200.0, "mean": 0.0, "deviation": 0.1}
    still = {"kind": "geometric-brownian", "volatility": 1e-5}
    x = np.diff(np.log(make_market(still, jumps=jumps).paths(GRID, 6, "run", 0, 8_000).price[:, 0]), axis=0)
    x += 200.0 * np.expm1(0.005) * GRID.dt / YEAR
    substep, _ = np.nonzero(np.abs(x) > 1e-4)
    sizes = x[np.abs(x) > 1e-4] / 0.1
    assert len(sizes) > 5_000
    assert abs(score(sizes * (substep % 5 - 2), 0.0)) < 4
