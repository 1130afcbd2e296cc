"""The skewed Student-t copula of the market by pseudo-likelihood: joint falls likelier than joint rises.

Scores asymmetry V + sqrt(V) N, V = degrees / chi-square, one V for all assets (Demarta and McNeil 2005, section 4; the skewed t
among the generalised hyperbolic laws). The density of the copula is that of the scores over those of each
score; scores come from ranks through the quantile function of one score, a table in asinh.
"""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from simulator.estimation.dependence import SMALLEST_EIGENVALUE, nearest_correlation
from simulator.estimation.maximum import Maximum, maximise
from simulator.estimation.standard_errors import Estimate

DEGREES, ASYMMETRY = 0, 1
LOW, HIGH = (math.log(0.05), -3.0), (math.log(198.0), 3.0)  # log(degrees - 2), asymmetry
REACH, POINTS = 14.0, 1_001  # of asinh(score): scores up to 600,000
MOST_JOINT = 4  # assets whose correlations are fitted together with degrees and asymmetry


def log_density(form: np.ndarray, pull: np.ndarray, weight: float, size: int, log_determinant: float, nu: float) -> np.ndarray:
    """Log density of `size` scores with quadratic form x' R^-1 x, `pull` = x' R^-1 asymmetry 1 and `weight` its own form."""
    from scipy.special import gammaln, kve

    order = (nu + size) / 2
    constant = -gammaln(nu / 2) - size / 2 * math.log(math.pi * nu) - log_determinant / 2
    if weight < 1e-12:  # the Bessel function's limit: the Student-t
        return np.asarray(constant + gammaln(order) - order * np.log1p(form / nu) + pull)
    z = np.sqrt((nu + form) * weight)
    bessel = np.log(kve(order, z)) - z
    return np.asarray(constant + (1 - order) * math.log(2) + bessel + pull + order * np.log(z) - order * np.log1p(form / nu))


def score_quantiles(u: np.ndarray, nu: float, asymmetry: float) -> tuple[np.ndarray, np.ndarray]:
    """Scores of probabilities `u` and the log densities of one score there."""
    from scipy.integrate import cumulative_simpson
    from scipy.interpolate import PchipInterpolator

    s = np.linspace(-REACH, REACH, POINTS)
    x = np.sinh(s)
    density = np.exp(log_density(x * x, x * asymmetry, asymmetry**2, 1, 0.0, nu)) * np.cosh(s)
    below = np.maximum.accumulate(cumulative_simpson(density, x=s, initial=0.0))
    below /= below[-1]
    rises = np.concatenate([[True], np.diff(below) > 1e-15])
    scores = np.sinh(PchipInterpolator(below[rises], s[rises])(u))
    return scores, log_density(scores * scores, scores * asymmetry, asymmetry**2, 1, 0.0, nu)


def skewed_densities(u: np.ndarray, matrix: np.ndarray, nu: float, asymmetry: float) -> np.ndarray:
    """Log densities [t] of the copula at `u` [t, asset]; -inf where `matrix` is not positive definite."""
    size = u.shape[1]
    x, alone = score_quantiles(u, nu, asymmetry)
    if np.linalg.eigvalsh(matrix)[0] < SMALLEST_EIGENVALUE:
        return np.full(len(u), -math.inf)
    inverse, log_determinant = np.linalg.inv(matrix), float(np.linalg.slogdet(matrix)[1])
    total = inverse.sum(axis=0)
    form, pull = np.einsum("ti,ij,tj->t", x, inverse, x), asymmetry * np.einsum("ti,i->t", x, total)
    together = log_density(form, pull, asymmetry**2 * float(total.sum()), size, log_determinant, nu)
    return np.asarray(together - alone.sum(axis=1))


def _natural(x: np.ndarray, kendall: np.ndarray) -> tuple[float, float, np.ndarray]:
    """Degrees, asymmetry, and the correlation matrix: that of `kendall`, or of the coordinates after the first two."""
    matrix = kendall
    if x.size > 2:
        matrix = np.eye(len(kendall))
        rows, columns = np.tril_indices(len(kendall), -1)
        matrix[rows, columns] = matrix[columns, rows] = np.tanh(x[2:])
    return 2 + math.exp(x[DEGREES]), float(x[ASYMMETRY]), matrix


def _density(u: np.ndarray, kendall: np.ndarray, x: np.ndarray) -> np.ndarray:
    nu, asymmetry, matrix = _natural(x, kendall)
    return skewed_densities(u, matrix, nu, asymmetry)


def fit_skewed(u: np.ndarray, kendall: np.ndarray, block: float) -> tuple[np.ndarray, dict[str, Estimate], float]:
    """(correlation of N, degrees of freedom and asymmetry, log-likelihood) at ranks `u` [t, asset].

    Kendall's correlation is where the climb starts; with more than `MOST_JOINT` assets it stays there, a little too high where
    the asymmetry is large. Errors are a sandwich, the margins given. Raises NotConverged.
    """
    pairs = kendall[np.tril_indices(len(kendall), -1)] if len(kendall) <= MOST_JOINT else np.zeros(0)
    starts = [(math.log(3.0), -0.2, *np.arctanh(pairs))]
    low, high = (*LOW, *np.full(pairs.size, -4.0)), (*HIGH, *np.full(pairs.size, 4.0))
    top = maximise(partial(_density, u, kendall), starts, low, high, "skewed Student-t copula")
    nu, asymmetry, matrix = _natural(top.x, kendall)
    return nearest_correlation(matrix), _estimates(top, nu, asymmetry, block), top.value


def _estimates(top: Maximum, nu: float, asymmetry: float, block: float) -> dict[str, Estimate]:
    variance = np.diag(top.covariance(block))
    errors = [math.sqrt(v) if v > 0 else None for v in variance[:2]]
    notes = ["" if error else "at the bound: no standard error" for error in errors]
    error = errors[DEGREES]
    degrees = None if error is None else (nu - 2) * error
    return {
        "copula_degrees_of_freedom": Estimate(nu, degrees, notes[DEGREES]),
        "copula_asymmetry": Estimate(asymmetry, errors[ASYMMETRY], notes[ASYMMETRY]),
    }
