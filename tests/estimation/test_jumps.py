"""Jumps: found where they are, not where fat tails are, and their sizes by maximum likelihood."""

import math
from functools import partial

import numpy as np
import pytest
from scipy import stats
from scipy.stats import t as student

from simulator.estimation.asset_fit import fit_asset
from simulator.estimation.asset_notes import asset_notes
from simulator.estimation.garch_fit import Restriction, fit_garch
from simulator.estimation.jumps import EXPECTED_BEYOND, fit_kou, fit_merton, no_crashes, split, threshold
from simulator.estimation.settings import FitSettings
from simulator.market.jumps import Kou, Merton

DAILY = Restriction(0.995)
TRUE = {"alpha": 0.05, "beta": 0.9}


def with_jumps(returns: np.ndarray, seed: int, count: int = 12) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    places = generator.choice(np.arange(100, returns.size), count, replace=False)
    sizes = np.sign(generator.normal(-1, 1, count)) * generator.uniform(0.15, 0.3, count)
    jumped = returns.copy()
    jumped[places] += sizes
    return jumped, np.sort(places)


def test_the_threshold_is_the_one_that_innovations_hardly_pass():
    k = threshold(4.0, 10_000)
    z = k * math.sqrt(4 / 2)
    assert 2 * 10_000 * student.sf(z, 4) == pytest.approx(EXPECTED_BEYOND, rel=1e-9)
    assert threshold(8.0, 10_000) < k < threshold(4.0, 100_000)


def test_jumps_are_found_where_they_were_put(make_returns):
    jumped, places = with_jumps(make_returns(4000, 21, **TRUE, nu=12.0)[:, 0], 22)
    found = split(jumped, partial(fit_garch, restriction=DAILY))
    assert set(np.flatnonzero(~np.isnan(found.jumps))) >= set(places)
    assert found.beyond <= len(places) + 2  # half a return is expected beyond the threshold by chance
    assert np.isnan(found.diffusive[places]).all()


def test_fat_tails_are_not_jumps(make_returns):
    r = make_returns(4000, 23, **TRUE, nu=3.5)[:, 0]
    assert split(r, partial(fit_garch, restriction=DAILY)).beyond <= 2


def test_the_recursion_is_fed_by_the_diffusive_part(make_returns):
    """With jumps removed the GARCH of a path with jumps is close to that of the path without; left in, it is not."""
    clean = make_returns(4000, 24, **TRUE, nu=9.0)[:, 0]
    jumped, _ = with_jumps(clean, 25)
    truth = fit_asset("A", 1.0, clean, 86_400.0, FitSettings()).estimates
    fit = fit_asset("A", 1.0, jumped, 86_400.0, FitSettings())
    blind = fit_asset("A", 1.0, jumped, 86_400.0, FitSettings(jumps="none")).estimates
    for name in ("volatility", "degrees_of_freedom", "persistence"):
        assert abs(fit.estimates[name].value - truth[name].value) < 0.3 * truth[name].standard_error
    assert blind["degrees_of_freedom"].value < truth["degrees_of_freedom"].value - 4 * truth["degrees_of_freedom"].standard_error
    assert fit.jumps is not None
    assert fit.jumps.count == 12
    total = fit.estimates["total_volatility"].value
    assert total == pytest.approx(math.sqrt(np.mean(jumped**2) * 365), rel=0.02)
    assert {"log_jump_intensity", "jump_mean", "log_jump_deviation"} < set(fit.law.names)


def test_without_jumps_none_are_fitted_and_kou_is_by_request(make_returns):
    clean = make_returns(3000, 26, **TRUE, nu=9.0)[:, 0]
    assert fit_asset("A", 1.0, clean, 86_400.0, FitSettings()).jumps is None
    jumped, _ = with_jumps(clean, 27)
    kou = fit_asset("A", 1.0, jumped, 86_400.0, FitSettings(jumps="kou")).jumps
    assert kou is not None
    assert kou.jumps.kind == "kou"


def test_merton_sizes_have_the_intervals_of_normal_samples():
    sizes = np.array([-0.2, -0.1, 0.05, -0.15])
    fit = fit_merton(sizes, 2.0)
    assert fit.jumps.intensity == 2.0
    assert fit.jumps.mean == pytest.approx(-0.1)
    assert fit.estimates["intensity"].standard_error == pytest.approx(1.0)
    exact = stats.t.interval(0.95, 3, -0.1, stats.sem(sizes))
    assert fit.estimates["mean"].interval == pytest.approx(exact, rel=1e-9)
    assert fit.law["jump_mean"] == pytest.approx(fit.estimates["mean"].standard_error ** 2)


@pytest.mark.parametrize("count", [4, 10, 30, 1_000])
def test_the_interval_of_a_jumps_deviation_covers_as_often_as_it_says(count):
    """Exactly, by the chi-square law of a normal sample's squares; that of the information covers 71 % at four jumps."""
    sizes = np.random.default_rng(count).standard_normal(count)
    found = fit_merton(sizes, 1.0).estimates["deviation"]
    squares = count * found.value**2
    covered = stats.chi2(count - 1).cdf([squares / edge**2 for edge in found.interval])
    assert found.value == pytest.approx(np.std(sizes))
    assert covered[0] - covered[1] == pytest.approx(0.95, abs=0.012)


def test_kou_sizes_are_maximum_likelihood_also_with_one_side_only():
    sizes = np.array([-0.2, -0.1, 0.05, -0.15])
    fit = fit_kou(sizes, 2.0)
    assert fit.jumps.up_probability == 0.25
    assert fit.jumps.eta_up == pytest.approx(20.0)
    assert fit.jumps.eta_down == pytest.approx(1 / 0.15)
    assert fit.estimates["eta_down"].standard_error == pytest.approx(1 / 0.15 / math.sqrt(3))
    down = fit_kou(sizes[sizes < 0], 2.0)
    assert down.jumps.up_probability == 0
    assert "log_eta_up_above_one" not in down.law
    assert "logit_up_probability" not in down.law


def test_many_small_jumps_are_called_what_they_are():
    """DESIGN: 235 jumps a year of 3.8 % beside days of 3.4 % are no crashes; six of 20 % are."""
    day = 0.65 / math.sqrt(365)
    assert no_crashes(Merton(intensity=235.0, mean=0.0, deviation=0.038), day)
    assert not no_crashes(Merton(intensity=6.0, mean=-0.1, deviation=0.2), day)
    assert not no_crashes(Merton(intensity=60.0, mean=-0.1, deviation=0.2), day)
    assert no_crashes(Kou(intensity=100.0, up_probability=0.5, eta_up=40.0, eta_down=40.0), day)


def test_a_fit_of_normal_innovations_to_fat_tails_says_so(make_returns):
    """Normal innovations hand every fat day to the jumps, and the note gives the way out."""
    asset = fit_asset("A", 1.0, make_returns(3000, 28, **TRUE, nu=3.0)[:, 0], 3_600.0, FitSettings(innovation="normal"))
    assert asset.jumps is not None
    assert any("fat tails, not crashes" in note for note in asset_notes(asset))
