"""Black's formula, its greeks and the implied volatility: against QuantLib, against published values, and against themselves."""

import json
import math

import numpy as np
import pytest

from simulator.pricing import black_scholes as black


def cases(folder, file):
    path = folder / file
    if not path.is_file():
        pytest.skip(f"{path.name} is not among the shared data")
    return json.loads(path.read_text())


@pytest.mark.shared_data
def test_published_prices_and_greeks(shared_data):
    """Haug 1998: every case to the digits printed, and to 1e-12 of an independent value."""
    for case in cases(shared_data / "reference", "black_scholes_haug.json")["cases"]:
        s, k, r, q, t, v, call = (case[key] for key in ("S", "K", "r", "q", "T", "sigma", "type"))
        forward, is_call = black.forward_of(s, r, q, t), call == "call"
        premium = black.price(forward, k, t, v, is_call, math.exp(-r * t))
        greeks = black.greeks(forward, k, t, v, is_call, r, q)
        found = {
            "price": premium,
            "delta": greeks.spot_delta,
            "gamma": greeks.spot_gamma,
            "vega": greeks.vega,
            "theta_per_day_365": greeks.spot_theta / 365,
            "rho": greeks.rho,
            "elasticity": greeks.spot_delta * s / premium,
        }[case["quantity"]]
        assert abs(found - case["value"]) <= case["tol"], case
        assert abs(found - case["mine"]) <= 1e-11 * max(1, abs(case["mine"])), case


@pytest.mark.shared_data
def test_black_76_of_a_real_protocol(shared_data):
    table = cases(shared_data / "vectors", "pricing_and_risk_measures.json")["black76"]
    for row in table["rows"]:
        at = dict(zip(table["cols"], row, strict=True))
        if at["vol"] * math.sqrt(at["seconds"] / 31_536_000) > 24:
            continue  # beyond the cap of the protocol's own function
        inputs = at["fwd"], at["strike"], at["seconds"] / 31_536_000, at["vol"]
        assert abs(black.price(*inputs, True, at["discount"]) - at["call"]) < 1e-8
        assert abs(black.price(*inputs, False, at["discount"]) - at["put"]) < 1e-8
        if at["fwd"] > 0 and at["strike"] > 0:
            assert abs(black.greeks(*inputs, True).delta - at["undiscounted_call_delta"]) < 1e-8


@pytest.fixture(scope="module")
def grid():
    axes = (
        [100.0],
        [10.0, 60.0, 95.0, 100.0, 120.0, 400.0],
        [1 / 365, 0.1, 1.0, 10.0],
        [0.05, 0.4, 1.5],
        [True, False],
        [0.08],
        [0.03],
    )
    return [column.ravel() for column in np.meshgrid(*axes, indexing="ij")]


def test_prices_and_greeks_are_quantlibs(grid):
    ql = pytest.importorskip("QuantLib", reason="QuantLib, of the extra `test`, is not installed")
    s, k, t, v, call, r, q = grid
    forward, discount = black.forward_of(s, r, q, t), np.exp(-r * t)
    premium, greeks = black.price(forward, k, t, v, call, discount), black.greeks(forward, k, t, v, call, r, q)
    for i in range(len(s)):
        kind = ql.Option.Call if call[i] else ql.Option.Put
        theirs = ql.BlackCalculator(ql.PlainVanillaPayoff(kind, k[i]), forward[i], v[i] * math.sqrt(t[i]), discount[i])
        pairs = [
            (premium[i], theirs.value()),
            (greeks.delta[i], theirs.deltaForward()),
            (greeks.gamma[i], theirs.gammaForward()),
            (greeks.spot_delta[i], theirs.delta(s[i])),
            (greeks.spot_gamma[i], theirs.gamma(s[i])),
            (greeks.vega[i], theirs.vega(t[i])),
            (greeks.rho[i], theirs.rho(t[i])),
            (greeks.spot_theta[i], theirs.theta(s[i], t[i])),
        ]
        for ours, reference in pairs:
            assert abs(ours - reference) <= 1e-12 * max(100.0, abs(reference)), (i, ours, reference)


def test_every_greek_is_the_slope_that_it_claims_to_be(grid):
    s, k, t, v, call, r, q = grid
    forward, discount = black.forward_of(s, r, q, t), np.exp(-r * t)
    greeks = black.greeks(forward, k, t, v, call, r, q)
    h = 1e-5

    def slope(up, down, step):
        return (up - down) / (2 * step)

    by_forward = slope(*(black.price(forward + e * forward, k, t, v, call, discount) for e in (h, -h)), h * forward)
    by_volatility = slope(*(black.price(forward, k, t, v + e, call, discount) for e in (h * v, -h * v)), h * v)
    up, down = (black.greeks(forward, k, t, v + e, call, r, q) for e in (h * v, -h * v))
    by_time = -slope(*(black.price(forward, k, t + e, v, call, np.exp(-r * (t + e))) for e in (h * t, -h * t)), h * t)
    for ours, reference, scale in (
        (greeks.delta, by_forward, 1),
        (greeks.vega, by_volatility, 100),
        (greeks.theta, by_time, 100),
        (greeks.vanna, slope(up.delta, down.delta, h * v), 1),
        (greeks.volga, slope(up.vega, down.vega, h * v), 100),
    ):
        assert np.abs(ours - reference).max() < 1e-6 * max(scale, np.abs(reference).max())


def test_implied_volatility_finds_its_way_back():
    """To 1e-10 where vega exceeds 1e-3 of the forward, and to 1e-10 of itself out of the money down to prices of 1e-250."""
    rng = np.random.default_rng(1)
    n = 20_000
    forward = np.exp(rng.normal(0, 1, n))
    strike, years = forward * np.exp(rng.normal(0, 1, n)), 10 ** rng.uniform(-3, 1, n)
    volatility, call = 10 ** rng.uniform(-2, 0.7, n), rng.random(n) < 0.5
    premium = black.price(forward, strike, years, volatility, call)
    found = black.implied_volatility(premium, forward, strike, years, call)
    vega = black.greeks(forward, strike, years, volatility, call).vega
    assert np.abs(found - volatility)[vega > 1e-3 * forward].max() < 1e-10
    most = np.minimum(forward, strike)
    far = ((strike > forward) == call) & (premium > 1e-250) & (premium < 0.999 * most)
    assert far.sum() > 5_000
    assert np.abs(found / volatility - 1)[far].max() < 1e-10


def test_no_volatility_gives_an_impossible_price():
    premium = np.array([-1.0, 0.0, 20.0, 100.0, 150.0, np.nan, np.inf])
    assert np.isnan(black.implied_volatility(premium, 100.0, 80.0, 1.0, True)).all()
    assert np.isnan(black.implied_volatility([80.0, 90.0], 100.0, 80.0, 1.0, False)).all()
    assert black.implied_volatility(20.5, 100.0, 80.0, 1.0, True) > 0
    assert np.isnan(black.implied_volatility(5.0, 100.0, 100.0, 0.0, True))


def test_parity_holds_to_the_last_digit_and_edges_are_intrinsic(grid):
    s, k, t, v, _, _, _ = grid
    call, put = black.price(s, k, t, v, True), black.price(s, k, t, v, False)
    assert np.abs(call - put - (s - k)).max() <= 2e-13 * 400
    assert black.price(100.0, 90.0, 0.0, 0.5, True) == 10 == black.price(100.0, 90.0, 1.0, 0.0, True)
    assert black.price(100.0, 0.0, 1.0, 0.5, True) == 100
    with pytest.raises(ValueError, match="not be negative"):
        black.price(-1.0, 90.0, 1.0, 0.5, True)
