"""Published GARCH and EGARCH fits: the likelihood that `fit` maximises, at each published point of a series that came with it."""

import json
import math
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from simulator.estimation.garch_fit import FREE, fit_garch
from simulator.estimation.likelihood import backcast
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
