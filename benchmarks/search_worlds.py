"""Where searches are compared: a world in closed form, and a small one of the engine."""

from __future__ import annotations

import dataclasses
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulator.calibration.world import Evaluate
from simulator.calibration_settings import CalibrationSettings, Objective, SearchParameter

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "calibration"))
import fake_world

ROOT = Path(__file__).parents[1]
SPACE = (
    SearchParameter(parameter=fake_world.INITIAL, low=0.06, high=0.30, step=0.01),
    SearchParameter(parameter=fake_world.MAINTENANCE, low=0.04, high=0.30, step=0.01),
    SearchParameter(parameter=fake_world.PENALTY, low=0.0, high=0.1, step=0.01),
)
FINE = tuple(wanted.model_copy(update={"step": 0.0025}) for wanted in SPACE)
GOAL = Objective(capital_efficiency=1.0, user_cost=0.5)
FRONT = ("capital-efficiency", "user-cost")
ENGINE_SPACE = (
    SearchParameter(parameter=fake_world.INITIAL, low=0.03, high=0.10, step=0.01),
    SearchParameter(parameter=fake_world.MAINTENANCE, low=0.015, high=0.06, step=0.005),
    SearchParameter(parameter="fees.volatility_slope", low=0.0, high=0.0008, step=0.0002),
)
SMALLER = {  # of scenarios/eth-perpetual.toml: three hours of burn-in, twelve after the vote, 60 accounts
    "accounts = 600": "accounts = 60",
    "burn_in = 1.0": "burn_in = 0.125",
    "transition = 1.0": "transition = 0.25",
    "horizon = 2.0": "horizon = 0.5",
}


@dataclass(frozen=True)
class Place:
    """A scenario to calibrate, its engine, and the paths on which fronts are compared."""

    world: Any
    evaluate: Evaluate
    fresh: int


def closed_form(seed: int, **settings: Any) -> Place:
    """The world of the tests: three parameters, a Student-t shock, losses and user costs in closed form but for its noise."""
    made = fake_world.with_settings(**settings)
    return Place(dataclasses.replace(made, seed=seed, wicks=True), fake_world.evaluate, 20_000)


def of_the_engine(seed: int, **settings: Any) -> Place:
    """A small ETH perpetual book: traders, keepers, maker, vault and fund on fitted GARCH-t paths."""
    from simulator.model import evaluate
    from simulator.risk.appetite import ProbabilityLimit, RiskAppetite
    from simulator.scenario import Scenario

    text = (ROOT / "scenarios" / "eth-perpetual.toml").read_text()
    for old, new in SMALLER.items():
        assert old in text, old
        text = text.replace(old, new)
    limits = (ProbabilityLimit(window="whole", threshold=0.001, probability=0.05),)
    changes = {
        "seed": seed,
        "regime": (),
        "appetite": RiskAppetite(limits=limits),
        "calibration": CalibrationSettings(**settings),
    }
    return Place(Scenario.from_text(text, ROOT / "scenarios").model_copy(update=changes), evaluate, 2_000)
