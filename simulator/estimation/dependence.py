"""How residuals move together: correlation of normal scores, which is what a Gaussian copula needs and what no tail can bend."""

from __future__ import annotations

import math

import numpy as np

SMALLEST_EIGENVALUE = 1e-6
DIGITS = 4  # of a correlation as written; its standard error is rarely below 0.002


def correlation(residuals: np.ndarray) -> tuple[np.ndarray, int]:
    """Correlation of the normal scores (van der Waerden) of `residuals` [t, asset], and the rows used: those without a gap.

    The nearest correlation matrix that is positive definite, rounded to `DIGITS`. Raises ValueError below 3 common rows.
    """
    from scipy.special import ndtri
    from scipy.stats import rankdata

    common = residuals[~np.isnan(residuals).any(axis=1)]
    n = len(common)
    if n < 3:
        raise ValueError(f"only {n} rows have a return of every asset")
    scores = ndtri(rankdata(common, axis=0) / (n + 1))
    matrix = np.atleast_2d(np.corrcoef(scores, rowvar=False))
    return nearest_correlation(matrix), n


def nearest_correlation(matrix: np.ndarray) -> np.ndarray:
    """`matrix` rounded to `DIGITS`; if an eigenvalue is then below `SMALLEST_EIGENVALUE`, eigenvalues are lifted first."""
    result = _rounded(matrix)
    floor = SMALLEST_EIGENVALUE
    while np.linalg.eigvalsh(result)[0] < SMALLEST_EIGENVALUE:
        values, vectors = np.linalg.eigh(matrix)
        lifted = (vectors * np.maximum(values, floor)) @ vectors.T
        root = np.sqrt(np.diag(lifted))
        result = _rounded(lifted / np.outer(root, root))
        floor *= 4
    return result


def _rounded(matrix: np.ndarray) -> np.ndarray:
    result = np.round((matrix + matrix.T) / 2, DIGITS)
    np.fill_diagonal(result, 1.0)
    return result


def standard_error(rho: float, rows: int) -> float:
    """Of a correlation of normal scores, rows taken as independent: residuals are nearly so."""
    return (1 - rho * rho) / math.sqrt(rows)
