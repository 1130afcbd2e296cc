"""Price impact and funding: GMX v2 and Synthetix v3 along their own sequences, formulas by hand, and what both must obey."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.protocol.funding_rate import AdaptiveFunding, PremiumFunding
from simulator.protocol.funding_rate.rates import (
    adaptive_rate,
    capped_by_fees,
    funding_clamp,
    impact_premium,
    paid_between_sides,
    premium_rate,
    velocity,
    velocity_accrual,
)
from simulator.protocol.price_impact import PowerImpact
from simulator.protocol.price_impact.fill import (
    balancing_share,
    linear_fill,
    paid_impact,
    power_impacts,
    power_of_skew,
    skew_fill,
    worse_of_inventories,
)

sys.path.insert(0, str(Path(__file__).parent))
from protocol_vectors import LAW, cases

RULES = (
    ("power impact with crossover, adaptive funding", "GMX v2", "gmx-io/gmx-synthetics @a5c0c88", "gmx_v2.json"),
    ("funding capped by the maker's fees", "Drift v2", "drift-labs/protocol-v2 @0ae3e3b", "by hand"),
    ("velocity funding, skew fill", "Synthetix v3", "Synthetixio/synthetix-v3 @23585f7", "synthetix_v3_perps.json"),
)

GMX, SYNTHETIX = "vectors/gmx_v2.json", "vectors/synthetix_v3_perps.json"
SKEW = st.floats(-1e9, 1e9)


@pytest.mark.parametrize("case", cases(GMX, "apply_impact_factor", names=("diff_usd", "exponent")))
def test_gmx_power_of_skew(case):
    found = power_of_skew(float(case["diff_usd"]), float(case["factor"]), float(case["exponent"]))
    assert found == pytest.approx(float(case["expected_usd"]), rel=1e-12, abs=0)


@pytest.mark.shared_data
def test_gmx_position_impact_along_the_sequence(shared_data):
    told = json.loads((shared_data / GMX).read_text())["position_impact"]
    part = PowerImpact(
        kind="power", positive_factor=told["positive_factor"], negative_factor=told["negative_factor"],
        positive_exponent=float(told["exponent"]), negative_exponent=float(told["exponent"]),
    )  # fmt: skip
    steps = told["sequence"]
    found = power_impacts(part, [step["skew_before"] for step in steps], [step["skew_after"] for step in steps])
    assert found == pytest.approx([step["expected_impact_usd"] for step in steps], rel=1e-12)


@pytest.mark.parametrize("case", cases(GMX, "adaptive_funding", "steps", names=("long", "short")))
def test_gmx_adaptive_funding(case, shared_data):
    told = json.loads((shared_data / GMX).read_text())["adaptive_funding"]
    part = AdaptiveFunding(
        kind="adaptive", increase=told["increase_per_s"], decrease=told["decrease_per_s"],
        threshold_stable=told["threshold_stable"], threshold_decrease=told["threshold_decrease"],
        exponent=float(told["exponent"]), least=float(told["min"]), greatest=float(told["max"]),
    )  # fmt: skip
    found = adapted(part, case["start"], case["long"], case["short"], case["seconds"])
    assert found == pytest.approx(case["expected"], rel=1e-12, abs=case["tol"])


def adapted(part, rate, longs, shorts, seconds):
    speeds = part.increase, part.decrease, part.threshold_stable, part.threshold_decrease, part.exponent
    return adaptive_rate(rate, float(longs), float(shorts), float(seconds), *speeds, part.least, part.greatest)


@pytest.mark.shared_data
def test_synthetix_velocity_funding_at_every_step(shared_data):
    told = json.loads((shared_data / SYNTHETIX).read_text())["funding"]
    rate, speed, skew, accrued = 0.0, 0.0, told["initial_skew"], 0.0
    for n, row in enumerate(told["rows"]):
        rate, paid = velocity_accrual(rate, speed, row["days"])
        accrued += paid * told["price"] * told["trader_size"]
        skew = skew + row["order"] if n else row["skew"]
        speed = velocity(skew, told["skewScale"], told["maxFundingVelocity"])
        assert skew == row["skew"]
        assert speed == pytest.approx(row["velocity"], rel=1e-12)
        assert rate == pytest.approx(row["funding_rate"], rel=1e-12, abs=1e-15)
        assert accrued == pytest.approx(row["accrued_long20"], abs=told["tolerance_abs"])


@pytest.mark.shared_data
def test_real_tables_load_into_the_parts(shared_data):
    tables = json.loads((shared_data / "vectors/parameter_tables.json").read_text())
    gmx, derive, dydx = tables["gmx_v2"], tables["derive"]["perp_funding"], tables["dydx_v4"]
    PowerImpact(
        kind="power", positive_factor=gmx["pos_impact_factor"], negative_factor=gmx["neg_impact_factor"],
        positive_exponent=float(gmx["pos_exponent"]), negative_exponent=float(gmx["neg_exponent"]),
        greatest_gain=gmx["pos_max_impact"], greatest_cost=gmx["neg_max_impact"],
    )  # fmt: skip
    for level in ("low", "default"):
        told = gmx["funding"][level]
        most = told["max_per_year"] / 31_536_000
        hours = told.get("increase_to_max_hours_at_100pct_skew") or told["increase_hours"]
        AdaptiveFunding(
            kind="adaptive", increase=most / (3_600 * hours), decrease=most / (3_600 * told["decrease_hours"]),
            threshold_stable=told["threshold_stable"], greatest=most,
        )  # fmt: skip
    PremiumFunding(
        kind="premium", convergence_hours=float(derive["convergence_hours"]), hourly_interest=derive["static_hourly"],
        hourly_cap=derive["cap_hourly"],
    )  # fmt: skip
    large = dydx["liquidity_tiers"][0]
    clamp = funding_clamp(dydx["funding"]["rate_clamp_factor"], large["imf"], large["imf"] * large["mm_fraction"])
    assert clamp == pytest.approx(0.048)
    PremiumFunding(kind="premium", convergence_hours=float(dydx["funding"]["period_hours"]), hourly_cap=clamp / 8)


@LAW
@given(before=SKEW, after=SKEW)
def test_trading_there_and_back_never_earns_impact(before, after):
    for exponents in ((2.0, 2.0), (1.5, 1.5)):
        part = PowerImpact(
            kind="power",
            positive_factor=5e-9,
            negative_factor=1e-8,
            positive_exponent=exponents[0],
            negative_exponent=exponents[1],
        )
        there, back = power_impacts(part, [before, after], [after, before])
        assert there + back <= 1e-9 * (abs(there) + abs(back)) + 1e-6


@LAW
@given(before=SKEW, after=SKEW)
def test_an_impact_is_a_gain_only_where_the_market_ends_more_balanced(before, after):
    part = PowerImpact(kind="power", positive_factor=5e-9, negative_factor=1e-8, positive_exponent=2.0, negative_exponent=2.0)
    found = float(power_impacts(part, before, after))
    assert found <= 0 or abs(after) < abs(before)


@LAW
@given(impacts=st.lists(st.floats(-1e6, 1e6), max_size=30), pool=st.floats(0, 1e5))
def test_the_impact_pool_pays_no_more_than_it_was_paid(impacts, pool):
    held, received = pool, 0.0
    for impact in impacts:
        paid, change = paid_impact(impact, 1e7, held, 0.004, 0.005)
        held += change
        received += paid
        assert held >= 0.0
        assert -0.005 * 1e7 <= paid <= 0.004 * 1e7
    assert held + received == pytest.approx(pool, rel=1e-12, abs=1e-6)


def test_a_shared_inventory_makes_a_cost_no_smaller():
    assert worse_of_inventories(-5.0, -9.0) == -9.0
    assert worse_of_inventories(-5.0, 3.0) == -5.0
    assert worse_of_inventories(5.0, -9.0) == 5.0


@LAW
@given(skew=st.floats(-1e4, 1e4), one=st.floats(-1e3, 1e3), two=st.floats(-1e3, 1e3))
def test_a_skew_fill_costs_the_same_in_two_parts_and_returns_what_it_took(skew, one, two):
    whole = (one + two) * skew_fill(2000.0, skew, one + two, 1e6)
    parts = one * skew_fill(2000.0, skew, one, 1e6) + two * skew_fill(2000.0, skew + one, two, 1e6)
    assert whole == pytest.approx(parts, rel=1e-9, abs=1e-6)
    there, back = one * skew_fill(2000.0, skew, one, 1e6), -one * skew_fill(2000.0, skew + one, -one, 1e6)
    assert there + back == pytest.approx(0.0, abs=1e-6)


def test_the_part_of_a_trade_that_balances():
    assert [balancing_share(skew, size) for skew, size in ((10.0, 4.0), (10.0, -4.0), (10.0, -40.0), (0.0, 1.0))] == [
        0.0, 1.0, 0.25, 0.0,
    ]  # fmt: skip


def test_linear_impact_by_hand():
    """1,000,000 USD bought where 100,000,000 USD moves the price by 100 %: 0.5 % on average."""
    assert linear_fill(2000.0, 500.0, 1e8) == pytest.approx(2010.0)


def test_premium_funding_by_hand():
    """Index 100, impact bid 100.4: premium 0.4 %, 0.05 % an hour; with Derive's interest, cap and Hyperliquid's pull."""
    premium = impact_premium(100.4, 100.6, 100.0)
    assert premium == pytest.approx(0.004)
    assert impact_premium(99.0, 99.5, 100.0) == pytest.approx(-0.005)
    assert impact_premium(99.0, 101.0, 100.0) == 0.0
    assert premium_rate(premium, 8.0, 1.25e-5, 0.004, -1.0) == pytest.approx(0.0005125)
    assert premium_rate(10 * premium, 8.0, 1.25e-5, 0.004, -1.0) == 0.004
    assert premium_rate(premium, 8.0, 1.25e-5, 0.04, 6.25e-5) == pytest.approx(0.0004375)
    assert premium_rate(0.0, 8.0, 1.25e-5, 0.04, 6.25e-5) == 1.25e-5


def test_a_market_maker_pays_at_most_a_third_of_its_fees():
    assert capped_by_fees(100.0, 90.0, 1 / 3) == pytest.approx(30.0)
    assert capped_by_fees(-100.0, 90.0, 1 / 3) == -100.0
    assert capped_by_fees(100.0, -5.0, 1 / 3) == 0.0


@LAW
@given(rate=st.floats(-1e-3, 1e-3), longs=st.floats(1, 1e9), shorts=st.floats(1, 1e9), seconds=st.floats(0, 1e5))
def test_what_longs_pay_is_what_shorts_receive(rate, longs, shorts, seconds):
    paid, received = paid_between_sides(rate, longs, shorts, seconds)
    assert paid * longs == pytest.approx(received * shorts, rel=1e-12, abs=1e-300)
    assert paid_between_sides(rate, longs, 0.0, seconds) == (0.0, 0.0)


@LAW
@given(rate=st.floats(-1e-3, 1e-3), longs=st.floats(0, 1e9), shorts=st.floats(0, 1e9), seconds=st.floats(0, 1e5))
def test_an_adaptive_rate_stays_within_its_bounds(rate, longs, shorts, seconds):
    part = AdaptiveFunding(kind="adaptive", increase=1e-6, decrease=2e-8, least=1e-9, greatest=1e-3)
    found = adapted(part, rate, longs, shorts, seconds)
    assert abs(found) <= 1e-3
    assert found == 0.0 or abs(found) >= 1e-9 or longs + shorts == 0.0


def test_a_rate_that_fell_to_nothing_does_not_rise_within_the_quiet_band():
    part = AdaptiveFunding(kind="adaptive", increase=1e-6, decrease=2e-8, threshold_decrease=0.03, greatest=1.0)
    rate = 1e-5
    for _ in range(3):
        rate = adapted(part, rate, 101.0, 99.0, 600.0)
    assert 0.0 < rate < 1e-20


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: PowerImpact(kind="power", positive_factor=2e-8, negative_factor=1e-8, positive_exponent=2.0), "2e-08 and 1e-08"),
        (
            lambda: AdaptiveFunding(kind="adaptive", increase=0.1, decrease=0.1, threshold_decrease=0.2, greatest=1.0),
            "0.2 and 0.05",
        ),
        (lambda: AdaptiveFunding(kind="adaptive", increase=0.1, decrease=0.1, least=0.2, greatest=0.1), "0.2 and 0.1"),
    ],
)
def test_bad_numbers_are_named(make, said):
    with pytest.raises(ValueError, match=said):
        make()
