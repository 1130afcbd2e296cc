"""Estimators of volatility that follow data as they come: what is known of a step's variance before the step.

One interface: `variances(returns, step)` takes log returns [t, path] (NaN where missing) over `step` [s] and gives variances
[t + 1, path]; entry t is known before return t, the last is that of the step to come. None looks at the return it stands
before or at later ones. A missing return leaves what the estimator expects.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from simulator.kernel import kernel
from simulator.parameters import DAY, YEAR, Part

Volatility = Annotated[float, Field(gt=0, le=1_000)]


class Ewma(Part):
    """Exponentially weighted mean of squares (RiskMetrics 1996): h[t+1] = k h[t] + (1 - k) r[t]^2, k = 2^(-step / half_life)."""

    kind: Literal["ewma"] = "ewma"
    volatility_today: Volatility  # [1/sqrt(year)] before the first return
    half_life: Annotated[float, Field(gt=0)] = DAY  # [s]

    def variances(self, returns: np.ndarray, step: float) -> np.ndarray:
        """Variances [t + 1, path] known before each return."""
        kept = 2.0 ** (-step / self.half_life)
        return filtered(returns, self.volatility_today**2 * step / YEAR, 0.0, 1 - kept, 0.0, kept, math.inf)


class Rolling(Part):
    """Mean square of the last `window` seconds; `volatility_today` stands for what is older than the first return."""

    kind: Literal["rolling"] = "rolling"
    volatility_today: Volatility  # [1/sqrt(year)] before the first return
    window: Annotated[float, Field(gt=0)] = 7 * DAY  # [s]

    def variances(self, returns: np.ndarray, step: float) -> np.ndarray:
        """Variances [t + 1, path] known before each return."""
        r = _columns(returns)
        out = np.empty((len(r) + 1, r.shape[1]))
        _roll(r, self.volatility_today**2 * step / YEAR, max(1, round(self.window / step)), out)
        return out


class GarchFilter(Part):
    """The recursion of GARCH or GJR with fixed parameters; see `market.processes.Garch`."""

    kind: Literal["garch-filter"] = "garch-filter"
    volatility: Volatility  # [1/sqrt(year)] stationary
    alpha: Annotated[float, Field(ge=0)]  # [1]
    beta: Annotated[float, Field(ge=0)]  # [1]
    gamma: float = 0.0  # [1] added to alpha after a fall
    volatility_today: Volatility  # [1/sqrt(year)] before the first return
    ceiling: Annotated[float, Field(gt=1)] = 10.0  # [1] of conditional volatility over the stationary one

    def variances(self, returns: np.ndarray, step: float) -> np.ndarray:
        """Variances [t + 1, path] known before each return."""
        level = self.volatility**2 * step / YEAR
        omega = level * (1 - self.alpha - self.beta - self.gamma / 2)
        start = self.volatility_today**2 * step / YEAR
        return filtered(returns, start, omega, self.alpha, self.gamma, self.beta, self.ceiling**2 * level)


Estimator = Annotated[Ewma | Rolling | GarchFilter, Field(discriminator="kind")]


def filtered(
    returns: np.ndarray,
    start: float,
    omega: float,
    alpha: float,
    gamma: float,
    beta: float,
    most: float,
    threshold: float = math.inf,
) -> np.ndarray:
    """h[t+1] = min(omega + (alpha + gamma 1[r < 0]) r^2 + beta h[t], most), [t + 1, path]; h[0] = `start`.

    A return that is missing, or beyond `threshold` conditional deviations (a jump), enters as what the law expects.
    """
    r = _columns(returns)
    out = np.empty((len(r) + 1, r.shape[1]))
    _filter(r, start, omega, alpha, gamma, beta, most, threshold, out)
    return out


def _columns(returns: np.ndarray) -> np.ndarray:
    r = np.ascontiguousarray(returns, dtype=np.float64)
    if r.ndim != 2:
        raise ValueError(f"`returns` must be [t, path], but has shape {r.shape}")
    return r


@kernel
def _filter(r, start, omega, alpha, gamma, beta, most, threshold, out):
    for p in range(r.shape[1]):
        out[0, p] = start
    for t in range(r.shape[0]):
        for p in range(r.shape[1]):
            h, value = out[t, p], r[t, p]
            square = value * value
            if math.isnan(value) or square > threshold * threshold * h:
                answer = (alpha + 0.5 * gamma) * h
            elif value < 0.0:
                answer = (alpha + gamma) * square
            else:
                answer = alpha * square
            out[t + 1, p] = min(omega + answer + beta * h, most)


@kernel
def _roll(r, start, window, out):
    for p in range(r.shape[1]):
        total = start * window
        out[0, p] = start
        for t in range(r.shape[0]):
            value = r[t, p]
            total += out[t, p] if math.isnan(value) else value * value
            old = start
            if t >= window:
                gone = r[t - window, p]
                old = out[t - window, p] if math.isnan(gone) else gone * gone
            total -= old
            out[t + 1, p] = max(total, 0.0) / window
