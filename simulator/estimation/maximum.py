"""The maximum of a log-likelihood that comes observation by observation, slopes by differences.

For laws of a few numbers whose densities are written as formulas over arrays; the GARCH family and DCC have exact slopes of their
own. Every coordinate is a log, a logit or of order one, so one step of differences serves all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from simulator.estimation.ascent import CONVERGED, Top, climb
from simulator.estimation.errors import NotConverged
from simulator.estimation.standard_errors import estimated_covariance

Densities = Callable[[np.ndarray], np.ndarray]  # coordinates -> log densities [t]
SLOPE, BEND = 1e-5, 1e-3  # [1] steps of first and of second differences
EDGE = 1e-9


@dataclass(frozen=True)
class Maximum:
    """Where the likelihood is largest; `free` are the coordinates that no bound holds."""

    x: np.ndarray
    value: float
    free: tuple[int, ...]
    scores: np.ndarray  # [t, coordinate]
    hessian: np.ndarray  # [coordinate, coordinate] of the sum

    def covariance(self, block: float = 1.0) -> np.ndarray:
        """The sandwich (White 1982) with the long-run covariance of a stationary bootstrap of mean `block` [t]; zero rows for
        coordinates at a bound."""
        free = list(self.free)
        bread = np.linalg.inv(self.hessian[np.ix_(free, free)])
        result = np.zeros_like(self.hessian)
        filling = estimated_covariance(self.scores[:, free], max(block, 1.0)) * len(self.scores)
        result[np.ix_(free, free)] = bread @ filling @ bread
        return result


def by_differences(densities: Densities, x: np.ndarray) -> np.ndarray:
    """Slopes [t, coordinate] of `densities` at `x`."""
    return np.column_stack([densities(x + s) - densities(x - s) for s in SLOPE * np.eye(x.size)]) / (2 * SLOPE)


@dataclass(frozen=True)
class Problem:
    """Densities, their slopes [t, coordinate], and the box that coordinates are held in."""

    densities: Densities
    low: Sequence[float]
    high: Sequence[float]
    slopes: Densities

    def gradient(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        value = float(np.sum(self.densities(x)))
        return (value, self.slopes(x).sum(axis=0)) if np.isfinite(value) else (-np.inf, np.zeros(x.size))

    def hessian(self, x: np.ndarray, columns: Sequence[int]) -> np.ndarray:
        step = BEND * np.eye(x.size)
        bends = [(self.gradient(x + step[c])[1] - self.gradient(x - step[c])[1]) / (2 * BEND) for c in columns]
        return np.column_stack(bends) if bends else np.empty((x.size, 0))

    def top(self, starts: Sequence[Sequence[float]], what: str) -> Top:
        """The best of the climbs from `starts`. Raises NotConverged, naming `what`."""
        low, high = np.array(self.low, dtype=float), np.array(self.high, dtype=float)

        def inside(x: np.ndarray, slope: np.ndarray) -> list[int]:
            held = ((x >= high - EDGE) & (slope > 0)) | ((x <= low + EDGE) & (slope < 0))
            return [int(c) for c in np.flatnonzero(~held)]

        climbs = (climb(self.gradient, self.hessian, inside, np.array(s, dtype=float), low, high) for s in starts)
        best = max(climbs, key=lambda t: t.value)
        if not best.gain < CONVERGED:
            raise NotConverged(f"{what}: the likelihood has no maximum that any of {len(starts)} starts reached")
        return best


def maximise(
    densities: Densities,
    starts: Sequence[Sequence[float]],
    low: Sequence[float],
    high: Sequence[float],
    what: str,
    slopes: Densities | None = None,
) -> Maximum:
    """The best of the climbs from `starts`, all coordinates held between `low` and `high`; `slopes` [t, coordinate] if they are
    known. Raises NotConverged, naming `what`."""
    problem = Problem(densities, low, high, slopes or (lambda x: by_differences(densities, x)))
    best = problem.top(starts, what)
    everything = problem.hessian(best.x, range(best.x.size))
    return Maximum(best.x, best.value, tuple(best.free), problem.slopes(best.x), (everything + everything.T) / 2)
