"""Calibrations whose answer is a formula (VERIFICATION L41 to L44): what is proposed is safe, and near the least that is.

One parameter x, the initial margin, against a loss in closed form: `fails(x, u)` says which paths fail. What confirmation
can prove lies between the formula's answer at the limit and its answer at the rate that is confirmed with 80 % power.
"""

import dataclasses
import math
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from simulator.calibration.calibrate import calibrate
from simulator.calibration_settings import Objective, SearchParameter
from simulator.kernel import stream
from simulator.risk.appetite import ProbabilityLimit, RiskAppetite

sys.path.insert(0, str(Path(__file__).parent))
from fake_world import CURRENT, INITIAL, evaluate, with_settings

STEP = 0.0025
LOADING, CLAIM, UNIT = 0.25, 1.0, 100.0  # of premiums over claims; the mean claim; claims in a margin of 1
ETA = 12.0  # of Kou's jumps down
SHORT, IDLE = 9.0, 1.0  # cost per unit short and idle


def uniforms(world, purpose, first, count):
    draws = np.random.Generator(np.random.Philox(key=int(stream(world.seed, purpose))))
    return draws.random((first + count, 2))[first:]


def t_shock(u):
    """L41: a shock of scale 0.02 and four degrees of freedom beyond the margin."""
    return 0.02 * stats.t(4).isf(u[:, 0])


def largest_shortfall(u):
    """L42: the all-time maximum of claims less premiums is a geometric sum of exponentials (Pollaczek and Khinchine)."""
    ladders = np.floor(np.log(u[:, 0]) / math.log(1 / (1 + LOADING)))
    return stats.gamma(np.maximum(ladders, 1e-9)).ppf(u[:, 1]) * CLAIM * (ladders > 0) / UNIT


def overshoot(u):
    """L43: how far a Kou jump falls through the liquidation price: its log is exponential, so the fall is 1 - exp(-e)."""
    return 1 - np.exp(np.log(u[:, 0]) / ETA)


CASES = {
    "L41 margin against Student-t": (t_shock, 0.01, lambda e: 0.02 * stats.t(4).isf(e)),
    "L42 fund against ruin": (
        largest_shortfall,
        0.01,
        lambda e: (1 + LOADING) * CLAIM / LOADING * math.log(1 / ((1 + LOADING) * e)) / UNIT,
    ),
    "L43 margin against jumps through": (overshoot, 0.10, lambda e: 1 - e ** (1 / ETA)),
}


def test_the_formulas_give_the_published_answers():
    assert CASES["L42 fund against ruin"][2](0.01) * UNIT == pytest.approx(21.9, abs=0.05)
    assert CASES["L43 margin against jumps through"][2](0.10) == pytest.approx(0.175, abs=0.0005)


def world(limit, seed, **settings):
    search = (SearchParameter(parameter=INITIAL, low=0.01, high=0.6, step=STEP),)
    appetite = RiskAppetite(limits=(ProbabilityLimit(window="whole", of="usd", threshold=0.5, probability=limit),))
    current = CURRENT.replace({INITIAL: 0.5, "perpetuals.ETH.maintenance_margin_ratio": 0.01})
    made = with_settings(**{"search": search, "candidates": 30, "search_paths": 200, "selection_paths": 8000} | settings)
    return dataclasses.replace(made, appetite=appetite, parameters=current, has_sourced_elasticities=False, seed=seed)


def engine_of(need):
    """A path fails, and loses a dollar, where it needs more than the margin."""

    def run(scenario, candidates, purpose, first, count, jobs):
        found = evaluate(scenario, candidates, purpose, first, count, jobs)
        needed = need(uniforms(scenario, purpose, first, count))
        for candidate, outcomes in zip(candidates, found, strict=True):
            for window in ("transition", "steady", "whole"):
                outcomes.columns[f"loss.{window}"] = (needed > candidate.get(INITIAL)).astype(float)
        return found

    return run


@pytest.mark.parametrize("case", CASES)
def test_what_is_confirmed_is_safe_and_close_to_the_formula(case):
    need, limit, answer = CASES[case]
    found = [calibrate(world(limit, seed), evaluate=engine_of(need)) for seed in range(1, 6)]
    confirmed = [one.proposed[0] for one in found if one.verdict == "confirmed"]
    assert len(confirmed) >= 4
    # The bound may err once in 40 looks; five wrong answers of five would be another thing than luck.
    assert sum(x < answer(limit) for x in confirmed) <= 1
    provable = answer(found[0].plan.proof.rate(limit))
    # Chances are estimated on 8,000 selection paths: rates have that binomial error, and the median of five less of it.
    rate = found[0].plan.proof.rate(limit)
    farthest = answer(rate - 4 * 1.253 * math.sqrt(rate * (1 - rate) / 8000 / 5)) + 3 * STEP
    assert np.median(confirmed) <= farthest
    assert answer(limit) <= np.median(confirmed) + STEP
    assert provable >= answer(limit)


def test_the_newsvendor_is_found_where_no_limit_binds():
    """L44: a cost of SHORT per unit short and IDLE per unit idle is least at the quantile SHORT / (SHORT + IDLE)."""
    best = 0.05 + 0.4 * SHORT / (SHORT + IDLE)  # demand is uniform on [0.05, 0.45]

    def cost(x, demand):
        return SHORT * np.maximum(demand - x, 0) + IDLE * np.maximum(x - demand, 0)

    def run(scenario, candidates, purpose, first, count, jobs):
        found = evaluate(scenario, candidates, purpose, first, count, jobs)
        demand = 0.05 + 0.4 * uniforms(scenario, purpose, first, count)[:, 0]
        for candidate, outcomes in zip(candidates, found, strict=True):
            for window in ("transition", "steady", "whole"):
                outcomes.columns[f"loss.{window}"] = np.zeros(count)
                outcomes.columns[f"user_cost.{window}"] = cost(candidate.get(INITIAL), demand)
        return found

    objective = Objective(capital_efficiency=0.0, user_cost=1.0)
    demand = np.linspace(0.05, 0.45, 20001)
    for seed in range(1, 4):
        found = calibrate(world(0.05, seed, objective=objective), evaluate=run)
        assert found.verdict == "confirmed"
        x = found.proposed[0]
        # The sample quantile of 8,000 demands has this standard error; the grid adds half a step.
        error = 0.4 * math.sqrt(0.9 * 0.1 / 8000)
        assert abs(x - best) <= 4 * error + 2 * STEP
        regret = cost(x, demand).mean() - cost(best, demand).mean()
        spread = (cost(x, demand) - cost(best, demand)).std() / math.sqrt(8000)
        assert regret <= 4 * spread + SHORT * STEP
