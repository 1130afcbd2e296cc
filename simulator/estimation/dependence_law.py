"""A fitted law of dependence: the correlation of every step it gives, and the density of the copula there.

What `simulator.market.dependence` simulates, as a density: Gaussian, Student-t (Demarta and McNeil 2005) or its skewed form, of a
correlation that stands, follows its own scores (`dcc`) or the strain of the assets (`converging`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from simulator.estimation.converging_likelihood import NAMES, risen
from simulator.estimation.dcc import correlation_path
from simulator.estimation.skewed_copula import skewed_densities


@dataclass(frozen=True)
class Strain:
    """Mean over assets of conditional over stationary variance, [step], at steps of `step` [s]: what correlation converges by."""

    values: np.ndarray
    step: float

    @property
    def moves(self) -> bool:
        return bool(self.values.size) and float(np.ptp(self.values)) > 0


@dataclass(frozen=True)
class DependenceLaw:
    """`numbers` are what dynamics and copula have beside the matrix, by the names of their estimates."""

    dynamics: str  # constant, dcc or converging
    copula: str  # gaussian, student-t or skewed-t
    correlation: np.ndarray
    numbers: Mapping[str, float]

    @property
    def name(self) -> str:
        return f"{self.dynamics}, {self.copula}"

    def path(self, w: np.ndarray, strain: Strain | None) -> np.ndarray:
        """Correlation [step, asset, asset] at normal scores `w` [step, asset], NaN where missing: known before each of them."""
        if self.dynamics == "dcc":
            return correlation_path(w, self.correlation, self.numbers["dcc_alpha"], self.numbers["dcc_beta"])[:-1]
        if self.dynamics == "converging" and strain is not None:
            begin, full, level, half_life = (self.numbers[f"converging_{name}"] for name in NAMES)
            drawn = level * risen(strain.values, (begin, full, half_life), strain.step)[:, np.newaxis, np.newaxis]
            return self.correlation + drawn * (1 - self.correlation)
        return np.broadcast_to(self.correlation, (len(w), *self.correlation.shape))

    def densities(self, u: np.ndarray, path: np.ndarray) -> np.ndarray:
        """Log densities [t] of the copula at `u` [t, asset] and correlations `path` [t, asset, asset]."""
        from scipy.special import ndtri

        if self.copula == "gaussian":
            return gaussian_densities(ndtri(u), path)
        degrees = self.numbers["copula_degrees_of_freedom"]
        if self.copula == "student-t":
            return student_densities(u, path, degrees)
        return skewed_densities(u, self.correlation, degrees, self.numbers["copula_asymmetry"])


def gaussian_densities(w: np.ndarray, path: np.ndarray) -> np.ndarray:
    """Log densities [t] of a Gaussian copula of correlation `path` [t, asset, asset] at normal scores."""
    form, log_determinant = _forms(w, path)
    return -0.5 * (log_determinant + form - np.sum(w * w, axis=1))


def student_densities(u: np.ndarray, path: np.ndarray, nu: float) -> np.ndarray:
    """Log densities [t] of a Student-t copula (Demarta and McNeil 2005, eq. 3) at `u` [t, asset]."""
    from scipy.special import gammaln, stdtrit

    n = u.shape[1]
    x = stdtrit(nu, u)
    form, log_determinant = _forms(x, path)
    constant = gammaln((nu + n) / 2) + (n - 1) * gammaln(nu / 2) - n * gammaln((nu + 1) / 2)
    margins = (nu + 1) / 2 * np.sum(np.log1p(x * x / nu), axis=1)
    return constant - 0.5 * log_determinant - (nu + n) / 2 * np.log1p(form / nu) + margins


def _forms(x: np.ndarray, path: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """x' R^-1 x and log |R| of each row; one factorisation where R stands."""
    if path.strides[0] == 0:
        inverse, log_determinant = np.linalg.inv(path[0]), float(np.linalg.slogdet(path[0])[1])
        return np.einsum("ti,ij,tj->t", x, inverse, x), np.full(len(x), log_determinant)
    return np.einsum("ti,tij,tj->t", x, np.linalg.inv(path), x), np.linalg.slogdet(path)[1]
