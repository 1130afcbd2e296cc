"""A regime's multiplier is a change of scale: every path's volatility times the multiplier, whatever the process."""

import numpy as np
import pytest

from simulator.market import Grid
from simulator.scenario.regime import Regime

HESTON = {"kind": "heston", "volatility": 0.7, "volatility_today": 0.5, "mean_reversion": 6.0, "volatility_of_variance": 2.0}
EGARCH = {"kind": "egarch", "volatility": 0.8, "alpha": 0.2, "gamma": -0.1, "beta": 0.95, "volatility_today": 1.0}
PEG = {"kind": "ornstein-uhlenbeck", "volatility": 0.1, "half_life": 200_000.0}
GRID = Grid(market_step=86_400.0, transition=1, horizon=40)


@pytest.mark.parametrize("process", ["brownian", "garch-t", "gjr-t", EGARCH, HESTON, HESTON | {"leverage": -0.7}, PEG])
@pytest.mark.parametrize("multiplier", [0.5, 3.0])
def test_every_volatility_is_multiplied(process, multiplier, make_market):
    own = make_market(process)
    other = Regime(name="other", role="report", volatility_multiplier=multiplier).market_from(own)
    plain, changed = (market.paths(GRID, 1, "run", 0, 20).volatility for market in (own, other))
    assert np.abs(changed / (multiplier * plain) - 1).max() < 1e-9


def test_rarer_jumps_and_another_correlation_keep_copula_and_dynamics(make_market):
    own = make_market(
        EGARCH,
        HESTON,
        jumps="merton",
        correlation=[[1.0, 0.5], [0.5, 1.0]],
        copula={"kind": "student-t", "degrees_of_freedom": 4.0},
        correlation_dynamics={"kind": "dcc", "alpha": 0.05, "beta": 0.9},
    )
    other = Regime(name="other", role="report", jump_multiplier=0.5, correlation=0.9).market_from(own)
    assert (other.copula, other.correlation_dynamics) == (own.copula, own.correlation_dynamics)
    assert other.paths(GRID, 1, "run", 0, 2).correlation[0, 0] == pytest.approx(0.9)
    assert [asset.jumps.intensity for asset in other.assets] == [36.5, 36.5]
