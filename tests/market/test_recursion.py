"""The variance recursion, step by step against an independent implementation: arch's own filter on our residuals."""

import numpy as np
import pytest
from arch.univariate import GARCH

from simulator.market import Grid
from simulator.parameters import YEAR

GRID = Grid(market_step=86_400.0, transition=10, horizon=500)


@pytest.mark.parametrize("gamma", [0.0, 0.12])
@pytest.mark.parametrize("jumps", ["none", "kou"])
def test_the_recursion_is_archs_and_jumps_do_not_feed_it(gamma, jumps, make_market):
    """Residuals are taken from a run without jumps: with jumps the variances must be the very same."""
    alpha, beta, variance = 0.05, 0.85, 0.64 / 365
    process = {"kind": "garch", "volatility": 0.8, "alpha": alpha, "beta": beta, "gamma": gamma, "volatility_today": 1.1}
    plain = make_market(process).paths(GRID, 1, "run", 0, 4)
    h = plain.volatility[:, 0] ** 2 * GRID.market_step / YEAR
    e = np.diff(np.log(plain.price[:, 0]), axis=0) + h / 2
    persistence = alpha + gamma / 2 + beta
    omega = variance * (1 - persistence)
    bounds = np.tile([0.0, 1e6], (len(h), 1))
    for path in range(4):
        theirs = np.empty(len(h))
        backcast = (h[0, path] - omega) / persistence
        parameters = np.array([omega, alpha, gamma, beta])
        GARCH(p=1, o=1, q=1).compute_variance(parameters, e[:, path].copy(), theirs, backcast, bounds)
        assert np.abs(h[:, path] / theirs - 1).max() < 1e-12
    jumping = make_market(process, jumps=jumps).paths(GRID, 1, "run", 0, 4)
    own = jumping.volatility[:, 0] ** 2 * GRID.market_step / YEAR
    assert np.allclose(own - own[0] + h[0], h, rtol=1e-9)
