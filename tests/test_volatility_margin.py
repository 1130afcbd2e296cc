"""Margin that follows volatility in the engine: static margin as a special case, watch list, blocks, what a rise costs whom."""

from __future__ import annotations

import importlib.util
import math
import sys
from pathlib import Path

import numpy as np
import pytest

from simulator.calibration.goals import Goal
from simulator.calibration.promise import available_change
from simulator.calibration_settings import Objective
from simulator.market.online import GarchFilter, GarchRefit
from simulator.model import RiskModel, simulate
from simulator.parameters import DAY, RiskParameters
from simulator.risk.procyclicality import DAYS
from simulator.scenario import Scenario

SMALL = {
    "accounts = 300": "accounts = 60",
    "burn_in = 1.0": "burn_in = 0.25",
    "transition = 1.0": "transition = 0.25",
    "horizon = 6.0": "horizon = 1.5",
}
ADAPTIVE = {"perpetuals.ETH.floor": 0.4, "perpetuals.ETH.cap": 5.0}


def _module(name: str):
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / f"{name}.py")
        sys.modules[name] = importlib.util.module_from_spec(spec)
        sys.modules[name].__loader__.exec_module(sys.modules[name])
    return sys.modules[name]


engine = _module("test_engine")


def scenario(changes: dict[str, str] | None = None) -> Scenario:
    return engine.shipped("volatility-margin", SMALL | (changes or {}))


def free(changes: dict[str, str] | None = None) -> Scenario:
    """The same with a factor that may move already."""
    study = scenario(changes)
    return study.model_copy(update={"parameters": study.parameters.replace(ADAPTIVE)})


def flat() -> Scenario:
    """The same with the flat rule."""
    study = scenario()
    rule = {"initial_margin_ratio": 0.05, "maintenance_margin_ratio": 0.03}
    tree = study.parameters.model_dump() | {"perpetuals": {"ETH": rule}}
    return study.model_copy(update={"parameters": RiskParameters.model_validate(tree)})


def test_a_factor_held_at_one_is_a_flat_margin():
    found, known = simulate(scenario(), count=24), simulate(flat(), count=24)
    for name, values in known.columns.items():
        assert found.columns[name] == pytest.approx(values, rel=1e-12, abs=1e-9), name
    for window in ("transition", "steady", "whole"):
        assert (found.columns[f"margin_peak_to_trough.{window}"] == 1).all()
        assert all((found.columns[f"{name}.{window}"] == 0).all() for name in DAYS)
        assert found.columns[f"margin_ratio.{window}"] == pytest.approx(0.05, rel=1e-12)
    assert not [name for name in known.columns if name.startswith("margin_")]


def test_the_watch_list_misses_nobody_where_factors_move():
    study = free({"half_life = 43200.0": "half_life = 7200.0"})
    digests = []
    for watches in (True, False):
        model = RiskModel(study, study.market_paths("run", 0, 24), watches=watches)
        model.run(study.grid.burn_in_steps)
        digests.append(engine.digest(model.outcomes_of(study.parameters)))
    assert digests[0] == digests[1]
    assert simulate(study, count=24).column("liquidations.whole").sum() > 50


def test_bytes_do_not_depend_on_blocks():
    assert len({engine.digest(simulate(free(), count=33, block=block)) for block in (1, 7, 33)}) == 1


def assert_margin_follows_the_feed(study: Scenario, count: int) -> np.ndarray:
    """With everything of the factor but the cap out of the way, its mean over a window is that of the estimates, by hand."""
    grid, market = study.grid, study.market_paths("run", 0, count)
    known = study.protocol.volatility_feed.known(market)[:, 0]
    every = np.repeat(known, grid.substeps, axis=0) / 0.81830248
    at = every[grid.burn_in_steps - 1 : grid.burn_in_steps + grid.horizon_steps]  # as steps end: that before the vote first
    ratio = 0.05 * np.clip(at, 0.4, 5.0)
    found = simulate(study, count=count)
    assert found.column("margin_ratio.whole") == pytest.approx(ratio.mean(axis=0), rel=1e-12)
    assert found.column("margin_peak_to_trough.whole") == pytest.approx(ratio.max(axis=0) / ratio.min(axis=0), rel=1e-12)
    return known


def test_margin_is_what_the_feed_knew_of_the_path():
    assert_margin_follows_the_feed(free(), 6)


def test_margin_follows_a_garch_that_is_refitted_inside_the_run():
    """As told until three days have passed, then by numbers of the path's own: each path another filter than the one stated."""
    stated = {"volatility": 0.81830248, "volatility_today": 0.81830248, "alpha": 0.05, "beta": 0.9}
    refit = GarchRefit(**stated, window=3 * DAY, every=DAY / 4, degrees_of_freedom=5.0)
    found = {}
    for estimator in (refit, GarchFilter(**stated)):
        study = free({"horizon = 6.0": "horizon = 3.25"})
        feed = study.protocol.volatility_feed.model_copy(update={"estimator": {"ETH": estimator}})
        study = study.model_copy(update={"protocol": study.protocol.model_copy(update={"volatility_feed": feed})})
        found[estimator.kind] = assert_margin_follows_the_feed(study, 3)
    steps = round(3 * DAY / 3_600)
    assert np.allclose(found["garch-refit"][:steps], found["garch-filter"][:steps], rtol=1e-12)
    assert (np.abs(found["garch-refit"][steps + 1 :] / found["garch-filter"][steps + 1 :] - 1).max(axis=0) > 0.01).all()


def test_a_moving_margin_is_judged_by_its_mean_over_the_path():
    study = scenario()
    candidate = study.parameters.replace(ADAPTIVE)
    before, after = simulate(study, count=12), simulate(study, parameters=candidate, count=12)
    score, error = Goal(Objective(), counts_used=False).score(candidate, after, study.parameters, before)
    ratios = after.column("margin_ratio.whole")
    assert score == pytest.approx(np.mean(np.log(0.05 / ratios)), rel=1e-12)
    assert error == pytest.approx(np.std(np.log(0.05 / ratios), ddof=1) / math.sqrt(12), rel=1e-9)
    assert available_change(candidate, study.parameters) == pytest.approx(0.0, abs=1e-12)  # at the reference both are 5 %
