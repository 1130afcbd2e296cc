"""SSVI in coordinates that no arbitrage bound can be crossed in: natural parameters, total variance and its gradient."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from simulator.pricing.ssvi import HestonLike, PowerLaw

Shape = tuple[float, ...]


class Coordinates(NamedTuple):
    """One law of phi: its parameters' names, the record it makes, and how they come from coordinates, rho and the first theta."""

    names: tuple[str, ...]
    make: Callable[[Shape], PowerLaw | HestonLike]
    shape: Callable[[np.ndarray, float, float], tuple[Shape, np.ndarray]]  # and derivatives by (theta, artanh rho, coordinates)
    phi: Callable[[Shape, np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]  # phi, by theta, by parameters [quote, n]
    starts: tuple[Shape, ...]


def _power_shape(x: np.ndarray, rho: float, theta: float) -> tuple[Shape, np.ndarray]:
    """eta as a share of the most that theorem 4.2 allows from the first theta on, min(2 / sqrt((1 + |rho|) h), 4 / (1 + |rho|)),
    h = t^(1 - 2 gamma) (1 + t)^(2 gamma - 2) the largest theta phi^2 / eta^2, at t = max(theta, 1 - 2 gamma)."""
    share, gamma = _logistic(x[0]), _logistic(x[1])
    slope, tilt = gamma * (1 - gamma), 1 + abs(rho)
    t = max(theta, 1 - 2 * gamma)
    most = 2 / math.sqrt(tilt * t ** (1 - 2 * gamma) * (1 + t) ** (2 * gamma - 2))
    log_by_theta = -((1 - 2 * gamma) / t + (2 * gamma - 2) / (1 + t)) / 2 if t == theta else 0.0
    log_by_gamma, log_by_tilt = math.log(t) - math.log1p(t), -0.5 / tilt
    if most > 4 / tilt:
        most, log_by_theta, log_by_gamma, log_by_tilt = 4 / tilt, 0.0, 0.0, -1 / tilt
    eta = share * most
    log_by_rho = log_by_tilt * math.copysign(1.0, rho) * (1 - rho**2)
    by_x = np.array([[log_by_theta, log_by_rho, 1 - share, log_by_gamma * slope], [0.0, 0.0, 0.0, slope / eta]])
    return (eta, gamma), eta * by_x


def _power_phi(shape: Shape, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    eta, gamma = shape
    phi = eta / (theta**gamma * (1 + theta) ** (1 - gamma))
    by_theta = -phi * (gamma / theta + (1 - gamma) / (1 + theta))
    return phi, by_theta, np.column_stack([phi / eta, phi * (np.log1p(theta) - np.log(theta))])


def _heston_shape(x: np.ndarray, rho: float, theta: float) -> tuple[Shape, np.ndarray]:
    above = math.exp(min(float(x[0]), 50.0))
    by_rho = math.copysign(1.0, rho) / 4 * (1 - rho**2)
    return ((1 + abs(rho)) / 4 + above,), np.array([[0.0, by_rho, above]])


def _heston_phi(shape: Shape, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    y = shape[0] * theta
    top = y + np.expm1(-y)
    phi, by_y = top / y**2, -np.expm1(-y) / y**2 - 2 * top / y**3
    return phi, shape[0] * by_y, (theta * by_y)[:, None]


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-min(max(float(x), -30.0), 30.0)))


COORDINATES = {
    "power-law": Coordinates(
        ("eta", "gamma"), lambda s: PowerLaw(*s), _power_shape, _power_phi, ((0.5, 0.0), (2.0, 0.3), (-1.0, -1.0))
    ),
    "heston-like": Coordinates(("decay",), lambda s: HestonLike(*s), _heston_shape, _heston_phi, ((0.0,), (2.5,))),
}


def natural(law: str, x: np.ndarray, expiries: int) -> tuple[np.ndarray, float, Shape, np.ndarray]:
    """theta [expiry], rho, the law's parameters, and the derivatives of all of them [row] by the coordinates [column]."""
    steps = np.exp(np.clip(x[:expiries], -40, 10))
    rho = math.tanh(float(x[expiries])) * (1 - 1e-9)
    shape, by_tail = COORDINATES[law].shape(x[expiries + 1 :], rho, float(steps[0]))
    jacobian = np.zeros((expiries + 1 + len(shape), len(x)))
    jacobian[:expiries, :expiries] = np.tril(np.ones((expiries, expiries))) * steps
    jacobian[expiries, expiries] = 1 - rho**2
    jacobian[expiries + 1 :, 0] = by_tail[:, 0] * steps[0]
    jacobian[expiries + 1 :, expiries:] = by_tail[:, 1:]
    return np.cumsum(steps), rho, shape, jacobian


def variance_and_gradient(
    law: str, x: np.ndarray, expiries: int, place: np.ndarray, k: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """w [quote] and its derivatives by the coordinates [quote, coordinate]; `place` is each quote's expiry."""
    thetas, rho, shape, jacobian = natural(law, x, expiries)
    theta = thetas[place]
    phi, phi_theta, phi_shape = COORDINATES[law].phi(shape, theta)
    y = phi * k
    root = np.sqrt((y + rho) ** 2 + 1 - rho**2)
    w = theta / 2 * (1 + rho * y + root)
    by_phi = theta / 2 * k * (rho + (y + rho) / root)
    gradient = np.zeros((len(k), len(jacobian)))
    gradient[np.arange(len(k)), place] = w / theta + by_phi * phi_theta
    gradient[:, expiries] = theta / 2 * (y + y / root)
    gradient[:, expiries + 1 :] = by_phi[:, None] * phi_shape
    return w, gradient @ jacobian
