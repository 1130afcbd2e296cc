"""Published GARCH and EGARCH fits: the likelihood that `fit` maximises, at each published point of a series that came with it."""

import json
import math
import re
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from scipy import optimize, stats

from simulator.estimation.garch_fit import FREE, fit_garch
from simulator.estimation.likelihood import Natural, backcast, filter_variance, log_likelihood
from simulator.estimation.residual_tests import _arch_lm
from simulator.estimation.specification import Specification

pytestmark = pytest.mark.shared_data

PROCESS = {"GARCH(1,1) arch": "garch", "GJR(1,1) arch": "gjr", "EGARCH(1,1) arch": "egarch"}
NAMES = {"omega": "omega", "alpha[1]": "alpha", "gamma[1]": "gamma", "beta[1]": "beta", "loglik": "loglik"}


@pytest.fixture(scope="module")
def cases(shared_data: Path) -> tuple[dict[str, dict[str, dict]], np.ndarray]:
    """Cases by model and parameter, and the returns [percent] they were fitted to."""
    reference = shared_data / "reference"
    for name in ("garch.json", "data/dem2gbp.csv"):
        if not (reference / name).is_file():
            pytest.skip(f"{name} is not among the shared data")
    models: dict[str, dict[str, dict]] = defaultdict(dict)
    for case in json.loads((reference / "garch.json").read_text())["cases"]:
        if "DEM/GBP" in case["data"]:
            models[case["model"]][case["param"]] = case
    return models, np.genfromtxt(reference / "data" / "dem2gbp.csv", delimiter=",", skip_header=1)


def sample_variance(y: np.ndarray) -> float:
    """Around the sample's own mean, which is not the fitted one."""
    return float(np.nanvar(y))


def archs_start(y: np.ndarray) -> float:
    """arch's default average, of what the sample's own mean leaves."""
    return backcast(y - np.nanmean(y))


def test_fits_of_the_exchange_rate(cases, monkeypatch):
    """The mean is taken as published, for `fit` has none, and variance starts as the case says."""
    models, returns = cases
    seen = 0
    for model, by_param in models.items():
        process = next((kind for start, kind in PROCESS.items() if model.startswith(start)), None)
        if process is None or "mu" not in by_param:
            continue
        sources = " ".join(case["source"] for case in by_param.values())
        start = sample_variance if "backcast=sample variance" in sources else archs_start
        for module in ("likelihood", "exponential"):
            monkeypatch.setattr(f"simulator.estimation.{module}.backcast", start)
        fit = fit_garch((returns - by_param["mu"]["value"]) / 100, FREE, specification=Specification(process, "normal"))
        p = fit.natural
        omega = p.omega + (1 - p.beta) * math.log(1e4) if p.is_exponential else 1e4 * p.omega
        mine = {"omega": omega, "alpha": p.alpha, "gamma": p.gamma, "beta": p.beta, "loglik": fit.log_likelihood}
        for param, case in by_param.items():
            if param in NAMES:
                seen += 1
                assert abs(mine[NAMES[param]] - case["value"]) <= case["tol"], (model, param)
    if not seen:
        pytest.skip("no fit by arch's conventions is among the cases")


def mean_square(y: np.ndarray) -> float:
    """Fiorentini, Calzolari and Panattoni's (1996) first variance: that of the residuals."""
    return float(np.nanmean(y * y))


BENCHMARKS = {"GARCH(1,1)-normal": "garch", "EGARCH(1,1)-normal": "egarch"}
SIGNS = {"omega": "omega", "alpha": "alpha", "beta": "beta", "loglik": "loglik", "alpha(sign)": "gamma", "gamma(size)": "alpha"}


def fitted(returns: np.ndarray, mean: float, process: str, monkeypatch):
    for module in ("likelihood", "exponential"):
        monkeypatch.setattr(f"simulator.estimation.{module}.backcast", mean_square)
    return fit_garch((returns - mean) / 100, FREE, specification=Specification(process, "normal"))


def test_the_benchmarks_of_the_exchange_rate(cases, monkeypatch):
    """Published before any of these libraries: omega, alpha, beta and the likelihood, the mean as published.

    An EGARCH's first variance is a convention that moves its numbers by what its source says, 1e-3.
    """
    models, returns = cases
    seen = 0
    for model, by_param in models.items():
        process = next((kind for start, kind in BENCHMARKS.items() if model.startswith(start)), None)
        if process is None or "mu" not in by_param:
            continue
        fit = fitted(returns, by_param["mu"]["value"], process, monkeypatch)
        p = fit.natural
        omega = p.omega + (1 - p.beta) * math.log(1e4) if p.is_exponential else 1e4 * p.omega
        mine = {"omega": omega, "alpha": p.alpha, "gamma": p.gamma, "beta": p.beta, "loglik": fit.log_likelihood}
        for param, case in by_param.items():
            if param in SIGNS:
                seen += 1
                allowed = max(case["tol"], 1e-3) if p.is_exponential else case["tol"]
                assert abs(mine[SIGNS[param]] - case["value"]) <= allowed, (model, param, mine)
    if not seen:
        pytest.skip("no benchmark fit is among the cases")


def test_margins_of_the_two_stocks(shared_data, monkeypatch):
    """dcc.json's univariate GARCH(1,1): [mean, omega, alpha, beta] in percent; without a tolerance there, 1e-3 here."""
    reference = shared_data / "reference"
    for name in ("dcc.json", "data/dow29_cols1_2.csv"):
        if not (reference / name).is_file():
            pytest.skip(f"{name} is not among the shared data")
    columns = np.genfromtxt(reference / "data" / "dow29_cols1_2.csv", delimiter=",", skip_header=1).T
    rows = [
        case for case in json.loads((reference / "dcc.json").read_text())["cases"] if case["param"] == "[mu,omega,alpha,beta]"
    ]
    if not rows:
        pytest.skip("no univariate fit is among the cases")
    for case in rows:
        mean, *known = case["value"]
        p = fitted(columns[int(case["data"][-1]) - 1], mean, "garch", monkeypatch).natural
        assert (1e4 * p.omega, p.alpha, p.beta) == pytest.approx(known, abs=case.get("tol", 1e-3)), case["data"]


def log_likelihood_of(point, returns, monkeypatch, first=None) -> float:
    """Ours at (mean, omega, alpha, beta) of percent returns; variance starts at `first(residuals)`, or as arch would."""
    mean, omega, alpha, beta = point
    if min(omega, alpha, beta) <= 0 or alpha + beta >= 1:
        return -math.inf

    def start(y):
        return mean_square(y) if first is None else (first(y) - omega) / (alpha + beta)

    monkeypatch.setattr("simulator.estimation.likelihood.backcast", start)
    y = returns - mean
    return log_likelihood(y, Natural(omega, alpha, 0.0, beta, math.inf))[0]


def with_a_mean(returns, monkeypatch, first=None) -> np.ndarray:
    """(mean, omega, alpha, beta) where our likelihood is greatest, by a search that knows no slopes."""
    options = {"xatol": 1e-9, "fatol": 1e-10, "maxiter": 3_000, "maxfev": 3_000}
    start = [float(returns.mean()), 0.05 * float(returns.var()), 0.15, 0.8]
    found = optimize.minimize(
        lambda point: -log_likelihood_of(point, returns, monkeypatch, first), start, method="Nelder-Mead", options=options
    )
    return found.x


def test_standard_errors_of_the_benchmark(cases, monkeypatch):
    """By our likelihood's Hessian at its maximum, the mean among the parameters: second differences over 1 % of an error."""
    models, returns = cases
    published = {
        param.removeprefix("se_hessian_"): case
        for model, by_param in models.items()
        for param, case in by_param.items()
        if model.startswith("GARCH(1,1)-normal") and param.startswith("se_hessian_")
    }
    if set(published) != {"mu", "omega", "alpha", "beta"}:
        pytest.skip("no standard errors by a Hessian are among the cases")
    top = with_a_mean(returns, monkeypatch)
    steps = np.diag([0.01 * published[name]["value"] for name in ("mu", "omega", "alpha", "beta")])

    def second(i, j):
        corners = [(a * b, top + a * steps[i] + b * steps[j]) for a in (1, -1) for b in (1, -1)]
        bend = sum(sign * log_likelihood_of(point, returns, monkeypatch) for sign, point in corners)
        return bend / (4 * steps[i, i] * steps[j, j])

    hessian = np.array([[second(i, j) for j in range(4)] for i in range(4)])
    errors = np.sqrt(np.diag(np.linalg.inv(-hessian)))
    for name, error in zip(("mu", "omega", "alpha", "beta"), errors, strict=True):
        assert abs(error - published[name]["value"]) <= published[name]["tol"], name


def test_value_at_risk_and_what_is_left_in_the_residuals(cases, shared_data, monkeypatch):
    """var_backtests.json's cases on this series: the first variance is the mean square itself, and ARCH-LM counts all rows.

    With arch's start (omega + persistence x mean square) the sum is 2076.46, and with the rows of the regression p is 0.11406.
    """
    _, returns = cases
    known = json.loads((shared_data / "reference" / "var_backtests.json").read_text())["cases"]
    sums = [(re.fullmatch(r"sum of (\d+)% VaR over sample", case["test"]), case) for case in known]
    lags = [(re.fullmatch(r"ARCH-LM\((\d+)\) p-value on standardised residuals", case["test"]), case) for case in known]
    if not any(found for found, _ in (*sums, *lags)):
        pytest.skip("no case on the exchange rate is among var_backtests.json")
    mean, omega, alpha, beta = with_a_mean(returns, monkeypatch, mean_square)
    h = filter_variance(returns - mean, Natural(omega, alpha, 0.0, beta, math.inf))[:-1]
    for found, case in sums:
        if found:
            value_at_risk = -mean - np.sqrt(h) * stats.norm.ppf(int(found[1]) / 100)
            assert abs(value_at_risk.sum() - case["value"]) <= case["tol"]
    for found, case in lags:
        if found:
            count = int(found[1])
            ours = _arch_lm("", (returns - mean) / np.sqrt(h), count)
            statistic = ours.statistic * returns.size / (returns.size - count)
            assert abs(stats.chi2.sf(statistic, count) - case["value"]) <= case["tol"]
