"""Smiles of total variance: raw SVI (Gatheral 2004) and when one holds no butterfly arbitrage.

w(k) = a + b (rho (k - m) + sqrt((k - m)^2 + sigma^2)), k = log(strike / forward), w = volatility^2 x years.
A smile is free of butterflies when Durrleman's g(k) >= 0 everywhere and d+ tends to minus infinity, which Lee's bound on the
wings, b (1 + |rho|) <= 2, is enough for (Gatheral and Jacquier 2014, sections 2 and 3).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

LEE_BOUND = 2.0  # largest slope of total variance in log-moneyness (Lee 2004)
REACH = 1e6  # [sigma] how far into the wings a check looks
NODES = 2_001


class Worst(NamedTuple):
    """Where a smile comes nearest to a butterfly, or is one: `size` = min g, negative if there is arbitrage."""

    log_moneyness: float
    size: float

    @property
    def is_arbitrage(self) -> bool:
        return not self.size >= -1e-10


class JumpWings(NamedTuple):
    """SVI-JW (Gatheral and Jacquier 2014, section 3.3): what traders read off a smile at one expiry."""

    variance: float  # v_t [1/year]: at the money
    skew: float  # psi_t: slope of volatility at the money, times sqrt(years)
    put_slope: float  # p_t
    call_slope: float  # c_t
    least_variance: float  # v~_t [1/year]


def durrleman(k: np.ndarray, w: np.ndarray, slope: np.ndarray, curvature: np.ndarray) -> np.ndarray:
    """g(k) = (1 - k w' / 2w)^2 - (w')^2 / 4 (1/w + 1/4) + w''/2; the density of log S_T is g times something positive."""
    return (1 - k * slope / (2 * w)) ** 2 - slope**2 / 4 * (1 / w + 0.25) + curvature / 2


@dataclass(frozen=True)
class RawSVI:
    """The five numbers of a slice; total variance and its derivatives in k are exact and vectorised."""

    a: float
    b: float
    rho: float
    m: float
    sigma: float

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, (self.a, self.b, self.rho, self.m, self.sigma))):
            raise ValueError(f"parameters of a smile must be finite, but got {self}")
        if self.b < 0 or not -1 <= self.rho <= 1 or self.sigma <= 0:
            raise ValueError(f"`b >= 0`, `-1 <= rho <= 1` and `sigma > 0` must hold, but got {self}")

    def total_variance(self, k: np.ndarray) -> np.ndarray:
        """w(k)."""
        y = np.asarray(k, dtype=float) - self.m
        return self.a + self.b * (self.rho * y + np.hypot(y, self.sigma))

    def slope(self, k: np.ndarray) -> np.ndarray:
        """w'(k)."""
        y = np.asarray(k, dtype=float) - self.m
        return self.b * (self.rho + y / np.hypot(y, self.sigma))

    def curvature(self, k: np.ndarray) -> np.ndarray:
        """w''(k)."""
        y = np.asarray(k, dtype=float) - self.m
        return self.b * self.sigma**2 / np.hypot(y, self.sigma) ** 3

    def volatility(self, k: np.ndarray, years: float | np.ndarray) -> np.ndarray:
        """Black 1976 volatility [1/sqrt(year)]."""
        return np.sqrt(self.total_variance(k) / years)

    def bounded_volatility(self, k: np.ndarray, years: float | np.ndarray) -> np.ndarray:
        """`volatility` as Derive's oracle gives it: flat wings beyond |k| = 4 sqrt(a + b sigma), total variance at most 144.

        Source: derivexyz/lyra-utils @759e962.
        """
        reach = 4.0 * math.sqrt(max(self.a + self.b * self.sigma, 0.0))
        return np.sqrt(np.minimum(self.total_variance(np.clip(k, -reach, reach)), 144.0) / years)

    def durrleman(self, k: np.ndarray) -> np.ndarray:
        """g(k); not defined where total variance is zero or less."""
        k = np.asarray(k, dtype=float)
        return durrleman(k, self.total_variance(k), self.slope(k), self.curvature(k))

    @property
    def least_total_variance(self) -> float:
        """min w = a + b sigma sqrt(1 - rho^2)."""
        return self.a + self.b * self.sigma * math.sqrt(1 - self.rho**2)

    @property
    def wing_slope(self) -> float:
        """The steeper wing, b (1 + |rho|); above `LEE_BOUND` no price is left for far strikes."""
        return self.b * (1 + abs(self.rho))

    def worst_butterfly(self) -> Worst:
        """The least g(k) over the line, wings included: a grid of `NODES` strikes, then a search around its lowest places.

        A smile whose least total variance is not positive, or whose wing breaks Lee's bound, has size -inf there.
        """
        if self.least_total_variance <= 0:
            return Worst(self.m - self.rho * self.sigma / math.sqrt(max(1 - self.rho**2, 1e-300)), -math.inf)
        if self.wing_slope > LEE_BOUND:
            return Worst(math.copysign(math.inf, self.rho), -math.inf)
        return lowest(self.durrleman, self.wing_grid())

    def wing_grid(self, nodes: int = NODES) -> np.ndarray:
        """Log-moneyness from -REACH to REACH deviations `sigma` around m, dense where the smile bends."""
        return self.m + self.sigma * np.sinh(np.linspace(-math.asinh(REACH), math.asinh(REACH), nodes))

    def jump_wings(self, years: float) -> JumpWings:
        """The same smile in the words of traders. Raises ValueError where variance at the money is not positive."""
        root = math.hypot(self.m, self.sigma)
        w = self.a + self.b * (-self.rho * self.m + root)
        if w <= 0:
            raise ValueError(f"total variance at the money is {w:g}; it must be above 0")
        scale = self.b / math.sqrt(w)
        return JumpWings(
            w / years,
            scale / 2 * (self.rho - self.m / root),
            scale * (1 - self.rho),
            scale * (1 + self.rho),
            self.least_total_variance / years,
        )


def from_jump_wings(jw: JumpWings, years: float) -> RawSVI:
    """The raw parameters of a smile in SVI-JW. Raises ValueError for numbers that no smile has."""
    w = jw.variance * years
    if not (w > 0 and jw.put_slope >= 0 and jw.call_slope >= 0 and jw.put_slope + jw.call_slope > 0):
        raise ValueError(f"`variance > 0` and slopes >= 0, not both 0, must hold, but got {jw}")
    b = math.sqrt(w) / 2 * (jw.call_slope + jw.put_slope)
    rho = (jw.call_slope - jw.put_slope) / (jw.call_slope + jw.put_slope)
    tilt = rho - 2 * jw.skew * math.sqrt(w) / b  # m / sqrt(m^2 + sigma^2)
    if not -1 < tilt < 1:
        raise ValueError(f"the skew {jw.skew:g} must lie between -put_slope/2 and call_slope/2, but got {jw}")
    root = math.sqrt(1 - tilt**2)
    rise = b * ((1 - rho * tilt) / root - math.sqrt(1 - rho**2))
    if rise <= 0 or not jw.least_variance < jw.variance:
        raise ValueError(f"the least variance must lie below the variance at the money, with a skew other than 0, but got {jw}")
    sigma = (jw.variance - jw.least_variance) * years / rise
    return RawSVI(jw.least_variance * years - b * sigma * math.sqrt(1 - rho**2), b, rho, sigma * tilt / root, sigma)


def without_butterfly(jw: JumpWings) -> JumpWings:
    """The smile of the same variance, skew and put wing that SSVI makes free of butterflies (Gatheral-Jacquier, section 5.1).

    c' = p + 2 psi and v~' = v 4 p c' / (p + c')^2: what a free fit with arbitrage may start from.
    """
    p, c = jw.put_slope, jw.put_slope + 2 * jw.skew
    return jw._replace(call_slope=c, least_variance=jw.variance * 4 * p * c / (p + c) ** 2)


def lowest(function: Callable[[np.ndarray], np.ndarray], grid: np.ndarray, places: int = 8) -> Worst:
    """The least value of a function over an increasing grid, refined between the neighbours of its lowest local minima."""
    values = function(grid)
    if not np.all(np.isfinite(values)):
        bad = int(np.argmin(np.isfinite(values)))
        return Worst(float(grid[bad]), -math.inf)
    inner = np.flatnonzero((values[1:-1] <= values[:-2]) & (values[1:-1] <= values[2:])) + 1
    best = int(np.argmin(values))
    worst = Worst(float(grid[best]), float(values[best]))
    for i in inner[np.argsort(values[inner], kind="stable")][:places]:
        low, high = grid[i - 1], grid[i + 1]
        for _ in range(4):  # a finer grid between the neighbours, forty times finer a round
            fine = np.linspace(low, high, 81)
            at = function(fine)
            j = int(np.argmin(at))
            low, high = fine[max(j - 1, 0)], fine[min(j + 1, 80)]
        if at[j] < worst.size:
            worst = Worst(float(fine[j]), float(at[j]))
    return worst
