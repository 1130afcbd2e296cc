"""95 % intervals cover the truth in 93 to 97 % of refits: asymmetric variance and skewed tails, each law written a second time.

A short version runs with the suite, with a binomial tolerance; the long one (`pytest -m slow`) makes the table of
docs/estimation.md.
"""

import math

import numpy as np
import pytest
from arch.univariate import SkewStudent

from simulator.estimation.coordinates import ASYMMETRY, DEGREES, PERSISTENCE, SHARE, SKEW, logit
from simulator.estimation.garch_fit import Restriction, fit_garch
from simulator.estimation.specification import Specification
from simulator.estimation.standard_errors import covariance, mean_block

DAY = 86_400.0
GJR = {"alpha": 0.03, "gamma": 0.06, "beta": 0.88}
EGARCH = {"alpha": 0.15, "gamma": -0.06, "beta": 0.95}
GARCH = {"alpha": 0.06, "gamma": 0.0, "beta": 0.88}
DEGREE, SLANT = 7.0, -0.15


def innovations(rows: int, paths: int, skew: float, seed: int) -> np.ndarray:
    """Standardised (skewed) Student-t, by arch."""
    law = SkewStudent(seed=np.random.default_rng(seed))
    return np.asarray(law.simulate(np.array([DEGREE, skew]))((rows, paths)))


def gjr(z: np.ndarray, alpha: float, gamma: float, beta: float) -> np.ndarray:
    h, result = np.ones(z.shape[1]), np.empty_like(z)
    for t, row in enumerate(z):
        result[t] = np.sqrt(h) * row
        h = 1 - alpha - gamma / 2 - beta + (alpha + gamma * (row < 0)) * result[t] ** 2 + beta * h
    return result


def egarch(z: np.ndarray, alpha: float, gamma: float, beta: float) -> np.ndarray:
    size = 2 * math.sqrt(DEGREE - 2) * math.gamma((DEGREE + 1) / 2) / (math.sqrt(math.pi) * (DEGREE - 1) * math.gamma(DEGREE / 2))
    log_h, result = np.zeros(z.shape[1]), np.empty_like(z)
    for t, row in enumerate(z):
        result[t] = np.exp(log_h / 2) * row
        log_h = alpha * (np.abs(row) - size) + gamma * row + beta * log_h
    return result


def share_of(alpha: float, gamma: float, beta: float) -> dict[int, float]:
    arch = alpha + gamma / 2
    return {PERSISTENCE: logit(arch + beta), SHARE: logit(arch / (arch + beta))}


CASES = {  # law, recursion, its numbers, skew, truth by coordinate
    "gjr": (
        Specification("gjr"),
        gjr,
        GJR,
        0.0,
        share_of(**GJR) | {ASYMMETRY: 0.5, DEGREES: math.log(DEGREE - 2)},
    ),
    "egarch": (
        Specification("egarch"),
        egarch,
        EGARCH,
        0.0,
        {PERSISTENCE: math.atanh(0.95), SHARE: 0.15, ASYMMETRY: -0.06, DEGREES: math.log(DEGREE - 2)},
    ),
    "skewed-t": (
        Specification("garch", "skewed-t"),
        gjr,
        GARCH,
        SLANT,
        share_of(**GARCH) | {DEGREES: math.log(DEGREE - 2), SKEW: math.atanh(SLANT)},
    ),
}


def coverage(case: str, rows: int, repeats: int) -> dict[int, float]:
    """Share of 95 % intervals of each coordinate that cover the truth."""
    specification, recursion, numbers, skew, truth = CASES[case]
    samples = recursion(innovations(rows + 500, repeats, skew, 71), **numbers)[500:]
    hits, near = dict.fromkeys(truth, 0.0), None
    for r in samples.T:
        near = fit_garch(0.01 * r, Restriction(0.9999), specification=specification, near=near)
        errors = np.sqrt(np.diag(covariance(near, 0.01 * r, mean_block(rows, DAY, near.natural.persistence))))
        for c, value in truth.items():
            hits[c] += (abs(near.x[c] - value) <= 1.96 * errors[c]) / repeats
    return hits


@pytest.mark.parametrize("case", ["gjr", "skewed-t"])  # an EGARCH takes ten times as long
def test_95_percent_intervals_cover_the_truth(case):
    repeats = 30
    assert all(share > 0.95 - 4 * math.sqrt(0.95 * 0.05 / repeats) for share in coverage(case, 2_500, repeats).values())


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_95_percent_intervals_cover_the_truth_in_400_long_samples(case):
    share = coverage(case, 6_000, 400)
    print(case, share)
    assert all(abs(value - 0.95) < 0.02 + 2 * math.sqrt(0.95 * 0.05 / 400) for value in share.values())
