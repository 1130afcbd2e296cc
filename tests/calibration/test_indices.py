"""Sobol indices from few trials, against closed forms and scipy's own estimator on the true function."""

import numpy as np
import pytest
from scipy import stats

from simulator.calibration.indices import _terms, sobol_indices

NAMES = ("a", "b", "c")


def sample(count, seed=1):
    return stats.qmc.Sobol(3, rng=seed).random(count)


def linear(x):
    return 3 * x[:, 0] + x[:, 1]


def interacting(x):
    return (x[:, 0] - 0.5) * (x[:, 1] - 0.5) * 12 + x[:, 2]


def test_a_linear_function_has_the_shares_of_its_squared_slopes():
    found = sobol_indices("f", NAMES, sample(32), linear(sample(32)), 7)
    assert [row.first for row in found.rows] == pytest.approx([0.9, 0.1, 0.0], abs=1e-9)
    assert found.explained == pytest.approx(1.0)


def test_an_interaction_counts_in_the_total_only():
    """Var 144 / 144 of the product, 1 / 12 of the third: shares 12/13 and 1/13."""
    x = sample(64)
    found = sobol_indices("f", NAMES, x, interacting(x), 7)
    assert [row.first for row in found.rows] == pytest.approx([0, 0, 1 / 13], abs=1e-9)
    assert [row.total for row in found.rows] == pytest.approx([12 / 13, 12 / 13, 1 / 13], abs=1e-9)


def test_intervals_cover_what_scipy_finds_on_the_true_function_with_many_runs():
    def curved(x):
        return np.exp(x[0]) + np.sin(3 * x[1]) * 0.6 + x[0] * x[2]

    truth = stats.sobol_indices(func=curved, n=4096, dists=[stats.uniform()] * 3, rng=3)
    x = sample(128, 5)
    noisy = curved(x.T) + 0.03 * np.random.default_rng(2).normal(size=128)
    found = sobol_indices("f", NAMES, x, noisy, 7)
    for k, row in enumerate(found.rows):
        assert row.first_low - 0.02 <= truth.first_order[k] <= row.first_high + 0.02
        assert row.total_low - 0.02 <= truth.total_order[k] <= row.total_high + 0.02


def test_noise_has_no_indices():
    x = sample(64)
    found = sobol_indices("f", NAMES, x, np.random.default_rng(1).normal(size=64), 7)
    assert found.rows == ()
    assert found.explained < 0.5


def test_a_constant_has_none_either():
    assert sobol_indices("f", NAMES, sample(64), np.ones(64), 7).rows == ()


def test_many_parameters_have_few_terms():
    assert len(_terms(10, 2)) == 1 + 20 + 45
    assert len(_terms(3, 2)) == 10
