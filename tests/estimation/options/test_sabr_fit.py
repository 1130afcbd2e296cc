"""SABR fits: known smiles come back for any fixed beta, errors are honest, and bad densities are said."""

import numpy as np
import pytest

from simulator.estimation.options.sabr_fit import fit_sabr
from simulator.pricing.sabr import SABR

YEARS = 0.2


def only(quotes):
    (one,) = quotes.slices()
    return one


def smile_of(sabr, years=YEARS):
    return lambda k: np.asarray(sabr.volatility(80_000.0, 80_000.0 * np.exp(k), years))


def true(beta, rho=-0.3, nu=2.0):
    return SABR(0.6 * 80_000.0 ** (1 - beta), beta, rho, nu)


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("method", ["levenberg-marquardt", "quasi-newton", "both"])
def test_a_known_smile_comes_back(beta, method, make_quotes):
    fit = fit_sabr(only(make_quotes([smile_of(true(beta))], [YEARS])), beta, method)
    assert fit.converged
    assert fit.goodness.rmse < 1e-7
    assert (fit.smile.alpha, fit.smile.rho, fit.smile.nu) == pytest.approx((true(beta).alpha, -0.3, 2.0), rel=1e-5)
    assert fit.estimates["beta"].note == "fixed"


@pytest.mark.parametrize(("rho", "nu"), [(-0.9, 0.2), (0.0, 8.0), (0.7, 4.0)])
def test_extreme_smiles_come_back(rho, nu, make_quotes):
    years = 0.02
    fit = fit_sabr(only(make_quotes([smile_of(true(1.0, rho, nu), years)], [years])))
    assert (fit.smile.rho, fit.smile.nu) == pytest.approx((rho, nu), rel=1e-3, abs=1e-3)


@pytest.mark.parametrize("noise", [0.001, 0.02])
def test_standard_errors_are_as_large_as_the_scatter_over_samples(noise, make_quotes):
    samples, truth = 100, true(1.0)
    scores = []
    for seed in range(samples):
        fit = fit_sabr(only(make_quotes([smile_of(truth)], [YEARS], noise=noise, seed=seed)))
        found = fit.estimates
        scores.append(
            [(found[name].value - getattr(truth, name)) / found[name].standard_error for name in ("alpha", "rho", "nu")]
        )
    expected = 22 / 20  # of a squared t with 25 - 3 degrees of freedom
    assert np.all(np.abs(np.mean(np.square(scores), axis=0) - expected) < 4 * expected * np.sqrt(2.3 / samples))


def test_a_flat_smile_needs_no_volatility_of_volatility(make_quotes):
    fit = fit_sabr(only(make_quotes([lambda k: np.full_like(k, 0.5)], [YEARS])))
    assert fit.smile.nu < 0.05
    assert fit.smile.alpha == pytest.approx(0.5, rel=1e-3)


def test_a_fit_with_a_negative_density_says_so(make_quotes):
    years, wild = 10.0, SABR(0.25 * 80_000.0**0.7, 0.3, -0.8, 0.3)
    fit = fit_sabr(only(make_quotes([smile_of(wild, years)], [years], deviations=1.0)), 0.3)
    assert fit.worst.is_arbitrage


@pytest.mark.parametrize(("beta", "count", "message"), [(1.2, 25, "0 <= beta <= 1"), (1.0, 2, "at least 3 quotes, but got 2")])
def test_what_cannot_be_fitted_is_refused(beta, count, message, make_quotes):
    with pytest.raises(ValueError, match=message):
        fit_sabr(only(make_quotes([smile_of(true(1.0))], [YEARS], count=count)), beta)
