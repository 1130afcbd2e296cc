"""The table of metrics: named intervals over paths, and no number where paths cannot carry it."""

import math

import numpy as np
import pytest

from simulator.outcomes import QUANTITIES, WINDOWS, Outcomes
from simulator.risk.measures import PerPath, quantile
from simulator.risk.metrics import frame, risk_metrics


def outcomes(paths=2000, seed=1):
    rng = np.random.default_rng(seed)
    loss = np.where(rng.random(paths) < 0.1, np.abs(rng.standard_t(3, paths)) * 1000, 0.0)
    rows = {name: np.abs(rng.normal(size=paths)) * 10 for name in QUANTITIES} | {"loss": loss, "fund_minimum": 5000 - loss}
    columns = {f"{name}.{window}": row for name, row in rows.items() for window in WINDOWS if name != "newly_liquidatable"}
    return Outcomes(np.arange(paths), columns | {"newly_liquidatable.transition": np.zeros(paths)})


def row(table, name, window="whole"):
    return next(metric for metric in table if (metric.name, metric.window) == (name, window))


def test_every_quantity_of_every_window_is_a_row_with_its_unit():
    table = risk_metrics(outcomes())
    for name, (unit, _) in QUANTITIES.items():
        windows = ("transition",) if name == "newly_liquidatable" else WINDOWS
        for window in windows:
            assert row(table, f"{name.replace('_', ' ')}, mean", window).unit == unit


@pytest.mark.parametrize("interval", ["simulation", "model"])
def test_every_interval_has_a_name(interval):
    assert {metric.interval for metric in risk_metrics(outcomes(), interval=interval)} == {interval}


def test_insolvency_value_at_risk_is_the_quantile_of_loss_over_paths():
    world = outcomes()
    found, expected = row(risk_metrics(world), "insolvency VaR 95 %"), quantile(PerPath.of(world, "loss.whole"), 0.95)
    assert (found.value, found.low, found.high) == (expected.value, expected.low, expected.high)


def test_the_fund_is_used_up_where_its_least_value_is_zero():
    world = outcomes()
    world.columns["fund_minimum.whole"] = np.where(np.arange(2000) < 30, 0.0, 100.0)
    found = row(risk_metrics(world), "P(fund used up)")
    assert found.value == 30 / 2000
    assert found.low < found.value < found.high


def test_a_shortfall_with_too_few_tail_paths_is_a_note_and_not_a_number():
    table = risk_metrics(outcomes())
    assert row(table, "expected shortfall of loss 95 %").note == "100 tail paths"
    refused = row(table, "expected shortfall of loss 99 %")
    assert math.isnan(refused.value)
    assert "needs 50 tail paths, so 5,000 paths" in refused.note


def test_the_table_is_a_frame_with_one_row_a_metric():
    table = risk_metrics(outcomes())
    assert len(frame(table)) == len(table)
    assert list(frame(table).columns[:6]) == ["name", "window", "value", "low", "high", "unit"]


def test_columns_that_are_not_there_are_not_shown():
    world = Outcomes(np.arange(100), {"loss.whole": np.zeros(100)})
    assert {metric.window for metric in risk_metrics(world)} == {"whole"}
    assert all("loss" in metric.name or "VaR" in metric.name for metric in risk_metrics(world))
