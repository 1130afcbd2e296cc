"""SVI fits: known smiles come back, arbitrage does not, both searches agree, and errors are as large as they are said to be."""

import json
import math
from datetime import UTC, datetime

import numpy as np
import pytest

from simulator.estimation.options.chain import read_chain
from simulator.estimation.options.cleaning import Rules, clean
from simulator.estimation.options.loss import LOSSES, weigh
from simulator.estimation.options.svi_coordinates import derivatives, durrleman_gradient, raw_jacobian, smile
from simulator.estimation.options.svi_fit import PARAMETERS, fit_svi
from simulator.pricing.svi import RawSVI

TRUE = RawSVI(0.005, 0.09, -0.25, 0.02, 0.12)
YEARS = 0.1
VOGT = RawSVI(-0.0410, 0.1331, 0.3060, 0.3586, 0.4153)


def volatility_of(raw, years=YEARS):
    return lambda k: raw.volatility(k, years)


def only(quotes):
    (one,) = quotes.slices()
    return one


@pytest.mark.parametrize("method", ["levenberg-marquardt", "quasi-newton", "both"])
@pytest.mark.parametrize("loss", LOSSES)
def test_a_known_smile_comes_back_by_every_search_and_loss(method, loss, make_quotes):
    fit = fit_svi(only(make_quotes([volatility_of(TRUE)], [YEARS], deviations=4)), method, loss, ridge=0.0)
    assert fit.converged
    assert not fit.binds
    assert fit.goodness.rmse < 1e-7
    assert [fit.estimates[name].value for name in PARAMETERS] == pytest.approx(
        [TRUE.a, TRUE.b, TRUE.rho, TRUE.m, TRUE.sigma], rel=2e-3, abs=2e-4
    )
    if method == "both":
        assert fit.agreement < 1e-3 or fit.goodness.rmse < 1e-7


@pytest.mark.parametrize("noise", [0.002, 0.02])
def test_both_searches_find_the_same_minimum_in_noise(noise, make_quotes):
    for seed in range(3):
        one = only(make_quotes([volatility_of(TRUE)], [YEARS], noise=noise, seed=seed))
        first, second = (fit_svi(one, method) for method in ("levenberg-marquardt", "quasi-newton"))
        assert first.goodness.rmse == pytest.approx(second.goodness.rmse, rel=1e-3)
        assert not first.worst.is_arbitrage
        assert not second.worst.is_arbitrage


def test_quotes_from_a_smile_with_arbitrage_are_fitted_without(make_quotes):
    one = only(make_quotes([volatility_of(VOGT, 1.0)], [1.0], deviations=12, count=61))
    fit = fit_svi(one, ridge=0.0)
    assert fit.binds
    assert fit.free_worst.size == pytest.approx(-0.0329, abs=2e-4)
    assert fit.free_rmse < 1e-6
    assert fit.worst.size >= -1e-10
    assert fit.smile.durrleman(fit.smile.wing_grid(20_001)).min() >= -1e-10
    assert fit.free_rmse < fit.goodness.rmse < 0.01


def test_no_wing_is_steeper_than_lee_allows(make_quotes):
    steep = RawSVI(0.02, 1.6, -0.5, 0.0, 0.05)
    assert steep.wing_slope > 2
    fit = fit_svi(only(make_quotes([volatility_of(steep, 1.0)], [1.0], deviations=2)))
    assert fit.smile.wing_slope <= 2
    assert not fit.worst.is_arbitrage


@pytest.mark.parametrize("count", [5, 6])
def test_as_few_quotes_as_parameters_are_fitted_without_pretending_to_know(count, make_quotes):
    fit = fit_svi(only(make_quotes([volatility_of(TRUE)], [YEARS], count=count, noise=0.003)))
    assert not fit.worst.is_arbitrage
    assert (fit.estimates["b"].standard_error is None) == (count == 5)
    assert math.isnan(fit.goodness.runs_p)


def test_fewer_quotes_are_refused(make_quotes):
    with pytest.raises(ValueError, match="at least 5 quotes, but got 4"):
        fit_svi(only(make_quotes([volatility_of(TRUE)], [YEARS], count=4)))


def test_derivatives_are_those_of_differences():
    rng = np.random.default_rng(2)
    for _ in range(20):
        x = np.array([rng.uniform(-5, -1), *rng.uniform(-2, 1, 2), rng.uniform(-0.3, 0.3), rng.uniform(-3, 0)])
        k = rng.uniform(-1, 1, 9)
        _, by_x = durrleman_gradient(x, k)
        w, w_by = derivatives(x, k)[0]
        assert smile(x).total_variance(k) == pytest.approx(w, rel=1e-12)
        for i, unit in enumerate(1e-6 * np.eye(5)):
            ahead, behind = smile(x + unit), smile(x - unit)
            near = (ahead.total_variance(k) - behind.total_variance(k)) / 2e-6
            assert near == pytest.approx(w_by[:, i], rel=1e-5, abs=1e-8)
            g = (ahead.durrleman(k) - behind.durrleman(k)) / 2e-6
            assert g == pytest.approx(by_x[:, i], rel=2e-4, abs=1e-5)
            raw = [(getattr(ahead, name) - getattr(behind, name)) / 2e-6 for name in PARAMETERS]
            assert raw == pytest.approx(raw_jacobian(x)[:, i].tolist(), rel=1e-5, abs=1e-8)


@pytest.mark.parametrize("noise", [0.001, 0.01])
def test_standard_errors_of_the_smile_are_as_large_as_the_scatter_over_samples(noise, make_quotes):
    """b, rho and m over 60 samples: the mean square of (estimate - truth) / error is 1, within 4 standard errors of it."""
    samples = 60
    scores = []
    for seed in range(samples):
        fit = fit_svi(
            only(make_quotes([volatility_of(TRUE)], [YEARS], deviations=4, count=41, noise=noise, seed=seed)), ridge=0.0
        )
        if not fit.binds:
            scores.append(
                [(fit.estimates[n].value - getattr(TRUE, n)) / fit.estimates[n].standard_error for n in ("b", "rho", "m")]
            )
    assert len(scores) > 0.8 * samples
    mean_squares = np.mean(np.square(scores), axis=0)
    assert np.all(np.abs(mean_squares - 1) < 4 * math.sqrt(2 / len(scores)) + 0.1)  # 0.1: t of 36 degrees, and curvature


def test_weights_by_spread_pull_the_fit_to_the_tight_quotes(make_quotes):
    from dataclasses import replace

    quotes = make_quotes([volatility_of(TRUE)], [YEARS])
    bent = quotes.volatility + np.where(quotes.log_moneyness > 0, 0.05, 0.0)
    wide = np.where(quotes.log_moneyness > 0, 0.2, 0.002)
    quotes = replace(quotes, volatility=bent, bid=bent - wide / 2, ask=bent + wide / 2)
    left = quotes.log_moneyness <= 0
    errors = []
    for name in ("uniform", "spread"):
        fit = fit_svi(only(weigh(quotes, name)))
        errors.append(np.sqrt(np.mean((fit.smile.volatility(quotes.log_moneyness, YEARS) - quotes.volatility)[left] ** 2)))
    assert errors[1] < errors[0] / 2


@pytest.mark.shared_data
def test_real_slices_are_fitted_as_well_as_the_reference_and_without_arbitrage(shared_data):
    """RMSE no worse than a free fit's wherever that one has no arbitrage, its wings included; g >= -1e-10 on every slice."""
    file, chains = (
        shared_data / "reference" / "svi_fits_deribit.json",
        sorted((shared_data / "data" / "options").glob("*chain*.parquet")),
    )
    if not file.exists() or not chains:
        pytest.skip("svi_fits_deribit.json or every option chain is missing from the shared data")
    cases = json.loads(file.read_text())["cases"]
    seen = 0
    for chain in map(read_chain, chains):
        for ts, currency in sorted({(case["ts"], case["currency"]) for case in cases}):
            at = datetime.fromisoformat(ts).replace(tzinfo=UTC)
            near = [m for m in chain.moments() if abs((m - at).total_seconds()) <= 60]
            if not near or currency not in chain.currencies:
                continue
            rules = Rules(price="mark", max_spread=2.0, min_quotes=5)
            cleaned = clean(chain.of(currency).at(near[0]), rules, currency)
            slices = {cleaned.expiries[s.expiry][:10]: s for s in cleaned.quotes.slices()}
            for case in (c for c in cases if (c["ts"], c["currency"]) == (ts, currency) and c["expiry"] in slices):
                one = slices[case["expiry"]]
                assert len(one.quotes) == case["n"]
                fit = fit_svi(one)
                seen += 1
                assert fit.converged
                assert fit.worst.size >= -1e-10
                assert fit.smile.durrleman(fit.smile.wing_grid(10_001)).min() >= -1e-10
                theirs = RawSVI(*(case[name] for name in PARAMETERS)).worst_butterfly()
                assert fit.free_rmse <= case["rmse_volpts"] / 100 * (1 + 1e-3)
                if not theirs.is_arbitrage:
                    assert fit.goodness.rmse <= case["rmse_volpts"] / 100 * (1 + 1e-3)
    if not seen:
        pytest.skip("no snapshot that svi_fits_deribit.json fits is in the option chains")
