"""Several alternatives confirmed at one look: the error is shared, whatever is confirmed."""

import dataclasses
import itertools
import sys
from pathlib import Path

import numpy as np

from simulator.calibration import confirmation
from simulator.calibration.calibrate import calibrate
from simulator.calibration.plan import plan_confirmation
from simulator.calibration.proposal import make_proposal
from simulator.risk.planner import allowed_failures

sys.path.insert(0, str(Path(__file__).parent))
from fake_world import evaluate, with_settings

SMALL = {"candidates": 24, "search_paths": 100, "selection_paths": 1000}


class Judged:
    """What `confirm` gives, for alternatives whose failures on fresh paths are known."""

    def __init__(self, plan, failures):
        self.plan = plan
        self.verdict = "confirmed" if failures <= allowed_failures(plan.paths, 0.01, plan.confidence) else "no proposal"


def step_down(monkeypatch, plan, failures):
    monkeypatch.setattr(confirmation, "confirm", lambda w, t, q, step, point: Judged(step, failures[point]))
    return confirmation.confirm_together(None, None, None, plan, list(failures))


def test_no_set_of_unsafe_alternatives_is_confirmed_more_often_than_stated(monkeypatch):
    plan = plan_confirmation(with_settings(alternatives=4), 1)
    rng = np.random.default_rng(8)
    wrong = 0
    for _ in range(800):
        failures = {(float(k),): int(n) for k, n in enumerate(rng.binomial(plan.paths, 0.01, size=4))}
        wrong += any(one.verdict == "confirmed" for one in step_down(monkeypatch, plan, failures))
    assert wrong / 800 <= 0.025 + 3 * np.sqrt(0.025 * 0.975 / 800)


def test_holm_is_the_textbook_procedure(monkeypatch):
    """Sorted from the fewest failures, the i-th passes if all before it did and it passes at 1 / (k - i) of the error."""
    plan = plan_confirmation(with_settings(alternatives=3, confirmation_paths=20_000), 1)
    allowed = [allowed_failures(plan.paths, 0.01, 1 - 0.025 / k) for k in (3, 2, 1)]
    assert allowed[0] < allowed[1] < allowed[2]
    values = (allowed[0], allowed[1], allowed[2], allowed[2] + 1)
    for failures in itertools.product(values, repeat=3):
        expected, holds = set(), True
        for place, (n, k) in enumerate(sorted((n, k) for k, n in enumerate(failures))):
            holds = holds and n <= allowed[place]
            expected |= {k} if holds else set()
        found = step_down(monkeypatch, plan, {(float(k),): n for k, n in enumerate(failures)})
        assert {k for k, one in enumerate(found) if one.verdict == "confirmed"} == expected


def test_alternatives_of_a_calibration_are_ready_finalists_on_the_same_paths():
    found = calibrate(dataclasses.replace(with_settings(**SMALL, alternatives=3), seed=2), evaluate=evaluate)
    assert found.plan.confidence == 1 - 0.025 / 3
    assert found.plan.paths > plan_confirmation(with_settings(**SMALL), 1).paths
    points = [found.confirmation.point, *(one.point for one in found.alternatives)]
    assert len(set(points)) == len(points)
    assert 2 <= len(points) <= 3
    counts = {stage.paths for stage in found.plan.stages}
    assert all(len(one.outcomes[0].path) in counts for one in found.alternatives)
    told = make_proposal(found)["alternatives"]
    assert [row["verdict"] for row in told] == [one.verdict for one in found.alternatives]
