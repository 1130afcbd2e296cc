"""Raw SVI against published numbers, QuantLib, and the two integrals that any density must satisfy."""

import json
import math

import numpy as np
import pytest

from simulator.pricing.svi import JumpWings, RawSVI, from_jump_wings, without_butterfly

VOGT = RawSVI(a=-0.0410, b=0.1331, rho=0.3060, m=0.3586, sigma=0.4153)  # Gatheral and Jacquier 2014, example 3.1
FREE = RawSVI(a=0.04, b=0.4, rho=-0.4, m=0.1, sigma=0.1)


def some_smiles(count, seed=7):
    rng = np.random.default_rng(seed)
    for _ in range(count):
        b, rho, sigma = rng.uniform(0.02, 1.0), rng.uniform(-0.95, 0.95), 10 ** rng.uniform(-2, 0.3)
        least = 10 ** rng.uniform(-3, -0.5)
        yield RawSVI(least - b * sigma * math.sqrt(1 - rho**2), b, rho, rng.uniform(-0.5, 0.5), sigma)


def test_vogts_smile_is_flagged_where_and_by_how_much_it_fails():
    worst = VOGT.worst_butterfly()
    assert worst.is_arbitrage
    assert worst.size == pytest.approx(-0.0329, abs=5e-5)
    assert worst.log_moneyness == pytest.approx(0.879, abs=5e-4)
    k = np.linspace(0, 2, 200_001)
    negative = k[VOGT.durrleman(k) < 0]
    assert (negative[0], negative[-1]) == (pytest.approx(0.643, abs=1e-3), pytest.approx(1.256, abs=1e-3))


def test_the_smile_that_gatheral_and_jacquier_make_of_vogts_has_no_butterfly():
    mended = from_jump_wings(without_butterfly(VOGT.jump_wings(1.0)), 1.0)
    assert not mended.worst_butterfly().is_arbitrage
    assert mended.total_variance(0.0) == pytest.approx(float(VOGT.total_variance(0.0)), rel=1e-12)


@pytest.mark.shared_data
def test_every_published_case(shared_data):
    file = shared_data / "reference" / "svi_ssvi.json"
    if not file.exists():
        pytest.skip(f"{file.name} is not among the shared data")
    seen = 0
    for case in json.loads(file.read_text())["cases"]:
        if case["model"].startswith("ssvi") or case["status"] not in ("confirmed", "computed here"):
            continue
        seen += 1
        if case["model"] == "svi_jw_arbitrage_free_choice":
            jw = without_butterfly(VOGT.jump_wings(1.0))
            found = {"c_prime": jw.call_slope, "vtilde_prime": jw.least_variance}[case["quantity"]]
        else:
            smile = RawSVI(*(case[name] for name in ("a", "b", "rho", "m", "sigma")))
            if case["model"] == "svi_raw":
                found = float(smile.total_variance(case["k"]))
                assert float(smile.durrleman(case["k"])) == pytest.approx(case["g"], abs=case["tol"])
            else:
                jw = smile.jump_wings(case["T"])
                words = {"v": jw.variance, "psi": jw.skew, "p": jw.put_slope, "c": jw.call_slope, "vtilde": jw.least_variance}
                found = words[case["quantity"]]
        assert found == pytest.approx(case["value"], abs=case["tol"])
    assert seen


@pytest.mark.parametrize("years", [0.01, 1.0, 5.0])
def test_volatility_is_quantlibs(years):
    ql = pytest.importorskip("QuantLib", reason="QuantLib, of the extra `test`, is not installed")
    for smile in some_smiles(40):
        if smile.wing_slope * years > 4:  # QuantLib's own bound b (1 + |rho|) T <= 4 on its own units
            continue
        section = ql.SviSmileSection(years, 100.0, [smile.a, smile.b, smile.sigma, smile.rho, smile.m])
        k = np.linspace(-1.5, 1.5, 31)
        theirs = [section.volatility(100 * math.exp(x)) for x in k]
        assert np.max(np.abs(smile.volatility(k, years) - theirs)) < 1e-10


def test_slope_and_curvature_are_the_derivatives():
    for smile in some_smiles(20):
        k = smile.m + smile.sigma * np.linspace(-5, 5, 41)
        step = 1e-5 * smile.sigma
        slope = (smile.total_variance(k + step) - smile.total_variance(k - step)) / (2 * step)
        curvature = (smile.slope(k + step) - smile.slope(k - step)) / (2 * step)
        assert np.max(np.abs(slope - smile.slope(k))) < 1e-8
        assert np.max(np.abs(curvature - smile.curvature(k))) < 1e-6 * (1 + np.max(smile.curvature(k)))


def test_g_is_the_density_of_the_price_up_to_a_factor():
    """p(k) = g / sqrt(2 pi w) exp(-d-^2 / 2) is a density of log(S_T / F) with mean of S_T equal to F."""
    for smile in (FREE, RawSVI(0.01, 0.2, -0.7, 0.0, 0.15), RawSVI(0.02, 0.1, 0.2, -0.05, 0.3)):
        k = np.linspace(-30, 30, 600_001)
        w = smile.total_variance(k)
        lower = -k / np.sqrt(w) - np.sqrt(w) / 2
        density = smile.durrleman(k) / np.sqrt(2 * np.pi * w) * np.exp(-(lower**2) / 2)
        assert np.trapezoid(density, k) == pytest.approx(1, abs=1e-7)
        assert np.trapezoid(density * np.exp(k), k) == pytest.approx(1, abs=1e-6)


def test_jump_wings_and_raw_parameters_are_each_others_inverse():
    for smile in some_smiles(60):
        jw = smile.jump_wings(0.7)
        if abs(jw.skew) < 1e-3 or jw.variance - jw.least_variance < 1e-6:
            continue
        back = from_jump_wings(jw, 0.7)
        assert [back.a, back.b, back.rho, back.m, back.sigma] == pytest.approx(
            [smile.a, smile.b, smile.rho, smile.m, smile.sigma], rel=1e-5, abs=1e-7
        )


def test_a_wing_above_lees_bound_and_a_variance_of_zero_are_arbitrage_whatever_the_middle_does():
    assert RawSVI(0.04, 1.3, 0.6, 0.0, 0.2).worst_butterfly() == (math.inf, -math.inf)
    assert RawSVI(0.04, 1.3, -0.6, 0.0, 0.2).worst_butterfly() == (-math.inf, -math.inf)
    assert RawSVI(-0.1, 0.1, 0.0, 0.0, 0.2).worst_butterfly().size == -math.inf


def test_a_butterfly_far_in_the_wing_is_found():
    """A real fit that looks clean over three deviations: g is positive on [-1.5, 1] and negative at k = -2.8."""
    smile = RawSVI(-1.0, 0.8194303863892507, -0.5344792099634368, -0.6550455910723718, 1.6114745146355354)
    assert smile.durrleman(np.linspace(-1.5, 1.0, 1001)).min() > 0
    worst = smile.worst_butterfly()
    assert worst.size < -0.07
    assert worst.log_moneyness == pytest.approx(-2.79, abs=0.05)


@pytest.mark.parametrize("wrong", [{"b": -0.1}, {"rho": 1.2}, {"sigma": 0.0}, {"a": math.nan}])
def test_parameters_no_smile_has_are_refused(wrong):
    with pytest.raises(ValueError, match="but got"):
        RawSVI(**{"a": 0.04, "b": 0.1, "rho": 0.0, "m": 0.0, "sigma": 0.1, **wrong})


def test_jump_wings_no_smile_has_are_refused():
    for jw in (JumpWings(0.0, 0, 1, 1, 0), JumpWings(0.04, 2.0, 1, 1, 0.03), JumpWings(0.04, 0.1, 1, 1, 0.05)):
        with pytest.raises(ValueError, match="but got"):
            from_jump_wings(jw, 1.0)
