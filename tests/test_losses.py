"""Where bad debt came from: parts add up to the loss, and worlds with one cause name it."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from simulator.losses import attribute_losses
from simulator.model import evaluate, simulate
from simulator.outcomes import BEARERS, CAUSES
from simulator.scenario import Scenario

sys.path.insert(0, str(Path(__file__).parent))
from test_cli import small

SHOCK = """
[[overlays]]
kind = "price-shock"
assets = ["ETH"]
size = -0.3
at = 43200
over = 0
source = "test"
"""
CLOSING = "closing"
NOBODY = ('backstop = { kind = "vault", capital = 1e6, unwind_half_life = 3600 }', 'backstop = { kind = "none" }')


def world(tmp_path, *changes: tuple[str, str], more: str = SHOCK) -> Scenario:
    text = small().replace("paths = 12 ", "paths = 6 ")
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return Scenario.from_text(text + more, tmp_path)


def explained(scenario: Scenario):
    outcomes = simulate(scenario)
    assert (outcomes.column("loss.whole") > 0).any(), "nothing to explain"
    return outcomes, attribute_losses(scenario, outcomes)


def test_accounts_causes_assets_and_bearers_each_add_up_to_the_loss(tmp_path):
    outcomes, found = explained(world(tmp_path))
    rows = found.accounts
    assert found.share == 1.0
    for columns in (["realised", "latent"], list(CAUSES), [f"from {name}" for name in found.assets]):
        without = (
            rows[rows["cohort"].isin({"vault", "maker", "writer", "reserves"})] if columns[0].startswith("from") else rows[:0]
        )
        part = rows.drop(without.index)
        np.testing.assert_allclose(part[columns].sum(axis=1), part["loss"], rtol=1e-12)
        assert (rows[columns] >= 0).all().all()
    by_path = rows.groupby("path")["loss"].sum()
    whole = dict(zip(outcomes.path.tolist(), outcomes.column("loss.whole").tolist(), strict=True))
    np.testing.assert_allclose(by_path, [whole[path] for path in by_path.index], rtol=1e-9)
    assert sum(found.bearers.values()) == pytest.approx(outcomes.column("loss.whole").sum(), rel=1e-9)
    assert list(found.bearers) == list(BEARERS)
    for what in ("cohort", "size", "cause"):
        assert sum(found.by(what).values()) == pytest.approx(rows["loss"].sum(), rel=1e-12)


def test_a_fall_within_one_substep_is_a_gap_through_the_margin_of_the_asset_that_fell(tmp_path):
    _, found = explained(world(tmp_path))
    assert next(iter(found.by("cause"))) == "gap"
    assert list(found.by("asset")) == ["ETH"]


def test_a_venue_without_slippage_and_a_vote_without_penalty_leave_closing_no_part(tmp_path):
    depth = "depth = 3e8, permanent_share"
    _, found = explained(world(tmp_path, (depth, depth.replace("3e8", "3e18"))))
    assert found.by("cause").get(CLOSING, 0.0) <= 1e-6 * found.total
    _, found = explained(world(tmp_path, (depth, depth.replace("3e8", "3e7")), NOBODY))
    assert found.by("cause")[CLOSING] > 0.001 * found.total


def test_a_ledger_moves_no_byte_and_is_not_there_unless_asked_for(tmp_path):
    from simulator.model import RiskModel

    scenario = world(tmp_path)
    market = scenario.market_paths("run", 0, 2)
    plain, told = (RiskModel(scenario, market, ledger=ledger) for ledger in (None, {0, 1}))
    assert plain.state.ledger.size == 0
    columns = [model.outcomes_of(scenario.parameters).columns for model in (plain, told)]
    assert all(np.array_equal(columns[0][name], columns[1][name]) for name in columns[0])


def test_accounts_that_no_keeper_is_paid_to_serve_fall_on(tmp_path):
    unpaid = ("gas = 2 ", "gas = 1e7 ")
    slow = SHOCK.replace("over = 0", "over = 86400")
    _, found = explained(world(tmp_path, unpaid, NOBODY, more=slow))
    assert next(iter(found.by("cause"))) == "unserved"
    assert found.accounts["realised"].sum() == 0


def test_parts_of_each_path_add_up_to_its_loss_and_paths_without_a_ledger_have_none(tmp_path):
    """Against the accounts of the same paths, lived again one by one; a second candidate of the block starts anew."""
    scenario = world(tmp_path)
    stricter = scenario.parameters.replace({"perpetuals.ETH.maintenance_margin_ratio": 0.04})
    loss = simulate(scenario).column("loss.whole")
    kept = np.flatnonzero(loss > 0)[:-1].tolist()
    _, told = evaluate(scenario.with_ledger(kept), [stricter, scenario.parameters])
    rows = attribute_losses(scenario, simulate(scenario), worst=len(loss)).accounts
    for group, columns in (("cause", list(CAUSES)), ("asset", [f"from {name}" for name in scenario.assets])):
        for name in columns:
            found = told.column(f"loss_by_{group}.{name.removeprefix('from ')}.whole")
            wanted = rows[rows["path"].isin(kept)].groupby("path")[name].sum()
            np.testing.assert_allclose(found[kept], wanted.reindex(kept), rtol=1e-12, atol=1e-9)
    cohorts = [name for name in told.columns if name.startswith("loss_by_cohort.")]
    np.testing.assert_allclose(sum(told.column(name) for name in cohorts)[kept], loss[kept], rtol=1e-9)
    assert all(
        told.column(name)[np.setdiff1d(told.path, kept)].sum() == 0 for name in told.columns if name.startswith("loss_by_")
    )
    np.testing.assert_array_equal(told.column("loss.whole"), loss)
