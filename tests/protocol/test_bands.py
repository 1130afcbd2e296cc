"""LLAMMA: the invariant, and the properties that its authors test: slow prices lose nothing, sudden ones do, all is conserved."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.protocol.bands import band, loan
from simulator.terms.loan_liquidation import Bands

sys.path.insert(0, str(Path(__file__).parent))
from protocol_vectors import LAW

RULES = (
    ("soft liquidation by bands", "crvUSD", "Curve's white paper and documentation of LLAMMA", "properties: adiabatic, monotone"),
)

A, UP = 100.0, 2_000.0
DOWN = UP * (A - 1) / A
AMOUNT = st.floats(1e-3, 1e6)
WITHIN = st.floats(DOWN, UP)
PRICES = st.floats(1_800, 2_200)


def fall(first, last, steps):
    return np.linspace(first, last, steps + 1)[1:]


@LAW
@given(x=AMOUNT, y=AMOUNT, oracle=PRICES)
def test_the_invariant_is_met_and_is_the_quadratic(x, y, oracle):
    y0 = band.collateral_alone(x, y, oracle, UP, A)
    quadratic = oracle * A * y0**2 - y0 * (UP / oracle * (A - 1) * x + oracle**2 / UP * A * y) - x * y
    assert quadratic == pytest.approx(0.0, abs=1e-11 * oracle * A * y0**2)
    c = band.curve_of(x, y, oracle, UP, A)
    assert c.product == pytest.approx(oracle * A**2 * y0**2, rel=1e-11)


@LAW
@given(amount=AMOUNT, oracle=PRICES)
def test_prices_at_the_ends_of_a_band(amount, oracle):
    assert band.price_of(0.0, amount, oracle, UP, A) == pytest.approx(oracle**3 / UP**2, rel=1e-10)
    assert band.price_of(amount, 0.0, oracle, UP, A) == pytest.approx(oracle**3 / DOWN**2, rel=1e-10)


@LAW
@given(x=AMOUNT, y=AMOUNT, oracle=WITHIN, target=st.floats(1_700, 2_300))
def test_a_trade_keeps_the_invariant_and_reaches_the_price(x, y, oracle, target):
    new_x, new_y = band.moved_to(x, y, target, oracle, UP, A)
    assert min(new_x, new_y) >= 0
    assert band.curve_of(new_x, new_y, oracle, UP, A).product == pytest.approx(
        band.curve_of(x, y, oracle, UP, A).product, rel=1e-9
    )
    inside = min(max(target, oracle**3 / UP**2), oracle**3 / DOWN**2)
    assert band.price_of(new_x, new_y, oracle, UP, A) == pytest.approx(inside, rel=1e-9)


@LAW
@given(x=AMOUNT, y=AMOUNT, oracle=PRICES, market=PRICES, fee=st.floats(0, 0.05))
def test_arbitrage_earns_or_does_not_trade_and_what_it_earns_the_band_loses(x, y, oracle, market, fee):
    new_x, new_y = band.arbitrage(x, y, market, oracle, UP, A, fee)
    earned = (x - new_x) + (y - new_y) * market
    assert earned >= -1e-9 * (x + y * market)
    price = band.price_of(x, y, oracle, UP, A)
    if price * (1 - fee) <= market <= price / (1 - fee):
        assert (new_x, new_y) == (x, y)


def test_a_slow_fall_through_the_bands_loses_nothing():
    """The debt asset obtained tends to x_down of the deposit; halving the step halves the loss."""
    lost = []
    for steps in (500, 1_000, 2_000, 4_000):
        x, y = loan.deposit(10.0, 10)
        promised = loan.debt_asset_down(x, y, 0, UP, UP, A)
        path = fall(UP, UP * 0.88, steps)
        loan.along_path(x, y, 0, path, path, UP, A, 0.0)
        assert y.sum() == pytest.approx(0.0, abs=1e-9)
        lost.append(1 - x.sum() / promised)
    assert 0 < lost[-1] < 1e-4
    assert np.array(lost[:-1]) / np.array(lost[1:]) == pytest.approx(2.0, rel=0.15)


def test_a_slow_round_trip_gives_the_collateral_back():
    lost = []
    for steps in (1_000, 4_000):
        x, y = loan.deposit(10.0, 10)
        path = np.concatenate([fall(UP, UP * 0.88, steps), fall(UP * 0.88, UP, steps)])
        loan.along_path(x, y, 0, path, path, UP, A, 0.0)
        assert x.sum() == pytest.approx(0.0, abs=1e-6)
        lost.append(1 - y.sum() / 10.0)
    assert 0 < lost[1] < lost[0] < 2e-3
    assert lost[0] / lost[1] == pytest.approx(4.0, rel=0.15)


def test_what_a_loan_promises_is_kept_along_a_slow_path():
    """x_down and y_up, which are Curve's own estimates, move by less than 1 / A^2 while the price is slow, wherever it turns."""
    x, y = loan.deposit(10.0, 10)
    down, up = loan.debt_asset_down(x, y, 0, UP, UP, A), loan.collateral_up(x, y, 0, UP, UP, A)
    path = np.concatenate([fall(UP, 0.95 * UP, 8_000), fall(0.95 * UP, 0.97 * UP, 4_000), fall(0.97 * UP, 0.91 * UP, 8_000)])
    told = loan.along_path(x, y, 0, path, path, UP, A, 0.0)
    assert told[:, 0] == pytest.approx(down, rel=1 / A**2)
    assert loan.collateral_up(x, y, 0, path[-1], UP, A) == pytest.approx(up, rel=1 / A**2)


@LAW
@given(start=WITHIN, one=PRICES, two=PRICES)
def test_x_down_and_y_up_fall_the_further_the_oracle_jumps(start, one, two):
    """From a band in balance: no jump raises them, a further one on the same side lowers them, and they say the same."""
    x, y = band.moved_to(0.0, 1.0, start, start, UP, A)
    near, far = sorted((one, two), key=lambda price: abs(price - start))
    found = []
    for oracle in (start, near, far):
        down, up = band.all_debt_asset(x, y, oracle, UP, A), band.all_collateral(x, y, oracle, UP, A)
        assert down == pytest.approx(up * np.sqrt(UP * DOWN), rel=1 / A**2)
        found.append(down)
    assert found[1] <= found[0] * (1 + 1 / A**2)
    if (near - start) * (far - start) > 0:
        assert found[2] <= found[1] * (1 + 1 / A**2)


def test_a_sudden_fall_loses_and_a_larger_one_loses_more():
    found = []
    for jump in (0.0, 0.01, 0.02, 0.04, 0.08):
        x, y = loan.deposit(10.0, 10)
        before = loan.debt_asset_down(x, y, 0, UP, UP, A)
        price = np.array([UP * (1 - jump)])
        loan.along_path(x, y, 0, price, price, UP, A, 0.0)
        found.append(1 - loan.debt_asset_down(x, y, 0, price[0], UP, A) / before)
    assert found[0] == pytest.approx(0.0, abs=1e-12)
    assert np.all(np.diff(found) > 0)


@LAW
@given(seed=st.integers(0, 10**6), fee=st.sampled_from([0.0, 0.006]))
def test_value_is_conserved_along_a_wild_path(seed, fee):
    """What arbitrage earns at the market price is what the bands lose at it, step by step."""
    rng = np.random.default_rng(seed)
    market = UP * np.exp(np.cumsum(rng.normal(0, 0.02, 50)))
    oracle = np.concatenate([[UP], market[:-1]])
    x, y = loan.deposit(10.0, 10)
    for t in range(50):
        before = x.sum() + y.sum() * market[t]
        earned = loan.arbitrage_bands(x, y, 0, market[t], oracle[t], UP, A, fee)
        assert earned >= -1e-9 * before
        assert x.sum() + y.sum() * market[t] + earned == pytest.approx(before, rel=1e-12)


def test_a_fee_takes_from_arbitrage():
    path = UP * (1 - 0.05 * np.sin(np.linspace(0, 6 * np.pi, 600)) ** 2)
    earned = []
    for fee in (0.0, 0.002, 0.02):
        x, y = loan.deposit(10.0, 10)
        earned.append(loan.along_path(x, y, 0, path, path, UP, A, fee)[:, 1].sum())
    assert earned[0] > earned[1] > earned[2] >= 0


def test_health_of_a_loan_at_its_limit_is_the_gap_between_the_discounts():
    part = Bands(kind="bands")
    debt = loan.greatest_debt(10.0, part.bands, 0, UP, part.amplification, part.loan_discount)
    x, y = loan.deposit(10.0, part.bands)
    found = loan.band_health(x, y, 0, UP, UP, part.amplification, debt, part.liquidation_discount, False)
    assert found == pytest.approx((1 - 0.06) / (1 - 0.09) - 1, rel=1e-12)
    higher = loan.band_health(x, y, 0, 1.1 * UP, UP, part.amplification, debt, part.liquidation_discount, True)
    assert higher == pytest.approx(found + 0.1 * UP * 10.0 / debt, rel=1e-9)


def test_bad_relations_are_named_with_both_values():
    with pytest.raises(ValueError, match=r"0\.1 and 0\.09"):
        Bands(kind="bands", liquidation_discount=0.1)
