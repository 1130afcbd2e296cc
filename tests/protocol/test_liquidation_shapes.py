"""Liquidation shapes: numbers of the protocols, numbers by hand, and the laws: health improves, nothing is created or lost."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from simulator.parameters import CollateralParameters
from simulator.protocol.integers import drift, dydx
from simulator.protocol.interest import FlatRate, IndependentCurves, JumpLine, KinkedRate
from simulator.protocol.interest.curves import curve
from simulator.protocol.liquidation import FillableLiquidation, StagedLiquidation
from simulator.protocol.liquidation_shapes import (
    AbsorbAndResale,
    AbsorbedCollateral,
    CloseFactor,
    DutchAuction,
    IncentiveFactor,
    auction,
    lending,
    perpetuals,
)

sys.path.insert(0, str(Path(__file__).parent))
from protocol_vectors import LAW, cases

RULES = (
    (
        "close factor, dust rules and deficit",
        "Aave v3",
        "aave-dao/aave-v3-origin @fd1fbd9",
        "aave_v3_ethereum_params_20231031.csv",
    ),
    (
        "absorb and resale",
        "Comet",
        "compound-finance/comet @d5a30b0a",
        "interest_rates.json#comet.quote, comet_collaterals.csv, comet_markets.csv",
    ),
    ("incentive factor", "Morpho Blue", "morpho-org", "parameter_tables.json"),
    ("windowed liquidation", "Synthetix v3", "Synthetixio/synthetix-v3 @23585f7", "synthetix_v3_perps.json"),
    ("reverse Dutch", "Euler v2", "Euler vault kit", "by hand"),
    ("staged close", "Hyperliquid", "documentation", "by hand"),
    ("Dutch auction with insolvent phase", "Derive", "derivexyz/v2-core @7736900", "by hand"),
)

DOLLARS = st.floats(0.01, 1e8)
TABLES = "vectors/parameter_tables.json"


@pytest.mark.parametrize("case", cases("vectors/interest_rates.json", "comet", "quote_collateral", names=("sf", "lf")))
def test_comet_collateral_quote(case):
    found = lending.collateral_quote(float(case["base"]), float(case["price"]), case["sf"], case["lf"])
    assert found == pytest.approx(case["expected"], rel=1e-12)


@pytest.mark.shared_data
def test_synthetix_windowed_liquidation_along_the_sequence(shared_data):
    told = json.loads((shared_data / "vectors/synthetix_v3_perps.json").read_text())["liquidation_window"]
    capacity = perpetuals.window_capacity(
        told["maker"], told["taker"], float(told["skewScale"]), float(told["multiplier"]), float(told["seconds"])
    )
    assert capacity == pytest.approx(told["max_in_window"], rel=1e-12)
    left, times, sizes = {name: float(size) for name, size in told["positions"].items()}, np.zeros(99), np.zeros(99)
    for done, (now, account, expected) in enumerate(told["sequence"]):
        room = perpetuals.left_in_window(float(now), times, sizes, done, capacity, float(told["seconds"]), 1e9, 1.0, 0.0)
        times[done], sizes[done] = now, min(room, left[account])
        left[account] -= sizes[done]
        assert left[account] == pytest.approx(expected, abs=1e-9)


@pytest.mark.shared_data
def test_every_real_reserve_of_aave_is_valid_input(shared_data):
    with (shared_data / "vectors/aave_v3_ethereum_params_20231031.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows
    for row in rows:
        threshold, bonus = float(row["liquidation_threshold_bps"]) / 1e4, max(float(row["liquidation_bonus_bps"]) / 1e4 - 1, 0)
        CollateralParameters(
            collateral_factor=float(row["ltv_bps"]) / 1e4, liquidation_threshold=threshold, liquidation_bonus=bonus
        )
        rates = {name: float(row[column]) for name, column in zip(("base_rate", "slope_below", "slope_above"),
                 ("base_rate", "slope1", "slope2"), strict=True)}  # fmt: skip
        if rates["slope_below"] == rates["slope_above"] == 0:
            model = FlatRate(kind="flat", rate=rates["base_rate"])
        else:
            model = KinkedRate(kind="kinked", **rates, optimal_utilisation=float(row["optimal_usage"]))
        found = curve(model, [0.0, 0.5, 1.0], float(row["reserve_factor_bps"]) / 1e4)
        assert np.all(np.diff(found.borrow) >= 0)
        assert np.all(found.supply <= found.borrow)
        assert 0 <= float(row["liquidation_protocol_fee_bps"]) <= 1e4


@pytest.mark.shared_data
def test_every_real_collateral_and_market_of_comet_is_valid_input(shared_data):
    with (shared_data / "vectors/comet_collaterals.csv").open() as file:
        collaterals = list(csv.DictReader(file))
    for row in collaterals:
        AbsorbedCollateral(
            borrow_factor=float(row["borrowCF"]), liquidate_factor=float(row["liquidateCF"]),
            liquidation_factor=float(row["liquidationFactor"]),
        )  # fmt: skip
    with (shared_data / "vectors/comet_markets.csv").open() as file:
        markets = list(csv.DictReader(file))
    for row in markets:
        AbsorbAndResale(
            kind="absorb-and-resale", storefront_factor=float(row["storeFrontPriceFactor"]),
            target_reserves=float(row["targetReserves"] or 0),
        )  # fmt: skip
        supply, borrow = (
            JumpLine(
                base_rate=float(row[f"{side}Base"]), slope=float(row[f"{side}SlopeLow"]),
                jump=float(row[f"{side}SlopeHigh"]), kink=float(row[f"{side}Kink"]),
            )
            for side in ("supply", "borrow")
        )  # fmt: skip
        found = curve(IndependentCurves(kind="independent-curves", supply=supply, borrow=borrow), np.linspace(0, 1, 11))
        assert np.all(np.diff(found.borrow) >= 0)
        assert np.all(np.diff(found.supply) >= 0)
    assert collaterals
    assert markets


@pytest.mark.shared_data
def test_real_liquidation_parameters_load_into_the_parts(shared_data):
    tables = json.loads((shared_data / TABLES).read_text())
    aave, dydx_, derive = tables["aave_v3"], tables["dydx_v4"]["liquidation"], tables["derive"]["auction"]
    CloseFactor(
        kind="close-factor", close_factor=aave["close_factor"], full_below_health=aave["close_factor_hf"],
        full_below_value=float(aave["full_close_below_usd"]), least_leftover=float(aave["min_leftover_usd"]),
    )  # fmt: skip
    FillableLiquidation(
        kind="fillable-price", bankruptcy_adjustment=dydx_["bankruptcy_adjustment"],
        spread=dydx_["spread_to_maintenance_margin_ratio"], most_fee=dydx_["max_liquidation_fee"],
        most_of_position=dydx_["max_position_portion"], least_notional=float(dydx_["min_position_notional_usdc"]),
        most_notional=float(dydx_["subaccount_max_notional_usdc"]),
        most_insurance_lost=float(dydx_["subaccount_max_insurance_lost_usdc"]),
    )  # fmt: skip
    DutchAuction(
        kind="dutch-auction", start=derive["start"], fast_end=derive["fast_cutoff"], fast=60.0 * derive["fast_minutes"],
        slow=3600.0 * derive["slow_hours"], insolvent=60.0 * derive["insolvent_minutes"],
        liquidator_fee=derive["liquidator_fee"], buffer=derive["buffer_margin"],
    )  # fmt: skip
    partial = tables["hyperliquid"]["partial_liquidation"]
    StagedLiquidation(
        kind="staged-close",
        large=float(partial["above_usdc"]),
        first_share=partial["fraction"],
        cooldown=float(partial["cooldown_s"]),
    )
    morpho = tables["morpho"]
    part = IncentiveFactor(kind="incentive-factor", cursor=morpho["liquidation_cursor"], most=morpho["max_lif"])
    for threshold in (0.385, 0.625, 0.77, 0.86, 0.915, 0.945, 0.965, 0.98):
        by_hand = min(1.15, 1 / (0.3 * threshold + 0.7))
        assert lending.incentive_factor(threshold, part.cursor, part.most) == pytest.approx(by_hand, rel=1e-12)


def test_aave_close_factor_by_hand():
    """Half of the whole debt at health 0.97; all at 0.95, and where debt or collateral is below 2,000."""
    rule = 0.5, 0.95, 2_000.0
    assert lending.repayable(10_000.0, 7_000.0, 9_000.0, 0.97, *rule) == 5_000.0
    assert lending.repayable(10_000.0, 3_000.0, 9_000.0, 0.97, *rule) == 3_000.0
    assert lending.repayable(10_000.0, 7_000.0, 9_000.0, 0.95, *rule) == 7_000.0
    assert lending.repayable(10_000.0, 1_999.0, 9_000.0, 0.97, *rule) == 1_999.0
    assert lending.repayable(10_000.0, 7_000.0, 1_999.0, 0.97, *rule) == 7_000.0


def test_aave_leaves_no_dust_by_hand():
    assert lending.repay_and_seize(5_000.0, 7_000.0, 9_000.0, 0.05, 1_000.0) == pytest.approx((5_000.0, 5_250.0))
    assert lending.repay_and_seize(2_000.0, 2_100.0, 9_000.0, 0.05, 1_000.0) == pytest.approx((1_100.0, 1_155.0))
    assert lending.repay_and_seize(1_020.0, 2_040.0, 2_050.0, 0.10, 1_000.0) == pytest.approx((1_050.0 / 1.1, 1_050.0))
    assert lending.repay_and_seize(7_000.0, 7_000.0, 5_250.0, 0.05, 1_000.0) == pytest.approx((5_000.0, 5_250.0))
    assert lending.deficit(2_000.0, 0.0) == 2_000.0
    assert lending.deficit(2_000.0, 0.01) == 0.0
    assert lending.bonus_split(5_250.0, 0.05, 0.1) == pytest.approx((5_225.0, 25.0))


@LAW
@given(debts=DOLLARS, share=st.floats(0.01, 1), collateral=DOLLARS, health=st.floats(0.1, 0.999), bonus=st.floats(0, 0.2))
def test_aave_never_leaves_dust_and_there_is_always_a_size(debts, share, collateral, health, bonus):
    debt = share * debts
    most = lending.repayable(debts, debt, collateral, health, 0.5, 0.95, 2_000.0)
    repaid, seized = lending.repay_and_seize(most, debt, collateral, bonus, 1_000.0)
    assert 0 < repaid <= most * (1 + 1e-12)
    assert seized <= collateral * (1 + 1e-12)
    assert seized == pytest.approx(repaid * (1 + bonus), rel=1e-12)
    whole = repaid >= debt * (1 - 1e-12) or seized >= collateral * (1 - 1e-12)
    assert whole or min(debt - repaid, collateral - seized) >= 1_000 * (1 - 1e-9)


@LAW
@given(
    collateral=DOLLARS,
    loan_to_value=st.floats(0.01, 2),
    threshold=st.floats(0.05, 1),
    bonus=st.floats(0, 0.3),
    share=st.floats(0.01, 1),
)
def test_liquidation_improves_health_exactly_where_the_loan_is_below_one_over_the_incentive(
    collateral, loan_to_value, threshold, bonus, share
):
    assume(abs(loan_to_value * (1 + bonus) - 1) > 1e-6)
    debt = loan_to_value * collateral
    repaid, seized = lending.seized_for(share * debt, collateral, 1 + bonus)
    assume(repaid < 0.999 * debt and seized < 0.999 * collateral)
    before = lending.health_of(collateral, threshold, debt)
    after = lending.health_of(collateral - seized, threshold, debt - repaid)
    assert (after > before) == (loan_to_value < 1 / (1 + bonus))


@LAW
@given(value=DOLLARS, debt=DOLLARS, liquidation_factor=st.floats(0.5, 1), storefront=st.floats(0, 1))
def test_comet_absorbs_and_resells_without_creating_value(value, debt, liquidation_factor, storefront):
    left, bad = lending.absorb(value * liquidation_factor, debt)
    assert left - bad == pytest.approx(value * liquidation_factor - debt, rel=1e-12, abs=1e-9)
    assert left == 0 or bad == 0
    price = lending.resale_price(1.0, storefront, liquidation_factor)
    assert liquidation_factor - 1e-12 <= price <= 1.0
    assert lending.resale_is_open(9.0, 10.0)
    assert not lending.resale_is_open(10.0, 10.0)


def test_euler_discount_is_the_health_score():
    """Adjusted collateral 95 against 100: 5 % off; 60 against 100: at most 15 %."""
    assert lending.discount_factor(95.0, 100.0, 0.15) == 0.95
    assert lending.discount_factor(60.0, 100.0, 0.15) == 0.85
    assert lending.reverse_dutch(50.0, 100.0, 110.0, 0.95) == pytest.approx((50.0, 50 / 0.95))
    assert lending.reverse_dutch(500.0, 100.0, 110.0, 0.95) == pytest.approx((100.0, 100 / 0.95))
    assert lending.reverse_dutch(500.0, 100.0, 95.0, 0.95) == pytest.approx((90.25, 95.0))


def test_hyperliquid_closes_a_large_position_in_part_first():
    rule = 100_000.0, 0.2, 30.0
    assert perpetuals.staged_share(100_000.0, np.inf, *rule) == 1.0
    assert perpetuals.staged_share(500_000.0, np.inf, *rule) == 0.2
    assert perpetuals.staged_share(400_000.0, 29.0, *rule) == 1.0
    assert perpetuals.staged_share(400_000.0, 30.0, *rule) == 0.2
    assert perpetuals.is_taken_over(66.0, 100.0, 2 / 3)
    assert not perpetuals.is_taken_over(67.0, 100.0, 2 / 3)


def test_dydx_closes_a_tenth_and_no_more_than_a_block_allows():
    rule = 0.1, 1_000.0, 100_000.0
    assert perpetuals.closable_in_a_block(50_000.0, 0.0, *rule) == 5_000.0
    assert perpetuals.closable_in_a_block(5_000.0, 0.0, *rule) == 1_000.0
    assert perpetuals.closable_in_a_block(500.0, 0.0, *rule) == 500.0
    assert perpetuals.closable_in_a_block(9e6, 0.0, *rule) == 100_000.0
    assert perpetuals.closable_in_a_block(9e6, 70_000.0, *rule) == 30_000.0
    assert perpetuals.closable_in_a_block(9e6, 100_000.0, *rule) == 0.0


def test_dydx_example_of_the_documentation():
    """1,000 USDC, long 1 BTC bought at 2,000 with maintenance 7.5 %: liquidatable below 1,000 / 0.925, bankrupt at 1,000."""
    price = 1_080.0
    collateral, margin = 1_000.0 - 2_000.0 + price, 0.075 * price
    assert collateral < margin
    assert perpetuals.bankruptcy_value(collateral, margin, margin, -price) == pytest.approx(1_000.0)
    offered = perpetuals.fillable_price(collateral, margin, price, 1.0, margin, 1.0, 1.5)
    assert 1_000.0 < offered < price


@LAW
@given(
    cash=st.integers(-60_000, 60_000), size=st.integers(-10**8, 10**8).filter(lambda x: abs(x) > 10**5),
    share=st.floats(0.01, 1), fee=st.integers(0, 50_000), fill=st.floats(0.8, 1.2),
)  # fmt: skip
def test_dydx_float_and_integer_liquidation_agree(cash, size, share, fee, fill):
    holding = dydx.Holding(size * 500, size, 200_000, 500_000)
    closed = -int(size * share)
    assume(closed != 0)
    exact = dydx.bankruptcy_value(cash * 10**6, [holding], 0, closed)
    notional, margin = size * 500 / 1e6, abs(size) * 500 / 1e7
    collateral = cash + notional
    value = perpetuals.bankruptcy_value(collateral, margin, margin * abs(closed / size), closed * 500 / 1e6)
    assert value == pytest.approx(exact / 1e6, rel=1e-9, abs=1e-4)
    price = dydx.fillable_price(cash * 10**6, [holding], 0, 1_000_000, 100_000)
    found = perpetuals.fillable_price(collateral, margin, notional, size / 1e8, margin, 1.0, 0.1)
    assert found == pytest.approx(float(price) * 100, rel=1e-9)
    received = int(-closed * 500 * fill)
    paid = perpetuals.insurance_delta(received / 1e6, exact / 1e6, fee / 1e6)
    assert paid == pytest.approx(dydx.insurance_delta(received, exact, fee) / 1e6, rel=1e-9, abs=2e-6)


@LAW
@given(
    shortage=st.integers(10**4, 10**9), ratio=st.integers(300, 5_000), fee=st.integers(0, 10_000), other=st.integers(0, 10_000),
    price=st.integers(10**6, 10**11),
)  # fmt: skip
def test_drift_float_and_integer_liquidation_agree(shortage, ratio, fee, other, price):
    exact = drift.base_to_cover(shortage, ratio, fee, other, price, 10**6)
    found = perpetuals.base_to_cover(shortage / 1e6, price / 1e6, ratio / 1e4, fee / 1e6, other / 1e6)
    assert found * 1e9 == pytest.approx(exact, rel=1e-3, abs=2)
    freed = price / 1e6 * (ratio / 1e4 - fee / 1e6 - other / 1e6)
    assert found * freed == pytest.approx(shortage / 1e6, rel=1e-12)
    assert perpetuals.growing_fee(0.02, 0.05, 1e-6, 100_000.0, 1_500.0) == drift.liquidator_fee(20_000, 50_000, 100_000) / 1e6
    taken = perpetuals.fund_fee(shortage / 1e6, 1e4, ratio / 1e4, fee / 1e6, 0.05)
    assert taken == pytest.approx(drift.fund_fee(shortage, 10**10, ratio, fee, 10**9, 10**6, 50_000) / 1e6, abs=3e-6)
    share = perpetuals.freeable_share(shortage / 1e6, 3.0, 20.0, 60.0, 0.1, 50.0)
    assert share == pytest.approx(drift.share_to_liquidate(shortage, 3_000_000, 50, 150, 1_000) / 1e4, abs=3e-4)


def test_drift_debt_transfer_by_hand():
    """Weights 0.8 and 1.2 free 0.4 of each dollar moved: 10 USD short at 100 USD a token needs a quarter of a token."""
    assert perpetuals.debt_to_cover(10.0, 0.8, 1.0, 1.2, 1.0, 100.0, 0.0) == pytest.approx(0.25)
    assert perpetuals.debt_to_cover(10.0, 1.0, 1.0, 1.0, 0.75, 100.0, 0.0) == np.inf
    assert perpetuals.base_to_cover(10.0, 100.0, 0.01, 0.01, 0.0) == np.inf


def test_a_calm_market_is_not_windowed_except_at_once():
    times, sizes = np.array([0.0, 5.0]), np.array([60.0, 30.0])
    busy, calm = (5.0, 1_000.0, 0.001), (0.5, 1_000.0, 0.001)
    assert perpetuals.left_in_window(6.0, times, sizes, 2, 100.0, 10.0, *busy) == 10.0
    assert perpetuals.left_in_window(6.0, times, sizes, 2, 100.0, 10.0, *calm) == 100.0
    assert perpetuals.left_in_window(5.0, times, sizes, 2, 100.0, 10.0, *calm) == 70.0
    assert perpetuals.left_in_window(10.0, times, sizes, 2, 100.0, 10.0, *busy) == 70.0


def test_synthetix_keeper_reward_is_clipped():
    rule = 1.0, 0.3, 500.0, 1.0
    assert perpetuals.keeper_reward(0.0, 2.0, *rule, 1e6) == 3.0
    assert perpetuals.keeper_reward(0.0, 10.0, *rule, 1e6) == 13.0
    assert perpetuals.keeper_reward(100.0, 2.0, *rule, 1e6) == 102.0
    assert perpetuals.keeper_reward(1e6, 2.0, *rule, 1e6) == 500.0
    assert perpetuals.keeper_reward(100.0, 2.0, *rule, 50.0) == 50.0


def test_gmx_counts_a_price_impact_as_a_capped_cost():
    assert perpetuals.remaining_collateral(100.0, -40.0, -30.0, 1_000.0, 0.01, 5.0) == 45.0
    assert perpetuals.remaining_collateral(100.0, -40.0, 30.0, 1_000.0, 0.01, 5.0) == 55.0


def test_derive_auction_by_hand():
    """95 % falling to 70 % in 15 minutes, to nothing in 12 hours more; then from the hole to the whole shortfall in an hour."""
    clock = 0.95, 0.7, 900.0, 43_200.0
    found = [auction.solvent_discount(t, *clock) for t in (0.0, 450.0, 900.0, 900.0 + 21_600, 900.0 + 43_200, 1e6)]
    assert found == pytest.approx([0.95, 0.825, 0.7, 0.35, 0.0, 0.0])
    assert auction.buffer_margin(-100.0, 300.0, 0.15) == pytest.approx(-160.0)
    assert auction.insolvent_payment(0.0, -500.0, -200.0, 3_600.0) == 200.0
    assert auction.insolvent_payment(1_800.0, -500.0, -200.0, 3_600.0) == 350.0
    assert auction.insolvent_payment(9_999.0, -500.0, -200.0, 3_600.0) == 500.0


@LAW
@given(marked=st.floats(1, 1e6), below=st.floats(0.01, 1e6), discount=st.floats(0, 0.95), reserved=st.floats(0, 0.5))
def test_derive_greatest_share_brings_the_buffer_to_zero(marked, below, discount, reserved):
    """Selling f of all but the reserved cash R for f (M - R) d leaves (1 - f)(B - R) + R + f (M - R) d = 0 of buffer B."""
    buffered = auction.buffer_margin(-below, marked, 0.15)
    cash = reserved * marked
    share = auction.greatest_share(buffered, marked, discount, cash)
    assert 0 < share <= 1
    left = (1 - share) * (buffered - cash) + cash + share * (marked - cash) * discount
    assert left == pytest.approx(0.0, abs=1e-9 * (abs(buffered) + marked))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: CloseFactor(kind="close-factor", least_leftover=3_000.0), "3000 and 2000"),
        (lambda: AbsorbedCollateral(borrow_factor=0.9, liquidate_factor=0.8, liquidation_factor=0.95), "0.9 and 0.8"),
        (lambda: AbsorbedCollateral(borrow_factor=0.8, liquidate_factor=0.9, liquidation_factor=0.85), "0.9 and 0.85"),
        (lambda: DutchAuction(kind="dutch-auction", start=0.6), "0.7 and 0.6"),
    ],
)
def test_bad_relations_are_named_with_both_values(make, said):
    with pytest.raises(ValueError, match=said):
        make()
