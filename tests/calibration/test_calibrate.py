"""Calibrations whose answer is known: margins against a Student-t shock (L41), and every verdict."""

import dataclasses
import functools
import math
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from simulator.calibration.calibrate import calibrate
from simulator.calibration.selection import BEST_EXPECTED
from simulator.calibration.trials import CandidatesFailed
from simulator.calibration_settings import Objective, SearchParameter
from simulator.risk.appetite import MeanLimit, ProbabilityLimit, RiskAppetite

sys.path.insert(0, str(Path(__file__).parent))
from fake_world import APPETITE, CURRENT, INITIAL, MAINTENANCE, SEARCH, SETTINGS, FakeWorld, evaluate, with_settings

SMALL = {"candidates": 24, "search_paths": 100, "selection_paths": 1000}


def true_rate(world, initial, maintenance):
    """P(loss > 1 % of open interest) in closed form."""
    threshold = maintenance + 0.01 / (0.1 / initial) ** 0.5
    return 2 * stats.t(world.nu).sf(threshold / world.scale)


@functools.cache
def _remembered(text):
    return calibrate(WORLDS[text], evaluate=evaluate)


WORLDS = {}


def run(world):
    """Calibrate, once for every world that this file asks about."""
    WORLDS[repr(world)] = world
    return _remembered(repr(world))


@pytest.fixture(scope="module")
def confirmed():
    return [run(dataclasses.replace(with_settings(**SMALL), seed=seed)) for seed in range(1, 6)]


def test_confirmed_margins_keep_the_closed_form_limit_and_are_not_far_above_it(confirmed):
    approved = [one for one in confirmed if one.verdict == "confirmed"]
    assert len(approved) >= 4
    assert all(true_rate(one.world, *one.proposed) <= 0.01 for one in approved)
    # The least initial margin that confirmation passes with 80 % is 0.105; a limit at half keeps the rest of the way safe.
    assert np.median([one.proposed[0] for one in approved]) <= 0.15


def test_proposals_are_on_the_grid_and_valid(confirmed):
    for one in confirmed:
        point = one.proposed or one.space.current_point
        assert one.space.parameters(point) is not None
        assert one.space.round(point) == point


def test_the_stages_share_no_path():
    seen = {}

    def recording(scenario, candidates, purpose, first, count, jobs):
        seen.setdefault(purpose, set()).update(range(first, first + count))
        return evaluate(scenario, candidates, purpose, first, count, jobs)

    found = calibrate(with_settings(**SMALL), evaluate=recording)
    assert list(seen) == ["search", "selection", "confirmation-1"]
    assert len(seen["search"]) == 1600
    assert len(seen["selection"]) == 1000
    assert len(seen["confirmation-1"]) == found.plan.paths


def test_common_paths_all_candidates_of_a_call_are_on_the_same():
    found = run(with_settings(**SMALL))
    longest = max(trial.paths for trial in found.found.trials)
    assert found.found.trials[0].point == found.space.current_point
    assert found.found.trials[0].paths == longest
    assert found.found.trials[0].score == 0.0


def test_an_appetite_that_nothing_meets_gives_a_risk_reducing_step():
    # The largest change allowed is 2 points: not enough for the limit, enough to lower the loss.
    near = tuple(one.model_copy(update={"max_change": 0.02}) for one in SEARCH)
    found = run(dataclasses.replace(with_settings(search=near, **SMALL), scale=0.04))
    assert found.verdict == "risk-reducing step"
    assert found.proposed[1] > CURRENT.perpetuals["ETH"].maintenance_margin_ratio
    assert all(abs(now - was) <= 0.02 + 1e-12 for now, was in zip(found.proposed, found.space.current_point, strict=True))
    assert found.confirmation.improvement.is_proven
    assert any("above 0.01" in reason for reason in found.reasons)


def test_nothing_is_proposed_where_nothing_helps():
    stuck = tuple(one.model_copy(update={"low": one_low, "high": 0.1}) for one, one_low in zip(SEARCH, (0.05, 0.01), strict=True))
    safest = CURRENT.replace({"perpetuals.ETH.maintenance_margin_ratio": 0.1})
    found = run(dataclasses.replace(with_settings(search=stuck, **SMALL), parameters=safest, scale=0.04))
    assert found.verdict == "no proposal"
    assert found.proposed is None
    assert found.reasons


def test_current_parameters_that_are_best_are_kept_without_a_look():
    revenue = with_settings(**SMALL, objective=Objective(capital_efficiency=1.0))
    loose = CURRENT.replace({"perpetuals.ETH.initial_margin_ratio": 0.02, "perpetuals.ETH.maintenance_margin_ratio": 0.02})
    found = run(dataclasses.replace(revenue, parameters=loose, scale=0.001))
    assert found.confirmation is None
    assert found.verdict == "no proposal"
    assert "clearly better than current parameters" in found.reasons[0]


def test_what_has_not_converged_is_not_confirmed():
    found = run(dataclasses.replace(with_settings(**SMALL), drift_with_substeps=0.0, seed=1))
    assert found.confirmation.convergence.is_converged
    appetite = RiskAppetite(limits=(*APPETITE.limits, MeanLimit(window="whole", quantity="loss", limit=0.002)))
    drifting = dataclasses.replace(with_settings(**SMALL), drift_with_substeps=0.001, appetite=appetite, seed=1)
    found = run(drifting)
    assert not found.confirmation.convergence.is_converged
    assert found.verdict == "no proposal"
    assert any("not converged" in reason for reason in found.reasons)


def test_a_held_out_regime_decides_and_a_reported_one_does_not():
    stressed = dataclasses.replace(with_settings(**SMALL), held_out=(("stress", "confirm", 0.06), ("extreme", "report", 0.2)))
    found = run(stressed)
    assert found.verdict != "confirmed"
    labels = {one.label: one for one in found.confirmation.worlds}
    assert labels["regime-stress"].gates
    assert not labels["regime-stress"].passes
    assert not labels["regime-extreme"].gates
    assert any(reason.startswith("regime-stress") for reason in found.reasons)
    reported = run(dataclasses.replace(stressed, held_out=(("extreme", "report", 0.2),)))
    assert reported.verdict == "confirmed"


def test_a_regime_may_have_limits_of_its_own():
    lenient = RiskAppetite(limits=(ProbabilityLimit(window="transition", of="fund", threshold=3.0, probability=0.05),))
    held_out = (("stress", "confirm", 0.03),)
    found = run(dataclasses.replace(with_settings(**SMALL), held_out=held_out, appetite_held_out=lenient))
    stress = found.confirmation.worlds[1]
    assert [judgement.condition for judgement in stress.candidate] == ["1:probability:loss.transition"]
    assert stress.candidate[0].allowed == 0.05
    assert found.verdict == "confirmed"


def test_a_proposal_is_confirmed_at_every_elasticity():
    found = run(dataclasses.replace(with_settings(**SMALL), has_elasticities=True))
    assert [one.label for one in found.confirmation.worlds if one.gates] == ["headline", "elasticity-low", "elasticity-high"]
    assert found.plan.paths > run(with_settings(**SMALL)).plan.paths


def test_drawn_parameters_are_the_headline_and_point_estimates_are_shown():
    found = run(dataclasses.replace(with_settings(**SMALL), has_parameter_law=True))
    assert found.confirmation.intervals["headline"] == "model"
    assert found.confirmation.intervals["point-parameters"] == "simulation"
    assert not next(one for one in found.confirmation.worlds if one.label == "point-parameters").gates


def in_folder(world, folder):
    return calibrate(world, evaluate=evaluate, folder=folder)


def test_a_second_look_uses_fresh_paths_and_half_the_chance_of_error(tmp_path):
    first = in_folder(with_settings(**SMALL), tmp_path / "one")
    second = in_folder(dataclasses.replace(with_settings(**SMALL), hash="2" * 64), tmp_path / "two")
    again = in_folder(with_settings(**SMALL), tmp_path / "three")
    assert (first.plan.look, second.plan.look, again.plan.look) == (1, 2, 1)
    assert (first.plan.confidence, second.plan.confidence) == (0.975, 0.9875)
    assert second.plan.purpose == "confirmation-2"
    assert again.proposed == first.proposed


def test_a_candidate_without_finite_outcome_is_failed_and_never_best():
    broken = dataclasses.replace(with_settings(**SMALL), broken=(0.14, 0.145, 0.15))
    found = run(broken)
    assert found.failures
    assert all(point[0] in broken.broken for point in found.failures)
    assert all("is nan" in reason for reason in found.failures.values())
    assert found.proposed not in found.failures
    assert not set(found.failures) & {trial.point for trial in found.found.trials}


def test_too_many_failed_candidates_stop_the_calibration_with_a_table():
    everywhere = tuple(round(0.005 * k, 3) for k in range(22, 61))
    with pytest.raises(CandidatesFailed, match="initial_margin_ratio = ") as failed:
        run(dataclasses.replace(with_settings(**SMALL), broken=everywhere))
    assert failed.value.exit_code == 1
    with pytest.raises(CandidatesFailed):
        run(dataclasses.replace(with_settings(**SMALL), broken=(0.1,)))


def test_paths_that_cannot_prove_the_limit_are_refused_before_anything_runs():
    appetite = RiskAppetite(limits=(ProbabilityLimit(window="whole", threshold=0.01, probability=0.0001),))
    short = dataclasses.replace(with_settings(confirmation_paths=1000), appetite=appetite)
    with pytest.raises(ValueError, match="needs at least 36,887 paths with no failure; confirmation_paths is 1,000"):
        calibrate(short, evaluate=lambda *_: pytest.fail("nothing may run"))


def test_a_scenario_without_an_appetite_is_refused():
    with pytest.raises(ValueError, match=r"needs a \[appetite\] section"):
        run(FakeWorld(appetite=None))


def test_other_goals_are_relative_and_paired():
    frugal = with_settings(**SMALL, objective=Objective(capital_efficiency=0.0, user_cost=1.0))
    found = run(frugal)
    # User cost is proportional to open interest, so less of it is better here, and the score is its relative fall.
    chosen = found.selection.chosen
    assert chosen.score == pytest.approx(1 - (0.1 / chosen.point[0]) ** 0.5, abs=1e-9)
    assert chosen.point[0] > 0.1


def test_unsourced_elasticities_leave_only_available_efficiency():
    found = run(dataclasses.replace(with_settings(**SMALL), has_sourced_elasticities=False))
    chosen = found.selection.chosen
    assert chosen.score == pytest.approx(math.log(0.1 / chosen.point[0]), abs=1e-12)
    assert chosen.score_error == 0.0


def test_the_report_of_a_calibration_is_short_and_says_the_verdict(confirmed):
    text = str(confirmed[0])
    assert confirmed[0].verdict in text
    assert len(text.splitlines()) <= 12


def test_the_settings_of_this_file_are_those_of_the_fake_world():
    assert SETTINGS.search == SEARCH


def test_a_vote_changes_no_more_than_the_goal_needs():
    # Nothing that is measured here depends on the penalty, so a proposal has no reason to move it.
    idle = SearchParameter(parameter="liquidation.penalty", low=0.0, high=0.1, step=0.01)
    found = run(with_settings(**SMALL, search=(*SEARCH, idle)))
    assert found.confirmation.point[2] == found.space.current_point[2] == 0.0
    assert any(trial.point[2] > 0 for trial in found.found.trials)


def test_what_is_sent_to_confirmation_keeps_the_limits_of_every_world_that_decides():
    """Selection on the headline alone would send a margin that fails where shocks are half as large again."""
    stressed = [
        run(dataclasses.replace(with_settings(**SMALL), held_out=(("stress", "confirm", 0.03),), seed=seed)) for seed in (1, 2, 3)
    ]
    assert [one.verdict for one in stressed] == ["confirmed"] * 3
    assert all(true_rate(dataclasses.replace(one.world, scale=0.03), *one.proposed) <= 0.01 for one in stressed)


def test_a_leader_that_fails_on_paths_it_had_not_run_before_is_passed_over():
    """Its search ended on few paths; on the others, which it runs as it is judged in full, an outcome is not finite."""
    world = with_settings(candidates=8, search_paths=32, selection_paths=200)
    first = run(world).selection.chosen.point

    def failing(scenario, candidates, purpose, start, count, jobs):
        found = evaluate(scenario, candidates, purpose, start, count, jobs)
        for candidate, outcomes in zip(candidates, found, strict=True):
            if purpose == "search" and start >= 32 and (candidate.get(INITIAL), candidate.get(MAINTENANCE)) == first:
                outcomes.columns["loss.whole"] = np.full(count, np.nan)
        return found

    found = calibrate(world, evaluate=failing)
    assert list(found.failures) == [first]
    assert found.selection.chosen is not None
    assert found.selection.chosen.point != first


def test_where_current_parameters_are_safe_the_expected_score_decides():
    """300 paths of a stress cannot promise 80 % of anything but the most cautious, and a failed look costs nothing else."""
    settings = {"candidates": 24, "search_paths": 100, "selection_paths": 300}
    safe = CURRENT.replace({INITIAL: 0.28, MAINTENANCE: 0.26})
    found = run(dataclasses.replace(with_settings(**settings), parameters=safe, held_out=(("stress", "confirm", 0.03),)))
    chosen, current = found.selection.chosen, found.selection.current
    assert current.is_ready
    assert chosen.in_full
    assert chosen.chance >= chosen.wanted == 0.5
    assert found.selection.reason == BEST_EXPECTED
    noise = 2 * max(one.score_error for one in found.selection.finalists)
    rivals = [one for one in found.selection.finalists if one.in_full and one.is_ready]
    assert all(chosen.score * chosen.chance >= one.score * one.chance - noise for one in rivals)
    assert true_rate(dataclasses.replace(found.world, scale=0.03), *chosen.point) < 0.01
