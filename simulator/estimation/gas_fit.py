"""The price of gas from a history of it and of its asset's volatility: the numbers of a `[gas]` of kind mean-reverting."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from simulator.market.gas import MeanRevertingGas
from simulator.parameters import YEAR

JUMP = 4.0  # robust deviations above which a rise is a jump
NORMAL_MAD = 0.6744897501960817  # median absolute deviation of a standard normal
SHARES = np.linspace(0.0, 0.999, 1_000)  # of x kept by a step, among which the least squares are looked for


@dataclass(frozen=True)
class GasFit:
    """Fitted numbers with the standard errors of what is estimated by least squares."""

    level: float  # [gwei]
    spread: float  # [1]
    half_life: float  # [s]
    volatility_elasticity: float  # [1]
    elasticity_error: float  # [1]
    kept: float  # [1] share of x that a step keeps
    kept_error: float  # [1]
    jump_intensity: float  # [1/year]
    jump_mean: float  # [1]
    correlation: float  # [1] of log gas and log volatility
    rows: int

    def part(self, asset: str, **fields) -> MeanRevertingGas:
        """The section [gas] with these numbers."""
        own = ("level", "spread", "half_life", "volatility_elasticity", "jump_intensity", "jump_mean")
        numbers = {key: getattr(self, key) for key in own}
        numbers["volatility_elasticity"] = max(numbers["volatility_elasticity"], 0.0)
        return MeanRevertingGas(kind="mean-reverting", asset=asset, **numbers, **fields)


def fit_gas(gwei: np.ndarray, volatility: np.ndarray, reference: float, step: float) -> GasFit:
    """Least squares of log gas on log volatility with errors of first order (Hildreth and Lu 1960), then jumps by threshold.

    `gwei`, `volatility` [row], one a `step` [s], `reference` the volatility at which the level is stated. What rises by more
    than four robust deviations is a jump; its intensity is per squared volatility over that of the reference. Raises ValueError
    for fewer than 100 rows or what is not positive.
    """
    if len(gwei) < 100 or len(volatility) != len(gwei):
        raise ValueError(f"needs >= 100 rows of gas and of volatility alike, but got {len(gwei)} and {len(volatility)}")
    if not (np.isfinite(gwei).all() and np.isfinite(volatility).all() and min(gwei.min(), volatility.min()) > 0):
        raise ValueError("every price of gas and every volatility must be positive and finite")
    y, strain = np.log(gwei), np.log(volatility / reference)
    kept = float(SHARES[np.argmin([_regress(y, strain, k)[1] for k in SHARES])])
    (level, elasticity), _, noise, error = _regress(y, strain, kept)
    is_jump = noise > JUMP * np.median(np.abs(noise)) / NORMAL_MAD
    exposure = math.fsum(np.exp(2 * strain[:-1])) * step / YEAR
    fresh = float(np.std(noise[~is_jump]))
    x = y - level - elasticity * strain
    return GasFit(
        level=math.exp(level),
        spread=fresh / math.sqrt(1 - kept**2),
        half_life=-step * math.log(2) / math.log(max(kept, 1e-6)),
        volatility_elasticity=float(elasticity),
        elasticity_error=error,
        kept=kept,
        kept_error=math.sqrt(float(np.var(noise)) / float(np.sum(x[:-1] ** 2))),
        jump_intensity=float(is_jump.sum()) / exposure,
        jump_mean=float(noise[is_jump].mean()) if is_jump.any() else 0.0,
        correlation=float(np.corrcoef(y, strain)[0, 1]),
        rows=len(gwei),
    )


def _regress(y: np.ndarray, strain: np.ndarray, kept: float) -> tuple[np.ndarray, float, np.ndarray, float]:
    """((level, elasticity), sum of squares, noise, error of the elasticity) where a step keeps `kept` of x."""
    columns = np.column_stack([np.full(len(y) - 1, 1 - kept), strain[1:] - kept * strain[:-1]])
    target = y[1:] - kept * y[:-1]
    squares = columns.T @ columns
    found = np.linalg.solve(squares, columns.T @ target)
    noise = target - columns @ found
    total = float(noise @ noise)
    error = math.sqrt(total / (len(target) - 3) * np.linalg.inv(squares)[1, 1])
    return found, total, noise, error
