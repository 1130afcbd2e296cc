"""SSVI fits: known surfaces come back, and no fit has static arbitrage, whatever the quotes have."""

import numpy as np
import pytest

from simulator.estimation.options.chain import read_chain
from simulator.estimation.options.cleaning import Rules, clean
from simulator.estimation.options.ssvi_coordinates import COORDINATES, natural, variance_and_gradient
from simulator.estimation.options.ssvi_fit import LAWS, fit_ssvi
from simulator.pricing.ssvi import SSVI, HestonLike, PowerLaw, worst_calendars

YEARS = np.array([0.02, 0.1, 0.3, 0.8])
THETA = 0.36 * YEARS
TRUE = {"power-law": SSVI(-0.35, PowerLaw(0.9, 0.45)), "heston-like": SSVI(-0.35, HestonLike(3.0))}


def smiles_of(surface):
    return [lambda k, t=t, y=y: np.sqrt(surface.total_variance(k, t) / y) for t, y in zip(THETA, YEARS, strict=True)]


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("method", ["levenberg-marquardt", "quasi-newton", "both"])
def test_a_known_surface_comes_back(law, method, make_quotes):
    fit = fit_ssvi(make_quotes(smiles_of(TRUE[law]), YEARS), law, method)
    assert fit.converged
    assert fit.goodness.rmse < 1e-6
    assert fit.theta == pytest.approx(THETA, rel=1e-4)
    expected = {"rho": -0.35, **({"eta": 0.9, "gamma": 0.45} if law == "power-law" else {"decay": 3.0})}
    assert {name: estimate.value for name, estimate in fit.estimates.items()} == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize("law", LAWS)
def test_gradients_are_those_of_differences(law):
    rng = np.random.default_rng(8)
    n = len(COORDINATES[law].names)
    for rho in (-1.2, -0.2, 0.4, 2.0):
        for tail in ((-2.0, -3.0), (0.0, 0.3), (2.0, 1.5)):  # gamma below and above one half; both bounds on eta
            x = np.concatenate([rng.normal(-3, 0.5, 4), [rho], tail[:n]])
            place, k = np.array([0, 1, 2, 3, 3, 2, 1, 0]), rng.normal(size=8) / 3
            _, by_x = variance_and_gradient(law, x, 4, place, k)
            for i, unit in enumerate(1e-6 * np.eye(len(x))):
                ahead, behind = (variance_and_gradient(law, x + s * unit, 4, place, k)[0] for s in (1, -1))
                assert (ahead - behind) / 2e-6 == pytest.approx(by_x[:, i], rel=1e-4, abs=1e-8)


@pytest.mark.parametrize("law", LAWS)
def test_no_coordinates_whatever_make_arbitrage(law):
    """Surfaces from coordinates far out: theorem 4.2 holds at every theta from the first, and no calendar is crossed."""
    rng = np.random.default_rng(11)
    n = len(COORDINATES[law].names)
    for _ in range(500):
        x = np.concatenate([rng.normal(-4, 2, 5), rng.normal(0, 2, 1 + n)])
        theta, rho, shape, _ = natural(law, x, 5)
        surface = SSVI(rho, COORDINATES[law].make(shape))
        grid = np.concatenate([theta, np.geomspace(theta[0], 20 * theta[-1], 40)])
        assert np.all(surface.butterfly_room(grid) >= -1e-9)
        assert np.all(surface.has_no_calendar(grid))
    assert not any(c.is_arbitrage for c in worst_calendars([surface.slice(float(t)) for t in theta]))


def test_quotes_that_fall_in_time_are_fitted_by_a_surface_that_does_not(make_quotes):
    falling = [lambda k: np.full_like(k, 0.9), lambda k: np.full_like(k, 0.3)]
    fit = fit_ssvi(make_quotes(falling, [0.1, 0.12]))
    assert np.all(np.diff(fit.theta) >= 0)
    assert not any(c.is_arbitrage for c in fit.calendars)
    assert fit.goodness.rmse > 0.1


@pytest.mark.parametrize("noise", [0.002, 0.02])
def test_standard_errors_are_as_large_as_the_scatter_over_samples(noise, make_quotes):
    samples, true = 80, {"rho": -0.35, "eta": 0.9, "gamma": 0.45}
    scores = []
    for seed in range(samples):
        fit = fit_ssvi(make_quotes(smiles_of(TRUE["power-law"]), YEARS, noise=noise, seed=seed))
        scores.append([(fit.estimates[name].value - value) / fit.estimates[name].standard_error for name, value in true.items()])
    assert np.all(np.abs(np.mean(np.square(scores), axis=0) - 1) < 4 * np.sqrt(2 / samples))


def test_what_cannot_be_fitted_is_refused(make_quotes):
    with pytest.raises(ValueError, match="law must be one of power-law, heston-like"):
        fit_ssvi(make_quotes(smiles_of(TRUE["power-law"]), YEARS), "linear")
    with pytest.raises(ValueError, match="4 expiries need at least 7 quotes, but got 4"):
        fit_ssvi(make_quotes(smiles_of(TRUE["power-law"]), YEARS, count=1))


@pytest.mark.shared_data
def test_a_real_surface_has_no_static_arbitrage(shared_data):
    chains = sorted((shared_data / "data" / "options").glob("*chain*.parquet"))
    if not chains:
        pytest.skip("no option chain is among the shared data")
    chain = read_chain(chains[0])
    for moment in chain.moments()[:: max(len(chain.moments()) // 5, 1)]:
        for currency in chain.currencies:
            fit = fit_ssvi(clean(chain.of(currency).at(moment), Rules(), currency).quotes)
            assert fit.converged
            assert min(worst.size for worst in fit.worst) >= -1e-10
            assert min(gap.gap for gap in fit.calendars) >= -1e-10
            assert np.all(fit.surface.has_no_butterfly(fit.theta))
            assert fit.goodness.rmse < 0.08
