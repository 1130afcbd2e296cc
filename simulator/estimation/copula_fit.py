"""How residuals move together beyond their correlation: DCC or none, Gaussian or Student-t copula, by pseudo-likelihood.

Margins are ranks (Genest, Ghoudi and Rivest 1995), so no marginal law can bend what is found. Correlation first: the
quasi-likelihood of `dcc` against a constant matrix. Then the copula given that correlation: log t_{nu,R}(x) - sum log t_nu(x_i),
x = t_nu^-1(u). A constant matrix under a Student-t copula is sin(pi tau / 2), tau Kendall's, which holds for every elliptical
copula (Lindskog, McNeil and Schmock 2003); a moving one is taken as DCC of the normal scores gives it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from simulator.estimation.converging_fit import fit_converging
from simulator.estimation.copula_influence import first_stages
from simulator.estimation.dcc import fit_dcc
from simulator.estimation.dependence import nearest_correlation
from simulator.estimation.dependence_law import DependenceLaw, Strain, student_densities
from simulator.estimation.errors import FitError, NotConverged
from simulator.estimation.settings import FitSettings
from simulator.estimation.skewed_copula import fit_skewed
from simulator.estimation.standard_errors import Estimate, estimated_covariance

DEGREES_RANGE = (2.05, 200.0)
DIFFERENCE = 1e-3  # in log degrees of freedom
TAILS = (0.01, 0.05)
Stage = tuple[np.ndarray, dict[str, Estimate]]  # correlation of the market, estimates of what moves it
Tied = tuple["DependenceCandidate", DependenceLaw, dict[str, Estimate]]


@dataclass(frozen=True)
class DependenceCandidate:
    """One law of dependence: log-likelihood of the copula, AIC and BIC; pairs of the correlation count as parameters."""

    dynamics: str
    copula: str
    log_likelihood: float
    aic: float
    bic: float


@dataclass(frozen=True)
class DependenceFit:
    """What ties the assets, as a market names it."""

    dynamics: str  # constant, dcc or converging
    copula: str  # gaussian, student-t or skewed-t
    correlation: np.ndarray
    laws: tuple[DependenceLaw, ...]  # of the candidates, in their order
    estimates: dict[str, Estimate]  # dcc_alpha, converging_level, copula_degrees_of_freedom, ...: what the choice has
    candidates: tuple[DependenceCandidate, ...]
    tails: tuple[tuple[str, float, float, float, float], ...]  # (pair, level, lower, upper, error): share of joint extremes

    def facts(self) -> dict[str, Any]:
        """Everything but matrices as plain values, for JSON."""
        return {
            "dynamics": self.dynamics,
            "copula": self.copula,
            "estimates": {key: estimate.facts() for key, estimate in self.estimates.items()},
            "candidates": [vars(row) for row in self.candidates],
            "tails": [dict(zip(("pair", "level", "lower", "upper", "error"), row, strict=True)) for row in self.tails],
        }


def fit_dependence(
    residuals: np.ndarray, names: list[str], settings: FitSettings, block: float, strain: Strain | None = None
) -> DependenceFit:
    """Fit what `settings` asks for to `residuals` [t, asset]; rows with a gap say nothing. Of several laws those without a
    maximum are left out. Raises NotConverged where none has one, FitError where correlation is to follow variances that stand."""
    strained = strain is not None and strain.moves
    if settings.dependence == "converging" and not strained:
        raise FitError([("dependence", "converging follows conditional variances, and no asset of the fit has one that moves")])
    u = ranks(residuals)
    w = _normal(u)
    seen = ~np.isnan(w).any(axis=1)
    target = nearest_correlation(np.corrcoef(w[seen], rowvar=False))
    every = ("constant", "dcc", "converging") if strained else ("constant", "dcc")
    dynamics = every if settings.dependence == "auto" else (settings.dependence,)
    copulas = ("gaussian", "student-t") if settings.copula == "auto" else (settings.copula,)  # skewed-t takes minutes: by name
    found: list[Tied] = []
    for name in dynamics:
        try:
            stage = _moving(w, target, name, block, strain, with_intervals=len(dynamics) * len(copulas) == 1)
            found += [_tied(u, w, stage, (name, copula), block, strain) for copula in copulas]
        except NotConverged:
            if name == dynamics[-1] and not found:
                raise
    rows = tuple(row for row, _, _ in found)
    laws = tuple(law for _, law, _ in found)
    best = min(range(len(found)), key=lambda i: getattr(rows[i], settings.criterion))
    if rows[best].dynamics == "converging" and len(found) > 1:
        stage = _moving(w, target, "converging", block, strain, with_intervals=True)
        found[best] = _tied(u, w, stage, ("converging", rows[best].copula), block, strain)
    _, law, estimates = found[best]
    return DependenceFit(law.dynamics, law.copula, law.correlation, laws, estimates, rows, joint_tails(u, names))


def ranks(residuals: np.ndarray) -> np.ndarray:
    """Ranks over their number plus one among rows without a gap, NaN elsewhere."""
    from scipy.stats import rankdata

    seen = ~np.isnan(residuals).any(axis=1)
    u = np.full(residuals.shape, np.nan)
    u[seen] = rankdata(residuals[seen], axis=0) / (np.count_nonzero(seen) + 1)
    return u


def _normal(u: np.ndarray) -> np.ndarray:
    from scipy.special import ndtri

    return ndtri(u)


def _moving(w: np.ndarray, target: np.ndarray, dynamics: str, block: float, strain: Strain | None, with_intervals: bool) -> Stage:
    """The market's correlation, and what moves it."""
    if dynamics == "dcc":
        return target, fit_dcc(w, target, block).estimates
    if dynamics == "converging" and strain is not None:
        fit = fit_converging(w, target, strain.values, strain.step, with_intervals)
        return nearest_correlation(fit.correlation), fit.estimates
    return target, {}


def _tied(u: np.ndarray, w: np.ndarray, stage: Stage, choice: tuple[str, str], block: float, strain: Strain | None) -> Tied:
    """The copula given what moves the correlation."""
    (dynamics, copula), seen = choice, ~np.isnan(u).any(axis=1)
    matrix, estimates = stage[0], dict(stage[1])
    if dynamics == "constant" and copula != "gaussian":
        matrix = kendall_correlation(u[seen])

    def law() -> DependenceLaw:
        return DependenceLaw(dynamics, copula, matrix, {key: estimate.value for key, estimate in estimates.items()})

    if copula == "skewed-t":
        matrix, skewed, value = fit_skewed(u[seen], matrix, block)
        estimates |= skewed
    else:
        path = law().path(w, strain)[seen] if dynamics != "constant" else law().path(w[seen], strain)
        if copula == "student-t":
            estimates["copula_degrees_of_freedom"] = fit_degrees(u[seen], path, block)
        value = float(np.sum(law().densities(u[seen], path)))
    pairs, count = len(matrix) * (len(matrix) - 1) // 2, int(seen.sum())
    k = pairs + len(estimates)
    return DependenceCandidate(dynamics, copula, value, 2 * (k - value), k * math.log(count) - 2 * value), law(), estimates


def kendall_correlation(u: np.ndarray) -> np.ndarray:
    """sin(pi tau / 2) of every pair: the correlation of an elliptical copula, whatever its tails."""
    from scipy.stats import kendalltau

    n = u.shape[1]
    result = np.eye(n)
    for i in range(n):
        for j in range(i):
            result[i, j] = result[j, i] = math.sin(math.pi / 2 * float(kendalltau(u[:, i], u[:, j]).statistic))
    return nearest_correlation(result)


def fit_degrees(u: np.ndarray, path: np.ndarray, block: float) -> Estimate:
    """Degrees of freedom by pseudo-likelihood, correlation given; an interval in logs.

    The error knows that margins are ranks and, of one matrix for all steps, that it is Kendall's (`copula_influence`).
    """
    from scipy.optimize import minimize_scalar

    def loss(log_nu: float) -> float:
        return -float(np.sum(student_densities(u, path, math.exp(log_nu))))

    low, high = (math.log(value) for value in DEGREES_RANGE)
    best = float(minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-6}).x)
    if best > high - 0.01:
        return Estimate(math.exp(best), None, "at the bound: a Gaussian copula")
    nu = math.exp(best)
    bend = float(np.mean(degree_slopes(u, path, nu, 1.0) - degree_slopes(u, path, nu, -1.0))) / DIFFERENCE
    influence = first_stages(partial(degree_slopes, nu=nu), u, path)
    spread = float(estimated_covariance(influence[:, np.newaxis], max(block, 1.0))[0, 0])
    return Estimate(nu, nu * math.sqrt(spread / len(u)) / abs(bend), scale="log")


def degree_slopes(u: np.ndarray, path: np.ndarray, nu: float, side: float = 0.0) -> np.ndarray:
    """Slopes [t] of the log densities by log degrees, half a difference to one `side` of `nu`."""
    up, down = (student_densities(u, path, nu * math.exp(DIFFERENCE * (side / 2 + s))) for s in (0.5, -0.5))
    return np.asarray(up - down) / DIFFERENCE


def joint_tails(u: np.ndarray, names: list[str]) -> tuple[tuple[str, float, float, float, float], ...]:
    """Of each pair and level q: P(both below q) / q, P(both above 1 - q) / q, and the binomial error of such a share."""
    seen = u[~np.isnan(u).any(axis=1)]
    rows = []
    for q in TAILS:
        low, high = seen < q, seen > 1 - q
        for i in range(len(names)):
            for j in range(i + 1, len(names)):
                lower, upper = float(np.mean(low[:, i] & low[:, j])) / q, float(np.mean(high[:, i] & high[:, j])) / q
                error = math.sqrt(max(lower * (1 - lower), upper * (1 - upper)) / (q * len(seen)))
                rows.append((f"{names[i]}-{names[j]}", q, lower, upper, error))
    return tuple(rows)
