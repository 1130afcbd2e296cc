"""A path's bytes depend on the seed, the purpose and its id: not on the block it is made in, nor on who else is there."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from simulator.market import Grid

GRID = Grid(market_step=3600.0, transition=1, horizon=2, substeps=3)
MATRIX = [[1.0, 0.7, 0.2], [0.7, 1.0, -0.1], [0.2, -0.1, 1.0]]
LAW = {"names": ["log_volatility", "log_degrees_above_two"], "covariance": [[0.04, 0.01], [0.01, 0.02]], "draws": 20}


def _markets(make_market):
    processes = ("garch-t", "gjr-t", "brownian")
    yield make_market(*processes, jumps="kou", correlation=MATRIX, parameter_law=LAW, start="stationary")
    yield make_market(*processes, jumps="merton")
    yield make_market("garch-t", start=0.9)


@pytest.mark.parametrize("block", [1, 7, 33, 100])
@pytest.mark.parametrize("which", [0, 1, 2])
def test_blocks_of_any_size_give_the_same_bytes(block, which, make_market):
    market = list(_markets(make_market))[which]
    whole = market.paths(GRID, 4, "run", 0, 300)
    for first in range(0, 300, block):
        count = min(block, 300 - first)
        part = market.paths(GRID, 4, "run", first, count)
        assert part.price.tobytes() == np.ascontiguousarray(whole.price[:, :, first : first + count]).tobytes()
        assert part.volatility.tobytes() == np.ascontiguousarray(whole.volatility[:, :, first : first + count]).tobytes()


@pytest.mark.parametrize("which", [0, 1, 2])
def test_no_two_paths_are_equal(which, make_market):
    """S14: over paths, assets, purposes and seeds."""
    market = list(_markets(make_market))[which]
    seen = set()
    for seed, purpose in ((1, "run"), (1, "search"), (2, "run")):
        price = market.paths(GRID, seed, purpose, 0, 400).price
        seen |= {price[:, a, k].tobytes() for a in range(price.shape[1]) for k in range(400)}
    assert len(seen) == 3 * len(market.assets) * 400


def test_path_ids_above_a_chunk_keep_their_draws(make_market):
    market = make_market("garch-t", jumps="kou")
    far = market.paths(GRID, 1, "run", 4_000_000_000, 300).price
    assert far[:, :, 270:271].tobytes() == market.paths(GRID, 1, "run", 4_000_000_270, 1).price.tobytes()


def test_arrays_are_path_last_and_contiguous(make_market):
    paths = make_market("garch-t", "brownian").paths(GRID, 1, "run", 0, 5)
    assert paths.price.shape == (GRID.steps + 1, 2, 5)
    assert paths.volatility.shape == (GRID.market_steps, 2, 5)
    assert paths.price.flags["C_CONTIGUOUS"]
    assert paths.volatility.flags["C_CONTIGUOUS"]
    assert (paths.price[0] == 1.0).all()


def test_an_added_asset_shifts_nobodys_draws(make_market):
    two, three = (make_market(*["garch-t"] * n, jumps="merton").paths(GRID, 1, "run", 0, 9) for n in (2, 3))
    assert np.ascontiguousarray(three.price[:, :2]).tobytes() == two.price.tobytes()


def test_a_jump_added_shifts_no_innovation(make_market):
    """Common random numbers: between jumps, the two paths move alike."""
    plain, jumping = (make_market("brownian", jumps=jumps).paths(GRID, 1, "run", 0, 50) for jumps in ("none", "merton"))
    apart = np.diff(np.log(jumping.price / plain.price), axis=0)
    quiet = np.abs(apart - np.median(apart)) < 1e-12
    assert 0.9 < quiet.mean() < 1


SMALL = """
import json, sys
from simulator.market import Grid, ModelMarket
t = {"kind": "student-t", "degrees_of_freedom": 4.0, "max_move": 10.0}
g = {"kind": "garch", "volatility": 0.8, "alpha": 0.1, "beta": 0.8, "gamma": 0.1, "volatility_today": 1.0, "innovation": t}
j = {"kind": "kou", "intensity": 100.0, "up_probability": 0.3, "eta_up": 12.0, "eta_down": 8.0}
assets = [{"name": name, "price": 2.0, "process": g, "jumps": j} for name in ("A", "B")]
grid = Grid(market_step=86_400.0, transition=1, horizon=3, substeps=2)
out = []
for correlation in ([[1.0, 0.5], [0.5, 1.0]], None):
    market = ModelMarket.model_validate({"assets": assets, "correlation": correlation})
    out += market.paths(grid, 3, "run", 5, 3).price.ravel().tolist()
print(json.dumps(out))
"""


def _prices(**environment):
    root = Path(__file__).resolve().parents[2]
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", SMALL],
        env={**os.environ, "PYTHONPATH": str(root), **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return np.array(json.loads(run.stdout))


def test_without_the_compiler_the_paths_are_the_same():
    plain, compiled = _prices(NUMBA_DISABLE_JIT="1"), _prices(NUMBA_DISABLE_JIT="0")
    assert np.abs(plain / compiled - 1).max() < 1e-9
