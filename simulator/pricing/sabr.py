"""SABR smiles by the asymptotic formulas of Hagan, Kumar, Lesniewski and Woodward (2002).

dF = alpha F^beta dW, d alpha = nu alpha dZ, dW dZ = rho dt. The formulas are expansions in nu^2 years: for long expiries,
low strikes or large nu they drift from the model and leave densities that are negative; `arbitrage` says where.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from simulator.pricing.svi import Worst, durrleman

NEAR = 0.02  # below this |z| the ratio z / x(z) is summed as a series
LEGENDRE = 8  # terms; the first left out is below 1e-14 at NEAR


@dataclass(frozen=True)
class SABR:
    """alpha [1/sqrt(year), times forward^(1 - beta)], beta in [0, 1], rho in (-1, 1), nu >= 0 [1/sqrt(year)]."""

    alpha: float
    beta: float
    rho: float
    nu: float

    def __post_init__(self) -> None:
        if not (self.alpha > 0 and 0 <= self.beta <= 1 and -1 < self.rho < 1 and self.nu >= 0):
            raise ValueError(f"`alpha > 0`, `0 <= beta <= 1`, `-1 < rho < 1` and `nu >= 0` must hold, but got {self}")

    def volatility(self, forward: Any, strike: Any, years: Any) -> np.ndarray:
        """Black 1976 volatility [1/sqrt(year)] by eq. 2.17a; forwards and strikes above 0, broadcast."""
        return lognormal_volatility(self.alpha, self.beta, self.rho, self.nu, forward, strike, years)

    def normal_volatility(self, forward: Any, strike: Any, years: Any) -> np.ndarray:
        """Bachelier volatility [usd/sqrt(year)] by eq. A.59 (for forwards and strikes above 0)."""
        log, middle, z = _inside(self.alpha, self.beta, self.nu, forward, strike)
        over = 1 - self.beta
        front = self.alpha * (np.multiply(forward, strike)) ** (self.beta / 2) * (1 + log**2 / 24 + log**4 / 1920)
        front = front / (1 + over**2 / 24 * log**2 + over**4 / 1920 * log**4)
        drift = -self.beta * (2 - self.beta) / 24 * (self.alpha / middle) ** 2
        return front * _ratio(z, self.rho) * (1 + _time(drift, self.alpha, self.beta, self.rho, self.nu, middle) * years)

    def arbitrage(self, forward: float, years: float, deviations: float = 6.0, nodes: int = 601) -> Worst:
        """The least Durrleman g(k) of the formula within `deviations` at-the-money deviations; size < 0: negative density."""
        reach = deviations * float(self.volatility(forward, forward, years)) * math.sqrt(years)
        k = np.linspace(-reach, reach, nodes)
        step = 1e-4 * reach
        w, slope = self._variance_and_slope(forward, years, k)
        ahead, behind = (self._variance_and_slope(forward, years, k + shift)[1] for shift in (step, -step))
        g = durrleman(k, w, slope, (ahead - behind) / (2 * step))
        worst = int(np.argmin(g))
        return Worst(float(k[worst]), float(g[worst]))

    def _variance_and_slope(self, forward: float, years: float, k: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """w(k) and w'(k), the latter by a complex step."""
        tiny = 1e-30
        w = self.volatility(forward, forward * np.exp(k + 1j * tiny), years) ** 2 * years
        return w.real, w.imag / tiny


def lognormal_volatility(alpha: Any, beta: float, rho: Any, nu: Any, forward: Any, strike: Any, years: Any) -> np.ndarray:
    """Eq. 2.17a of Hagan et al. (2002); stable at the money, and analytic, so that a complex step gives its derivatives."""
    log, middle, z = _inside(alpha, beta, nu, forward, strike)
    over = 1 - beta
    front = alpha / (middle * (1 + over**2 / 24 * log**2 + over**4 / 1920 * log**4))
    drift = over**2 / 24 * (alpha / middle) ** 2
    return front * _ratio(z, rho) * (1 + _time(drift, alpha, beta, rho, nu, middle) * years)


def _inside(alpha: Any, beta: float, nu: Any, forward: Any, strike: Any) -> tuple[Any, Any, Any]:
    """log(F/K), (F K)^((1 - beta)/2) and z."""
    log = np.log(np.divide(forward, strike))
    middle = np.multiply(forward, strike) ** ((1 - beta) / 2)
    return log, middle, nu / alpha * middle * log


def _time(drift: Any, alpha: Any, beta: float, rho: Any, nu: Any, middle: Any) -> Any:
    return drift + rho * beta * nu * alpha / (4 * middle) + (2 - 3 * rho**2) / 24 * nu**2


def _ratio(z: Any, rho: Any) -> Any:
    """z / x(z), x = log((sqrt(1 - 2 rho z + z^2) + z - rho) / (1 - rho)) = sum of P_n(rho) z^(n+1) / (n+1) near zero."""
    z = np.asarray(z)
    near = np.abs(z) < NEAR
    across = np.sqrt(1 - rho**2)
    far_z = np.where(near, 1.0, z)
    far = far_z / (np.arcsinh((far_z - rho) / across) + np.arcsinh(rho / across))
    return np.where(near, 1 / _series(np.where(near, z, 0.0), rho), far)


def _series(z: Any, rho: Any) -> Any:
    """x(z) / z = sum of P_n(rho) z^n / (n + 1): 1 / sqrt(1 - 2 rho z + z^2) is what generates Legendre's polynomials."""
    before, now = 1.0, rho
    total = 1 + rho * z / 2
    power = z
    for n in range(1, LEGENDRE):
        before, now = now, ((2 * n + 1) * rho * now - n * before) / (n + 1)
        power = power * z
        total = total + now * power / (n + 2)
    return total
