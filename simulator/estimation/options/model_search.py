"""Bounded searches for the least sum of squares: Levenberg-Marquardt, quasi-Newton, or both as a check of one another."""

from __future__ import annotations

import numpy as np

from simulator.estimation.options.least_squares import METHODS, Solution, Vector

TOLERANCE = 1e-10
MOST_EVALUATIONS = 1_000

Bounds = tuple[np.ndarray, np.ndarray]


def search(residuals: Vector, jacobian: Vector, start: np.ndarray, bounds: Bounds, method: str) -> Solution:
    """The least sum of squares between the bounds; for "both" the better of the two."""
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, but got {method!r}")
    if method != "both":
        return (_levenberg_marquardt if method == METHODS[0] else _quasi_newton)(residuals, jacobian, start, bounds)
    first, second = (find(residuals, jacobian, start, bounds) for find in (_levenberg_marquardt, _quasi_newton))
    better = min(first, second, key=lambda solution: solution.cost)
    gap = abs(first.cost - second.cost) / max(better.cost, 1e-300)
    converged, evaluations = first.converged or second.converged, first.evaluations + second.evaluations
    return better._replace(converged=converged, evaluations=evaluations, agreement=gap)


def _levenberg_marquardt(residuals: Vector, jacobian: Vector, start: np.ndarray, bounds: Bounds) -> Solution:
    """In a trust region bent at the bounds (Branch, Coleman and Li 1999), coordinates scaled by the jacobian's columns."""
    from scipy.optimize import least_squares

    found = least_squares(
        residuals,
        start,
        jacobian,
        bounds=bounds,
        method="trf",
        x_scale="jac",
        ftol=TOLERANCE,
        xtol=TOLERANCE,
        gtol=1e-14,
        max_nfev=MOST_EVALUATIONS,
    )
    return Solution(found.x, float(found.cost), found.status > 0, int(found.nfev), METHODS[0], np.nan)


def _quasi_newton(residuals: Vector, jacobian: Vector, start: np.ndarray, bounds: Bounds) -> Solution:
    """L-BFGS-B in coordinates scaled by the columns of the jacobian, taken anew at each of three restarts."""
    from scipy.optimize import minimize

    x, evaluations, cost = start, 0, np.inf
    for _ in range(RESTARTS):
        scale = 1 / np.maximum(np.linalg.norm(jacobian(x), axis=0), 1e-8)
        level = max(float(np.sum(residuals(x) ** 2)) / 2, 1e-300)

        def value(u: np.ndarray, scale: np.ndarray = scale, level: float = level) -> tuple[float, np.ndarray]:
            r = residuals(u * scale)
            return float(r @ r) / 2 / level, (jacobian(u * scale).T @ r) * scale / level

        limits = np.column_stack(bounds) / scale[:, None]
        options = {"maxiter": 1_000, "maxcor": 20, "ftol": 1e-15, "gtol": 1e-12}
        found = minimize(value, x / scale, jac=True, method="L-BFGS-B", bounds=limits, options=options)
        x, evaluations, before = np.clip(found.x * scale, *bounds), evaluations + int(found.nfev), cost
        cost = float(found.fun) * level
        if before - cost <= 1e-9 * cost:
            break
    return Solution(x, cost, bool(found.success) or before - cost <= 1e-9 * cost, evaluations, METHODS[1], np.nan)


RESTARTS = 6
