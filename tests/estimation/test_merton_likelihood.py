"""Merton's likelihood of returns: its density and slopes, recovery, coverage, and the trap that it is on real prices."""

import json
import math
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from scipy import optimize, stats

from simulator.estimation.asset_fit import fit_asset
from simulator.estimation.asset_notes import asset_notes
from simulator.estimation.errors import NotConverged
from simulator.estimation.maximum import Maximum, Problem, by_differences
from simulator.estimation.merton_likelihood import densities, fit_merton_returns, limits, slopes
from simulator.estimation.profile import CHI_SQUARE
from simulator.estimation.settings import FitSettings
from simulator.estimation.standard_errors import Estimate

DAY = 86_400.0
TRUE = {"intensity": 18.0, "mean": -0.15, "deviation": 0.04}


NEAR = {"intensity": 18.0, "mean": -0.08, "deviation": 0.05}  # hard to tell from days of 2 %


def crashes(days: int, seed: int, truth: dict[str, float] = TRUE) -> np.ndarray:
    """Days of 2 % and crashes, 18 a year of -15 % or as `truth` says."""
    rng = np.random.default_rng(seed)
    count = rng.poisson(truth["intensity"] / 365, days)
    own = truth["deviation"] * np.sqrt(count) * rng.standard_normal(days)
    return 0.02 * rng.standard_normal(days) + truth["mean"] * count + own


X = np.array([0.1, math.log(0.8), math.log(0.3), -0.5, math.log(2.0)])


def test_the_density_is_a_poisson_mixture_of_normals():
    y = np.linspace(-9, 9, 7)
    expected = sum(stats.poisson.pmf(k, 0.3) * stats.norm.pdf(y, 0.1 - 0.5 * k, math.sqrt(0.64 + 4 * k)) for k in range(40))
    assert np.allclose(densities(y, X), np.log(expected), rtol=1e-9)
    assert np.allclose(slopes(y, X), by_differences(partial(densities, y), X), atol=1e-8)


def test_crashes_are_recovered_and_taken_out_of_the_garch():
    r = crashes(4_000, 1)
    fit = fit_merton_returns(r, DAY)
    assert fit.describes_crashes
    for name, truth in TRUE.items():
        estimate = fit.jumps.estimates[name]
        assert abs(estimate.value - truth) < 4 * estimate.standard_error, name
    assert abs(fit.volatility.value - 0.02 * math.sqrt(365)) < 4 * fit.volatility.standard_error
    asset = fit_asset("A", 1.0, r, DAY, FitSettings(jumps="likelihood", innovation="normal"))
    assert asset.jumps.jumps == fit.jumps.jumps
    assert np.count_nonzero(np.isnan(asset.residuals)) == fit.jumps.count
    assert asset.estimates["volatility"].value == pytest.approx(0.02 * math.sqrt(365), rel=0.05)
    assert any("by Merton's likelihood" in note for note in asset_notes(asset))


def test_the_unit_of_returns_is_the_unit_of_sizes():
    r = crashes(1_500, 2)
    one, other = fit_merton_returns(r, DAY), fit_merton_returns(10 * r, 3_600.0)
    assert other.jumps.jumps.deviation == pytest.approx(10 * one.jumps.jumps.deviation, rel=1e-5)
    assert other.jumps.jumps.intensity == pytest.approx(24 * one.jumps.jumps.intensity, rel=1e-5)
    assert other.log_likelihood == pytest.approx(one.log_likelihood - 1_500 * math.log(10), abs=1e-6)


def refit(days: int, truth: dict[str, float], number: int) -> dict[str, Estimate]:
    return fit_merton_returns(crashes(days, 500 + number, truth), DAY).jumps.estimates


def test_an_interval_ends_where_its_profile_is_rejected():
    """At either end of the mean's, scipy's own climb over the others loses chi-square's cut times sandwich / curvature."""
    r = crashes(1_200, 504, NEAR)
    fit = fit_merton_returns(r, DAY)
    assert fit.describes_crashes
    mean, scale = fit.jumps.estimates["mean"], math.sqrt(np.mean(r**2))
    day, law = fit.volatility.value / math.sqrt(365) / scale, fit.jumps.jumps
    start = [0.0, math.log(day), math.log(law.intensity / 365), math.log(law.deviation / scale)]

    def loss(x: np.ndarray, jump: float) -> float:
        return -float(np.sum(densities(r / scale, np.array([x[0], x[1], x[2], jump / scale, x[3]]))))

    def held(jump: float) -> float:
        return optimize.minimize(
            loss, start, (jump,), method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-8, "maxiter": 5_000}
        ).fun

    def slope(x: np.ndarray) -> np.ndarray:
        return slopes(r / scale, x).sum(axis=0)

    top = optimize.root(slope, [*start[:3], mean.value / scale, start[3]], tol=1e-10).x
    variance = np.linalg.inv(-np.column_stack([slope(top + s) - slope(top - s) for s in 1e-4 * np.eye(5)]) / 2e-4)[3, 3]
    cut = CHI_SQUARE * (mean.standard_error / scale) ** 2 / variance
    assert top[3] == pytest.approx(mean.value / scale, rel=1e-4)
    assert [held(end) - held(mean.value) for end in mean.interval] == pytest.approx([cut, cut], rel=0.03)
    assert mean.value - mean.interval[0] > mean.interval[1] - mean.value  # fewer and larger ones are likelier than many small


def test_an_interval_is_of_standard_errors_where_a_profile_has_no_maximum(monkeypatch):
    """A climb that fails says nothing of its value: it is no rejection, and no end of an interval."""
    r = crashes(1_200, 504, NEAR)
    climb, climbs = Problem.top, []

    def fails(self, starts, what):
        climbs.append(what)
        if climbs.count("a profile") % 5 == 4:
            raise NotConverged(what)
        return climb(self, starts, what)

    monkeypatch.setattr(Problem, "top", fails)
    found = fit_merton_returns(r, DAY).jumps.estimates
    assert climbs.count("a profile") >= 3 * 4
    assert all(estimate.limits is None and not math.isnan(estimate.interval[0]) for estimate in found.values())


def test_a_top_that_does_not_bend_down_has_no_profile():
    y = crashes(1_200, 504, NEAR) / 0.02
    ridge = Maximum(X, 0.0, tuple(range(5)), slopes(y, X), np.diag([-1.0, -1.0, -1.0, 1.0, -1.0]))
    with pytest.raises(NotConverged, match="does not bend down"):
        limits(y, ridge, 3, 1.0)


def test_95_percent_intervals_cover_the_truth(uncovered):
    assert not uncovered(partial(refit, 2_000, TRUE), TRUE, 40)


@pytest.mark.slow
@pytest.mark.parametrize(("days", "truth", "refits"), [(4_000, TRUE, 600), (2_000, NEAR, 300)])
def test_95_percent_intervals_cover_many_refits(days, truth, refits, uncovered):
    assert not uncovered(partial(refit, days, truth), truth, refits)


def test_fat_tails_without_a_jump_are_no_crashes_and_the_fit_says_so_in_one_line(make_returns):
    """The likelihood spends hundreds of jumps on a GARCH-t that has none; the threshold finds that there is none."""
    r = make_returns(3_000, 31, alpha=0.06, beta=0.92, nu=3.5, scale=0.035)[:, 0]
    told = fit_merton_returns(r, DAY)
    assert told.jumps.jumps.intensity > 50
    assert not told.describes_crashes
    asset = fit_asset("A", 1.0, r, DAY, FitSettings(jumps="likelihood"))
    assert asset.jumps is None
    (line,) = [note for note in asset_notes(asset) if "describes no crashes" in note]
    assert f"{told.jumps.jumps.intensity:.0f} jumps a year" in line
    assert "--jumps-from" in line


@pytest.mark.shared_data
def test_daily_prices_give_the_known_trap(shared_data: Path):
    """Figures of a window that ends a year later, within 4 of our errors; every asset is told that these are no crashes."""
    import pandas as pd

    reference = shared_data / "reference" / "stylised_facts_computed.json"
    file = shared_data / "data" / "market" / "binance_spot_1h_ohlcv.parquet"
    for path in (reference, file):
        if not path.is_file():
            pytest.skip(f"{path.name} is not among the shared data")
    hours = pd.read_parquet(file, columns=["ts", "symbol", "close"])
    daily, seen = json.loads(reference.read_text())["daily"], 0
    for symbol, case in daily.items():
        close = hours[(hours.symbol == symbol) & (hours.ts.dt.hour == 23)].close.to_numpy()
        if "merton_mle" not in case or close.size < 1_000:
            continue
        seen += 1
        fit, known = fit_merton_returns(np.diff(np.log(close)), DAY), case["merton_mle"]
        e = fit.jumps.estimates
        assert not fit.describes_crashes
        assert abs(e["intensity"].value - known["lambda_per_year"]) < 4 * e["intensity"].standard_error, symbol
        assert abs(e["mean"].value - known["jump_mean"]) < 4 * e["mean"].standard_error, symbol
        assert abs(e["deviation"].value - known["jump_sd"]) < 4 * e["deviation"].standard_error, symbol
        assert abs(fit.volatility.value - known["sigma_ann"]) < 4 * fit.volatility.standard_error, symbol
    if not seen:
        pytest.skip("no Merton fit of daily prices is among the shared data")
