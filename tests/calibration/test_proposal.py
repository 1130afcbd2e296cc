"""proposal.json: everything a vote needs, named and reproducible."""

import dataclasses
import json
import re
import sys
from pathlib import Path

import pytest

from simulator.calibration.calibrate import calibrate
from simulator.calibration.change import unit_of
from simulator.calibration.proposal import make_proposal, proposal_bytes
from simulator.report import markdown, page
from simulator.scenario.preamble import Preamble

sys.path.insert(0, str(Path(__file__).parent))
from fake_world import INITIAL, MAINTENANCE, SEARCH, evaluate, with_settings

SMALL = {"candidates": 24, "search_paths": 100, "selection_paths": 1000}
WORLD = dataclasses.replace(
    with_settings(**SMALL),
    has_elasticities=True,
    has_parameter_law=True,
    depths={"ETH, perpetual": 1.2e9},
    held_out=(("calm", "confirm", 0.015), ("bad", "report", 0.05)),
    history=(
        {"world": "regime-calm", "role": "confirm", "since": "2025-05-01T00:00:00Z", "until": "2025-05-08T00:00:00Z", "seen": ""},
        {
            "world": "regime-bad",
            "role": "report",
            "since": "2022-05-07T00:00:00Z",
            "until": "2022-05-14T00:00:00Z",
            "seen": "[market] comes from 2021-01-01 to 2024-06-30",
        },
    ),
)


@pytest.fixture(scope="module")
def calibration():
    return calibrate(WORLD, evaluate=evaluate)


@pytest.fixture(scope="module")
def proposal(calibration):
    return make_proposal(calibration)


def test_the_same_calibration_gives_the_same_bytes(calibration, proposal):
    content = proposal_bytes(calibration)
    assert content == proposal_bytes(calibrate(WORLD, evaluate=evaluate))
    assert json.loads(content) == proposal


def test_windows_of_history_say_by_what_they_were_seen_in_data_text_and_page(proposal):
    assert [(row["world"], bool(row["seen"])) for row in proposal["windows"]] == [("regime-calm", False), ("regime-bad", True)]
    for text in (markdown(proposal), re.sub("<[^>]+>", "", page(proposal))):
        plain = " ".join(text.replace("\\", "").split())
        assert "Regime calm, 2025-05-01 to 2025-05-08: seen by no fit and no search that is known" in plain
        assert "Regime bad, 2022-05-07 to 2022-05-14: seen ([market] comes from 2021-01-01 to 2024-06-30): it" in plain


def test_the_table_says_parameter_asset_current_proposed_and_unit(calibration, proposal):
    assert [row["name"] for row in proposal["parameters"]] == [INITIAL, MAINTENANCE]
    row = proposal["parameters"][0]
    assert (row["parameter"], row["instance"], row["asset"], row["unit"]) == ("initial_margin_ratio", "perpetuals", "ETH", "1")
    assert (row["current"], row["proposed"]) == (0.1, calibration.proposed[0])
    assert unit_of("borrowing.USDC.slope_above") == "1/year"
    assert unit_of("borrowing.USDC.reserve_factor") == "1"
    assert (unit_of("overdraft.slope"), unit_of("liquidation.loans.fee_delay")) == ("1/year", "s")


def test_who_proposes_and_why_stands_in_data_text_and_page_and_what_is_left_out_is_said(calibration):
    said = Preamble(author="Risk Co", motivation="Margins have\nlagged.", licence="CC0-1.0", references=("study of 2025",))
    found = make_proposal(dataclasses.replace(calibration, world=dataclasses.replace(WORLD, preamble=said)))
    assert found["preamble"] == said.model_dump() | {"references": ["study of 2025"]}
    for text in (markdown(found), re.sub("<[^>]+>", " ", page(found))):
        plain = " ".join(re.sub(r"[\\|]", "", text).split())
        for wanted in ("Margins have lagged.", "Author Risk Co", "Discussion not stated", "CC0-1.0", "study of 2025"):
            assert wanted in plain


def test_the_context_is_the_book_under_current_parameters(calibration, proposal):
    about = proposal["context"]
    current = calibration.confirmation.outcomes[1]
    assert about["accounts"] == WORLD.account_count
    assert about["depth_usd"] == {"ETH, perpetual": 1.2e9}
    rows = {row["quantity"]: row["value"] for row in about["book"]}
    assert rows["open_interest"] == pytest.approx(current.column("open_interest.whole").mean())
    assert "Depth of ETH, perpetual" in markdown(proposal)


def test_every_limit_has_evidence_before_and_after_in_every_world_with_a_named_interval(proposal):
    worlds = {row["world"]: row for row in proposal["evidence"]}
    assert list(worlds) == ["headline", "elasticity-low", "elasticity-high", "regime-calm", "point-parameters", "regime-bad"]
    assert {name: row["decides"] for name, row in worlds.items()}["regime-bad"] is False
    assert worlds["headline"]["interval"] == "model"
    assert worlds["point-parameters"]["interval"] == "simulation"
    for row in worlds.values():
        for condition in row["conditions"]:
            for side in ("before", "after"):
                assert {"value", "low", "high", "bound", "allowed", "passes", "paths", "confidence"} <= set(condition[side])


def test_metrics_stand_before_and_after_in_every_window(proposal):
    windows = {row["window"] for row in proposal["metrics"]}
    assert windows == {"transition", "steady", "whole"}
    loss = next(row for row in proposal["metrics"] if row["metric"] == "loss, mean" and row["window"] == "whole")
    assert loss["before"]["value"] > loss["after"]["value"]
    assert loss["interval"] == "model"


def test_search_selection_and_confirmation_stand_side_by_side_with_the_shrinkage(proposal):
    assert [row["figure"] for row in proposal["stages"]] == ["goal", "1:probability:loss.whole"]
    for row in proposal["stages"]:
        assert row["shrinkage"] == pytest.approx(row["confirmed"] - row["search"], abs=1e-15)
        assert row["overfitted"] is False


def test_the_finalists_stand_beside_the_choice(calibration, proposal):
    chosen = [row for row in proposal["finalists"] if row["is_chosen"]]
    assert [tuple(row["values"].values()) for row in chosen] == [calibration.proposed]
    assert [row["is_current"] for row in proposal["finalists"]].count(True) == 1
    assert proposal["finalists"][-1]["is_current"]
    assert {row["wanted"] for row in proposal["finalists"]} == {0.8}
    assert all(row["is_ready"] == (row["chance_to_pass"] >= row["wanted"]) for row in proposal["finalists"])


def test_loss_stands_by_cause_asset_and_cohort_with_intervals_over_paths(calibration, proposal):
    found = proposal["loss_sources"]
    ours, theirs = (side.column("loss.whole")[:1000] for side in calibration.confirmation.outcomes)
    assert found["paths"] == 1000
    assert [(row["by"], row["what"]) for row in found["rows"]] == [
        ("cause", "gap"),
        ("cause", "closing"),
        ("asset", "ETH"),
        ("cohort", "traders"),
    ]
    for row, share in zip(found["rows"], (0.75, 0.25, 1.0, 1.0), strict=True):
        for side, loss in (("before", theirs), ("after", ours)):
            half = 1.959964 * share * loss.std(ddof=1) / len(loss) ** 0.5
            assert row[side]["value"] == pytest.approx(share * loss.mean())
            assert (row[side]["high"] - row[side]["low"]) / 2 == pytest.approx(half, rel=0.01)
    for text in (markdown(proposal), page(proposal)):
        assert "one move of market or terms took it from above the margin to below zero" in text


def test_the_steps_are_checked_against_grid_range_and_largest_change(proposal):
    for row, wanted in zip(proposal["step_bounds"], SEARCH, strict=True):
        assert row["on_grid"]
        assert row["within"]
        assert row["range"] == [wanted.low, wanted.high]


def test_every_parameter_has_its_sensitivity_one_step_each_way(calibration, proposal):
    found = {(row["name"], row["direction"]) for row in proposal["sensitivity"]}
    assert found == {(name, sign) for name, sign, _ in calibration.space.neighbours(calibration.proposed)}


def test_the_analysis_expires_by_its_data_and_never_by_the_clock(calibration, proposal):
    assert proposal["expiry"]["date"] == "2025-04-30"
    undated = dataclasses.replace(calibration, world=dataclasses.replace(WORLD, data_until=None))
    assert make_proposal(undated)["expiry"]["date"] is None


def test_it_names_what_reproduces_it_and_what_it_does_not_cover(proposal):
    assert proposal["reproduce"]["command"] == "simulator calibrate scenario.toml --seed 3 --look 1"
    assert {"seed", "scenario_hash", "lineage", "versions"} <= set(proposal["reproduce"])
    assert len(proposal["not_covered"]) >= 5
    assert proposal["rollback"]["to"] == {INITIAL: 0.1, MAINTENANCE: 0.08}
    assert any("open interest leaves" in trigger for trigger in proposal["rollback"]["triggers"])
    assert proposal["paths"]["confirmation"] == proposal["evidence"][0]["conditions"][0]["after"]["paths"]


def test_capital_efficiency_is_claimed_as_used_only_where_responses_have_sources(calibration, proposal):
    assert proposal["capital_efficiency"]["used_may_be_claimed"] is True
    change = proposal["capital_efficiency"]["used_change"]
    assert change["low"] <= change["value"] <= change["high"] < 0
    assert proposal["capital_efficiency"]["available_change"] == pytest.approx(0.1 / calibration.proposed[0] - 1)


def test_accounts_made_liquidatable_are_counted(calibration, proposal):
    assert proposal["newly_liquidatable"]["before"]["value"] == 0
    assert proposal["newly_liquidatable"]["after"]["value"] == (3 if calibration.proposed[1] > 0.08 else 0)


def test_no_proposal_is_a_result_with_reasons_and_evidence():
    stuck = tuple(one.model_copy(update={"low": low, "high": 0.1}) for one, low in zip(SEARCH, (0.05, 0.01), strict=True))
    world = dataclasses.replace(with_settings(search=stuck, **SMALL), scale=0.06)
    safest = world.parameters.replace({MAINTENANCE: 0.1})
    found = make_proposal(calibrate(dataclasses.replace(world, parameters=safest), evaluate=evaluate))
    assert found["verdict"] == "no proposal"
    assert found["summary"].startswith("No change is proposed: ")
    assert all(row["proposed"] is None for row in found["parameters"])
    assert found["evidence"][0]["world"] == "selection paths"


@pytest.mark.parametrize("scale", [0.04, 0.08])
def test_a_risk_reducing_step_names_the_sequence_that_follows(scale):
    near = tuple(one.model_copy(update={"max_change": 0.02}) for one in SEARCH)
    found = make_proposal(calibrate(dataclasses.replace(with_settings(search=near, **SMALL), scale=scale), evaluate=evaluate))
    assert found["verdict"] == "risk-reducing step"
    assert found["title"].startswith("Risk-reducing step")
    moves = {row["name"]: (row["proposed"], row["proposed"] - row["current"]) for row in found["parameters"]}
    steps = [{name: now + n * step for name, (now, step) in moves.items()} for n in (1, 2)]
    legal = [values for values in steps if values[MAINTENANCE] <= values[INITIAL] + 1e-12]
    assert legal
    assert [row["step"] for row in found["sequence"]] == [2, 3][: len(legal)]  # a step that breaks a relation ends it
    for row, values in zip(found["sequence"], legal, strict=True):
        assert row["values"] == pytest.approx(values)
    assert all(row["needs"] == "its own calibration" for row in found["sequence"])
