"""What a careful NumPy user writes for the same laws: one loop over steps, all paths at once, no compensation of fat tails.

Every function returns (price, volatility), each [step, asset, path] as the product's.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy import special

from simulator.parameters import YEAR

Innovate = Callable[[np.random.Generator, tuple[int, int]], np.ndarray]


def student(degrees: float) -> Innovate:
    scale = math.sqrt((degrees - 2) / degrees)
    return lambda rng, size: rng.standard_t(degrees, size) * scale


def garch(process: dict, jumps: dict | None, assets: int, step: float, steps: int, paths: int, draw: Innovate | None = None):
    """GARCH(1,1), EGARCH(1,1) or constant variance, with Merton jumps or without."""
    years, rng = step / YEAR, np.random.default_rng(1)
    draw = draw or _own_innovation(process)
    level = process["volatility"] ** 2 * years
    alpha, beta, gamma = (process.get(key, 0.0) for key in ("alpha", "beta", "gamma"))
    h, x = np.full((assets, paths), level), np.zeros((assets, paths))
    price, volatility = np.empty((steps + 1, assets, paths)), np.empty((steps, assets, paths))
    price[0] = 2_000.0
    for t in range(steps):
        volatility[t] = np.sqrt(h / years)
        z = draw(rng, h.shape)
        e = np.sqrt(h) * z
        x += e - h / 2
        if jumps is not None:
            n = rng.poisson(jumps["intensity"] * years, h.shape)
            x += n * jumps["mean"] + np.sqrt(n) * jumps["deviation"] * rng.standard_normal(h.shape)
        price[t + 1] = 2_000.0 * np.exp(x)
        if process["kind"] == "garch":
            h = (1 - alpha - beta) * level + alpha * e * e + beta * h
        elif process["kind"] == "egarch":
            h = np.exp((1 - beta) * math.log(level) + alpha * (np.abs(z) - 0.74) + gamma * z + beta * np.log(h))
    return price, volatility


def _own_innovation(process: dict) -> Innovate:
    law = process.get("innovation", {"kind": "normal"})
    if law["kind"] == "normal":
        return lambda rng, size: rng.standard_normal(size)
    if law["kind"] == "student-t":
        return student(law["degrees_of_freedom"])
    return _hansen(law["degrees_of_freedom"], law["skew"])


def _hansen(nu: float, skew: float) -> Innovate:
    """Hansen's skewed t (1994): a half t on the side that a coin shows."""
    c = math.exp(math.lgamma((nu + 1) / 2) - math.lgamma(nu / 2)) / math.sqrt(math.pi * (nu - 2))
    a = 4 * skew * c * (nu - 2) / (nu - 1)
    b = math.sqrt(1 + 3 * skew**2 - a**2)

    def draw(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
        t = np.abs(rng.standard_t(nu, size)) * math.sqrt((nu - 2) / nu)
        up = rng.random(size) < (1 + skew) / 2
        return (np.where(up, (1 + skew) * t, (skew - 1) * t) - a) / b

    return draw


def heston(process: dict, jumps: dict | None, step: float, steps: int, paths: int):
    """Andersen's quadratic-exponential scheme (2008), without martingale correction."""
    years, rng = step / YEAR, np.random.default_rng(1)
    kappa, theta, xi, rho = (
        process["mean_reversion"],
        process["volatility"] ** 2,
        process["volatility_of_variance"],
        process["leverage"],
    )
    kept = math.exp(-kappa * years)
    by_level, by_itself = xi**2 * kept * (1 - kept) / kappa, theta * xi**2 * (1 - kept) ** 2 / (2 * kappa)
    k1 = 0.5 * years * (kappa * rho / xi - 0.5) - rho / xi
    k2, k3 = k1 + 2 * rho / xi, 0.5 * years * (1 - rho**2)
    v, x = np.full(paths, theta), np.zeros(paths)
    price, volatility = np.empty((steps + 1, 1, paths)), np.empty((steps, 1, paths))
    price[0] = 2_000.0
    for t in range(steps):
        volatility[t, 0] = np.sqrt(v)
        mean = theta + (v - theta) * kept
        psi = (v * by_level + by_itself) / mean**2
        z = rng.standard_normal(paths)
        r = 2 / np.minimum(psi, 1.5)
        b2 = r - 1 + np.sqrt(r * (r - 1))
        quadratic = mean / (1 + b2) * (np.sqrt(b2) + z) ** 2
        tail = 2 / (np.maximum(psi, 1.5) + 1)
        exponential = np.maximum(np.log(tail / special.ndtr(-z)) * mean / tail, 0)
        after = np.where(psi <= 1.5, quadratic, exponential)
        x += -rho * kappa * theta * years / xi + k1 * v + k2 * after
        x += np.sqrt(k3 * (v + after)) * rng.standard_normal(paths)
        if jumps is not None:
            n = rng.poisson(jumps["intensity"] * years, paths)
            x += n * jumps["mean"] + np.sqrt(n) * jumps["deviation"] * rng.standard_normal(paths)
        price[t + 1, 0] = 2_000.0 * np.exp(x)
        v = after
    return price, volatility


def peg(process: dict, step: float, steps: int, paths: int):
    """Exact steps of an Ornstein-Uhlenbeck log price."""
    rng, rate = np.random.default_rng(1), math.log(2) * YEAR / process["half_life"]
    kept = math.exp(-rate * step / YEAR)
    deviation = process["volatility"] * math.sqrt((1 - kept**2) / (2 * rate))
    x, price = np.zeros(paths), np.empty((steps + 1, 1, paths))
    price[0] = 1.0
    for t in range(steps):
        x = kept * x + deviation * rng.standard_normal(paths)
        price[t + 1, 0] = np.exp(x)
    return price, np.full((steps, 1, paths), deviation / math.sqrt(step / YEAR))


def joined(name: str, rho: float, degrees: float, assets: int, mixing: float = 4.0) -> Innovate:
    """Student-t innovations of `degrees`, tied by a Gaussian copula, a t copula of `mixing` degrees, or DCC."""
    s = np.full((assets, assets), rho) + (1 - rho) * np.eye(assets)
    factor, scale = np.linalg.cholesky(s), math.sqrt((degrees - 2) / degrees)
    state: dict[str, np.ndarray] = {}

    def draw(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
        z = rng.standard_normal(size)
        if name == "dcc":
            q = state.setdefault("q", np.broadcast_to(s, (size[1], assets, assets)).copy())
            root = np.sqrt(np.diagonal(q, axis1=1, axis2=2))
            own = np.linalg.cholesky(q / (root[:, :, None] * root[:, None, :]))
            z = np.einsum("kab,bk->ak", own, z)
            state["q"] = 0.05 * s + 0.05 * z.T[:, :, None] * z.T[:, None, :] + 0.9 * q
        else:
            z = factor @ z
        if name == "student-t":
            u = special.stdtr(mixing, z * np.sqrt(mixing / rng.chisquare(mixing, size[1])))
        else:
            u = special.ndtr(z)
        return special.stdtrit(degrees, np.clip(u, 1e-16, 1 - 1e-16)) * scale

    return draw
