"""The optimiser's curse: searches among unsafe candidates must not be approved."""

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest

from simulator.calibration.calibrate import replay
from simulator.calibration.space import SearchSpace
from simulator.calibration.trials import Trials
from simulator.kernel import stream
from simulator.outcomes import Outcomes
from simulator.risk.judgement import conditions, judge
from simulator.risk.planner import plan_paths

sys.path.insert(0, str(Path(__file__).parent))
from fake_world import APPETITE, INITIAL, MAINTENANCE, evaluate, with_settings

UNSAFE = 0.012  # true failure rate of every candidate, against a limit of 1 %


def losses(failures, paths):
    loss = np.where(np.arange(paths) < failures, 20_000.0, 0.0)
    return Outcomes(np.arange(paths), {"loss.whole": loss})


def passes(failures, paths, confidence):
    return judge(conditions(APPETITE)[0], losses(failures, paths), {"open-interest": 1e6}, confidence).passes


def test_at_most_five_percent_of_1000_searches_among_unsafe_candidates_are_approved():
    """VERIFICATION 1.2: 200 candidates at 1.2 %, 2,000 paths each, the best one picked."""
    rng = np.random.default_rng(2)
    best = rng.binomial(2000, UNSAFE, size=(1000, 200)).min(axis=1)
    assert np.mean(best / 2000 <= 0.01) == 1.0  # the point estimate always passes
    in_sample = np.mean([passes(k, 2000, 0.95) for k in best])
    assert in_sample > 0.5  # and a bound on the same paths mostly does
    confidence = APPETITE.confidence_of_look(1)
    fresh = plan_paths([0.01], confidence).paths
    approved = np.mean([passes(k, fresh, confidence) for k in rng.binomial(fresh, UNSAFE, size=1000)])
    assert approved <= 0.025


def test_even_a_candidate_exactly_at_the_limit_is_approved_at_most_as_often_as_said():
    confidence = APPETITE.confidence_of_look(1)
    fresh = plan_paths([0.01], confidence).paths
    rng = np.random.default_rng(3)
    approved = np.mean([passes(k, fresh, confidence) for k in rng.binomial(fresh, 0.01, size=1500)])
    assert approved <= 1 - confidence + 3 * np.sqrt(0.025 * 0.975 / 1500)


def unsafe(scenario, candidates, purpose, first, count, jobs):
    """Every candidate fails on its own paths with probability 1.2 %: what a search finds among them is luck."""
    found = evaluate(scenario, candidates, purpose, first, count, jobs)
    for candidate, outcomes in zip(candidates, found, strict=True):
        key = stream(scenario.seed, purpose, repr((candidate.get(INITIAL), candidate.get(MAINTENANCE))))
        fails = np.random.default_rng(int(key)).random(first + count)[first:] < UNSAFE
        for window in ("transition", "steady", "whole"):
            outcomes.columns[f"loss.{window}"] = np.where(fails, 20_000.0, 0.0) * outcomes.column("open_interest.whole") / 1e6
    return found


class Look:
    """A lineage that is always at its first look, and a record in memory: nothing of a thousand calibrations is kept."""

    version = "test"

    def __init__(self):
        self.lines = []

    def append(self, line):
        self.lines.append(line)

    def spend(self, look):
        assert look == 1


def verdict(world, engine):
    """What a whole calibration says: search, selection, confirmation."""
    look = Look()
    return replay(world, Trials(SearchSpace(world.vote, world.calibration.search), look, engine), look, 1).verdict


SMALL = with_settings(candidates=8, search_paths=32, selection_paths=200)


def test_whole_calibrations_among_unsafe_candidates_confirm_nothing():
    verdicts = [verdict(dataclasses.replace(SMALL, seed=5000 + seed), unsafe) for seed in range(18)]
    assert verdicts.count("confirmed") <= 2  # of a share of at most 2.5 %, three or more of 18 come once in 100 runs


@pytest.mark.slow
def test_of_1000_whole_calibrations_among_unsafe_candidates_as_few_confirm_as_said_and_safe_ones_are_found():
    """The whole chain, seed after seed; power is that of the same calibrations where a safe optimum exists."""
    wrong = sum(verdict(dataclasses.replace(SMALL, seed=seed), unsafe) == "confirmed" for seed in range(1000))
    found = sum(verdict(dataclasses.replace(SMALL, seed=seed), evaluate) == "confirmed" for seed in range(200))
    print(f"false approvals {wrong / 10:.1f} %, power {found / 2:.1f} %")
    assert wrong <= 25 + 3 * np.sqrt(1000 * 0.025 * 0.975)  # 39
    assert found >= 165
