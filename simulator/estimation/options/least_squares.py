"""Sums of squares made small: Levenberg-Marquardt or quasi-Newton, or both as a check of one another."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

METHODS = ("levenberg-marquardt", "quasi-newton", "both")
TOLERANCE = 1e-12
SAME = 1e-6  # relative difference of two sums of squares that counts as one minimum

Vector = Callable[[np.ndarray], np.ndarray]


class Solution(NamedTuple):
    """Where a search ended. `agreement`: relative difference of the two methods' sums of squares, NaN where one was run."""

    x: np.ndarray
    cost: float  # sum of squares / 2
    converged: bool
    evaluations: int
    method: str
    agreement: float


def minimise(residuals: Vector, jacobian: Vector, start: np.ndarray, method: str) -> Solution:
    """The least sum of squares from `start`; for "both" the better of the two, converged if either is."""
    if method == "levenberg-marquardt":
        return _levenberg_marquardt(residuals, jacobian, start)
    if method == "quasi-newton":
        return _quasi_newton(residuals, jacobian, start)
    if method != "both":
        raise ValueError(f"method must be one of {', '.join(METHODS)}, but got {method!r}")
    first, second = _levenberg_marquardt(residuals, jacobian, start), _quasi_newton(residuals, jacobian, start)
    better = first if first.cost <= second.cost else second
    gap = abs(first.cost - second.cost) / max(better.cost, 1e-300)
    return better._replace(
        converged=first.converged or second.converged,
        evaluations=first.evaluations + second.evaluations,
        agreement=gap,
    )


def _levenberg_marquardt(residuals: Vector, jacobian: Vector, start: np.ndarray) -> Solution:
    """MINPACK's, columns scaled by their norms (More 1978)."""
    from scipy.optimize import least_squares

    found = least_squares(
        residuals, start, jacobian, method="lm", x_scale="jac", ftol=TOLERANCE, xtol=TOLERANCE, gtol=TOLERANCE, max_nfev=2_000
    )
    return Solution(found.x, float(found.cost), found.status > 0, int(found.nfev), "levenberg-marquardt", np.nan)


def _quasi_newton(residuals: Vector, jacobian: Vector, start: np.ndarray) -> Solution:
    """BFGS in coordinates scaled by the columns of the first jacobian, so that no unit slows it."""
    from scipy.optimize import minimize

    scale = 1 / np.maximum(np.linalg.norm(jacobian(start), axis=0), 1e-8)

    def cost(u: np.ndarray) -> tuple[float, np.ndarray]:
        x = u * scale
        r = residuals(x)
        value = float(r @ r) / 2
        if not np.isfinite(value):
            return 1e100, np.zeros_like(u)
        return value, (jacobian(x).T @ r) * scale

    evaluations, u = 0, start / scale
    for _ in range(3):  # a fresh start forgets a curvature that a kink of a penalty has spoilt
        found = minimize(cost, u, jac=True, method="BFGS", options={"gtol": 1e-9, "maxiter": 2_000})
        evaluations += int(found.nfev)
        done = np.max(np.abs(found.x - u), initial=0.0) <= 1e-9 * (1 + np.max(np.abs(u)))
        u = found.x
        if found.success or done:
            break
    slope = float(np.max(np.abs(found.jac)))
    flat = slope <= 1e-6 * max(np.sqrt(2 * float(found.fun)), 1e-6)  # scaled columns: the cosine to the residuals
    return Solution(u * scale, float(found.fun), bool(found.success or flat), evaluations, "quasi-newton", np.nan)
