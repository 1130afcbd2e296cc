"""GARCH(1,1) or GJR with Student-t innovations fitted to one asset: variance targeted, persistence and tail bounded.

Hourly crypto returns fit as integrated (alpha + beta = 1) from any start, and an integrated process has no stationary level to
simulate around. So the level is the sample's mean square (variance targeting, Engle and Mezrich 1996), persistence may not
exceed a bound, and neither may the tail of the stationary law (`TailBound`); the log-likelihood all this costs is measured
against the fit without it. Returns are divided by their root mean square first, so that their unit cannot matter.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from simulator.estimation.ascent import CONVERGED, Top, climb
from simulator.estimation.coordinates import ASYMMETRY, DEGREES, HIGH, LEVEL, LOW, PERSISTENCE, SHARE, jacobian, logit, natural
from simulator.estimation.errors import NotConverged
from simulator.estimation.likelihood import Natural, filter_variance, log_likelihood, scores
from simulator.estimation.tail import TailBound

STARTS = (  # (persistence as a share of the largest allowed, alpha share, degrees of freedom)
    (0.995, 0.05, 4.0),
    (1.0, 0.05, 3.5),
    (0.97, 0.12, 6.0),
    (0.9, 0.2, 4.0),
    (1.0, 0.02, 10.0),
    (0.6, 0.3, 8.0),
)
EDGE = 1e-9


@dataclass(frozen=True)
class Restriction:
    """What a fit must keep: a level equal to the sample's, a largest persistence (below 1), a tail index."""

    largest_persistence: float
    targeted: bool = True
    tail: TailBound | None = None


FREE = Restriction(1 - 1e-9, targeted=False)  # arch's own region: alpha + gamma/2 + beta <= 1


@dataclass(frozen=True)
class Surface:
    """The log-likelihood of returns `y` (in units of their root mean square) over the coordinates.

    With `tail` the alpha share is tied: it is the largest that the bound allows, and its coordinate is not free.
    """

    y: np.ndarray
    targeted: bool
    tail: TailBound | None

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
        total, gradient = log_likelihood(self.y, natural(placed, self.targeted))
        return total, gradient @ self._slopes(placed)

    def scores(self, x: np.ndarray) -> np.ndarray:
        """The gradient of each return's log density [t, coordinate] at `x`."""
        placed = self.place(x)
        return scores(self.y, natural(placed, self.targeted)) @ self._slopes(placed)

    def _slopes(self, placed: np.ndarray) -> np.ndarray:
        return jacobian(placed, self.targeted) @ self.spread(placed)

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

    @property
    def natural(self) -> Natural:
        """Parameters for returns as fractions."""
        p = natural(self.x, self.restriction.targeted)
        return Natural(p.omega * self.scale**2, p.alpha, p.gamma, p.beta, p.degrees_of_freedom)

    def surface(self, returns: np.ndarray) -> Surface:
        """The log-likelihood around this fit to `returns`."""
        return Surface(returns / self.scale, self.restriction.targeted, self.restriction.tail if self.tied else None)

    def variance(self, returns: np.ndarray) -> np.ndarray:
        """Conditional variances of `returns`, one entry longer: the last is the step to come."""
        return filter_variance(returns, self.natural)


def fit_garch(returns: np.ndarray, restriction: Restriction, *, asymmetric: bool = False, near: Fit | None = None) -> Fit:
    """The best maximum over `STARTS` (or from `near` alone) for `returns` (fractions, NaN where missing).

    Raises NotConverged if no start reaches a maximum.
    """
    scale = math.sqrt(np.nanmean(returns**2))
    starts = [near.x] if near else [_start(start, restriction) for start in STARTS]
    surface = Surface(returns / scale, restriction.targeted, None)
    left_out = {LEVEL} if restriction.targeted else set()
    left_out |= set() if asymmetric else {ASYMMETRY}
    best = _best(surface, starts, left_out, restriction)
    tied = restriction.tail is not None and restriction.tail.growth(best.x) > 0
    if tied:
        surface, left_out = Surface(surface.y, restriction.targeted, restriction.tail), left_out | {SHARE}
        best = _best(surface, [best.x, *starts], left_out, restriction)
    percent = best.value - np.count_nonzero(~np.isnan(returns)) * math.log(100 * scale)
    held = tuple(c for c in range(best.x.size) if c not in best.free and c not in left_out)
    return Fit(surface.place(best.x), tuple(best.free), held, tied, scale, percent, restriction)


def _start(start: tuple[float, float, float], restriction: Restriction) -> np.ndarray:
    persistence, share, degrees = start
    persistence *= restriction.largest_persistence
    level = 0.0 if restriction.targeted else math.log(max(1 - persistence, 1e-5))
    return np.array([level, logit(persistence), logit(share), 0.0, math.log(degrees - 2)])


def _best(surface: Surface, starts: Sequence[np.ndarray], left_out: set[int], restriction: Restriction) -> Top:
    estimated = [c for c in range(len(LOW)) if c not in left_out]
    high = HIGH.copy()
    high[PERSISTENCE] = logit(restriction.largest_persistence)
    inside = partial(_inside, estimated=estimated, high=high)
    tops = [climb(surface.gradient, surface.hessian, inside, start, LOW, high) for start in starts]
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


def _inside(x: np.ndarray, gradient: np.ndarray, estimated: Sequence[int], high: np.ndarray) -> list[int]:
    """Coordinates that no bound holds. Without an ARCH part (share at its lowest) persistence says nothing, and is held too."""
    no_arch = SHARE in estimated and x[SHARE] <= LOW[SHARE] + EDGE and gradient[SHARE] < 0
    return [
        c
        for c in estimated
        if not (x[c] >= high[c] - EDGE and gradient[c] > 0)
        and not (x[c] <= LOW[c] + EDGE and gradient[c] < 0)
        and not (no_arch and c in (PERSISTENCE, ASYMMETRY))
    ]
