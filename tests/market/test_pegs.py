"""Pegs: the exact transition, the stationary law, depegs that revert, and pegs to another asset."""

import math

import numpy as np
import pytest

from simulator.market import Grid, ModelMarket
from simulator.parameters import YEAR

PEG = {"kind": "ornstein-uhlenbeck", "volatility": 0.05, "half_life": 7_200.0}


def market_of(*assets: dict, **fields) -> ModelMarket:
    return ModelMarket.model_validate({"assets": assets, **fields})


def stable(price: float = 1.0, jumps: dict | None = None, **process) -> dict:
    return {"name": "USDX", "price": price, "process": {**PEG, **process}, "jumps": jumps}


@pytest.mark.parametrize("step", [600.0, 86_400.0])
def test_the_transition_is_exact_at_any_step(step, score):
    """From 3 % below the peg: mean and variance of the log distance at every step, and its autocovariance."""
    market = market_of(stable(price=0.97))
    grid = Grid(market_step=step, transition=step / 86_400, horizon=8 * step / 86_400)
    x = np.log(market.paths(grid, 1, "peg", 0, 40_000).price[:, 0])
    rate = math.log(2) * YEAR / 7_200.0
    for i in (1, 4, 8):
        t = i * step / YEAR
        mean, variance = math.log(0.97) * math.exp(-rate * t), 0.05**2 * -math.expm1(-2 * rate * t) / (2 * rate)
        assert abs(score(x[i], mean)) < 4
        assert abs(score((x[i] - mean) ** 2, variance)) < 4
    kept = math.exp(-rate * step / YEAR)
    gap = (x[8] - kept * x[7]) * x[7]
    assert abs(score(gap, 0.0)) < 4


def test_a_depeg_lands_whole_and_reverts(score):
    """Compound Poisson jumps of mean m at the end of each step: E[x] = rate dt m (1 - kept^n) / (1 - kept), and its variance."""
    jumps = {"kind": "merton", "intensity": 50.0, "mean": -0.08, "deviation": 0.03}
    market = market_of(stable(jumps=jumps, volatility=0.01))
    grid = Grid(market_step=3_600.0, transition=1, horizon=2)
    x = np.log(market.paths(grid, 2, "depeg", 0, 40_000).price[:, 0])
    kept, n, years = 0.5 ** (3_600 / 7_200), 48, 3_600 / YEAR
    mean = 50 * years * -0.08 * (1 - kept**n) / (1 - kept)
    rate = math.log(2) * YEAR / 7_200.0
    own = 0.01**2 * -math.expm1(-2 * rate * years) / (2 * rate)
    variance = (own + 50 * years * (0.08**2 + 0.03**2)) * (1 - kept ** (2 * n)) / (1 - kept**2)
    assert abs(score(x[-1], mean)) < 4
    assert abs(score((x[-1] - mean) ** 2, variance)) < 4
    largest = x.min(axis=0).argmin()
    low = x[:, largest].argmin()
    assert x[low + 2, largest] == pytest.approx(0.5 * x[low, largest], abs=0.02)


def test_a_peg_to_another_asset_is_that_asset_times_its_distance(score):
    garch = {"kind": "garch", "volatility": 0.8, "alpha": 0.06, "beta": 0.92, "volatility_today": 0.8}
    staked = {"name": "stETH", "price": 1_960.0, "process": {**PEG, "base": "ETH", "peg": 1.0, "half_life": 86_400.0}}
    ether = {"name": "ETH", "price": 2_000.0, "process": garch}
    grid = Grid(market_step=3_600.0, substeps=4, transition=1, horizon=4)
    for assets in ((staked, ether), (ether, staked)):
        market = market_of(*assets, correlation=[[1.0, 0.3], [0.3, 1.0]])
        paths = market.paths(grid, 3, "base", 0, 20_000)
        place = {name: i for i, name in enumerate(paths.assets)}
        x = np.log(paths.price[:, place["stETH"]] / paths.price[:, place["ETH"]])
        assert x[0] == pytest.approx(math.log(0.98), abs=1e-12)
        assert paths.price[0, place["stETH"], 0] == 1_960.0
        rate, t = math.log(2) * 365.0, 4 / 365
        mean, variance = math.log(0.98) * math.exp(-rate * t), 0.05**2 * -math.expm1(-2 * rate * t) / (2 * rate)
        assert abs(score(x[-1], mean)) < 4
        assert abs(score((x[-1] - mean) ** 2, variance)) < 4
        assert abs(score(paths.price[-1, place["ETH"]], 2_000.0)) < 4
        own, base = paths.volatility[:, place["stETH"]], paths.volatility[:, place["ETH"]]
        assert (own > base).all()


def test_the_volatility_known_is_that_of_the_next_return():
    market = market_of(stable())
    grid = Grid(market_step=3_600.0, transition=1, horizon=4)
    paths = market.paths(grid, 4, "known", 0, 4_000)
    x = np.log(paths.price[:, 0])
    kept = 0.5 ** (3_600 / 7_200)
    surprise = x[1:] - kept * x[:-1]
    assert np.allclose(paths.volatility, paths.volatility[0, 0, 0])
    assert surprise.std() == pytest.approx(paths.volatility[0, 0, 0] * math.sqrt(3_600 / YEAR), rel=0.01)
