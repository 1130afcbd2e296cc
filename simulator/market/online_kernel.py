"""The recursions of `online`: variances [t + 1, path] known before each return, the path loop inside."""

from __future__ import annotations

import math

import numpy as np

from simulator.kernel import kernel


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
    r = columns(returns)
    out = np.empty((len(r) + 1, r.shape[1]))
    _filter(r, start, omega, alpha, gamma, beta, most, threshold, out)
    return out


def columns(returns: np.ndarray) -> np.ndarray:
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


def rolled(returns: np.ndarray, start: float, window: int) -> np.ndarray:
    """The mean of the last `window` squares, [t + 1, path]; `start` stands for what is older than the first return."""
    r = columns(returns)
    out = np.empty((len(r) + 1, r.shape[1]))
    _roll(r, start, window, out)
    return out


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
