"""Surfaces of total variance: SSVI (Gatheral and Jacquier 2014, section 4), every slice of which is a raw SVI smile.

w(k, theta) = theta/2 (1 + rho phi k + sqrt((phi k + rho)^2 + 1 - rho^2)); theta: total variance at the money; phi = phi(theta).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from simulator.pricing.svi import LEE_BOUND, RawSVI


@dataclass(frozen=True)
class PowerLaw:
    """phi(theta) = eta / (theta^gamma (1 + theta)^(1 - gamma)) (Gatheral-Jacquier eq. 4.5)."""

    eta: float
    gamma: float

    def __post_init__(self) -> None:
        if not (self.eta > 0 and 0 < self.gamma < 1):
            raise ValueError(f"`eta > 0` and `0 < gamma < 1` must hold, but got {self}")

    def phi(self, theta: np.ndarray) -> np.ndarray:
        return self.eta / (theta**self.gamma * (1 + theta) ** (1 - self.gamma))

    def growth(self, theta: np.ndarray) -> np.ndarray:
        """d(theta phi)/dtheta over phi = (1 - gamma) / (1 + theta)."""
        return (1 - self.gamma) / (1 + theta)

    def is_free_of_static_arbitrage(self, rho: float) -> bool:
        """For every increasing theta: eta (1 + |rho|) <= 2 and gamma <= 1/2 (Gatheral-Jacquier, remark 4.4)."""
        return self.gamma <= 0.5 and self.eta * (1 + abs(rho)) <= 2


@dataclass(frozen=True)
class HestonLike:
    """phi(theta) = (1 - (1 - exp(-lambda theta)) / (lambda theta)) / (lambda theta) (Gatheral-Jacquier eq. 4.4)."""

    decay: float  # lambda

    def __post_init__(self) -> None:
        if not self.decay > 0:
            raise ValueError(f"`decay > 0` must hold, but got {self}")

    def phi(self, theta: np.ndarray) -> np.ndarray:
        x = self.decay * theta
        return (x + np.expm1(-x)) / x**2

    def growth(self, theta: np.ndarray) -> np.ndarray:
        """d(theta phi)/dtheta over phi, between 0 and 1."""
        x = self.decay * np.asarray(theta)
        return (-np.expm1(-x) - x * np.exp(-x)) / (x + np.expm1(-x))

    def is_free_of_static_arbitrage(self, rho: float) -> bool:
        """For every increasing theta: lambda >= (1 + |rho|) / 4 (Gatheral-Jacquier, section 4.1)."""
        return self.decay >= (1 + abs(rho)) / 4


class Calendar(NamedTuple):
    """Where a later slice lies lowest against an earlier one: `gap` = w_later - w_earlier, negative if there is arbitrage."""

    earlier: int
    later: int
    log_moneyness: float
    gap: float

    @property
    def is_arbitrage(self) -> bool:
        return not self.gap >= -1e-10


@dataclass(frozen=True)
class SSVI:
    """A surface: one rho, one phi, and the total variance at the money of any expiry."""

    rho: float
    law: PowerLaw | HestonLike

    def __post_init__(self) -> None:
        if not -1 < self.rho < 1:
            raise ValueError(f"`-1 < rho < 1` must hold, but got ({self.rho=})")

    def slice(self, theta: float) -> RawSVI:
        """The raw SVI smile at total variance `theta` at the money."""
        phi, across = float(self.law.phi(np.asarray(theta))), 1 - self.rho**2
        return RawSVI(theta * across / 2, theta * phi / 2, self.rho, -self.rho / phi, math.sqrt(across) / phi)

    def total_variance(self, k: np.ndarray, theta: np.ndarray) -> np.ndarray:
        """w(k, theta), arguments broadcast."""
        x = self.law.phi(np.asarray(theta, dtype=float)) * np.asarray(k, dtype=float)
        return theta / 2 * (1 + self.rho * x + np.sqrt((x + self.rho) ** 2 + 1 - self.rho**2))

    def butterfly_room(self, theta: np.ndarray) -> np.ndarray:
        """How far the two sufficient conditions hold (theorem 4.2), >= 0 if they do: 4 less the larger of
        theta phi (1 + |rho|) and theta phi^2 (1 + |rho|). The first must hold strictly: it is Lee's bound on a wing."""
        phi = self.law.phi(np.asarray(theta, dtype=float))
        tilt = theta * phi * (1 + abs(self.rho))
        return 4 - np.maximum(tilt, tilt * phi)

    def has_no_butterfly(self, theta: np.ndarray) -> np.ndarray:
        """Whether theorem 4.2 (sufficient) holds at each `theta`."""
        phi = self.law.phi(np.asarray(theta, dtype=float))
        return (theta * phi * (1 + abs(self.rho)) < 2 * LEE_BOUND) & (theta * phi**2 * (1 + abs(self.rho)) <= 4)

    def has_no_calendar(self, theta: np.ndarray) -> np.ndarray:
        """Whether 0 <= d(theta phi)/dtheta <= phi (1 + sqrt(1 - rho^2)) / rho^2 (theorem 4.1) holds at each `theta`.

        With it, a surface whose theta never falls in time has no calendar arbitrage.
        """
        growth = self.law.growth(np.asarray(theta, dtype=float))
        most = (1 + math.sqrt(1 - self.rho**2)) / self.rho**2 if self.rho else math.inf
        return (growth >= 0) & (growth <= most)


def worst_calendars(slices: Sequence[RawSVI], low: float = -2.0, high: float = 2.0, nodes: int = 801) -> list[Calendar]:
    """Each slice against the one before it over log-moneyness `low` to `high`: where the gap in total variance is least.

    Slices are in the order of expiry. Between them a surface interpolated linearly in total variance has no calendar
    arbitrage exactly when no pair of neighbours has.
    """
    k = np.linspace(low, high, nodes)
    found = []
    for i, (earlier, later) in enumerate(pairwise(slices)):
        gap = later.total_variance(k) - earlier.total_variance(k)
        j = int(np.argmin(gap))
        found.append(Calendar(i, i + 1, float(k[j]), float(gap[j])))
    return found
