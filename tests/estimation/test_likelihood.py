"""The filter and the likelihood, against arch and against differences."""

import numpy as np
import pytest
from arch.univariate import GARCH, StudentsT

from simulator.estimation.likelihood import NATURAL, Natural, backcast, filter_variance, log_likelihood, scores

POINT = Natural(2e-6, 0.06, 0.03, 0.9, 4.5)


@pytest.mark.parametrize("gamma", [0.0, 0.05])
def test_the_filter_is_archs_to_1e_12(make_returns, gamma):
    y = 100 * make_returns(4000, 1, alpha=0.05, beta=0.9, nu=5.0)[:, 0]
    p = Natural(0.02, 0.06, gamma, 0.9, 5.0)
    process = GARCH(1, 1 if gamma else 0, 1)
    parameters = np.array([p.omega, p.alpha, gamma, p.beta] if gamma else [p.omega, p.alpha, p.beta])
    theirs = np.empty(y.size)
    process.compute_variance(parameters, y, theirs, process.backcast(y), process.variance_bounds(y))
    assert np.max(np.abs(filter_variance(y, p)[:-1] / theirs - 1)) < 1e-12
    assert backcast(y) == pytest.approx(process.backcast(y), rel=1e-14)


def test_the_log_likelihood_is_archs(make_returns):
    y = 100 * make_returns(3000, 2, alpha=0.05, beta=0.9, nu=4.0)[:, 0]
    p = Natural(0.02, 0.06, 0.0, 0.9, 4.2)
    h = filter_variance(y, p)[:-1]
    theirs = StudentsT().loglikelihood(np.array([4.2]), y, h)
    assert log_likelihood(y, p)[0] == pytest.approx(theirs, abs=1e-8)


def test_the_gradient_is_the_derivative_and_the_sum_of_the_scores(make_returns):
    y = make_returns(1500, 3, alpha=0.05, beta=0.9, nu=5.0)[:, 0]
    y[200:230] = np.nan
    total, gradient = log_likelihood(y, POINT)
    each = scores(y, POINT)
    assert np.allclose(each.sum(axis=0), gradient, rtol=1e-9)
    assert (each[200:230] == 0).all()
    for i, name in enumerate(NATURAL):
        value = getattr(POINT, name)
        step = 1e-5 * (abs(value) or 0.1)
        up, down = (log_likelihood(y, Natural(**{**vars(POINT), name: value + sign * step}))[0] for sign in (1, -1))
        assert (up - down) / (2 * step) == pytest.approx(gradient[i], rel=1e-5)
    assert np.isfinite(total)


def test_variance_goes_on_by_its_expectation_where_returns_are_missing(make_returns):
    y = make_returns(300, 4, alpha=0.05, beta=0.9, nu=5.0)[:, 0]
    y[100:110] = np.nan
    h = filter_variance(y, POINT)
    level = POINT.omega / (1 - POINT.persistence)
    expected = level + POINT.persistence ** np.arange(11) * (h[100] - level)  # VERIFICATION L20
    assert np.allclose(h[100:111], expected, rtol=1e-12)
