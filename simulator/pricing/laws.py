"""Laws of the log price under the forward measure: Black-Scholes, Merton, Kou, Heston, Bates, by their characteristic functions.

With y = log(S_T / forward), `log_characteristic(u, years)` is log E[exp(i u y)], written so that no branch is crossed and
nothing cancels as the volatility of variance goes to zero; `with_gradient` adds its derivatives by each of `names`, in order.
E[exp(y)] = 1 in each. All arrays are complex [u]; `years` may be an array too, of a shape that broadcasts with that of `u`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields

import numpy as np

Years = float | np.ndarray


class Law(ABC):
    """One law; its fields are its parameters, in the order of `names`."""

    @abstractmethod
    def log_characteristic(self, u: np.ndarray, years: Years) -> np.ndarray:
        """log E[exp(i u y)] at `u`, which may be complex."""

    @abstractmethod
    def with_gradient(self, u: np.ndarray, years: Years) -> tuple[np.ndarray, np.ndarray]:
        """`log_characteristic` and its derivatives [parameter, u]."""

    @abstractmethod
    def variance(self, years: float) -> float:
        """Var[y], or for stochastic variance a bound of its size."""

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """The parameters, in the order of `values`."""
        return tuple(field.name for field in fields(cls))  # type: ignore[arg-type]

    @property
    def values(self) -> np.ndarray:
        """The parameters as an array."""
        return np.array([getattr(self, name) for name in self.names()])


@dataclass(frozen=True)
class Lognormal(Law):
    """Black and Scholes 1973."""

    volatility: float

    def log_characteristic(self, u: np.ndarray, years: Years) -> np.ndarray:
        return -0.5 * self.volatility**2 * years * (u * u + 1j * u)

    def with_gradient(self, u: np.ndarray, years: Years) -> tuple[np.ndarray, np.ndarray]:
        slope = -self.volatility * years * (u * u + 1j * u)
        return 0.5 * self.volatility * slope, slope[None]

    def variance(self, years: float) -> float:
        return self.volatility**2 * years


@dataclass(frozen=True)
class Merton(Law):
    """Merton 1976: normal jumps of the log price at `intensity` a year, compensated."""

    volatility: float
    intensity: float
    jump_mean: float
    jump_deviation: float

    def log_characteristic(self, u: np.ndarray, years: Years) -> np.ndarray:
        jumps = _normal_jumps(u, self.jump_mean, self.jump_deviation)
        return Lognormal(self.volatility).log_characteristic(u, years) + self.intensity * years * jumps

    def with_gradient(self, u: np.ndarray, years: Years) -> tuple[np.ndarray, np.ndarray]:
        own, by_own = Lognormal(self.volatility).with_gradient(u, years)
        by_jumps = _normal_jump_gradient(u, years, self.intensity, self.jump_mean, self.jump_deviation)
        return own + self.intensity * by_jumps[0], np.concatenate([by_own, by_jumps])

    def variance(self, years: float) -> float:
        return (self.volatility**2 + self.intensity * (self.jump_mean**2 + self.jump_deviation**2)) * years


@dataclass(frozen=True)
class Kou(Law):
    """Kou 2002: jumps up with rate `eta_up` (above 1), else down with rate `eta_down`, compensated."""

    volatility: float
    intensity: float
    up_probability: float
    eta_up: float
    eta_down: float

    def log_characteristic(self, u: np.ndarray, years: Years) -> np.ndarray:
        return Lognormal(self.volatility).log_characteristic(u, years) + self.intensity * years * self._jumps(u)

    def _jumps(self, u: np.ndarray) -> np.ndarray:
        p, up, down, iu = self.up_probability, self.eta_up, self.eta_down, 1j * u
        return p * iu / (up - iu) - (1 - p) * iu / (down + iu) - iu * (p / (up - 1) - (1 - p) / (down + 1))

    def with_gradient(self, u: np.ndarray, years: Years) -> tuple[np.ndarray, np.ndarray]:
        p, up, down, iu = self.up_probability, self.eta_up, self.eta_down, 1j * u
        by_p = iu / (up - iu) + iu / (down + iu) - iu * (1 / (up - 1) + 1 / (down + 1))
        by_up = p * (-iu / (up - iu) ** 2 + iu / (up - 1) ** 2)
        by_down = (1 - p) * (iu / (down + iu) ** 2 - iu / (down + 1) ** 2)
        own, by_own = Lognormal(self.volatility).with_gradient(u, years)
        jumps, weight = self._jumps(u) * years, self.intensity * years
        rows = np.array([jumps, weight * by_p, weight * by_up, weight * by_down])
        return own + self.intensity * jumps, np.concatenate([by_own, rows])

    def variance(self, years: float) -> float:
        square = 2 * (self.up_probability / self.eta_up**2 + (1 - self.up_probability) / self.eta_down**2)
        return (self.volatility**2 + self.intensity * square) * years


@dataclass(frozen=True)
class Heston(Law):
    """Heston 1993: dv = mean_reversion (long_run_variance - v) dt + volatility_of_variance sqrt(v) dW, v(0) = `variance_now`."""

    variance_now: float
    mean_reversion: float
    long_run_variance: float
    volatility_of_variance: float
    correlation: float

    def log_characteristic(self, u: np.ndarray, years: Years) -> np.ndarray:
        level, now = _heston(self, u, years)[:2]
        return self.mean_reversion * self.long_run_variance * level + self.variance_now * now

    def with_gradient(self, u: np.ndarray, years: Years) -> tuple[np.ndarray, np.ndarray]:
        return _heston_with_gradient(self, u, years)

    def variance(self, years: float) -> float:
        v, k, th, xi, rho = self.values
        mean = th * years + (v - th) * -math.expm1(-k * years) / k
        return mean * (1 + abs(rho * xi) * years + 0.25 * (xi * years) ** 2)


@dataclass(frozen=True)
class Bates(Law):
    """Bates 1996: Heston's variance and Merton's jumps."""

    variance_now: float
    mean_reversion: float
    long_run_variance: float
    volatility_of_variance: float
    correlation: float
    intensity: float
    jump_mean: float
    jump_deviation: float

    @property
    def heston(self) -> Heston:
        """The part without jumps."""
        return Heston(*(getattr(self, name) for name in Heston.names()))

    def log_characteristic(self, u: np.ndarray, years: Years) -> np.ndarray:
        jumps = _normal_jumps(u, self.jump_mean, self.jump_deviation)
        return self.heston.log_characteristic(u, years) + self.intensity * years * jumps

    def with_gradient(self, u: np.ndarray, years: Years) -> tuple[np.ndarray, np.ndarray]:
        own, by_own = self.heston.with_gradient(u, years)
        by_jumps = _normal_jump_gradient(u, years, self.intensity, self.jump_mean, self.jump_deviation)
        return own + self.intensity * by_jumps[0], np.concatenate([by_own, by_jumps])

    def variance(self, years: float) -> float:
        return self.heston.variance(years) + self.intensity * years * (self.jump_mean**2 + self.jump_deviation**2)


def _normal_jumps(u: np.ndarray, m: float, d: float) -> np.ndarray:
    """E[exp(i u J)] - 1 - i u (E[exp(J)] - 1), J ~ N(m, d^2)."""
    return np.exp(1j * u * m - 0.5 * u * u * d * d) - 1 - 1j * u * math.expm1(m + 0.5 * d * d)


def _normal_jump_gradient(u: np.ndarray, years: Years, intensity: float, m: float, d: float) -> np.ndarray:
    """By intensity, mean and deviation."""
    iu = 1j * u
    jump, mean, weight = np.exp(iu * m - 0.5 * u * u * d * d), math.exp(m + 0.5 * d * d), intensity * years
    by_intensity = years * (jump - 1 - iu * math.expm1(m + 0.5 * d * d))
    return np.array([by_intensity, weight * iu * (jump - mean), -weight * d * (u * u * jump + iu * mean)])


def _heston(law: Heston, u: np.ndarray, years: Years) -> tuple[np.ndarray, ...]:
    """(A, D, b, d, e, w, m): log characteristic = mean_reversion long_run_variance A + variance_now D.

    The "little trap" form (Albrecher et al. 2007) with b - d = -xi^2 m / (b + d), m = u^2 + i u: no xi divides.
    """
    kappa, xi, rho = law.mean_reversion, law.volatility_of_variance, law.correlation
    m = u * u + 1j * u
    b = kappa - 1j * rho * xi * u
    d = np.sqrt(b * b + xi * xi * m)
    e = np.exp(-d * years)
    w = b * (1 - e) + d * (1 + e)
    now = -m * (1 - e) / w
    z = -m * (1 - e) / (2 * d * (b + d))
    level = -m * years / (b + d) - 2 * _log1p_over(z, xi * xi)
    return level, now, b, d, e, w, m


def _log1p_over(z: np.ndarray, square: float) -> np.ndarray:
    """log(1 + square z) / square."""
    x, y = square * z.real, square * z.imag  # numpy's own complex log1p loses the digits of a small argument
    return (0.5 * np.log1p(x * (2 + x) + y * y) + 1j * np.arctan2(y, 1 + x)) / square


def _heston_with_gradient(law: Heston, u: np.ndarray, years: Years) -> tuple[np.ndarray, np.ndarray]:
    """The logarithm and its derivatives [parameter, u], in the order of `Heston` (Cui, del Baño Rollin, Germano 2017)."""
    v, kappa, theta, xi, rho = law.values
    level, now, b, d, e, w, m = _heston(law, u, years)
    iu = 1j * u

    def by(b_x: np.ndarray, d_x: np.ndarray, xi_x: float) -> tuple[np.ndarray, np.ndarray]:
        """(A, D) by a parameter that moves b and d like that."""
        e_x = -years * d_x * e
        w_x = b_x * (1 - e) - b * e_x + d_x * (1 + e) + d * e_x
        now_x = m * (e_x * w + (1 - e) * w_x) / (w * w)
        inner = (b_x - d_x) * years - 2 * (w_x / w - d_x / d)
        return inner / (xi * xi) - 2 * xi_x / xi * level, now_x

    level_k, now_k = by(np.ones_like(b), b / d, 0.0)
    level_xi, now_xi = by(-rho * iu, (-rho * iu * b + xi * m) / d, 1.0)
    level_rho, now_rho = by(-xi * iu, -xi * iu * b / d, 0.0)
    scale = kappa * theta
    by_kappa = theta * level + scale * level_k + v * now_k
    rows = [now, by_kappa, kappa * level, scale * level_xi + v * now_xi, scale * level_rho + v * now_rho]
    return scale * level + v * now, np.array(rows)
