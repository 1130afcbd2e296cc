"""Residual tests: the statistics that others compute, a right size under the truth, and power against known-wrong models."""

import math

import numpy as np
import pytest
from scipy.stats import binom, kstest
from scipy.stats import t as student

from simulator.estimation.cut_law import cut_law
from simulator.estimation.residual_tests import LAGS, residual_tests
from simulator.market.innovations import Normal, StudentT

T6 = StudentT(degrees_of_freedom=6.0, max_move=100.0)


def innovations(seed: int, n: int = 2_000, degrees: float = 6.0) -> np.ndarray:
    return np.random.default_rng(seed).standard_t(degrees, n) * math.sqrt((degrees - 2) / degrees)


def by_name(z: np.ndarray, law=T6) -> dict:
    return {row.test: row for row in residual_tests("A", z, law)}


def test_statistics_are_those_of_their_definitions():
    z = innovations(1)
    found = by_name(z)
    for name, x in (("Ljung-Box z", z), ("Ljung-Box z^2", z * z), ("Ljung-Box |z|", np.abs(z))):
        d = x - x.mean()
        r = [np.sum(d[k:] * d[:-k]) / np.sum(d * d) for k in range(1, LAGS + 1)]
        plain = z.size * (z.size + 2) * sum(value**2 / (z.size - k) for k, value in enumerate(r, start=1))
        assert found[name].statistic == pytest.approx(plain, rel=1e-9)
    theirs = kstest(z, cut_law(T6).cdf)
    assert found["Kolmogorov-Smirnov"].statistic == pytest.approx(theirs.statistic, rel=1e-9)


def test_the_truth_is_rejected_as_seldom_as_stated():
    repeats, law = 200, StudentT(degrees_of_freedom=12.0, max_move=100.0)
    rejected = dict.fromkeys(by_name(innovations(2)), 0)
    for seed in range(repeats):
        for name, row in by_name(innovations(100 + seed, degrees=12.0), law).items():
            rejected[name] += row.p < 0.05
    # z^2 and |z| of innovations that nothing was fitted to keep two degrees more than the test gives them: size 8 %
    for name, count in rejected.items():
        size = 0.09 if name in ("Ljung-Box z^2", "Ljung-Box |z|") else 0.06
        assert count <= binom.ppf(0.9999, repeats, size), name


def test_known_wrong_models_are_seen():
    z = innovations(3, 4_000)
    memory = z.copy()
    for t in range(1, z.size):
        memory[t] += 0.1 * memory[t - 1]
    assert by_name(memory)["Ljung-Box z"].p < 1e-3
    h, clustered = 1.0, np.empty_like(z)
    for t in range(z.size):
        clustered[t] = math.sqrt(h) * z[t]
        h = 0.05 + 0.1 * clustered[t] ** 2 + 0.85 * h
    found = by_name(clustered / clustered.std())
    assert max(found[name].p for name in ("Ljung-Box z^2", "Ljung-Box |z|", "ARCH-LM")) < 1e-3
    assert by_name(z, Normal())["Kolmogorov-Smirnov"].p < 1e-2
    assert by_name(student(2.5).rvs(4_000, random_state=4) / 3)["Kolmogorov-Smirnov"].p < 1e-3


def test_gaps_are_not_neighbours():
    z = innovations(5)
    holed = np.concatenate([z[:900], [np.nan] * 50, z[900:]])
    assert by_name(holed)["Ljung-Box z"].p > 1e-3
    assert by_name(holed)["Kolmogorov-Smirnov"].statistic == by_name(z)["Kolmogorov-Smirnov"].statistic
