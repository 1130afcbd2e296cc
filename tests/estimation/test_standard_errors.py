"""Standard errors: the bootstrap in closed form, and intervals that cover the truth as often as they say."""

import math

import numpy as np
import pytest
from arch.bootstrap import StationaryBootstrap

from simulator.estimation.coordinates import DEGREES, LEVEL, PERSISTENCE, SHARE, logit
from simulator.estimation.garch_fit import Restriction, fit_garch
from simulator.estimation.standard_errors import covariance, long_run_covariance, mean_block, natural_estimates
from simulator.estimation.tail import TailBound

TRUE = {"alpha": 0.06, "beta": 0.88, "nu": 6.0}
COORDINATES = [LEVEL, PERSISTENCE, SHARE, DEGREES]
DAY = 86_400.0


def test_the_long_run_covariance_is_the_stationary_bootstraps(make_returns):
    x = make_returns(400, 7, alpha=0.1, beta=0.8, nu=6.0, scale=1.0, paths=2)
    moments = x**2 + x
    exact = long_run_covariance(moments, 15.0)
    means = [np.mean(d[0], axis=0) for d, _ in StationaryBootstrap(15.0, moments, seed=1).bootstrap(4000)]
    drawn = 400 * np.cov(np.array(means), rowvar=False)
    assert np.allclose(drawn, exact, rtol=4 * math.sqrt(2 / 4000), atol=4 * exact.max() / math.sqrt(4000))
    assert np.linalg.eigvalsh(exact)[0] > 0


def test_blocks_outlast_shocks_to_variance_and_leave_twenty_of_them():
    assert mean_block(30_000, 3600.0, 0.99) == pytest.approx(1000.0)  # ten mean lives of a shock
    assert mean_block(30_000, 3600.0, 0.9) == 720.0  # a month
    assert mean_block(2_000, 3600.0, 0.999) == 100.0


def coverage(make_returns, n: int, repeats: int) -> np.ndarray:
    """Share of 95 % intervals [coordinate] that cover the truth."""
    truth = np.array([
        2 * math.log(0.01),
        logit(TRUE["alpha"] + TRUE["beta"]),
        logit(TRUE["alpha"] / (TRUE["alpha"] + TRUE["beta"])),
        math.log(TRUE["nu"] - 2),
    ])  # fmt: skip
    samples = make_returns(n, 11, **TRUE, paths=repeats)
    hits, near = np.zeros(4), None
    for r in samples.T:
        near = fit_garch(r, Restriction(0.995), near=near)
        block = mean_block(n, DAY, near.natural.persistence)
        error = np.sqrt(np.diag(covariance(near, r, block)))[COORDINATES]
        found = near.x[COORDINATES] + np.array([2 * math.log(near.scale), 0, 0, 0])
        hits += np.abs(found - truth) <= 1.96 * error
    return hits / repeats


def test_95_percent_intervals_cover_the_truth_in_repeated_samples(make_returns):
    share = coverage(make_returns, 2500, 100)
    assert (share > 0.95 - 4 * math.sqrt(0.95 * 0.05 / 100)).all()


@pytest.mark.slow
def test_95_percent_intervals_cover_the_truth_in_500_long_samples(make_returns):
    share = coverage(make_returns, 10_000, 500)
    assert (share[1:] > 0.95 - 4 * math.sqrt(0.95 * 0.05 / 500)).all()
    assert share[0] > 0.88  # the level: a sum of squares whose own variance barely exists


def test_errors_of_the_unit_are_those_of_the_unit(make_returns):
    r = make_returns(2500, 12, **TRUE)[:, 0]
    one, other = fit_garch(r, Restriction(0.995)), fit_garch(100 * r, Restriction(0.995))
    a = natural_estimates(one, covariance(one, r, 50.0), 365.0)
    b = natural_estimates(other, covariance(other, 100 * r, 50.0), 365.0)
    for name in ("alpha", "beta", "degrees_of_freedom", "persistence"):
        assert b[name].standard_error == pytest.approx(a[name].standard_error, rel=1e-4)
    assert b["volatility"].standard_error == pytest.approx(100 * a["volatility"].standard_error, rel=1e-4)
    assert a["volatility"].value == pytest.approx(math.sqrt(np.mean(r**2) * 365))


def test_what_a_bound_holds_has_no_error(make_returns):
    r = make_returns(2500, 13, **TRUE)[:, 0]
    fit = fit_garch(r, Restriction(0.9))
    cov = covariance(fit, r, 50.0)
    assert (cov[PERSISTENCE] == 0).all()
    assert (cov[:, PERSISTENCE] == 0).all()
    assert natural_estimates(fit, cov, 365.0)["persistence"].standard_error is None


def test_a_tied_share_moves_with_the_bound(make_returns):
    """Draws from the law of a fit on its tail bound stay on it, to first order."""
    r = make_returns(2500, 14, **TRUE)[:, 0]
    tail = TailBound(8.0, 25.0)
    fit = fit_garch(r, Restriction(0.995, tail=tail))
    assert fit.tied
    values, vectors = np.linalg.eigh(covariance(fit, r, 50.0))
    for value, direction in zip(values, vectors.T, strict=True):
        if value > 1e-6:
            assert abs(tail.growth(fit.x + 1e-4 * direction)) < 1e-7
