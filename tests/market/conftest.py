"""What the tests of the market share: short ways to a market, and to a score against a known value."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from simulator.market import Grid, ModelMarket

T = {"kind": "student-t", "degrees_of_freedom": 4.0, "max_move": 10.0}
PROCESSES = {
    "brownian": {"kind": "geometric-brownian", "volatility": 0.8},
    "garch": {"kind": "garch", "volatility": 0.8, "alpha": 0.08, "beta": 0.9, "volatility_today": 1.0},
    "garch-t": {"kind": "garch", "volatility": 0.8, "alpha": 0.06, "beta": 0.92, "volatility_today": 0.6, "innovation": T},
    "gjr-t": {
        "kind": "garch",
        "volatility": 0.8,
        "alpha": 0.02,
        "gamma": 0.1,
        "beta": 0.9,
        "volatility_today": 0.8,
        "innovation": T,
    },
}
JUMPS = {
    "none": None,
    "merton": {"kind": "merton", "intensity": 73.0, "mean": -0.05, "deviation": 0.1},
    "kou": {"kind": "kou", "intensity": 73.0, "up_probability": 0.3, "eta_up": 12.0, "eta_down": 8.0},
}


@pytest.fixture(scope="session")
def make_market() -> Callable[..., ModelMarket]:
    """A model market of the processes (and jumps) named, assets A0, A1, ... at 1 usd."""

    def make(*processes: str | dict, jumps: str | dict = "none", **fields) -> ModelMarket:
        assets = []
        for i, process in enumerate(processes):
            parts = {"process": PROCESSES.get(process, process) if isinstance(process, str) else process}
            parts["jumps"] = JUMPS[jumps] if isinstance(jumps, str) else jumps
            own = {key: fields.pop(key) for key in ("drift", "parameter_law") if key in fields}
            assets.append({"name": f"A{i}", "price": 1.0, **parts, **own})
        return ModelMarket.model_validate({"assets": assets, **fields})

    return make


@pytest.fixture(scope="session")
def production() -> Grid:
    """A week of hours."""
    return Grid(market_step=3600.0, transition=1, horizon=7)


@pytest.fixture(scope="session")
def extreme() -> Grid:
    """Four steps of ten days: 73 jumps a year are two in a step, and most of its variance."""
    return Grid(market_step=864_000.0, transition=10, horizon=40)


@pytest.fixture(scope="session")
def score() -> Callable[[np.ndarray, float], float]:
    """(mean of independent values - truth) in standard errors."""

    def score(values: np.ndarray, truth: float) -> float:
        return float((values.mean() - truth) / (values.std(ddof=1) / math.sqrt(len(values))))

    return score
