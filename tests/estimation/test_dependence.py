"""Correlation of normal scores: the copula's, whatever the margins."""

import math

import numpy as np
import pytest

from simulator.estimation.dependence import correlation, nearest_correlation, standard_error
from simulator.market.dependence import check_correlation


def test_it_recovers_the_copulas_correlation_under_any_margins():
    generator = np.random.default_rng(1)
    rho, n = 0.7, 20_000
    x = generator.normal(size=(n, 2)) @ np.linalg.cholesky([[1, rho], [rho, 1]]).T
    fat = np.column_stack([np.sinh(3 * x[:, 0]), np.sign(x[:, 1]) * np.abs(x[:, 1]) ** 5])
    matrix, rows = correlation(fat)
    assert rows == n
    assert abs(matrix[0, 1] - rho) < 4 * standard_error(rho, n)
    assert np.array_equal(matrix, correlation(x)[0])


def test_only_rows_with_every_asset_count():
    x = np.random.default_rng(2).normal(size=(100, 3))
    x[:40, 0] = np.nan
    x[90:, 2] = np.nan
    assert correlation(x)[1] == 50
    with pytest.raises(ValueError, match="only 0 rows"):
        correlation(np.column_stack([np.where(np.arange(10) < 5, np.nan, 1.0), np.where(np.arange(10) < 5, 1.0, np.nan)]))


def test_an_impossible_matrix_becomes_the_nearest_that_a_market_accepts():
    broken = np.array([[1, 0.9, -0.9], [0.9, 1, 0.9], [-0.9, 0.9, 1]])
    repaired = nearest_correlation(broken)
    check_correlation(repaired.tolist(), ["A", "B", "C"])
    assert np.abs(repaired - broken).max() < 0.5
    fine = np.array([[1, 0.5], [0.5, 1]])
    assert np.array_equal(nearest_correlation(fine), fine)


def test_the_same_asset_twice_still_makes_a_matrix():
    x = np.random.default_rng(3).normal(size=300)
    matrix, _ = correlation(np.column_stack([x, x]))
    check_correlation(matrix.tolist(), ["A", "B"])
    assert matrix[0, 1] > 0.99


def test_the_standard_error_is_that_of_repeated_samples():
    generator = np.random.default_rng(4)
    factor = np.linalg.cholesky([[1, 0.6], [0.6, 1]])
    drawn = [correlation(generator.normal(size=(500, 2)) @ factor.T)[0][0, 1] for _ in range(300)]
    assert np.std(drawn) == pytest.approx(standard_error(0.6, 500), rel=4 / math.sqrt(2 * 300))
