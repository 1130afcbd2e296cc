"""What a fit left in its residuals: memory of sign, of squares and of sizes, and the law of the innovations.

Ljung and Box (1978) over `LAGS` lags of z (that many degrees), z^2 and |z| (less two, which the recursion took: Li and Mak 1994);
Engle's ARCH-LM (1982) of z^2; Kolmogorov and Smirnov of the residuals against the fitted law, whose p is too kind because
its parameters come from the same residuals. Squares of innovations with fewer than four degrees of freedom have no variance:
there |z| is the test to trust. A pair of residuals with a gap between them counts if both are seen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from simulator.estimation.cut_law import cut_law
from simulator.market.innovations import Innovation

LAGS = 20
TAKEN = 2  # degrees of freedom that alpha and beta used up


@dataclass(frozen=True)
class ResidualTest:
    """One test of one asset's residuals."""

    asset: str
    test: str
    statistic: float
    degrees: int  # 0: not a chi-square
    p: float


def residual_tests(asset: str, z: np.ndarray, innovation: Innovation) -> list[ResidualTest]:
    """Every test of standardised residuals `z` [t] (NaN where missing) against `innovation`."""
    rows = [
        _ljung_box(asset, "Ljung-Box z", z, LAGS),
        _ljung_box(asset, "Ljung-Box z^2", z * z, LAGS - TAKEN),
        _ljung_box(asset, "Ljung-Box |z|", np.abs(z), LAGS - TAKEN),
        _arch_lm(asset, z),
    ]
    return [*rows, _kolmogorov(asset, z, innovation)]


def _chi_square(asset: str, test: str, statistic: float, degrees: int) -> ResidualTest:
    from scipy.stats import chi2

    return ResidualTest(asset, test, statistic, degrees, float(chi2.sf(statistic, degrees)))


def _ljung_box(asset: str, test: str, x: np.ndarray, degrees: int) -> ResidualTest:
    """n (n + 2) times the sum over lags of r^2 / pairs, pairs in place of n - lag where there are gaps."""
    d = x - np.nanmean(x)
    n, variance = int(np.count_nonzero(~np.isnan(d))), float(np.nanmean(d * d))
    total = 0.0
    for lag in range(1, LAGS + 1):
        products = d[lag:] * d[:-lag]
        pairs = int(np.count_nonzero(~np.isnan(products)))
        total += (float(np.nansum(products)) / (n * variance)) ** 2 / pairs
    return _chi_square(asset, test, n * (n + 2) * total, degrees)


def _arch_lm(asset: str, z: np.ndarray, count: int = LAGS) -> ResidualTest:
    """Rows of the regression times R^2 of z^2 on its `count` lags; some libraries multiply by all rows, `count` more."""
    square = z * z
    lags = [square[count - lag : square.size - lag] for lag in range(1, count + 1)]
    rows = np.column_stack([square[count:], np.ones(square.size - count), *lags])
    rows = rows[~np.isnan(rows).any(axis=1)]
    y, x = rows[:, 0], rows[:, 1:]
    left = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
    share = 1 - float(np.sum(left**2) / np.sum((y - y.mean()) ** 2))
    return _chi_square(asset, "ARCH-LM", len(rows) * share, count)


def _kolmogorov(asset: str, z: np.ndarray, innovation: Innovation) -> ResidualTest:
    from scipy.stats import kstwobign

    u = np.sort(cut_law(innovation).cdf(z[~np.isnan(z)]))
    n = u.size
    distance = max(float(np.max(np.arange(1, n + 1) / n - u)), float(np.max(u - np.arange(n) / n)))
    return ResidualTest(asset, "Kolmogorov-Smirnov", distance, 0, float(kstwobign.sf(distance * math.sqrt(n))))
