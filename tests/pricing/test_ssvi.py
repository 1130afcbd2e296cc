"""SSVI: published slices, and that the conditions do what the theorems say."""

import json
import math

import numpy as np
import pytest

from simulator.pricing.ssvi import SSVI, HestonLike, PowerLaw, worst_calendars
from simulator.pricing.svi import RawSVI

THETAS = np.geomspace(1e-3, 1.0, 25)


def some_surfaces(count, seed=3):
    rng = np.random.default_rng(seed)
    for _ in range(count):
        rho = rng.uniform(-0.95, 0.95)
        yield SSVI(rho, PowerLaw(2 / (1 + abs(rho)) * rng.uniform(0.05, 1), rng.uniform(0.01, 0.5)))
        yield SSVI(rho, HestonLike((1 + abs(rho)) / 4 + rng.exponential(3)))


@pytest.mark.shared_data
def test_every_reference_case(shared_data):
    file = shared_data / "reference" / "svi_ssvi.json"
    if not file.exists():
        pytest.skip(f"{file.name} is not among the shared data")
    cases = [case for case in json.loads(file.read_text())["cases"] if case["model"] == "ssvi_power_law"]
    for case in cases:
        law, theta = PowerLaw(case["eta"], case["gamma"]), case["theta"]
        surface = SSVI(case["rho"], law)
        phi = float(law.phi(theta))
        assert phi == pytest.approx(case["phi"], rel=1e-12)
        assert theta * phi * (1 + abs(case["rho"])) == pytest.approx(case["theta_phi_1rho"], rel=1e-12)
        assert theta * phi**2 * (1 + abs(case["rho"])) == pytest.approx(case["theta_phi2_1rho"], rel=1e-12)
        assert bool(surface.has_no_butterfly(theta)) == case["sufficient_no_butterfly"]
        assert surface.slice(theta).worst_butterfly().size <= case["min_g_numeric"] + 1e-9  # a finer grid that reaches farther
        for k, w in case["w_at"].items():
            assert float(surface.total_variance(float(k), theta)) == pytest.approx(w, rel=1e-12)
    if not cases:
        pytest.skip("no SSVI case is in svi_ssvi.json")


def test_a_slice_is_the_raw_smile_of_the_surface():
    k = np.linspace(-2, 2, 81)
    for surface in some_surfaces(10):
        for theta in (0.002, 0.05, 0.6):
            assert np.max(np.abs(surface.slice(theta).total_variance(k) - surface.total_variance(k, theta))) < 1e-14
            assert surface.total_variance(0.0, theta) == pytest.approx(theta, rel=1e-14)


def test_growth_is_the_derivative_of_theta_phi_over_phi():
    for law in (PowerLaw(1.1, 0.3), HestonLike(2.0), HestonLike(0.4)):
        step = 1e-5 * THETAS
        ahead, behind = THETAS + step, THETAS - step
        slope = (ahead * law.phi(ahead) - behind * law.phi(behind)) / (2 * step)
        assert np.max(np.abs(slope / law.phi(THETAS) - law.growth(THETAS))) < 1e-6


def test_the_sufficient_conditions_suffice_for_butterflies():
    for surface in some_surfaces(25):
        for theta in THETAS[::4]:
            if surface.has_no_butterfly(theta):
                assert surface.slice(float(theta)).worst_butterfly().size >= -1e-10


def test_laws_free_of_static_arbitrage_for_every_theta_have_neither_kind():
    for surface in some_surfaces(15, seed=4):
        assert surface.law.is_free_of_static_arbitrage(surface.rho)
        assert np.all(surface.has_no_butterfly(THETAS))
        assert np.all(surface.has_no_calendar(THETAS))
        assert np.all(surface.butterfly_room(THETAS) >= 0)
        gaps = worst_calendars([surface.slice(float(theta)) for theta in THETAS])
        assert not any(gap.is_arbitrage for gap in gaps)


def test_a_smile_that_is_too_steep_is_flagged():
    surface = SSVI(-0.7, PowerLaw(4.0, 0.5))
    assert not surface.law.is_free_of_static_arbitrage(-0.7)
    assert not np.any(surface.has_no_butterfly(THETAS[:5]))
    assert surface.slice(0.01).worst_butterfly().is_arbitrage


def test_crossing_slices_are_flagged_where_they_cross():
    earlier, later = RawSVI(0.01, 0.3, -0.3, 0.0, 0.1), RawSVI(0.045, 0.1, -0.3, 0.0, 0.1)
    (worst,) = worst_calendars([earlier, later])
    assert worst.is_arbitrage
    assert (worst.earlier, worst.later) == (0, 1)
    assert worst.log_moneyness == -2.0
    assert worst.gap == pytest.approx(float(later.total_variance(-2.0) - earlier.total_variance(-2.0)), rel=1e-12)


@pytest.mark.parametrize("wrong", [lambda: PowerLaw(0.0, 0.5), lambda: PowerLaw(1.0, 1.0), lambda: HestonLike(0.0)])
def test_laws_that_are_none_are_refused(wrong):
    with pytest.raises(ValueError, match="must hold"):
        wrong()
    with pytest.raises(ValueError, match="must hold"):
        SSVI(1.0, HestonLike(1.0))


def test_the_heston_like_law_tends_to_one_half_at_short_expiries():
    assert float(HestonLike(2.0).phi(1e-4)) == pytest.approx(0.5, abs=1e-4)
    assert math.isfinite(float(HestonLike(2.0).phi(1e-6)))
