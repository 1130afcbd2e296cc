"""A confirmation in two stages: clear cases end at the first, and no limit is passed more often than the look allows."""

import dataclasses
import math
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from simulator.calibration.confirmation import CONFIRMED, NONE, REDUCING, confirm
from simulator.calibration.plan import plan_confirmation
from simulator.calibration.race import Race
from simulator.calibration.space import SearchSpace
from simulator.calibration.trials import Trials
from simulator.risk.appetite import ExpectedShortfallLimit, MeanLimit, ProbabilityLimit, RiskAppetite
from simulator.risk.planner import allowed_failures

sys.path.insert(0, str(Path(__file__).parent))
from fake_world import FakeWorld, evaluate, with_settings

SMALL = with_settings(candidates=8, search_paths=100, selection_paths=200)


class Memory(list):
    """A record in memory."""

    lines = ()


def looked_at(world, point):
    """(confirmation of `point`, path evaluations by world and point)."""
    trials = Trials(SearchSpace(world.vote, world.calibration.search), Memory(), evaluate)
    plan = plan_confirmation(world, 1)
    found = confirm(world, trials, Race(world, trials, plan).question, plan, point)
    spent = {}
    for line in trials.record:
        if line["purpose"] == plan.purpose:
            for candidate in line["candidates"]:
                who = line["world"], "current" if tuple(candidate) == trials.space.current_point else "candidate"
                spent[who] = spent.get(who, 0) + line["count"]
    return found, spent


def limited(*limits):
    return dataclasses.replace(SMALL, appetite=RiskAppetite(limits=limits))


@pytest.mark.parametrize("probability", [0.001, 0.01, 0.02, 0.03])
@pytest.mark.parametrize("regimes", [0, 3])
def test_a_candidate_at_its_limit_passes_one_of_the_stages_at_most_as_often_as_said(probability, regimes):
    """Exact: binomial failures on the paths of the first stage, and on those that the second adds."""
    held_out = tuple((f"r{k}", "confirm", 0.02) for k in range(regimes))
    limit = ProbabilityLimit(window="whole", threshold=0.01, probability=probability)
    plan = plan_confirmation(dataclasses.replace(limited(limit), held_out=held_out), 1)
    first, last = plan.stages
    assert math.isclose(2 - first.confidence - last.confidence, 1 - plan.confidence)
    assert first.paths <= last.paths / 2 < last.paths == plan.paths

    def chance(rate):
        most, all_of_them = (allowed_failures(one.paths, probability, one.confidence) for one in plan.stages)
        more = np.arange(most + 1, all_of_them + 1)
        later = stats.binom.cdf(all_of_them - more, last.paths - first.paths, rate)
        return stats.binom.cdf(most, first.paths, rate) + np.sum(stats.binom.pmf(more, first.paths, rate) * later)

    assert chance(probability) <= 1 - plan.confidence
    assert 1 - (1 + regimes) * (1 - chance(probability / 2)) >= plan.power >= 0.8


def test_limits_that_need_long_tails_or_many_paths_are_judged_once():
    shortfall = ExpectedShortfallLimit(window="whole", level=0.99, limit=0.05)
    assert len(plan_confirmation(limited(shortfall), 1).stages) == 2  # 5,000 paths hold 50 in the tail
    assert len(plan_confirmation(limited(MeanLimit(window="whole", limit=0.01)), 1).stages) == 1
    asked_for = with_settings(confirmation_paths=3000)
    (only,) = plan_confirmation(asked_for, 1).stages
    assert (only.paths, only.confidence) == (3000, 0.975)


def test_a_world_that_passes_the_first_stage_is_done_and_the_others_go_on():
    """In the headline 0.04 % of paths break the limit, in the stress 0.6 %: more than the first stage lets pass."""
    world = dataclasses.replace(SMALL, held_out=(("stress", "confirm", 0.03), ("crash", "report", 0.06)))
    found, spent = looked_at(world, (0.15, 0.145))
    first, last = (stage.paths for stage in found.plan.stages)
    assert [(one.label, one.candidate[0].paths, one.current[0].paths) for one in found.worlds] == [
        ("headline", first, first),
        ("regime-stress", last, first),
        ("regime-crash", 500, 500),
    ]
    assert found.worlds[0].passes
    assert len(found.outcomes[0]) == (first if found.verdict == CONFIRMED else last)
    assert spent["regime-stress", "candidate"] == last
    assert spent["regime-stress", "current"] == first
    assert [one.candidate[0].confidence for one in found.worlds[:2]] == [stage.confidence for stage in found.plan.stages]


def test_a_world_that_is_only_reported_runs_both_sides_on_equally_many_paths():
    limit = ProbabilityLimit(window="whole", threshold=0.01, probability=0.05)
    found, spent = looked_at(dataclasses.replace(limited(limit), held_out=(("crash", "report", 0.06),)), (0.15, 0.145))
    assert [stage.paths for stage in found.plan.stages] == [213, 531]
    assert spent["regime-crash", "candidate"] == spent["regime-crash", "current"] == 500


def test_clear_cases_take_two_fifths_of_the_paths():
    found, spent = looked_at(SMALL, (0.3, 0.3))
    assert found.verdict == CONFIRMED
    assert spent["headline", "candidate"] == found.plan.first_paths
    assert found.plan.first_paths == math.ceil(0.4 * found.plan.paths)


def test_a_step_that_only_reduces_risk_is_tested_on_all_paths_of_the_headline():
    world = dataclasses.replace(SMALL, held_out=(("stress", "confirm", 0.2),))
    found, spent = looked_at(world, (0.3, 0.3))
    assert found.verdict == REDUCING
    assert found.worlds[0].passes
    assert not found.worlds[1].passes
    assert found.worlds[0].candidate[0].paths == found.plan.first_paths
    assert len(found.outcomes[0]) == len(found.outcomes[1]) == spent["headline", "current"] == found.plan.paths
    assert found.improvement.confidence == found.plan.stages[-1].confidence


def test_a_candidate_that_fails_both_stages_is_not_confirmed():
    found, _ = looked_at(FakeWorld(), (0.1, 0.05))
    assert found.verdict == NONE
    assert found.worlds[0].candidate[0].paths == found.plan.paths
