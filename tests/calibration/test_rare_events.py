"""Calibrations whose limit is one path in ten thousand: by weighted paths, to the answer of a formula, and no unsafe one."""

import dataclasses
import functools
import math
import sys
from pathlib import Path

import numpy as np

from simulator.calibration.calibrate import calibrate
from simulator.calibration.plan import plan_confirmation
from simulator.calibration.proposal import make_proposal
from simulator.calibration_settings import SearchParameter
from simulator.kernel import stream
from simulator.outcomes import UNSEEN, WEIGHT, Outcomes
from simulator.report import markdown
from simulator.risk.appetite import ProbabilityLimit, RiskAppetite
from simulator.risk.judgement import conditions, judge
from simulator.risk.weights import PLAIN_SHARE

sys.path.insert(0, str(Path(__file__).parent))
from fake_world import CURRENT, INITIAL, evaluate, with_settings

LIMIT, OFTEN, ETA, STEP = 1e-4, 0.01, 12.0, 0.0025
TILTED = 0.5  # chance of a jump on a tilted path; OFTEN on a plain one


def fails(margin):
    """P(a jump through the margin): its log is exponential (L43), and it comes on one path in a hundred."""
    return OFTEN * (1 - margin) ** ETA


ANSWER = 1 - (LIMIT / OFTEN) ** (1 / ETA)
OF_JUMP, OF_NONE = (1 / (PLAIN_SHARE + (1 - PLAIN_SHARE) * ratio) for ratio in (TILTED / OFTEN, (1 - TILTED) / (1 - OFTEN)))


def drawn(draws, count):
    """(fall, weight) of paths of the mixture."""
    u = draws.random((count, 3))
    jumps = u[:, 1] < np.where(u[:, 0] < PLAIN_SHARE, OFTEN, TILTED)
    return np.where(jumps, 1 - u[:, 2] ** (1 / ETA), 0.0), np.where(jumps, OF_JUMP, OF_NONE)


@functools.lru_cache(maxsize=16)
def paths_of(seed, purpose):
    return drawn(np.random.Generator(np.random.Philox(key=int(stream(seed, purpose)))), 40_000)


def engine(scenario, candidates, purpose, first, count, jobs):
    """A path loses a dollar where it falls through the margin."""
    found = evaluate(scenario, candidates, purpose, first, count, jobs)
    fall, weight = (part[first:] for part in paths_of(scenario.seed, purpose))
    for candidate, outcomes in zip(candidates, found, strict=True):
        for window in ("transition", "steady", "whole"):
            outcomes.columns[f"loss.{window}"] = (fall[:count] > candidate.get(INITIAL)).astype(float)
        outcomes.columns.update({WEIGHT: weight[:count], UNSEEN: np.full(count, OF_JUMP)})
    return found


def world(seed, weight_of_unseen=OF_JUMP):
    search = (SearchParameter(parameter=INITIAL, low=0.01, high=0.6, step=STEP),)
    appetite = RiskAppetite(limits=(ProbabilityLimit(window="whole", of="usd", threshold=0.5, probability=LIMIT),))
    current = CURRENT.replace({INITIAL: 0.5, "perpetuals.ETH.maintenance_margin_ratio": 0.01})
    made = with_settings(search=search, candidates=20, search_paths=200, selection_paths=4000)
    return dataclasses.replace(
        made,
        appetite=appetite,
        parameters=current,
        has_sourced_elasticities=False,
        weight_of_unseen=weight_of_unseen,
        seed=seed,
    )


def test_far_fewer_paths_are_planned_and_the_answer_of_the_formula_is_found():
    plain = plan_confirmation(world(1, 1.0), 1).paths
    found = [calibrate(world(seed), evaluate=engine) for seed in range(1, 5)]
    assert found[0].plan.paths < plain / 25
    assert [one.verdict for one in found].count("confirmed") >= 3
    margins = [one.proposed[0] for one in found if one.verdict == "confirmed"]
    assert sum(margin < ANSWER for margin in margins) <= 1
    rate = found[0].plan.proof.rate(LIMIT)
    error = math.sqrt(rate * OF_JUMP / 4000)  # of a chance estimated on the selection paths
    least = rate - 4 * 1.253 * error / 2
    assert np.median(margins) <= 1 - (least / OFTEN) ** (1 / ETA) + 3 * STEP


def test_a_proposal_says_that_paths_were_weighted():
    proposal = make_proposal(calibrate(world(1), evaluate=engine))
    headline = proposal["evidence"][0]
    assert headline["weighted"].startswith("weighted paths (importance sampling): ")
    judged = headline["conditions"][0]["after"]
    assert judged["method"] == "weighted paths, gamma bound"
    assert "effective paths beyond" in judged["note"]
    assert any("too rare for these weighted paths" in line for line in proposal["not_covered"])
    assert headline["weighted"] in markdown(proposal)
    plain = make_proposal(calibrate(with_settings(candidates=8, search_paths=50), evaluate=evaluate))
    assert plain["evidence"][0]["weighted"] == ""
    assert not any("weighted" in line for line in plain["not_covered"])


def test_a_candidate_at_its_limit_is_approved_at_most_as_often_as_said_and_one_at_half_with_the_power_planned():
    asked, place = world(1), conditions(world(1).appetite)[0]
    plan, draws, approved = plan_confirmation(asked, 1), np.random.default_rng(8), {}
    for rate in (LIMIT, LIMIT / 2):
        margin, passed = 1 - (rate / OFTEN) ** (1 / ETA), 0
        for _ in range(1000):
            fall, weight = drawn(draws, plan.paths)
            columns = {"loss.whole": (fall > margin) * 1.0, WEIGHT: weight, UNSEEN: np.full(plan.paths, OF_JUMP)}
            passed += judge(place, Outcomes(np.arange(plan.paths), columns), {"usd": 1.0}, plan.confidence).passes
        approved[rate] = passed / 1000
    error = 1 - plan.confidence
    assert approved[LIMIT] <= error + 4 * math.sqrt(error / 1000)
    assert approved[LIMIT / 2] >= 0.8 - 4 * math.sqrt(0.8 * 0.2 / 1000)
