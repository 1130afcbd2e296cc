"""A law of the GARCH family fitted to one asset: variance targeted, persistence and tail bounded.

Hourly crypto returns fit as integrated (alpha + beta = 1) from any start, and an integrated process has no stationary level to
simulate around. So the level is the sample's mean square (variance targeting, Engle and Mezrich 1996), persistence may not
exceed a bound, and neither may the tail of the stationary law (`TailBound`); the log-likelihood all this costs is measured
against the fit without it. Returns are divided by their root mean square first, so that their unit cannot matter.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from simulator.estimation.ascent import CONVERGED, Top, climb
from simulator.estimation.coordinates import (
    ASYMMETRY,
    DEGREES,
    FIRST_MAX_MOVE,
    LEVEL,
    LOW,
    PERSISTENCE,
    SHARE,
    SKEW,
    bounds,
    jacobian,
    logit,
    natural,
)
from simulator.estimation.errors import NotConverged
from simulator.estimation.likelihood import Natural, filter_variance, log_likelihood, scores
from simulator.estimation.specification import GARCH_T, Specification
from simulator.estimation.tail import TailBound

STARTS = (  # (persistence as a share of the largest allowed, alpha share, degrees of freedom)
    (0.995, 0.05, 4.0),
    (1.0, 0.05, 3.5),
    (0.97, 0.12, 6.0),
    (0.9, 0.2, 4.0),
    (1.0, 0.02, 10.0),
    (0.6, 0.3, 8.0),
)
EXPONENTIAL_STARTS = (  # (beta as a share of the largest allowed, alpha, degrees of freedom)
    (0.98, 0.15, 5.0),
    (0.995, 0.1, 4.0),
    (0.9, 0.25, 6.0),
    (0.99, 0.05, 10.0),
    (0.95, 0.2, 4.0),
    (0.6, 0.2, 8.0),
)
EDGE = 1e-9


@dataclass(frozen=True)
class Restriction:
    """What a fit must keep: a level equal to the sample's, a largest persistence (below 1), a tail index."""

    largest_persistence: float
    targeted: bool = True
    tail: TailBound | None = None
    max_move: float = FIRST_MAX_MOVE  # [standard deviations] where the innovations of the level are cut; EGARCH alone asks


FREE = Restriction(1 - 1e-9, targeted=False)  # arch's own region: alpha + gamma/2 + beta <= 1


@dataclass(frozen=True)
class Surface:
    """The log-likelihood of returns `y` (in units of their root mean square) over the coordinates.

    With `tail` the alpha share is tied: it is the largest that the bound allows, and its coordinate is not free.
    """

    y: np.ndarray
    targeted: bool
    tail: TailBound | None
    specification: Specification = GARCH_T
    max_move: float = FIRST_MAX_MOVE

    def natural(self, placed: np.ndarray) -> Natural:
        """The recursion at coordinates whose tied one is set."""
        return natural(placed, self.targeted, self.specification, self.max_move)

    def place(self, x: np.ndarray) -> np.ndarray:
        """`x` with the tied coordinate set."""
        if self.tail is None:
            return x
        placed = x.copy()
        placed[SHARE] = self.tail.share(x)
        return placed

    def spread(self, x: np.ndarray) -> np.ndarray:
        """Derivatives of all coordinates [row] by the free ones [column]."""
        result = np.eye(x.size)
        if self.tail is not None:
            result[SHARE] = self.tail.slope(x)
        return result

    def gradient(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """Log-likelihood and its gradient [coordinate] at `x`."""
        placed = self.place(x)
        total, gradient = log_likelihood(self.y, self.natural(placed))
        return total, gradient @ self._slopes(placed)

    def scores(self, x: np.ndarray) -> np.ndarray:
        """The gradient of each return's log density [t, coordinate] at `x`."""
        placed = self.place(x)
        return scores(self.y, self.natural(placed)) @ self._slopes(placed)

    def _slopes(self, placed: np.ndarray) -> np.ndarray:
        return jacobian(placed, self.targeted, self.specification, self.max_move) @ self.spread(placed)

    def hessian(self, x: np.ndarray, columns: Sequence[int]) -> np.ndarray:
        """Second derivatives [coordinate, `columns`] by central differences of the exact gradient."""
        result = np.empty((x.size, len(columns)))
        for j, column in enumerate(columns):
            step = np.zeros(x.size)
            step[column] = 1e-4
            up, down = (self.gradient(x + sign * step)[1] for sign in (1, -1))
            result[:, j] = (up - down) / 2e-4
        return result


@dataclass(frozen=True)
class Fit:
    """A maximum of the likelihood of returns whose root mean square is `scale` [1 per step]."""

    x: np.ndarray  # [coordinate] `coordinates.NAMES`; log_level is log omega where the level is not targeted
    free: tuple[int, ...]  # coordinates estimated and inside their bounds
    at_bound: tuple[int, ...]  # estimated coordinates that a bound holds
    tied: bool  # the tail bound binds: the alpha share follows from the free coordinates
    scale: float
    log_likelihood: float  # of the returns in percent, as arch counts it
    restriction: Restriction
    specification: Specification = GARCH_T

    @property
    def natural(self) -> Natural:
        """Parameters for returns as fractions."""
        p = natural(self.x, self.restriction.targeted, self.specification, self.restriction.max_move)
        if p.is_exponential:
            return replace(p, omega=p.omega + 2 * (1 - p.beta) * math.log(self.scale))
        return replace(p, omega=p.omega * self.scale**2)

    def surface(self, returns: np.ndarray) -> Surface:
        """The log-likelihood around this fit to `returns`."""
        tail = self.restriction.tail if self.tied else None
        return Surface(returns / self.scale, self.restriction.targeted, tail, self.specification, self.restriction.max_move)

    def variance(self, returns: np.ndarray) -> np.ndarray:
        """Conditional variances of `returns`, one entry longer: the last is the step to come."""
        return filter_variance(returns, self.natural)

    @property
    def degrees(self) -> float:
        """Of freedom of the innovations; infinite: normal."""
        return self.natural.degrees_of_freedom

    def beyond(self, returns: np.ndarray, diffusive: np.ndarray, k: float) -> np.ndarray:
        """[t] whether a return exceeds `k` conditional deviations; variance follows the `diffusive` returns."""
        return np.abs(returns) > k * np.sqrt(self.variance(diffusive)[:-1])


def fit_garch(
    returns: np.ndarray, restriction: Restriction, *, specification: Specification = GARCH_T, near: Fit | None = None
) -> Fit:
    """The best maximum over several starts (or from `near` alone) for `returns` (fractions, NaN where missing).

    Raises NotConverged if no start reaches a maximum.
    """
    scale = math.sqrt(np.nanmean(returns**2))
    starts = [near.x] if near else _starts(restriction, specification)
    surface = Surface(returns / scale, restriction.targeted, None, specification, restriction.max_move)
    left_out = _left_out(restriction, specification)
    best = _best(surface, starts, left_out, restriction)
    tied = restriction.tail is not None and restriction.tail.growth(best.x) > 0
    if tied:
        surface, left_out = replace(surface, tail=restriction.tail), left_out | {SHARE}
        best = _best(surface, [best.x, *starts], left_out, restriction)
    percent = best.value - np.count_nonzero(~np.isnan(returns)) * math.log(100 * scale)
    held = tuple(c for c in range(best.x.size) if c not in best.free and c not in left_out)
    return Fit(surface.place(best.x), tuple(best.free), held, tied, scale, percent, restriction, specification)


def _left_out(restriction: Restriction, specification: Specification) -> set[int]:
    """Coordinates that this law lacks, or that the sample gives."""
    found = {LEVEL} if restriction.targeted else set()
    found |= set() if specification.is_asymmetric else {ASYMMETRY}
    found |= set() if specification.innovation == "skewed-t" else {SKEW}
    return found | ({DEGREES} if specification.is_normal else set())


def _starts(restriction: Restriction, specification: Specification) -> list[np.ndarray]:
    if specification.is_exponential:
        return [_exponential_start(start, restriction) for start in EXPONENTIAL_STARTS]
    return [_start(start, restriction) for start in STARTS]


def _start(start: tuple[float, float, float], restriction: Restriction) -> np.ndarray:
    persistence, share, degrees = start
    persistence *= restriction.largest_persistence
    level = 0.0 if restriction.targeted else math.log(max(1 - persistence, 1e-5))
    return np.array([level, logit(persistence), logit(share), 0.0, math.log(degrees - 2), 0.0])


def _exponential_start(start: tuple[float, float, float], restriction: Restriction) -> np.ndarray:
    beta, alpha, degrees = start
    return np.array([0.0, math.atanh(beta * restriction.largest_persistence), alpha, 0.0, math.log(degrees - 2), 0.0])


def _best(surface: Surface, starts: Sequence[np.ndarray], left_out: set[int], restriction: Restriction) -> Top:
    estimated = [c for c in range(len(LOW)) if c not in left_out]
    low, high = bounds(surface.specification, restriction.largest_persistence)
    inside = partial(_inside, estimated=estimated, low=low, high=high, has_share=not surface.specification.is_exponential)
    tops = [climb(surface.gradient, surface.hessian, inside, start, low, high) for start in starts]
    best = max(tops, key=lambda top: top.value)
    if not best.gain < CONVERGED:
        raise NotConverged(
            f"the likelihood has no maximum that any of {len(starts)} starts reached "
            f"(best {best.value:.4f}, still to gain {best.gain:.2g})"
        )
    if DEGREES in estimated and DEGREES not in best.free and best.x[DEGREES] < 0:
        raise NotConverged(
            "degrees of freedom fall to 2, where innovations have no variance: too many returns are zero or nearly so; "
            "a stale or pegged price is no GARCH, replay or bootstrap it"
        )
    return best


def _inside(
    x: np.ndarray, gradient: np.ndarray, estimated: Sequence[int], low: np.ndarray, high: np.ndarray, has_share: bool
) -> list[int]:
    """Coordinates that no bound holds. Without an ARCH part (share at its lowest) persistence says nothing, and is held too."""
    no_arch = has_share and SHARE in estimated and x[SHARE] <= low[SHARE] + EDGE and gradient[SHARE] < 0
    return [
        c
        for c in estimated
        if not (x[c] >= high[c] - EDGE and gradient[c] > 0)
        and not (x[c] <= low[c] + EDGE and gradient[c] < 0)
        and not (no_arch and c in (PERSISTENCE, ASYMMETRY))
    ]
