"""A record replayed and computed again by somebody who trusts nobody: what was altered is found."""

import copy
import datetime
import json
import sys
from pathlib import Path

import pytest

from simulator.calibration.calibrate import calibrate
from simulator.calibration.monitoring import alarms, problems
from simulator.calibration.proposal import make_proposal
from simulator.calibration.record import decode
from simulator.calibration.verification import NotInRecord, choose, compare, differences, recompute, replayed

sys.path.insert(0, str(Path(__file__).parent))
from fake_world import FakeWorld, evaluate

WORLD = FakeWorld()


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "run"
    proposal = json.loads(json.dumps(make_proposal(calibrate(WORLD, evaluate=evaluate, folder=folder))))
    return proposal, [decode(raw) for raw in (folder / "log.jsonl").read_bytes().splitlines(keepends=True)]


def verified(lines, share=1.0, seed=1):
    calibration, trials = replayed(WORLD, lines)
    return make_proposal(calibration), recompute(trials, evaluate, share, seed)


def test_an_honest_record_holds(finished):
    proposal, lines = finished
    made, found = verified(lines)
    assert list(differences(proposal, json.loads(json.dumps(made)))) == []
    assert found.differing == ()
    assert found.worst == 0.0
    assert found.chosen == found.lines


def test_an_altered_outcome_is_found_by_whoever_computes_its_line(finished):
    _, lines = finished
    forged = copy.deepcopy(lines)
    confirmation = [line for line in forged if line["kind"] == "evaluation" and line["purpose"].startswith("confirmation")]
    losses = confirmation[0]["columns"]["loss.whole"][0]
    losses[losses.index(max(losses))] *= 1 + 1e-6
    _, found = verified(forged)
    assert len(found.differing) == 1
    assert "loss.whole" in found.differing[0]


def test_a_better_proposal_than_the_record_leads_to_is_found(finished):
    proposal, lines = finished
    forged = copy.deepcopy(proposal)
    forged["evidence"][0]["conditions"][0]["after"]["bound"] *= 0.9
    made, _ = verified(lines, 0.01)
    (line,) = differences(forged, json.loads(json.dumps(made)))
    assert line.startswith("proposal.json.evidence.0.conditions.0.after.bound: is ")


def test_a_record_with_a_line_left_out_is_not_whole(finished):
    _, lines = finished
    evaluations = [i for i, line in enumerate(lines) if line["kind"] == "evaluation"]
    with pytest.raises(NotInRecord, match="unfinished or"):
        replayed(WORLD, [line for i, line in enumerate(lines) if i != evaluations[-1]])
    with pytest.raises(NotInRecord, match="no look"):
        replayed(WORLD, lines[:1])


def test_the_chance_of_missing_an_alteration_is_that_of_sampling_without_replacement(finished):
    _, lines = finished
    _, found = verified(lines, 0.05)
    n, k = found.lines, found.chosen
    import math

    bad = math.ceil(0.1 * n)
    assert found.chance_missed(0.1) == pytest.approx(math.comb(n - bad, k) / math.comb(n, k), rel=1e-9)
    assert verified(lines)[1].chance_missed(0.1) == 0.0


def test_choices_are_a_sample_that_depends_on_the_seed():
    assert choose(10, 1e-9, 3) != []
    assert len(choose(200, 0.05, 3)) == 10
    assert choose(200, 0.05, 3) != choose(200, 0.05, 4)
    assert choose(7, 1.0, 5) == list(range(7))


def test_a_gap_is_relative_to_the_column_and_a_nan_is_a_gap():
    assert compare({"a": [[1.0, 2.0]]}, {"a": [[1.0, 2.0]]}) == (0.0, "")
    assert compare({"a": [[1.0, 2.0]]}, {"a": [[1.0, 4.0]]}) == (0.5, "a")
    gap, where = compare({"a": [[1.0, float("nan")]]}, {"a": [[1.0, 2.0]]})
    assert not gap <= 1e-9
    assert where == "a"


def test_monitoring_is_silent_inside_the_studied_range_and_speaks_outside(finished):
    proposal, _ = finished
    studied = {one["quantity"]: one for one in proposal["rollback"]["studied_range"]}
    interest = studied["open_interest"]
    inside = {"date": datetime.date(2025, 4, 1), "open_interest": 0.5 * (interest["low"] + interest["high"]), "loss": 0.0}
    assert alarms(proposal, WORLD, inside) == []
    (outside,) = alarms(proposal, WORLD, {"open_interest": 2 * interest["high"]})
    assert outside.startswith("open interest of ")
    (expired,) = alarms(proposal, WORLD, {"date": datetime.date(2026, 1, 1)})
    assert expired.startswith("expired on 2025-04-30")
    frozen = proposal["appetite"]["denominators_usd"]["open-interest"]
    assert alarms(proposal, WORLD, {"loss": 0.99 * 0.01 * frozen}) == []
    (breached,) = alarms(proposal, WORLD, {"loss": 1.01 * 0.01 * frozen})
    assert "is above" in breached


def test_wrong_observations_are_one_line_each():
    wrong = {"date": "today", "open_intrest": 1.0, "loss": True, "fees": float("nan"), "volatility": {"EHT": 1.0, "ETH": -1.0}}
    found = problems(wrong, ("ETH",))
    assert [line.split(":")[0] for line in found] == ["date", "open_intrest", "loss", "fees", "volatility.EHT", "volatility.ETH"]
    assert "did you mean `open_interest`" in found[1]
    assert problems({"volatility": 0.8}, ("ETH",)) == ["volatility: expected a table by asset, as in volatility.ETH = 0.8"]
