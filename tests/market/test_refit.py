"""GARCH refitted to a path's own past: the maximum that arch's likelihood has, and the estimator in plain loops around it."""

import math

import numpy as np
import pytest
from arch.univariate import GARCH
from scipy import optimize, stats

from simulator.market.online import GarchFilter, GarchRefit
from simulator.market.refit_kernel import refit
from simulator.parameters import DAY, YEAR

STEP = 3_600.0
LARGEST = 0.995 ** (STEP / DAY)


def simulated(n, seed, alpha=0.07, beta=0.9, nu=5.0, level=1e-4):
    z = np.random.default_rng(seed).standard_t(nu, n + 300) * math.sqrt((nu - 2) / nu)
    h, out = 1.0, np.empty(n + 300)
    for t in range(n + 300):
        out[t] = math.sqrt(h) * z[t]
        h = 1 - alpha - beta + alpha * out[t] ** 2 + beta * h
    return math.sqrt(level) * out[300:]


def archs_loss(y, nu):
    """Minus the log-likelihood of (alpha, beta), the level being the mean square: arch's recursion, scipy's densities."""
    level, model = float(np.mean(y * y)), GARCH(p=1, o=0, q=1)
    x, h, wide = y / math.sqrt(level), np.empty(len(y)), np.tile([1e-300, 1e300], (len(y), 1))

    def loss(alpha, beta):
        model.compute_variance(np.array([1 - alpha - beta, alpha, beta]), x, h, 1.0, wide)
        z = x / np.sqrt(h)
        law = stats.norm.logpdf(z) if nu is None else stats.t.logpdf(z * math.sqrt(nu / (nu - 2)), nu)
        return -float(np.sum(law - 0.5 * np.log(h)))

    return loss


def best(y, nu):
    """(alpha, beta, loss) of the maximum, from six starts, without slopes."""
    loss = archs_loss(y, nu)

    def place(q):
        persistence = LARGEST / (1 + math.exp(-q[0]))
        alpha = persistence / (1 + math.exp(-q[1]))
        return alpha, persistence - alpha

    starts = [(p, s) for p in (1.0, 4.0) for s in (-3.0, -1.0)]
    options = {"xatol": 1e-7, "fatol": 1e-9}
    found = [optimize.minimize(lambda q: loss(*place(q)), s, method="Nelder-Mead", options=options) for s in starts]
    top = min(found, key=lambda one: one.fun)
    return *place(np.clip(top.x, -30, 30)), top.fun


@pytest.mark.parametrize("nu", [None, 5.0, 3.5])
@pytest.mark.parametrize(("rows", "seed"), [(168, 1), (720, 1), (720, 2), (2_000, 3)])
def test_a_refit_is_the_maximum_of_archs_likelihood(rows, seed, nu):
    """Within 0.05 of it where a bound holds the maximum (a share or a persistence at its end), else within 1e-5."""
    y, found = simulated(rows, seed), np.empty(3)
    refit(y * y, 1 / nu if nu else 0.0, LARGEST, found)
    level, alpha, beta = found
    true_alpha, true_beta, least = best(y, nu)
    persistence = true_alpha + true_beta
    inside = 1e-3 < persistence / LARGEST < 1 - 1e-3 and 1e-3 < true_alpha / persistence < 1 - 1e-3
    assert level == pytest.approx(np.mean(y * y), rel=1e-13)
    assert archs_loss(y, nu)(alpha, beta) <= least + (1e-5 if inside else 0.05)
    if inside:
        assert (alpha, beta) == pytest.approx((true_alpha, true_beta), abs=2e-3)


def test_a_maximum_at_its_bound_is_found_as_such():
    """Independent returns have no alpha; a level that doubles halfway is a persistence at its bound."""
    still, found = np.random.default_rng(4).normal(0, 0.01, 2_000), np.empty(3)
    refit(still**2, 0.0, LARGEST, found)
    assert archs_loss(still, None)(found[1], found[2]) <= best(still, None)[2] + 0.05
    moved = still * np.repeat([1.0, 3.0], 1_000)
    refit(moved**2, 0.0, LARGEST, found)
    assert found[1] + found[2] > 0.999 * LARGEST
    assert archs_loss(moved, None)(found[1], found[2]) <= best(moved, None)[2] + 0.05


OWN = GarchRefit(
    volatility=0.7,
    volatility_today=0.6,
    alpha=0.1,
    beta=0.85,
    window=400 * STEP,
    every=30 * STEP,
    degrees_of_freedom=5,
    ceiling=2,
)


def test_the_estimator_is_what_its_words_say():
    """Around scipy's maximum of arch's likelihood: which returns a fit sees, when, and how variance goes on."""
    r = simulated(470, 6)
    known, level, alpha, beta = [0.6**2 * STEP / YEAR], 0.7**2 * STEP / YEAR, 0.1, 0.85
    fits = 0
    for t, value in enumerate(r):
        if t >= 400 and t % 30 == 0:
            seen, fits = r[t - 400 : t], fits + 1
            level = float(np.mean(seen**2))
            alpha, beta, _ = best(seen, 5.0)
            h = level
            for one in seen:
                h = min(level * (1 - alpha - beta) + alpha * one * one + beta * h, 4 * level)
            known[t] = h
        known.append(min(level * (1 - alpha - beta) + alpha * value * value + beta * known[t], 4 * level))
    assert fits == 2
    assert OWN.variances(r[:, np.newaxis], STEP)[:, 0] == pytest.approx(known, rel=1e-3)


def test_until_a_window_has_passed_it_is_the_filter_stated():
    r = np.random.default_rng(7).standard_t(4, (400, 3)) * 0.01
    stated = GarchFilter(volatility=0.7, volatility_today=0.6, alpha=0.1, beta=0.85, ceiling=2)
    assert OWN.variances(r, STEP) == pytest.approx(stated.variances(r, STEP), rel=1e-12)


def test_variances_scale_with_returns_and_gaps_leave_what_is_expected():
    r = simulated(900, 8)
    plain, larger = (OWN.variances(c * r[:, np.newaxis], STEP)[430:, 0] for c in (1.0, 100.0))
    assert larger == pytest.approx(1e4 * plain, rel=1e-9)
    held = r.copy()
    held[500:520] = np.nan
    h = OWN.variances(held[:, np.newaxis], STEP)[:, 0]
    gone = h[500:510]  # between two fits: alpha + beta of the way to the level, at every step
    assert np.diff(gone)[1:] / np.diff(gone)[:-1] == pytest.approx(np.diff(gone)[1] / np.diff(gone)[0], rel=1e-6)
    assert np.isfinite(h).all()


def test_a_price_that_stands_still_is_not_fitted():
    r = np.zeros((900, 1))
    h = OWN.variances(r, STEP)[:, 0]
    assert (h > 0).all()
    assert h[-1] == pytest.approx(0.7**2 * STEP / YEAR * (1 - 0.1 - 0.85) / (1 - 0.85), rel=1e-6)
