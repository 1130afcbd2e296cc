"""The kernels against the plain loop of `plain_paths`, fed by the same uniforms: every process, copula and dynamics."""

import sys
from pathlib import Path

import numpy as np
import pytest

from simulator.market import Grid

sys.path.insert(0, str(Path(__file__).parent))
from plain_paths import PlainMarket

DAYS = Grid(market_step=86_400.0, transition=1, horizon=12, substeps=3)
TEN_DAYS = Grid(market_step=864_000.0, transition=10, horizon=40, substeps=2)
MATRIX = [[1.0, 0.7, 0.4], [0.7, 1.0, 0.1], [0.4, 0.1, 1.0]]
SKEWED = {"kind": "skewed-t", "degrees_of_freedom": 5.0, "skew": -0.2, "max_move": 20.0}
EGARCH = {"kind": "egarch", "volatility": 0.8, "alpha": 0.2, "gamma": -0.1, "beta": 0.9, "volatility_today": 1.0}
HESTON = {
    "kind": "heston",
    "volatility": 0.7,
    "volatility_today": 0.9,
    "mean_reversion": 5.0,
    "volatility_of_variance": 1.5,
    "leverage": -0.6,
}
WILD_HESTON = HESTON | {"volatility_of_variance": 4.0, "mean_reversion": 2.0, "leverage": 0.5}  # 2 k theta / xi^2 = 0.12
PEG = {"kind": "ornstein-uhlenbeck", "volatility": 0.1, "half_life": 200_000.0, "peg": 1.03}
SINGLES = {
    "egarch": EGARCH,
    "egarch-t": EGARCH | {"innovation": {"kind": "student-t", "degrees_of_freedom": 4.0, "max_move": 10.0}},
    "egarch-skewed-t": EGARCH | {"innovation": SKEWED},
    "garch-skewed-t": {
        "kind": "garch",
        "volatility": 0.8,
        "alpha": 0.05,
        "gamma": 0.1,
        "beta": 0.85,
        "volatility_today": 0.6,
        "innovation": SKEWED,
    },
    "heston": HESTON,
    "wild-heston": WILD_HESTON,
    "peg": PEG,
}
# the segment of the skewed table that holds the mode is right to 1e-5 of a standard deviation, as its docstring says
TOLERANCE = {"egarch-skewed-t": 2e-6, "garch-skewed-t": 2e-6}


def _compare(market, grid, tolerance=1e-9, convergence=None, paths=(0, 1, 700), spike=None):
    for path in paths:
        found = market.paths(grid, 5, "run", path, 1, convergence, spike)
        price, volatility, correlation = PlainMarket(market, grid, 5, "run", path, convergence, spike).run()
        assert np.abs(found.price[:, :, 0] / price - 1).max() < tolerance
        assert np.abs(found.volatility[:, :, 0] / volatility - 1).max() < tolerance
        if found.correlation is not None:
            assert np.abs(found.correlation[:, 0] - correlation).max() < tolerance


@pytest.mark.parametrize("grid", [DAYS, TEN_DAYS], ids=["days", "ten-days"])
@pytest.mark.parametrize("jumps", ["none", "kou"])
@pytest.mark.parametrize("process", SINGLES)
def test_one_asset(process, jumps, grid, make_market):
    market = make_market(SINGLES[process], jumps=jumps)
    _compare(market, grid, TOLERANCE.get(process, 1e-9), paths=(0, 700))


MIXES = {
    "plain": (EGARCH, HESTON, "garch-t"),
    "pegged": ("garch", PEG | {"base": "A0", "peg": 0.97}, WILD_HESTON),
    "pegged to heston": (PEG | {"base": "A2"}, "brownian", HESTON),
}
COPULAS = {
    "gaussian": {"kind": "gaussian"},
    "student": {"kind": "student-t", "degrees_of_freedom": 3.0},
    "skewed": {"kind": "student-t", "degrees_of_freedom": 5.0, "asymmetry": -0.7},
}
DYNAMICS = {
    "constant": {"kind": "constant"},
    "dcc": {"kind": "dcc", "alpha": 0.1, "beta": 0.8},
    "converging": {"kind": "converging", "starts_at": 0.5, "full_at": 1.5, "level": 0.8, "half_life": 100_000.0},
}


@pytest.mark.parametrize("mix", MIXES)
@pytest.mark.parametrize("dynamics", DYNAMICS)
@pytest.mark.parametrize("copula", COPULAS)
def test_three_assets_that_move_together(copula, dynamics, mix, make_market):
    market = make_market(
        *MIXES[mix],
        jumps="merton",
        correlation=MATRIX,
        copula=COPULAS[copula],
        correlation_dynamics=DYNAMICS[dynamics],
    )
    _compare(market, DAYS, paths=(3,) if copula == "skewed" else (0, 700))


@pytest.mark.parametrize("dynamics", DYNAMICS)
def test_a_pull_of_all_correlations_on_top(dynamics, make_market):
    pull = np.linspace(0, 0.9, DAYS.market_steps)
    market = make_market("garch-t", "garch", HESTON, correlation=MATRIX, correlation_dynamics=DYNAMICS[dynamics])
    _compare(market, DAYS, convergence=pull)


@pytest.mark.parametrize("name", SINGLES)
def test_a_volatility_spike_equals_the_plain_loop(name, make_market):
    spike = np.ones((DAYS.market_steps, 1))
    spike[2:6], spike[7:9] = 2.5, 0.4
    _compare(make_market(SINGLES[name], jumps="merton"), DAYS, 3 * TOLERANCE.get(name, 1e-9), spike=spike)
