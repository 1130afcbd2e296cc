"""Hagan's formulas against published columns and QuantLib, and how far they are from the model itself."""

import json
import math

import numpy as np
import pytest

from simulator.pricing.sabr import SABR, lognormal_volatility

FILE = "sabr.json"


def cases_of(shared_data, model):
    file = shared_data / "reference" / FILE
    if not file.exists():
        pytest.skip(f"{FILE} is not among the shared data")
    cases = [case for case in json.loads(file.read_text())["cases"] if case["model"] == model]
    if not cases:
        pytest.skip(f"no case of {model} is in {FILE}")
    return cases


def smile_of(case):
    return SABR(case["alpha"], case["beta"], case["rho"], case["nu"])


def some(count, seed=5):
    rng = np.random.default_rng(seed)
    for _ in range(count):
        smile = SABR(rng.uniform(0.05, 1.2), rng.choice([0.0, 0.3, 0.5, 1.0]), rng.uniform(-0.95, 0.95), rng.uniform(0.01, 3))
        yield smile, 10 ** rng.uniform(-1, 2), rng.uniform(0.01, 3)


@pytest.mark.shared_data
def test_every_confirmed_hagan_volatility(shared_data):
    for case in cases_of(shared_data, "sabr_hagan_iv"):
        found = float(smile_of(case).volatility(case["F"], case["K"], case["T"]))
        assert found == pytest.approx(case["value"], abs=case["tol"])
        assert found == pytest.approx(case["mine"], abs=1e-12)


@pytest.mark.shared_data
def test_hagans_error_against_the_model_is_as_large_as_the_reference_says(shared_data):
    """The formula is no SABR: at ten years and low strikes it is thousands of basis points off, and nothing here hides it."""
    cases = [case for case in cases_of(shared_data, "sabr_true_iv_mc") if "hagan_error_bps" in case]
    for case in cases:
        error = 1e4 * (float(smile_of(case).volatility(case["F"], case["K"], case["T"])) - case["value"])
        assert error == pytest.approx(case["hagan_error_bps"], abs=1e-6)
    assert max(abs(case["hagan_error_bps"]) for case in cases) > 1_000


def test_both_formulas_are_quantlibs():
    ql = pytest.importorskip("QuantLib", reason="QuantLib, of the extra `test`, is not installed")
    for smile, forward, years in some(80):
        for strike in forward * np.exp(np.array([-1.2, -0.4, -1e-3, 0.0, 1e-9, 0.02, 0.5, 1.1])):
            numbers = (float(strike), forward, years, smile.alpha, smile.beta, smile.nu, smile.rho)
            ours = float(smile.volatility(forward, strike, years))
            if ours > 0:  # the expansion itself goes below zero where nu^2 years is large; QuantLib refuses to say so
                z = smile.nu / smile.alpha * (forward * strike) ** ((1 - smile.beta) / 2) * math.log(forward / strike)
                near = abs(z) < 1e-3  # QuantLib takes log(1 + z) there and loses digits
                assert ours == pytest.approx(ql.sabrVolatility(*numbers), rel=1e-7 if near else 1e-10, abs=0 if near else 1e-10)
                theirs = ql.sabrVolatility(*numbers, ql.Normal)
                assert float(smile.normal_volatility(forward, strike, years)) == pytest.approx(theirs, rel=1e-7 if near else 1e-9)


def test_the_money_is_no_special_place():
    for smile, forward, years in some(30, seed=6):
        k = np.array([-1e-3, -1e-6, -1e-9, -1e-14, 0.0, 1e-14, 1e-9, 1e-6, 1e-3])
        volatility = smile.volatility(forward, forward * np.exp(k), years)
        slope = (volatility[-1] - volatility[0]) / 2e-3
        assert np.max(np.abs(volatility - volatility[4] - slope * k)) < 1e-4 * (1 + abs(volatility[4])) * (
            1 + smile.nu / smile.alpha
        )
        tiny = np.abs(np.diff(volatility[2:7]))
        assert np.max(tiny) < 1e-7 * (1 + smile.nu)


def test_series_and_closed_form_meet():
    smile = SABR(0.5, 1.0, -0.7, 1.0)
    edge = 0.02 * smile.alpha / smile.nu
    below, above = smile.volatility(1.0, np.exp([-edge * (1 - 1e-13), -edge * (1 + 1e-13)]), 0.1)
    assert below == pytest.approx(float(above), rel=1e-13)


def test_derivatives_by_a_complex_step_are_those_of_differences():
    numbers = np.array([0.4, -0.3, 1.2])
    strike = np.array([60.0, 100.0, 100.2, 150.0])
    for i in range(3):
        unit = np.eye(3)[i]

        def smile(x):
            return lognormal_volatility(x[0], 0.8, x[1], x[2], 100.0, strike, 0.5)

        exact = smile(numbers + 1e-30j * unit).imag / 1e-30
        near = (smile(numbers + 1e-6 * unit) - smile(numbers - 1e-6 * unit)) / 2e-6
        assert np.max(np.abs(exact - near)) < 1e-8


def test_a_negative_density_is_found_where_hagan_makes_one():
    worst = SABR(0.25, 0.3, -0.8, 0.3).arbitrage(1.0, 10.0)
    assert worst.is_arbitrage
    assert worst.log_moneyness < 0
    assert not SABR(0.5, 1.0, -0.3, 0.8).arbitrage(1.0, 0.1).is_arbitrage


def test_without_volatility_of_volatility_and_with_beta_one_a_smile_is_flat():
    volatility = SABR(0.6, 1.0, 0.0, 0.0).volatility(100.0, np.array([50.0, 100.0, 200.0]), 2.0)
    assert volatility == pytest.approx(np.full(3, 0.6), rel=1e-14)


@pytest.mark.parametrize("wrong", [(0.0, 1.0, 0.0, 1.0), (0.5, 1.1, 0.0, 1.0), (0.5, 1.0, -1.0, 1.0), (0.5, 1.0, 0.0, -0.1)])
def test_parameters_no_smile_has_are_refused(wrong):
    with pytest.raises(ValueError, match="must hold"):
        SABR(*wrong)
