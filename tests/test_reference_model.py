"""The plain reference model against arithmetic done by hand: worlds small enough to be worked out on paper."""

import math
import sys
from pathlib import Path

import pytest

from simulator.agents import Keepers
from simulator.parameters import YEAR, RiskParameters

sys.path.insert(0, str(Path(__file__).parent))
from reference_model import reference_run
from reference_worlds import (
    HOUR,
    borrowers,
    lending_parameters,
    linear,
    maker,
    mixed_world,
    people,
    perpetual_parameters,
    protocol,
    suppliers,
    traders,
    world,
)


def near(expected):
    return pytest.approx(expected, rel=1e-12, abs=1e-9)


def test_nothing_happens_at_a_constant_price():
    book = people([100.0, 200.0], [5.0, 2.0], [1.0, -1.0])
    run = reference_run(world([100.0] * 6, perpetual_parameters(), [traders(), Keepers(kind="keepers")], [book]))
    assert run["index"] == [[100.0, 1.0]] * 5
    assert run["funding"] == [[0.0]] * 5
    assert run["cash"] == [1e9 + 300.0] * 5
    assert [row["position"] for row in run["accounts"]] == [[5.0], [-4.0]]
    assert run["special"]["MAKER"]["position"] == [-1.0]
    assert run["outcomes"]["capital_efficiency_used.whole"] == near(500.0 / 300.0)
    idle = {k: v for k, v in run["outcomes"].items() if not k.startswith(("mean_", "capital_efficiency"))}
    assert set(idle.values()) == {0.0}


def test_a_whole_liquidation():
    keepers = Keepers(kind="keepers", capital=50.0, gas=1.0)
    run = reference_run(world([100.0, 94.0], perpetual_parameters(), [traders(), keepers], [people([100.0], [10.0])]))
    # 10 ETH bought at 100 with 100: at 94 equity is 40 and the requirement 47.
    x = -10 * 94 / 1e5
    fill = 94 * math.expm1(x) / x
    row, special, outcomes = run["accounts"][0], run["special"], run["outcomes"]
    assert row["position"] == [0.0]
    assert row["cash"] == near(100 + 10 * (fill - 100) - 9.4)
    assert special["MAKER"]["cash"] == near(-10 * (fill - 100))
    assert special["FUND"]["cash"] == near(4.7)
    assert special["KEEPER"]["cash"] == near(50 + 4.7 - 1)
    assert run["mark"] == [[near(94 * math.exp(x))]]
    assert outcomes["liquidations.transition"] == 1
    assert outcomes["liquidated_notional.whole"] == near(940)
    assert outcomes["user_cost.whole"] == near(9.4)
    assert outcomes["loss.whole"] == near(max(0.0, 10 * (fill - 100)))  # MAKER gained


def test_a_partial_liquidation_restores_the_buffer():
    rules = protocol(liquidation={"kind": "partial", "buffer": 0.2, "minimum_notional": 1.0}, counterparty=maker(1e6, 1.0))
    keepers = Keepers(kind="keepers")
    run = reference_run(world([100.0, 94.0], perpetual_parameters(), [traders(), keepers], [people([100.0], [10.0])], rules))
    f = (0.2 * 47 - (40 - 47)) / (47 * 1.2 - 9.4)
    row = run["accounts"][0]
    assert row["position"] == [near(10 * (1 - f))]
    assert run["special"]["MAKER"]["cash"] == near(1e6 + 10 * (94 - 100) - realised(f))


def realised(f):
    """What the closed share of 10 ETH, bought at 100, realises at 94 in a venue 1e5 deep."""
    x = -10 * f * 94 / 1e5
    return f * (10 * 94 * math.expm1(x) / x - 1000)


def lending_world(price, **rules):
    cohorts = [suppliers(), borrowers(), Keepers(kind="keepers", capital=1e4)]
    books = [people([10_000.0]), people([1000.0], [0.99])]
    return world([100.0, price], lending_parameters(), cohorts, books, protocol(**rules))


def test_a_lending_liquidation():
    run = reference_run(lending_world(90.0))
    # Debt 792 against 900 x 0.85 = 765: health 0.966, so half of the debt is served.
    tokens, x = 1.05 * 396 / 90, -1.05 * 396 / 1e6
    proceeds = 1.05 * 396 * math.expm1(x) / x
    outlay = 396 * math.expm1(396 / 1e9) / (396 / 1e9)
    row = run["accounts"][1]
    assert row["deposit"] == [near(10 - tokens), 0.0]
    assert row["debt"] == [0.0, near(396)]
    assert run["special"]["KEEPER"]["cash"] == near(1e4 + proceeds - outlay)
    assert run["pools"]["liquidity"] == [near(10 - tokens), near(10_000 - 396)]
    assert run["outcomes"]["liquidations.whole"] == 1
    assert run["outcomes"]["user_cost.whole"] == near(0.05 * 396)
    assert run["outcomes"]["loss.whole"] == 0


def test_a_keeper_takes_no_more_than_pays():
    venues = {"ETH": {"spot": linear(4000.0), "perpetual": linear(1e5)}, "USDC": {"spot": linear(1e9)}}
    run = reference_run(lending_world(90.0, venues=venues))
    x = math.log(1.05) / (1.05 / 4000 + 1 / 1e9)
    assert run["accounts"][1]["debt"] == [0.0, near(792 - x)]
    assert run["outcomes"]["liquidations.whole"] == 1


def test_a_write_off_is_paid_by_the_fund_and_then_by_suppliers():
    run = reference_run(lending_world(10.0, fund={"cash": 200.0}))
    missing = 792 - 100 / 1.05 - 200
    row, outcomes = run["accounts"][1], run["outcomes"]
    assert row == {"cash": 0.0, "deposit": [0.0, 0.0], "debt": [0.0, 0.0], "position": [], "cost": [], "basis": 0.0}
    assert run["deposit_index"] == [[1.0, near(1 - missing / 10_000)]]
    assert run["fund_cash"] == [0.0]
    assert outcomes["realised_bad_debt.whole"] == near(missing + 200)
    assert outcomes["fund_draw.whole"] == near(200)
    assert outcomes["socialised_loss.whole"] == near(missing)
    assert outcomes["uncovered_loss.whole"] == 0


def takeover_world(capital):
    """A long of 10 ETH with 100, a short of 10 ETH with 1000, and no keeper: at 80 the long owes 100, the fund has 30."""
    book = people([100.0, 1000.0], [10.0, 1.0], [1.0, -1.0])
    rules = protocol(fund={"cash": 30.0}, backstop={"kind": "vault", "capital": capital})
    return world([100.0, 80.0], perpetual_parameters(), [traders()], [book], rules)


def test_a_takeover_with_a_short_fund_deleverages_a_share_at_the_bankruptcy_price():
    run = reference_run(takeover_world(1000.0))
    # 70 of 100 are missing: 70 % of 10 ETH change hands at 80 + 100 / 10 = 90.
    long, short, vault = run["accounts"][0], run["accounts"][1], run["special"]["VAULT"]
    assert (long["cash"], long["position"], long["cost"], long["basis"]) == (0.0, [0.0], [0.0], 0.0)
    assert (short["cash"], short["position"], short["cost"]) == (near(1070), [near(-3)], [near(-300)])
    assert (vault["cash"], vault["position"], vault["cost"]) == (near(1060), [near(3)], [near(300)])
    outcomes = run["outcomes"]
    assert outcomes["realised_bad_debt.whole"] == near(100)
    assert outcomes["fund_draw.whole"] == near(30)
    assert outcomes["adl_haircut.whole"] == near(70)
    assert outcomes["adl_volume.whole"] == near(560)
    assert outcomes["takeovers.whole"] == 1
    assert outcomes["latent_bad_debt.whole"] == 0


def test_a_vault_without_capital_leaves_everything_to_adl():
    run = reference_run(takeover_world(10.0))
    long, short = run["accounts"]
    assert (long["cash"], long["position"], long["basis"]) == (0.0, [0.0], 100.0)
    assert (short["cash"], short["position"]) == (near(1000 - 870 + 1000), [0.0])
    assert run["outcomes"]["realised_bad_debt.whole"] == near(100)
    assert run["outcomes"]["adl_haircut.whole"] == near(70)
    assert run["outcomes"]["takeovers.whole"] == 0


def test_nobody_liquidates_without_keepers_and_backstop():
    book = people([100.0, 1000.0], [10.0, 1.0], [1.0, -1.0])
    run = reference_run(world([100.0, 80.0, 80.0], perpetual_parameters(), [traders()], [book]))
    x = -10 * 80 / 1e5
    assert run["outcomes"]["realised_bad_debt.whole"] == 0
    assert run["outcomes"]["latent_bad_debt.whole"] == near(1000 - 100 - 10 * 80 * math.expm1(x) / x)
    assert run["outcomes"]["time_under_water.whole"] == 2
    assert run["outcomes"]["mean_open_interest.whole"] == 0


def test_interest_and_the_reserve():
    tree = lending_parameters().model_dump()
    tree["borrowing"]["USDC"] = {
        "base_rate": 0.01, "slope_below": 0.04, "slope_above": 1.0, "optimal_utilisation": 0.5, "reserve_factor": 0.1
    }  # fmt: skip
    cohorts, books = [suppliers(), borrowers()], [people([1000.0]), people([1000.0], [0.75])]
    run = reference_run(world([100.0, 100.0], RiskParameters.model_validate(tree), cohorts, books))
    # 600 of 1000 are borrowed: 0.01 + 0.04 + 1.0 x 0.1 / 0.5 = 0.25 a year.
    interest = 600 * 0.25 * HOUR / YEAR
    assert run["borrow_index"] == [[1.0, near(1 + 0.25 * HOUR / YEAR)]]
    assert run["deposit_index"] == [[1.0, near(1 + 0.9 * interest / 1000)]]
    assert run["pools"]["reserve"] == [0.0, near(0.1 * interest)]


def test_the_vote_counts_who_it_makes_liquidatable_and_keeps_its_notice():
    candidate = perpetual_parameters(
        **{"perpetuals.ETH.initial_margin_ratio": 0.3, "perpetuals.ETH.maintenance_margin_ratio": 0.2}
    )
    rules = protocol(change={"notice": HOUR, "phase_in": 0.0}, counterparty=maker(1e6, 1.0))
    keepers, book = Keepers(kind="keepers"), people([100.0, 100.0], [10.0, 2.0])
    run = reference_run(
        world([100.0] * 5, perpetual_parameters(), [traders(), keepers], [book], rules, burn_in_steps=1, candidate=candidate)
    )
    assert run["outcomes"]["newly_liquidatable.transition"] == 1
    assert run["liquidations"] == [0, 0, 1, 1]


@pytest.mark.parametrize("seed", range(4))
def test_everything_at_once_conserves_what_it_must(seed):
    run = reference_run(mixed_world(seed))  # double entry is asserted inside, after every step
    outcomes, outside = run["outcomes"], run["outside"]
    assert run["cash"][-1] + outside["cash"] + outside["clearing"] == pytest.approx(0.0, abs=1e-6)
    for window in ("transition", "steady", "whole"):
        borne = sum(outcomes[f"{name}.{window}"] for name in ("fund_draw", "adl_haircut", "socialised_loss", "uncovered_loss"))
        assert outcomes[f"realised_bad_debt.{window}"] == pytest.approx(borne, abs=1e-6)
    for name in ("liquidations", "penalties", "fees", "gas", "takeovers"):
        assert outcomes[f"{name}.whole"] == pytest.approx(outcomes[f"{name}.transition"] + outcomes[f"{name}.steady"])
    assert outcomes["liquidations.whole"] > 0
    assert min(run["fund_cash"]) >= 0
    assert run["worlds_near_threshold"] > 0


def test_a_run_repeats_to_the_last_bit():
    assert reference_run(mixed_world(5)) == reference_run(mixed_world(5))
