"""Copulas by pseudo-likelihood: densities, recovery of what the market simulates, and the choice of the true law."""

import json
import math
import tomllib
from functools import partial

import numpy as np
import pytest
from scipy import stats

from simulator.cli import main
from simulator.estimation.copula_fit import (
    degree_slopes,
    fit_degrees,
    fit_dependence,
    joint_tails,
    kendall_correlation,
)
from simulator.estimation.copula_influence import first_stages
from simulator.estimation.dependence_law import gaussian_densities, student_densities
from simulator.estimation.settings import FitSettings
from simulator.estimation.standard_errors import Estimate
from simulator.market import Asset, Grid, ModelMarket

DAY = 86_400.0
R = [[1.0, 0.7], [0.7, 1.0]]
AUTO = FitSettings(dependence="auto", copula="auto")


def returns_of(days: int, path: int = 0, rows: list[list[float]] = R, **tied) -> np.ndarray:
    """Returns [t, asset] of a market tied by `tied`; margins are normal and say nothing."""
    process = {"kind": "geometric-brownian", "volatility": 0.6}
    assets = [Asset.model_validate({"name": f"A{i}", "price": 1.0, "process": process}).model_dump() for i in range(len(rows))]
    market = ModelMarket.model_validate({"assets": assets, "correlation": rows, **tied})
    paths = market.paths(Grid(market_step=DAY, transition=days, horizon=days), 11, "copula", path, 1)
    return np.diff(np.log(paths.price[:, :, 0]), axis=0)


def test_densities_are_joint_over_marginal_ones():
    u = np.random.default_rng(1).uniform(0.001, 0.999, (200, 2))
    path = np.broadcast_to(np.array(R), (200, 2, 2))
    x = stats.t.ppf(u, 4.3)
    joint = stats.multivariate_t(shape=R, df=4.3).logpdf(x) - stats.t.logpdf(x, 4.3).sum(axis=1)
    assert np.allclose(student_densities(u, path, 4.3), joint, atol=1e-10)
    assert np.allclose(student_densities(u, np.array(path), 4.3), joint, atol=1e-10)
    w = stats.norm.ppf(u)
    normal = stats.multivariate_normal(cov=R).logpdf(w) - stats.norm.logpdf(w).sum(axis=1)
    assert np.allclose(gaussian_densities(w, path), normal, atol=1e-10)


STUDENT = {"copula": {"kind": "student-t", "degrees_of_freedom": 4.0}}
DCC = {"correlation_dynamics": {"kind": "dcc", "alpha": 0.06, "beta": 0.9}}


@pytest.mark.parametrize(
    ("tied", "dynamics", "copula"),
    [({}, "constant", "gaussian"), (STUDENT, "constant", "student-t"), (DCC, "dcc", "gaussian")],
)
def test_the_choice_finds_what_the_market_was_given(tied, dynamics, copula):
    found = fit_dependence(returns_of(4_000, **tied), ["A0", "A1"], AUTO, 20.0)
    assert (found.dynamics, found.copula) == (dynamics, copula)
    assert len(found.candidates) == 4
    assert found.correlation[0, 1] == pytest.approx(0.7, abs=0.05)


def refit(days: int, number: int) -> dict[str, Estimate]:
    r = returns_of(days, number, **STUDENT)
    u = stats.rankdata(r, axis=0) / (len(r) + 1)
    return {"degrees": fit_degrees(u, np.broadcast_to(kendall_correlation(u), (len(u), 2, 2)), 1.0)}


def test_95_percent_intervals_of_degrees_of_freedom_cover_the_truth(uncovered):
    assert not uncovered(partial(refit, 2_000), {"degrees": 4.0}, 30)


def test_kendalls_correlation_is_near_the_truth_in_nine_of_ten_samples():
    found = [kendall_correlation(returns_of(2_000, path, **STUDENT))[0, 1] for path in range(60)]
    assert np.mean(np.abs(np.array(found) - 0.7) < 0.04) > 0.9


@pytest.mark.slow
def test_95_percent_intervals_of_degrees_of_freedom_cover_600_refits(uncovered):
    assert not uncovered(partial(refit, 3_000), {"degrees": 4.0}, 600)


def test_what_a_row_does_through_ranks_and_correlation_is_what_doubling_it_does():
    """The mean score of a sample in which row t counts once more, ranks and Kendall's tau taken anew, less that of the sample."""
    rng, copies = np.random.default_rng(3), 8
    r = rng.multivariate_normal([0, 0], R, 300) / np.sqrt(rng.chisquare(4, 300) / 4)[:, np.newaxis]
    scores = partial(degree_slopes, nu=4.0)

    def mean_score(rows: np.ndarray) -> float:
        u = (stats.rankdata(rows, axis=0) - 0.5) / len(rows)
        agree = np.prod([np.sign(x[:, np.newaxis] - x) for x in rows.T], axis=0)
        rho = math.sin(math.pi / 2 * float(agree.mean()))
        return float(scores(u, np.broadcast_to(np.array([[1.0, rho], [rho, 1.0]]), (len(u), 2, 2))).mean())

    many = np.repeat(r, copies, axis=0)
    u = (stats.rankdata(r, axis=0) - 0.5) / len(r)
    rho = math.sin(math.pi / 2 * float(np.prod([np.sign(x[:, np.newaxis] - x) for x in r.T], axis=0).mean()))
    told = first_stages(scores, u, np.broadcast_to(np.array([[1.0, rho], [rho, 1.0]]), (300, 2, 2)))
    base, rows = mean_score(many), range(0, 300, 12)
    seen = [(mean_score(np.vstack([many, r[t]])) - base) * (len(many) + 1) for t in rows]
    assert np.corrcoef(seen, told[list(rows)])[0, 1] > 0.995
    assert np.std(seen) == pytest.approx(np.std(told[list(rows)]), rel=0.05)


def test_a_gap_of_one_asset_says_nothing_of_the_row():
    r = returns_of(1_500, **STUDENT)
    holed = r.copy()
    holed[100:400, 1] = np.nan
    settings = FitSettings(copula="student-t")
    whole = fit_dependence(np.delete(r, slice(100, 400), axis=0), ["A", "B"], settings, 1.0)
    assert fit_dependence(holed, ["A", "B"], settings, 1.0).estimates == whole.estimates


def test_joint_extremes_are_counted_and_a_normal_pair_has_few():
    u = np.array([[0.005, 0.004], [0.5, 0.6], [0.999, 0.3], *[[0.5, 0.5]] * 97])
    (one, *_), names = joint_tails(u, ["A", "B"]), "A-B"
    assert one[:4] == (names, 0.01, pytest.approx(1.0), 0.0)
    r = returns_of(8_000)
    q, lower, _, error = next(row[1:] for row in joint_tails(stats.rankdata(r, axis=0) / 8_001, ["A", "B"]) if row[1] == 0.05)
    both = stats.multivariate_normal(cov=R).cdf([stats.norm.ppf(q)] * 2) / q
    assert abs(lower - both) < 4 * error


def test_the_command_writes_a_market_with_its_copula_and_dynamics(write_prices, tmp_path, capsys):
    r = 0.02 * returns_of(3_000, **STUDENT, **DCC)
    path, out = write_prices(r, ("AAA", "BBB")), tmp_path / "m.toml"
    arguments = ["fit", str(path), "--until", "2030-01-01T00:00:00Z", "--paths", "0", "--out", str(out)]
    assert main([*arguments, "--dependence", "auto", "--copula", "auto"]) == 0
    printed = capsys.readouterr().out
    assert "Joint extremes of the data" in printed
    assert max(len(line.rstrip()) for line in printed.splitlines() if not line.startswith("written: ")) <= 80
    market = tomllib.loads(out.read_text())["market"]
    assert market["copula"]["kind"] == "student-t"
    assert market["correlation_dynamics"]["kind"] == "dcc"
    made = ModelMarket.model_validate(market)
    assert made.paths(Grid(market_step=3_600.0, transition=1, horizon=2), 1, "test", 0, 4).price.shape[1] == 2
    assert "standard error" in next(line for line in out.read_text().splitlines() if line.startswith("copula"))
    assert main([*arguments, "--dependence", "dcc", "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)["dependence"]["estimates"]) == {"dcc_alpha", "dcc_beta"}
