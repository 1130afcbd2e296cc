"""Corners where two parts of a market meet: a pull without a matrix, starts and runs, pegs on Heston, copulas at their bound."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from simulator.market import Grid
from simulator.market.generation import _stationary_ratio
from simulator.parameters import YEAR

# known defects of path generation: where one is mended, its mark goes
DAYS = Grid(market_step=86_400.0, transition=1, horizon=30)
HESTON = {"kind": "heston", "volatility": 0.7, "volatility_today": 0.7, "mean_reversion": 20.0, "volatility_of_variance": 2.0}
PEG = {"kind": "ornstein-uhlenbeck", "volatility": 0.2, "half_life": 864_000.0, "base": "A1"}


def test_assets_that_nothing_joins_are_pulled_together_too(make_market):
    """Else the correlation known would say 0.9, and prices would not."""
    paths = make_market("brownian", "garch-t").paths(DAYS, 1, "run", 0, 4_000, np.full(30, 0.9))
    x = np.diff(np.log(paths.price), axis=0)
    scores = stats.norm.ppf((stats.rankdata(x[0], axis=1) - 0.5) / x.shape[2])
    found = np.corrcoef(scores)[0, 1]
    assert (paths.correlation == 0.9).all()
    assert abs(math.atanh(found) - math.atanh(0.9)) * math.sqrt(x.shape[2] - 3) < 4


def test_a_pull_of_zero_changes_no_path(make_market):
    market = make_market("garch-t", "gjr-t", jumps="kou")
    plain, pulled = (market.paths(DAYS, 1, "run", 0, 40, pull).price for pull in (None, np.zeros(30)))
    assert np.abs(pulled / plain - 1).max() < 1e-7


def test_one_asset_has_nothing_to_be_pulled_to(make_market):
    market = make_market("brownian")
    plain, pulled = (market.paths(DAYS, 1, "run", 0, 4, pull) for pull in (None, np.full(30, 0.5)))
    assert pulled.price.tobytes() == plain.price.tobytes()
    assert pulled.correlation is None


@pytest.mark.parametrize("fields", [{}, {"copula": {"kind": "student-t", "degrees_of_freedom": 3.0}}])
def test_starts_share_no_draw_with_the_run(fields, make_market):
    """A chain and a path that begin at the same variance and ran on the same draws would be one and the same."""
    market = make_market(HESTON, "garch-t", correlation=[[1.0, 0.5], [0.5, 1.0]], **fields)
    ratio = _stationary_ratio(market, DAYS.market_step, 1, "run")
    steps = math.ceil(math.log(0.03) / math.log(0.98))  # what the slower of the two takes to forget
    grid = Grid(market_step=DAYS.market_step, transition=1, horizon=steps + 1)
    volatility = market.paths(grid, 1, "run", 0, 2_048).volatility[-1]
    for asset in range(2):
        assert abs(stats.spearmanr(volatility[asset], ratio[asset]).statistic) < 4 / math.sqrt(2_048)


@pytest.mark.parametrize("order", [(PEG, HESTON), (HESTON | {"volatility_today": 1.2}, PEG | {"base": "A0"})])
def test_the_volatility_of_a_peg_holds_what_is_expected_of_its_base(order, make_market, score):
    """Squared surprises of the peg's log price over a month-long step, in which Heston's variance moves a lot."""
    place = 0 if order[0]["kind"] == "ornstein-uhlenbeck" else 1
    grid = Grid(market_step=30 * 86_400.0, transition=30, horizon=30)
    market = make_market(*[{**p, **({"volatility_today": 1.2} if p["kind"] == "heston" else {})} for p in order])
    paths = market.paths(grid, 2, "run", 0, 100_000)
    x = np.log(paths.price[1])
    known = paths.volatility[0] ** 2 * grid.market_step / YEAR
    spread = x[place] - x[1 - place]
    assert abs(score((spread - spread.mean()) ** 2, known[place, 0] - known[1 - place, 0])) < 4


def test_the_reference_volatility_of_a_peg_is_what_paths_have(make_market):
    """At a step short against the half-life, correlation included: depth that scales with it is not off for good."""
    market = make_market("brownian", PEG | {"base": "A0"}, correlation=[[1.0, 0.5], [0.5, 1.0]])
    hour = Grid(market_step=60.0, transition=60 / 86_400, horizon=60 / 86_400)
    known = market.paths(hour, 1, "run", 0, 1).volatility[0, 1, 0]
    assert market.reference_volatility("A1") == pytest.approx(known, rel=1e-4)


@pytest.mark.parametrize("asymmetry", [-5.0, -0.5, 2.0])
@pytest.mark.parametrize("degrees", [2.01, 2.5])
def test_marginals_stay_at_the_edge_of_what_the_copula_accepts(degrees, asymmetry, make_market):
    copula = {"kind": "student-t", "degrees_of_freedom": degrees, "asymmetry": asymmetry}
    grid = Grid(market_step=3_600.0, transition=5, horizon=5)
    price = make_market("brownian", "brownian", copula=copula).paths(grid, 1, "run", 0, 20_000).price[:, 0]
    variance = 0.64 * 3_600 / YEAR
    w = (np.diff(np.log(price), axis=0) + variance / 2) / math.sqrt(variance)
    for p in (1e-5, 1e-3, 0.3):
        for sign in (-1, 1):
            assert abs((sign * w > stats.norm.isf(p)).sum() - p * w.size) < 4 * math.sqrt(p * w.size)


SMALL = """
import json
from simulator.market import Grid, ModelMarket
t = {"kind": "skewed-t", "degrees_of_freedom": 4.0, "skew": -0.3}
e = {"kind": "egarch", "volatility": 0.8, "alpha": 0.1, "beta": 0.9, "gamma": -0.1, "volatility_today": 1.0, "innovation": t}
h = {"kind": "heston", "volatility": 0.8, "volatility_today": 0.4, "mean_reversion": 2.0, "volatility_of_variance": 3.0,
     "leverage": -0.5}
p = {"kind": "ornstein-uhlenbeck", "volatility": 0.1, "half_life": 3600.0, "base": "A"}
j = {"kind": "kou", "intensity": 100.0, "up_probability": 0.3, "eta_up": 12.0, "eta_down": 8.0}
assets = [{"name": name, "price": 2.0, "process": q, "jumps": j} for name, q in zip("ABC", (e, h, p))]
grid = Grid(market_step=86_400.0, transition=1, horizon=3, substeps=2)
c = [[1.0, 0.5, 0.2], [0.5, 1.0, 0.1], [0.2, 0.1, 1.0]]
market = ModelMarket.model_validate({"assets": assets, "correlation": c,
    "copula": {"kind": "student-t", "degrees_of_freedom": 4.0},
    "correlation_dynamics": {"kind": "dcc", "alpha": 0.1, "beta": 0.8}})
paths = market.paths(grid, 3, "run", 5, 3)
print(json.dumps(paths.price.ravel().tolist() + paths.correlation.ravel().tolist()))
"""


def _values(**environment):
    root = Path(__file__).resolve().parents[2]
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", SMALL],
        env={**os.environ, "PYTHONPATH": str(root), **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return np.array(json.loads(run.stdout))


@pytest.mark.slow
def test_without_the_compiler_the_new_paths_are_the_same():
    """Two minutes, nearly all of them for the tables in plain Python."""
    plain, compiled = _values(NUMBA_DISABLE_JIT="1"), _values(NUMBA_DISABLE_JIT="0")
    assert np.abs(plain / compiled - 1).max() < 1e-9
