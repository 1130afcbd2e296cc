"""The back-test of an expected shortfall against its closed form, and its size and power."""

import math

import numpy as np
import pytest
from scipy.stats import binom, norm, t

from simulator.risk.shortfall_backtest import _null, shortfall_coverage


def irwin_hall(x: float, k: int) -> float:
    """P(sum of k uniforms <= x)."""
    if k == 0:
        return 1.0
    return sum((-1) ** j * math.comb(k, j) * (x - j) ** k for j in range(int(min(max(x, 0), k)) + 1)) / math.factorial(k)


@pytest.mark.parametrize(("n", "p"), [(40, 0.05), (250, 0.01), (30, 0.3)])
def test_the_null_law_is_a_binomial_mixture_of_irwin_and_halls(n, p):
    null = _null(n, p, 0)
    for x in (0.25, 0.8, 1.5, 2.3):
        exact = sum(binom.pmf(k, n, p) * irwin_hall(x, k) for k in range(13))
        error = math.sqrt(exact * (1 - exact) / null.size)
        assert abs(np.mean(null <= x) - exact) < 4 * error + 1e-4  # mixture cut at 12


def test_its_mean_and_variance_are_du_and_escancianos():
    n, p = 20_000, 0.025
    null = _null(n, p, 3)
    variance = n * p * (1 / 3 - p / 4)
    assert abs(null.mean() - n * p / 2) < 4 * math.sqrt(variance / null.size)
    assert null.var() / variance == pytest.approx(1, abs=4 * math.sqrt(2 / null.size))


def test_size_and_power():
    """Of true forecasts 5 % are rejected; Student-t returns against a normal law of the same variance nearly always."""
    generator = np.random.default_rng(1)
    rejected = [shortfall_coverage(generator.random(1_000), 0.025).exact_p <= 0.05 for _ in range(400)]
    assert abs(np.mean(rejected) - 0.05) < 4 * math.sqrt(0.05 * 0.95 / 400)
    fat = t(3).rvs((50, 2_000), random_state=generator) / math.sqrt(3)
    assert np.mean([shortfall_coverage(norm.cdf(row), 0.005).exact_p <= 0.05 for row in fat]) > 0.9


def test_worked_by_hand_and_refusals():
    found = shortfall_coverage(np.array([0.5, 0.0, 0.01, 0.04]), 0.05)
    assert found.cumulated == pytest.approx(0 + 1 + 0.8 + 0.2)
    assert found.ratio == pytest.approx(2.0 / 0.1)
    for values, p in ((np.zeros(0), 0.05), (np.zeros((2, 2)), 0.05), (np.zeros(3), 1.0)):
        with pytest.raises(ValueError, match="must"):
            shortfall_coverage(values, p)
