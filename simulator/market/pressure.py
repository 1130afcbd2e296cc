"""What an overlay asks of a market while it makes its paths: correlations pulled to one, diffusive returns multiplied."""

from __future__ import annotations

import numpy as np


def checked_pull(convergence: np.ndarray | None, steps: int) -> np.ndarray:
    """`convergence` [market step] as shares of the way to one; empty where there is none. Raises ValueError."""
    if convergence is None:
        return np.zeros(0)
    pulled = np.ascontiguousarray(convergence, dtype=np.float64)
    if pulled.shape != (steps,) or not ((pulled >= 0) & (pulled <= 1)).all():
        raise ValueError(f"`convergence` must be {steps} shares between 0 and 1, one a market step")
    return pulled


def checked_spike(spike: np.ndarray | None, steps: int, assets: int) -> np.ndarray:
    """`spike` [market step, asset] as multipliers; empty where there is none. Raises ValueError."""
    if spike is None:
        return np.zeros((0, 0))
    multiplier = np.ascontiguousarray(spike, dtype=np.float64)
    if multiplier.shape != (steps, assets) or not ((multiplier > 0) & (multiplier < np.inf)).all():
        raise ValueError(f"`spike` must be {steps} x {assets} multipliers above 0, one a market step and asset")
    return multiplier
