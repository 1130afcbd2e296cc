"""The Gaussian copula ties assets together and leaves each its own law."""

import math

import numpy as np
import pytest
from scipy import stats

from simulator.market import Grid
from simulator.market.dependence import cholesky
from simulator.parameters import YEAR

GRID = Grid(market_step=3600.0, transition=1, horizon=2)
MATRIX = [[1.0, 0.8, -0.3], [0.8, 1.0, 0.1], [-0.3, 0.1, 1.0]]
T = {"kind": "student-t", "degrees_of_freedom": 3.5, "max_move": 30.0}
CONSTANT = {"kind": "garch", "volatility": 0.8, "alpha": 0.0, "beta": 0.0, "volatility_today": 0.8, "innovation": T}


def _innovations(paths):
    """Innovations [asset, draw] of paths without jumps, up to the compensator, which is the same for all."""
    x = np.diff(np.log(paths.price), axis=0).transpose(1, 0, 2).reshape(len(paths.assets), -1)
    return (x - x.mean(axis=1, keepdims=True)) / math.sqrt(0.64 * GRID.market_step / YEAR)


def test_normal_scores_have_the_stated_correlation(make_market):
    paths = make_market(CONSTANT, "brownian", CONSTANT, correlation=MATRIX).paths(GRID, 1, "run", 0, 1_000)
    x = _innovations(paths)
    scores = stats.norm.ppf((stats.rankdata(x, axis=1) - 0.5) / x.shape[1])
    found = np.corrcoef(scores)
    for i in range(3):
        for j in range(i):
            error = (math.atanh(found[i, j]) - math.atanh(MATRIX[i][j])) * math.sqrt(x.shape[1] - 3)
            assert abs(error) < 4


@pytest.mark.parametrize("correlation", [None, MATRIX])
def test_the_marginal_law_is_the_truncated_t_whatever_the_correlation(correlation, make_market):
    x = _innovations(make_market(*[CONSTANT] * 3, correlation=correlation).paths(GRID, 2, "run", 0, 500))
    scale = math.sqrt(3.5 / 1.5)
    beyond = stats.t.sf(30 * scale, 3.5)
    grid = np.linspace(0, 30, 300_001)
    density = stats.t.pdf(grid * scale, 3.5) * scale
    deviation = math.sqrt(np.trapezoid(grid**2 * density, grid) / np.trapezoid(density, grid))

    def law(value):
        return (stats.t.cdf(value * deviation * scale, 3.5) - beyond) / (1 - 2 * beyond)

    for asset in x:
        assert stats.kstest(asset, law).pvalue > 1e-4


def test_jump_counts_and_sizes_move_together_and_keep_their_laws(make_market, extreme, score):
    still = {"kind": "geometric-brownian", "volatility": 1e-7}
    jumps = {"kind": "merton", "intensity": 73.0, "mean": 0.0, "deviation": 0.1}
    pair = [[1.0, 0.9], [0.9, 1.0]]
    tied, free = (
        np.diff(np.log(make_market(still, still, jumps=jumps, correlation=c).paths(extreme, 3, "run", 0, 20_000).price), axis=0)
        for c in (pair, None)
    )
    step = extreme.market_step / YEAR
    drift = -73.0 * step * math.expm1(0.005)
    for x in (tied, free):
        for a in range(2):
            assert abs(score(((x[:, a] - drift) ** 2).ravel(), 73.0 * step * 0.01)) < 4
    assert np.corrcoef(tied[:, 0].ravel(), tied[:, 1].ravel())[0, 1] > 0.6
    assert abs(np.corrcoef(free[:, 0].ravel(), free[:, 1].ravel())[0, 1]) < 4 / math.sqrt(free[:, 0].size)


def test_every_asset_of_a_correlated_market_is_a_martingale(make_market, extreme, score):
    market = make_market("garch-t", "gjr-t", "brownian", jumps="kou", correlation=MATRIX)
    end = market.paths(extreme, 4, "run", 0, 60_000).price[-1]
    for asset in end:
        assert abs(score(asset, 1.0)) < 4


def test_the_factor_is_numpys():
    assert np.allclose(cholesky(MATRIX), np.linalg.cholesky(np.array(MATRIX)), atol=1e-15)
