"""DCC by two-stage quasi-likelihood: published fits, a slow loop, exact slopes, and recovery of what the market simulates."""

import json
import math
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.signal import lfilter
from scipy.stats import norm

from simulator.estimation.dcc import correlation_path, fit_dcc, quasi_likelihood
from simulator.estimation.standard_errors import Estimate
from simulator.market import Asset, Grid, ModelMarket

DAY = 86_400.0
S3 = np.array([[1.0, 0.7, 0.4], [0.7, 1.0, 0.5], [0.4, 0.5, 1.0]])


def scores_of(rows: list[list[float]], alpha: float, beta: float, days: int, path: int = 0) -> np.ndarray:
    """Normal scores [t, asset] that the market itself simulates: Brownian margins hand them out as they are."""
    process = {"kind": "geometric-brownian", "volatility": 0.6}
    assets = tuple(Asset.model_validate({"name": f"A{i}", "price": 1.0, "process": process}) for i in range(len(rows)))
    tied = {"correlation": rows, "correlation_dynamics": {"kind": "dcc", "alpha": alpha, "beta": beta}}
    market = ModelMarket.model_validate({"assets": [asset.model_dump() for asset in assets], **tied})
    paths = market.paths(Grid(market_step=DAY, transition=days, horizon=days), 7, "dcc", path, 1)
    r, deviation = np.diff(np.log(paths.price[:, :, 0]), axis=0), 0.6 * math.sqrt(1 / 365)
    return r / deviation + deviation / 2


def plain(w, target, alpha, beta, normalised):
    """Engle's recursion and the copula's density in NumPy's words."""
    q, total, path = target.copy(), 0.0, []
    for row in w:
        root = np.sqrt(np.diag(q))
        r = q / np.outer(root, root)
        path.append(r)
        seen = not np.isnan(row).any()
        if seen:
            total -= 0.5 * (math.log(np.linalg.det(r)) + row @ np.linalg.solve(r, row) - row @ row)
        q = (1 - alpha - beta) * target + alpha * (np.outer(row, row) if seen else r) + beta * (r if normalised else q)
    return total, np.array(path)


@pytest.fixture(scope="module")
def scores() -> np.ndarray:
    w = scores_of(S3.tolist(), 0.05, 0.9, 900)
    w[300:306, 1] = np.nan
    return w


@pytest.mark.parametrize("normalised", [False, True])
def test_value_path_and_slopes_are_those_of_a_plain_loop(scores, normalised):
    total, path = plain(scores, S3, 0.06, 0.88, normalised)
    value, each = quasi_likelihood(scores, S3, 0.06, 0.88, normalised)
    assert value == pytest.approx(total, rel=1e-11)
    assert np.abs(correlation_path(scores, S3, 0.06, 0.88, normalised)[:-1] - path).max() < 1e-12
    for i, move in enumerate(((1e-5, 0.0), (0.0, 1e-5))):
        up, down = (plain(scores, S3, 0.06 + s * move[0], 0.88 + s * move[1], normalised)[0] for s in (1, -1))
        assert each.sum(axis=0)[i] == pytest.approx((up - down) / 2e-5, rel=1e-5)
    assert (each[300:306] == 0).all()


def test_constant_correlation_leaves_nothing_to_find():
    rng = np.random.default_rng(3)
    w = rng.standard_normal((4_000, 2)) @ np.linalg.cholesky(S3[:2, :2]).T
    fit = fit_dcc(w, S3[:2, :2])
    assert fit.alpha < 0.01
    assert fit.log_likelihood - fit.constant < 4


TRUE = {"dcc_alpha": 0.05, "dcc_beta": 0.9}


def refit(days: int, number: int) -> dict[str, Estimate]:
    w = scores_of(S3[:2, :2].tolist(), 0.05, 0.9, days, number)
    return fit_dcc(w, np.corrcoef(w, rowvar=False), block=20.0).estimates


def test_95_percent_intervals_cover_what_the_market_simulates(uncovered):
    assert not uncovered(partial(refit, 2_000), TRUE, 60)


@pytest.mark.slow
def test_95_percent_intervals_cover_600_refits(uncovered):
    assert not uncovered(partial(refit, 4_000), TRUE, 600)


@pytest.fixture(scope="module")
def published(shared_data: Path) -> tuple[list[dict], np.ndarray]:
    reference = shared_data / "reference"
    for name in ("dcc.json", "data/dow29_cols1_2.csv"):
        if not (reference / name).is_file():
            pytest.skip(f"{name} is not among the shared data")
    returns = np.genfromtxt(reference / "data" / "dow29_cols1_2.csv", delimiter=",", skip_header=1)
    return json.loads((reference / "dcc.json").read_text())["cases"], returns


@pytest.mark.shared_data
def test_published_two_stage_fits(published):
    """Two Dow stocks: Engle's recursion, and the one on the scaled matrix of ARCHModels.jl."""
    cases, returns = published
    margins = [first_stage(column) for column in returns.T]
    found = {normalised: second_stage(margins, normalised) for normalised in (False, True)}
    known = 0
    for case in cases:
        mine = found["NORMALISED" in case["model"]]
        name = case.get("param", "").replace(" (twostep)", "")
        if "DCC" in case["model"] and name in mine:
            known += 1
            assert abs(mine[name] - case["value"]) <= case["tol"], (case["model"], name)
    assert known >= 0.8 * sum("DCC" in case["model"] for case in cases)


def first_stage(y: np.ndarray) -> dict:
    """GARCH(1,1)-normal with a constant mean, the first variance the mean squared residual: the reference's convention."""

    def parts(theta):
        mean, omega, alpha, beta = theta
        e = y - mean
        start = np.mean(e * e)
        news = np.concatenate([[start], omega + alpha * e * e])
        return e, lfilter([1.0], [1.0, -beta], news)

    def loss(theta):
        if theta[1] <= 0 or min(theta[2:]) < 0 or theta[2] + theta[3] >= 1:
            return 1e10
        e, h = parts(theta)
        return -np.sum(norm.logpdf(e, scale=np.sqrt(h[:-1])))

    best = [float(np.mean(y)), 0.05 * float(np.var(y)), 0.06, 0.9]
    for _ in range(4):
        best = minimize(loss, best, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-9, "maxiter": 4_000}).x
    e, h = parts(best)
    return {"z": e / np.sqrt(h[:-1]), "next": float(h[-1]), "log_likelihood": -loss(best)}


def second_stage(margins: list[dict], normalised: bool) -> dict[str, float]:
    z = np.column_stack([margin["z"] for margin in margins])
    target = np.corrcoef(z, rowvar=False)
    fit = fit_dcc(z, target, normalised=normalised)
    path = correlation_path(z, target, fit.alpha, fit.beta, normalised)[:, 0, 1]
    return {
        "alpha": fit.alpha,
        "beta": fit.beta,
        "loglik": fit.log_likelihood + sum(margin["log_likelihood"] for margin in margins),
        "predicted correlation": path[-1],
        "predicted variance 1": margins[0]["next"],
        "predicted variance 2": margins[1]["next"],
        "predicted covariance": path[-1] * math.sqrt(margins[0]["next"] * margins[1]["next"]),
        "first std residual series 1": margins[0]["z"][0],
        "min in-sample correlation": path[:-1].min(),
        "max in-sample correlation": path[:-1].max(),
    }
