"""Rate curves and compounding: Compound, Comet, Morpho and Derive's own numbers, Aave's by hand, and exact fractions."""

from __future__ import annotations

import decimal
import json
import math
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.parameters import RiskParameters
from simulator.protocol.integers import ray
from simulator.protocol.interest import AdaptiveCurve, CashPool, FlatRate, IndependentCurves, JumpLine, JumpRate, KinkedRate
from simulator.protocol.interest.accrual import MODES, backing, cover_insolvency, growth, split_interest
from simulator.protocol.interest.curves import adapt, curve, jump_rate, kinked_rate, rates, row_of, utilisation
from simulator.protocol.rules import make_terms
from simulator.terms.rate_curves import Overdraft

sys.path.insert(0, str(Path(__file__).parent))
from protocol_vectors import LAW, cases

RULES = (
    ("jump-rate curve", "Compound v2", "compound-finance/compound-protocol @a3214f67", "interest_rate_jump.json"),
    ("adaptive curve", "Morpho Blue", "morpho-org/morpho-blue-irm @a1a87fd5", "interest_rates.json#morpho"),
    ("supply and borrow curve", "Comet", "compound-finance/comet @d5a30b0a", "interest_rates.json#comet.cases"),
    ("cash pool with security module", "Derive", "derivexyz/v2-core @7736900", "interest_rates.json#derive_cash"),
)

RATES = "vectors/interest_rates.json"
YEAR = 31_536_000
PROBABILITY = st.floats(0, 1)


@pytest.mark.parametrize("case", cases("reference/interest_rate_jump.json", "cases", names=("kink_pct", "utilization_pct")))
def test_compound_jump_rate(case):
    numbers = {name: case[f"{name}_pct"] / 100 for name in ("slope", "jump", "kink")}
    part = JumpRate(kind="jump-rate", base_rate=case["base_pct"] / 100, **numbers)
    assert curve(part, case["utilization_pct"] / 100).borrow == pytest.approx(case["value"] / 100, rel=1e-12)


@pytest.mark.parametrize("case", cases(RATES, "morpho", "cases", names=("u", "seconds")))
def test_morpho_adaptive_curve(case):
    part = AdaptiveCurve(kind="adaptive-curve")
    fresh = case["rate_at_target"] is None
    start, years = part.initial_rate if fresh else case["rate_at_target"], 0.0 if fresh else case["seconds"] / YEAR
    numbers = part.target_utilisation, part.steepness, part.adjustment_speed, part.least_rate, part.greatest_rate
    mean, end = adapt(case["u"], start, years, *numbers)
    if "expected_avg" in case:
        assert mean == pytest.approx(case["expected_avg"], rel=case["rel"])
    if "expected_end" in case:
        assert end == pytest.approx(case["expected_end"], rel=case["rel"])


@pytest.mark.parametrize("case", cases(RATES, "comet", "cases", names=("u",)))
def test_comet_curves(case, shared_data):
    told = json.loads((shared_data / RATES).read_text())["comet"]["params"]
    supply, borrow = (
        JumpLine(
            base_rate=float(told[f"{side}Base"]), slope=told[f"{side}Low"],
            jump=told[f"{side}High"], kink=told[f"{side}Kink"],
        )
        for side in ("supply", "borrow")
    )  # fmt: skip
    found = curve(IndependentCurves(kind="independent-curves", supply=supply, borrow=borrow), case["u"])
    assert found.supply == pytest.approx(case["supply"], rel=1e-12, abs=1e-15)
    assert found.borrow == pytest.approx(case["borrow"], rel=1e-12)


@pytest.mark.shared_data
def test_an_overdraft_with_derives_numbers_has_the_rates_of_its_sequence(shared_data):
    series = json.loads((shared_data / RATES).read_text())["derive_cash"]["series"]
    terms = make_terms(RiskParameters(overdraft=Overdraft(base_rate=0.05, slope=0.3, jump=0.9, kink=0.85)))
    found = [jump_rate(u, *terms.overdraft[:4]) for u in series["utilizations"]]
    assert found == pytest.approx(series["borrowRates"], rel=1e-9)


@pytest.mark.shared_data
def test_derive_cash_pool_through_its_whole_sequence(shared_data):
    """Five accounts and the security module; interest, trades, settlements and two insolvencies, compared at each step."""
    series = json.loads((shared_data / RATES).read_text())["derive_cash"]["series"]
    part = CashPool(kind="cash-pool", least_rate=0.05, slope=0.3, high_slope=0.9, optimal_utilisation=0.85)
    names = ("Alice", "Bob", "Charlie", "David", "Eric", "SM")
    cash = dict(zip(names, series["StartingBalances"], strict=True))
    cover, printed, unbacked, rate = series["balanceOfs"][0], 0.0, 0.0, 0.0
    for n, (event, one, other, amount, days) in enumerate(series["EventsVec"]):
        if n:
            years = days / 365
            unbacked = earn(cash, growth(rate, years, MODES["continuous"]), series["SMFeeShare"][n], unbacked)
        if one:
            cash[one] += amount
        if event == "TRADE":
            cash[other] -= amount
        elif event.endswith("SETTLEMENT"):
            printed += amount
        elif event == "BORROW":
            cover += amount
        elif event == "INSOLVENCY":
            paid, left = cover_insolvency(amount, cash["SM"])
            cash["SM"] -= paid
            unbacked += left
        supplied, borrowed = totals(cash)
        used = utilisation(borrowed, supplied + max(-printed, 0.0))
        rate = rates(row_of(part), used, 0.0, 0.0)[0]
        told = {
            "totalSupplys": supplied, "totalBorrows": borrowed, "balanceOfs": cover, "netPrints": printed,
            "utilizations": used, "borrowRates": rate, "SMBalances": cash["SM"], "toxicDebts": unbacked,
        }  # fmt: skip
        for name, value in told.items():
            assert value == pytest.approx(series[name][n], rel=1e-9, abs=1e-6), (n, name)
        assert supplied == pytest.approx(borrowed + cover + printed + unbacked, rel=1e-12)
        assert backing(supplied, unbacked) == pytest.approx((borrowed + cover + printed) / supplied, rel=1e-12)


def totals(cash):
    """(supplied, borrowed) of all accounts."""
    return sum(max(value, 0) for value in cash.values()), sum(max(-value, 0) for value in cash.values())


def earn(cash, grown, security_share, unbacked):
    """Debts grow by `grown`; suppliers and the security module get it. Returns what is still unbacked."""
    supplied, borrowed = totals(cash)
    shared, kept = split_interest(borrowed * grown, security_share)
    repaid = min(kept, unbacked)
    cash["SM"] += kept - repaid  # paid first, so that it has a part in what suppliers share
    for name in cash:
        cash[name] *= 1 + (shared / (supplied + kept - repaid) if cash[name] > 0 else grown)
    return unbacked - repaid


@LAW
@given(base=PROBABILITY, below=PROBABILITY, above=st.floats(0, 5), kink=st.floats(0.01, 0.99), u=PROBABILITY, v=PROBABILITY)
def test_kinked_rate_rises_with_use_and_is_continuous(base, below, above, kink, u, v):
    low, high = (kinked_rate(x, base, below, above, kink) for x in sorted((u, v)))
    assert low <= high + 1e-12
    before, after = (kinked_rate(kink + step, base, below, above, kink) for step in (-1e-12, 1e-12))
    assert after - before <= 4e-12 * (below / kink + above / (1 - kink)) + 1e-14
    assert kinked_rate(kink, base, below, above, kink) == pytest.approx(base + below)
    assert kinked_rate(1.0, base, below, above, kink) == pytest.approx(base + below + above)


@LAW
@given(u=PROBABILITY, base=PROBABILITY, below=PROBABILITY, above=st.floats(0, 5), kink=st.floats(0.05, 0.95))
def test_the_two_ways_to_state_a_kink_are_one_curve(u, base, below, above, kink):
    kinked = KinkedRate(kind="kinked", base_rate=base, slope_below=below, slope_above=above, optimal_utilisation=kink)
    jump = JumpRate(kind="jump-rate", base_rate=base, slope=below / kink, jump=above / (1 - kink), kink=kink)
    assert curve(kinked, u).borrow == pytest.approx(curve(jump, u).borrow, rel=1e-12, abs=1e-15)


@LAW
@given(u=PROBABILITY, reserve=st.floats(0, 0.99))
def test_what_borrowers_pay_is_what_suppliers_and_reserve_get(u, reserve):
    part = KinkedRate(kind="kinked", slope_below=0.04, slope_above=0.6, optimal_utilisation=0.9)
    found = curve(part, u, reserve)
    assert found.supply + reserve * u * found.borrow == pytest.approx(u * found.borrow, rel=1e-12, abs=1e-300)


def test_aave_rates_worked_by_hand():
    """Base 1 %, slopes 4 % and 60 %, kink 80 %, reserve factor 10 %."""
    part = KinkedRate(kind="kinked", base_rate=0.01, slope_below=0.04, slope_above=0.6, optimal_utilisation=0.8)
    found = curve(part, np.array([0.0, 0.4, 0.8, 0.9, 1.0]), 0.1)
    assert found.borrow == pytest.approx([0.01, 0.03, 0.05, 0.35, 0.65], rel=1e-12)
    assert found.supply == pytest.approx([0.0, 0.0108, 0.036, 0.2835, 0.585], rel=1e-12)


@pytest.mark.shared_data
def test_real_tables_load_into_the_parts(shared_data):
    tables = json.loads((shared_data / "vectors/parameter_tables.json").read_text())
    told = tables["derive"]["cash_irm"]
    CashPool(
        kind="cash-pool", least_rate=told["min"], slope=told["mult"], high_slope=told["high"],
        optimal_utilisation=told["optimal"], security_share=told["sm_fee"],
    )  # fmt: skip
    told = tables["gmx_v2"]["borrowing"]
    for base, above in zip(told["base_per_year"], told["above_optimal_per_year"], strict=True):
        part = JumpRate(kind="jump-rate", slope=base, jump=base + (above - base) / (1 - told["optimal"]), kink=told["optimal"])
        found = curve(part, [0.5, 1.0]).borrow
        assert found[0] == pytest.approx(0.5 * base)
        assert found[1] == pytest.approx(above)


def test_a_flat_rate_is_flat():
    assert curve(FlatRate(kind="flat", rate=0.03), np.linspace(0, 1, 5)).borrow == pytest.approx([0.03] * 5)


def test_compounding_modes_differ_as_stated():
    """L35: at 75 % a year three terms miss e^x by 2.7e-10 each day compounded over a year, by 0.73 % in one step."""
    daily = (1 + growth(0.75, 1 / 365, MODES["three-term"])) ** 365 / math.exp(0.75) - 1
    yearly = (1 + growth(0.75, 1.0, MODES["three-term"])) / math.exp(0.75) - 1
    assert daily == pytest.approx(-2.7e-10, rel=0.02)
    assert yearly == pytest.approx(-0.0073, rel=0.01)
    assert growth(0.75, 1.0, MODES["continuous"]) == pytest.approx(math.expm1(0.75), rel=1e-15)
    assert growth(0.75, 1.0, MODES["simple"]) == 0.75


def test_use_that_grows_by_accrual_alone_follows_the_logistic_curve_at_first_order():
    """L36: du/dt = u (a + b u) below the kink, solved by a u0 e^aT / (a + b u0 (1 - e^aT)); the step's error is first order."""
    a, b, years = 0.02, 0.1, 2.0
    exact = a * 0.5 * math.exp(a * years) / (a + b * 0.5 * (1 - math.exp(a * years)))
    errors = []
    for steps in (100, 1_000, 10_000):
        u = 0.5
        for _ in range(steps):
            u *= 1 + growth(kinked_rate(u, a, b * 0.99, 1.0, 0.99), years / steps, MODES["simple"])
        errors.append(u / exact - 1)
    assert errors[0] / errors[1] == pytest.approx(10, rel=0.01)
    assert errors[1] / errors[2] == pytest.approx(10, rel=0.001)
    assert abs(errors[2]) < 1e-5


@LAW
@given(rate=st.floats(0, 2), reserve=PROBABILITY)
def test_an_index_compounded_daily_equals_exact_fractions(rate, reserve):
    """D10: 365 steps, float against `Fraction`; and what is shared and kept is exactly what was charged."""
    index, exact = 1.0, Fraction(1)
    step = 1 + Fraction(rate) / 365
    for _ in range(365):
        index *= 1 + growth(rate, 1 / 365, MODES["simple"])
        exact = Fraction(int(exact * step * 2**256), 2**256)  # 77 decimals are kept
    assert index == pytest.approx(float(exact), rel=1e-12)
    shared, kept = split_interest(index, reserve)
    assert float(Fraction(shared) + Fraction(kept)) == pytest.approx(index, rel=1e-15)


@pytest.mark.parametrize("rate", [0.0, 0.03, 0.75, 2.0])
def test_continuous_growth_equals_fifty_digits(rate):
    with decimal.localcontext() as context:
        context.prec = 50
        exact = (decimal.Decimal(rate) / 365).exp() - 1
    assert growth(rate, 1 / 365, MODES["continuous"]) == pytest.approx(float(exact), rel=1e-12)


@LAW
@given(rate=st.integers(0, 5 * ray.RAY), seconds=st.integers(0, 3 * YEAR))
def test_interest_in_rays_is_exact_to_three_rays_and_never_above(rate, seconds):
    x = Fraction(rate * seconds, ray.RAY * YEAR)
    exact = (1 + x + x**2 / 2 + x**3 / 6) * ray.RAY
    assert 0 <= exact - ray.compounded(rate, seconds) < 3
    grown = growth(rate / ray.RAY, seconds / YEAR, MODES["three-term"])
    assert 1 + grown == pytest.approx(float(exact / ray.RAY), rel=1e-12)


@LAW
@given(u=PROBABILITY, start=st.floats(0.001, 2.0), years=st.floats(0, 1))
def test_morpho_rate_stays_within_its_bounds_and_moves_away_from_the_target(u, start, years):
    mean, end = adapt(u, start, years, 0.9, 4.0, 50.0, 0.001, 2.0)
    assert 0.001 <= end <= 2.0
    assert 0.00025 <= mean <= 8.0
    assert (end - start) * (u - 0.9) >= 0 or math.isclose(end, start)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: AdaptiveCurve(kind="adaptive-curve", least_rate=0.5), "0.5, 0.04 and 2"),
        (lambda: KinkedRate(kind="kinked", slope_below=0.1, slope_above=0.1, optimal_utilisation=1.0), "less than 1"),
    ],
)
def test_bad_numbers_are_named(make, said):
    with pytest.raises(ValueError, match=said):
        make()
