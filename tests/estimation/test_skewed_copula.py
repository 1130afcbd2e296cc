"""The skewed Student-t copula: its scores are the market's, its limit the symmetric one, and its skew comes back from paths."""

import math
import tomllib

import numpy as np
import pytest
from scipy import stats

from simulator.cli import main
from simulator.estimation.copula_fit import kendall_correlation
from simulator.estimation.dependence_law import student_densities
from simulator.estimation.settings import FitSettings
from simulator.estimation.skewed_copula import fit_skewed, score_quantiles, skewed_densities
from simulator.market import Asset, Grid, ModelMarket
from simulator.market.copula_kernel import SCORE_REACH, SCORE_SEGMENTS, SCORE_WIDTH, look_up, student_tables

DAY = 86_400.0
R = [[1.0, 0.7], [0.7, 1.0]]
TRUE = {"degrees_of_freedom": 5.0, "asymmetry": -0.4}


def returns_of(days: int, path: int) -> np.ndarray:
    process = {"kind": "geometric-brownian", "volatility": 0.6}
    assets = [Asset.model_validate({"name": f"A{i}", "price": 1.0, "process": process}).model_dump() for i in range(2)]
    market = ModelMarket.model_validate({"assets": assets, "correlation": R, "copula": {"kind": "student-t", **TRUE}})
    paths = market.paths(Grid(market_step=DAY, transition=days, horizon=days), 11, "skew", path, 1)
    return np.diff(np.log(paths.price[:, :, 0]), axis=0)


def fitted(days: int, path: int):
    u = stats.rankdata(returns_of(days, path), axis=0) / (days + 1)
    return fit_skewed(u, kendall_correlation(u), 1.0)


@pytest.mark.parametrize(("nu", "asymmetry"), [(5.0, -0.4), (2.3, 0.8), (40.0, -1.5)])
def test_scores_are_those_that_the_market_draws(nu, asymmetry):
    """Bessel densities here, a mixture over V there: probabilities of the same scores agree."""
    u = np.array([1e-3, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999])
    x, _ = score_quantiles(u, nu, asymmetry)
    _, scores = student_tables(nu, asymmetry)
    theirs = [stats.norm.cdf(look_up(math.asinh(v), SCORE_REACH, SCORE_WIDTH, SCORE_SEGMENTS, scores)) for v in x]
    assert np.allclose(theirs, u, rtol=1e-4)


def test_without_asymmetry_it_is_the_students_copula():
    u = np.random.default_rng(1).uniform(0.001, 0.999, (100, 2))
    symmetric = student_densities(u, np.broadcast_to(np.array(R), (100, 2, 2)), 4.3)
    assert np.allclose(skewed_densities(u, np.array(R), 4.3, 0.0), symmetric, atol=1e-4)
    assert np.allclose(skewed_densities(u, np.array(R), 4.3, 1e-5), symmetric, atol=1e-3)
    assert np.isneginf(skewed_densities(u, np.array([[1.0, 1.0], [1.0, 1.0]]), 4.3, 0.1)).all()


def test_falls_that_come_together_make_it_negative_and_are_recovered():
    matrix, e, value = fitted(1_500, 0)
    for name, truth in TRUE.items():
        estimate = e[f"copula_{name}"]
        assert abs(estimate.value - truth) < 4 * estimate.standard_error, name
    assert abs(matrix[0, 1] - 0.7) < 0.05
    assert e["copula_asymmetry"].value < -3 * e["copula_asymmetry"].standard_error
    assert value > 0


@pytest.mark.slow
def test_95_percent_intervals_cover_100_refits():
    hits = np.zeros(2)
    for path in range(100):
        e = fitted(2_500, path)[1]
        hits += [abs(e[f"copula_{n}"].value - v) <= 1.96 * e[f"copula_{n}"].standard_error for n, v in TRUE.items()]
    print(f"skewed copula: {dict(zip(TRUE, hits / 100, strict=True))}")
    assert (hits / 100 > 0.95 - 4 * math.sqrt(0.95 * 0.05 / 100)).all()


def test_the_command_writes_the_asymmetry_with_its_error(write_prices, tmp_path):
    path, out = write_prices(0.02 * returns_of(600, 0), ("AAA", "BBB")), tmp_path / "m.toml"
    arguments = ["fit", str(path), "--until", "2030-01-01T00:00:00Z", "--paths", "0", "--out", str(out)]
    assert main([*arguments, "--copula", "skewed-t"]) == 0
    copula = tomllib.loads(out.read_text())["market"]["copula"]
    assert copula["asymmetry"] < 0
    assert ModelMarket.model_validate(tomllib.loads(out.read_text())["market"])
    assert "standard error" in next(line for line in out.read_text().splitlines() if line.startswith("copula"))


def test_it_goes_with_a_constant_correlation_only():
    (problem,) = FitSettings(copula="skewed-t", dependence="dcc").problems()
    assert "constant correlation only" in problem[1]
