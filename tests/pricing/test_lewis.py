"""Lewis's integral at fixed nodes: against the cosine series, against QuantLib where the series gives up, and its derivatives."""

import math

import numpy as np
import pytest

from simulator.pricing import fourier, lewis
from simulator.pricing.laws import Bates, Heston, Kou, Lognormal, Merton

WILD = Heston(0.3, 0.1, 0.3, 6.0, -0.8)  # tails so heavy that the cosine series needs more terms than it may have
LAWS = [
    Lognormal(0.6),
    Merton(0.1, 2.0, -0.2, 0.1),
    Kou(0.3, 20.0, 0.4, 20.0, 10.0),
    Heston(0.04, 2.0, 0.06, 0.3, -0.6),
    Heston(0.09, 0.5, 0.04, 1.0, -0.9),
    Heston(0.04, 1.5, 0.04, 0.4, -0.99),
    Heston(0.36, 6.0, 0.5, 3.0, -0.2),
    Bates(0.14, 9.5, 0.03, 0.87, -0.54, 0.3, -0.27, 0.27),
]


@pytest.mark.parametrize("law", LAWS, ids=lambda law: type(law).__name__)
@pytest.mark.parametrize("years", [1 / 365, 7 / 365, 0.25, 1.0, 10.0])
def test_two_methods_agree(law, years):
    """To 2e-13 of the greater of forward and strike, from a day to ten years and three deviations of a year to either side."""
    strikes = np.exp(np.linspace(-3, 3, 13) * min(1.0, math.sqrt(years)))
    ours = lewis.price(law, 1.0, strikes, years, strikes > 1)
    assert np.abs(ours - fourier.price(law, 1.0, strikes, years, strikes > 1)).max() <= 2e-13 * strikes.max()


def test_where_the_series_gives_up_the_integral_answers():
    """To 1e-10 of the forward of QuantLib's own integral."""
    with pytest.raises(lewis.NotConvergedError, match="terms"):
        fourier.terms(WILD, 2.0, 1_000.0)
    strikes = np.array([50.0, 80.0, 95.0, 100.0, 105.0, 125.0, 200.0])
    found = fourier.price(WILD, 100.0, strikes, 2.0, strikes > 100)
    ql = pytest.importorskip("QuantLib", reason="QuantLib, of the extra `test`, is not installed")
    today = ql.Date(1, 1, 2023)
    ql.Settings.instance().evaluationDate = today
    flat = ql.YieldTermStructureHandle(ql.FlatForward(today, 0.0, ql.Actual365Fixed()))
    spot = ql.QuoteHandle(ql.SimpleQuote(100.0))
    engine = ql.AnalyticHestonEngine(
        ql.HestonModel(ql.HestonProcess(flat, flat, spot, 0.3, 0.1, 0.3, 6.0, -0.8)), 1e-13, 1_000_000
    )
    for strike, ours in zip(strikes, found, strict=True):
        kind = ql.Option.Call if strike > 100 else ql.Option.Put
        option = ql.VanillaOption(ql.PlainVanillaPayoff(kind, float(strike)), ql.EuropeanExercise(today + 730))
        option.setPricingEngine(engine)
        assert abs(ours - option.NPV()) <= 1e-8


def surface(count):
    k, years = np.tile(np.linspace(-0.4, 0.4, 9), 3), np.array([0.05, 0.5, 2.0])
    expiry = np.repeat(np.arange(3), 9)
    forward = 100.0 * np.exp(0.02 * years)[expiry]
    discount = np.exp(-0.02 * years)[expiry]
    return lewis.Quadrature(expiry, forward * np.exp(k), k > 0, forward, discount, years, 0.4 * np.sqrt(years), count)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: type(law).__name__)
def test_gradients_are_the_slopes_that_they_claim_to_be(law):
    quadrature = surface(256)
    premium, gradient = quadrature.prices_and_gradient(law)
    assert np.abs(premium - quadrature.prices(law)).max() < 1e-11
    values = law.values
    for i, value in enumerate(values):
        h = 1e-5 * max(abs(value), 1e-2)
        up, down = (quadrature.prices(type(law)(*(values + step * np.eye(len(values))[i]))) for step in (h, -h))
        assert np.abs(gradient[:, i] - (up - down) / (2 * h)).max() <= 1e-5 * max(1.0, np.abs(gradient[:, i]).max())


def test_a_surface_is_its_expiries():
    law, quadrature = LAWS[-1], surface(256)
    found = quadrature.prices(law).reshape(3, 9)
    for row, years in zip(found, (0.05, 0.5, 2.0), strict=True):
        forward, discount = 100.0 * math.exp(0.02 * years), math.exp(-0.02 * years)
        strikes = forward * np.exp(np.linspace(-0.4, 0.4, 9))
        assert np.abs(row - fourier.price(law, forward, strikes, years, strikes > forward, discount)).max() < 1e-10
