"""Merton, Kou, Heston and Bates by Fourier: against QuantLib, published prices, Merton's series, and complex steps."""

import json
import math

import numpy as np
import pytest

from simulator.pricing import black_scholes as black
from simulator.pricing import fourier
from simulator.pricing.laws import Bates, Heston, Kou, Lognormal, Merton

LAWS = {
    "heston.json": lambda c: Heston(c["v0"], c["kappa"], c["theta"], c["sigma"], c["rho"]),
    "bates.json": lambda c: Bates(
        c["v0"], c["kappa"], c["theta"], c["sigma"], c["rho"], c["lam"], c["jump_mean_log"], c["jump_sd_log"]
    ),
    "kou.json": lambda c: Kou(c["sigma"], c["lam"], c["p"], c["eta1"], c["eta2"]),
    "merton_haug.json": lambda c: Merton(c["sigma_diffusion"], c["lam"], c["jump_mean_log"], c["jump_sd_log"]),
}
INDEPENDENT = {"heston.json": 1e-11, "bates.json": 1e-9, "kou.json": 1e-8, "merton_haug.json": 1e-8}


@pytest.mark.shared_data
@pytest.mark.parametrize("file", LAWS)
def test_published_prices(file, shared_data):
    """Every case within its tolerance, and near the independent value beside it."""
    path = shared_data / "reference" / file
    if not path.is_file():
        pytest.skip(f"{path.name} is not among the shared data")
    for case in json.loads(path.read_text())["cases"]:
        if "value" not in case or "K" not in case:
            continue
        t, k, discount, is_call = case["T"], case["K"], math.exp(-case["r"] * case["T"]), case.get("type", "call") == "call"
        forward = case.get("F") or case["S"] * math.exp((case["r"] - case["q"]) * t)
        found = float(fourier.price(LAWS[file](case), forward, k, t, is_call, discount))
        if case.get("quantity") == "implied_vol":
            found = float(black.implied_volatility(found, forward, k, t, is_call, discount))
        assert abs(found - case["value"]) <= case["tol"], case
        if "mine" in case and case.get("sigma", 1) > 1e-3:  # at 1e-4 the independent value is Merton's, a limit
            assert abs(found - case["mine"]) <= INDEPENDENT[file], case


STRIKES = np.array([20.0, 50.0, 80.0, 95.0, 100.0, 105.0, 125.0, 200.0, 500.0])
HESTONS = {
    "feller holds": Heston(0.04, 2.0, 0.06, 0.3, -0.6),
    "feller fails": Heston(0.09, 0.5, 0.04, 1.0, -0.9),
    "bitcoin": Heston(0.36, 6.0, 0.5, 3.0, -0.2),
    "almost constant": Heston(0.04, 1.0, 0.09, 1e-3, 0.5),
    "rho near -1": Heston(0.04, 1.5, 0.04, 0.4, -0.99),
    "rho near 1": Heston(0.04, 1.5, 0.04, 0.4, 0.99),
}
JUMPS = {"none": None, "crashes": (0.5, -0.3, 0.2), "many": (50.0, -0.01, 0.03)}
DAYS = (1, 7, 30, 365, 3650)


def quantlib_prices(ql, heston: Heston, jumps, days: int) -> np.ndarray:
    today = ql.Date(1, 1, 2024)
    ql.Settings.instance().evaluationDate = today
    flat = ql.YieldTermStructureHandle(ql.FlatForward(today, 0.0, ql.Actual365Fixed()))
    spot = ql.QuoteHandle(ql.SimpleQuote(100.0))
    k, th, v, xi, rho = (
        heston.mean_reversion,
        heston.long_run_variance,
        heston.variance_now,
        heston.volatility_of_variance,
        heston.correlation,
    )
    if jumps is None:
        model = ql.HestonModel(ql.HestonProcess(flat, flat, spot, v, k, th, xi, rho))
        engine = ql.AnalyticHestonEngine(model, 1e-13, 1_000_000)
    else:
        process = ql.BatesProcess(flat, flat, spot, v, k, th, xi, rho, *jumps)
        engine = ql.BatesEngine(ql.BatesModel(process), 1e-13, 1_000_000)
    found = []
    for strike in STRIKES:
        kind = ql.Option.Call if strike > 100 else ql.Option.Put
        option = ql.VanillaOption(ql.PlainVanillaPayoff(kind, float(strike)), ql.EuropeanExercise(today + days))
        option.setPricingEngine(engine)
        try:
            found.append(option.NPV())
        except RuntimeError as problem:
            pytest.skip(f"QuantLib's own integral does not settle here: {problem}")
    return np.array(found)


@pytest.mark.parametrize("days", DAYS)
@pytest.mark.parametrize("jumps", JUMPS)
@pytest.mark.parametrize("name", HESTONS)
def test_heston_and_bates_are_quantlibs(name, jumps, days):
    """1e-10 of the forward for Heston and 1e-9 for Bates."""
    ql = pytest.importorskip("QuantLib", reason="QuantLib, of the extra `test`, is not installed")
    heston, jump = HESTONS[name], JUMPS[jumps]
    theirs = quantlib_prices(ql, heston, jump, days)
    law = heston if jump is None else Bates(*heston.values, *jump)
    ours = fourier.price(law, 100.0, STRIKES, days / 365, STRIKES > 100)
    assert np.abs(ours - theirs).max() <= 100 * (1e-10 if jump is None else 1e-9), np.abs(ours - theirs).max()


@pytest.mark.parametrize("law", [Lognormal(0.8), Merton(0.6, 3.0, -0.1, 0.2), Kou(0.5, 20.0, 0.4, 20.0, 10.0)])
def test_the_limits_are_black_scholes_and_mertons_series(law):
    strikes = np.array([30.0, 80.0, 100.0, 130.0, 300.0])
    for years in (0.01, 0.5, 5.0):
        found = fourier.price(law, 100.0, strikes, years, strikes > 100)
        if isinstance(law, Lognormal):
            expected = black.price(100.0, strikes, years, 0.8, strikes > 100)
        elif isinstance(law, Merton):
            expected = merton_series(law, strikes, years)
        else:  # Kou by the Lewis integral, on a trapezium far beyond need
            expected = lewis(law, strikes, years)
        assert np.abs(found - expected).max() < 1e-10


def merton_series(law: Merton, strikes: np.ndarray, years: float) -> np.ndarray:
    mean = math.exp(law.jump_mean + law.jump_deviation**2 / 2)
    rate, total = law.intensity * mean * years, np.zeros(len(strikes))
    for n in range(200):
        weight = math.exp(-rate + n * math.log(rate) - math.lgamma(n + 1)) if rate > 0 else float(n == 0)
        forward = 100.0 * math.exp(-law.intensity * (mean - 1) * years) * mean**n
        volatility = math.sqrt(law.volatility**2 + n * law.jump_deviation**2 / years)
        total += (
            weight
            * mean**-n
            * math.exp(law.intensity * (mean - 1) * years)
            * black.price(forward, strikes, years, volatility, strikes > 100)
        )
    return total


def lewis(law, strikes: np.ndarray, years: float) -> np.ndarray:
    """Lewis 2001, eq. 3.11: F - sqrt(F K) / pi x the integral of Re[exp(i u k) phi(u - i/2)] / (u^2 + 1/4)."""
    u = (np.arange(400_000) + 0.5) * (2_000 / 400_000)
    phi = np.exp(law.log_characteristic(u - 0.5j, years))
    calls = [
        100.0
        - math.sqrt(100.0 * k)
        / math.pi
        * np.sum((np.exp(1j * u * math.log(100.0 / k)) * phi).real / (u * u + 0.25))
        * (u[1] - u[0])
        for k in strikes
    ]
    return np.where(strikes > 100, calls, np.array(calls) - 100.0 + strikes)


@pytest.mark.parametrize(
    "law",
    [
        Lognormal(0.8),
        Merton(0.6, 3.0, -0.1, 0.2),
        Kou(0.5, 20.0, 0.4, 20.0, 10.0),
        *HESTONS.values(),
        Bates(0.3, 4.0, 0.4, 2.0, -0.4, 2.0, -0.15, 0.2),
    ],
)
def test_every_gradient_is_the_slope_that_it_claims_to_be(law):
    u, years = np.linspace(0.1, 30, 40).astype(complex), 0.4
    value, gradient = law.with_gradient(u, years)
    assert np.abs(value - law.log_characteristic(u, years)).max() <= 1e-14 * np.abs(value).max()
    values = dict(zip(law.names(), law.values, strict=True))
    for i, name in enumerate(law.names()):
        h = 1e-5 * max(abs(values[name]), 1e-3)
        up, down = (type(law)(**{**values, name: values[name] + step}).log_characteristic(u, years) for step in (h, -h))
        slope = (up - down) / (2 * h)
        assert np.abs(gradient[i] - slope).max() <= 2e-5 * max(1e-3, np.abs(slope).max()), name


def test_parity_scale_and_the_mean():
    law = HESTONS["bitcoin"]
    call, put = (fourier.price(law, 100.0, STRIKES, 0.3, kind) for kind in (True, False))
    assert np.abs(call - put - 100.0 + STRIKES).max() < 1e-12
    assert np.allclose(fourier.price(law, 50.0, STRIKES / 2, 0.3, True), call / 2, rtol=0, atol=1e-12)
    assert abs(law.log_characteristic(np.array([-1j]), 0.3)[0]) < 1e-12
    with pytest.raises(ValueError, match="above 0"):
        fourier.price(law, 100.0, STRIKES, 0.0, True)
