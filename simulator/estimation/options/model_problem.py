"""Residuals of a law against quotes, and their derivatives, in the coordinates of a search."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from simulator.estimation.options.least_squares import Solution
from simulator.estimation.options.model_coordinates import BOUNDS, Coordinates, check
from simulator.estimation.options.model_loss import PremiumLoss
from simulator.estimation.options.model_search import search
from simulator.estimation.options.quotes import Quotes
from simulator.pricing.laws import Law
from simulator.pricing.lewis import REACH, Quadrature

INSIDE = 1e-3  # [coordinate] from a bound, at least, where a search begins


@dataclass(frozen=True)
class Prior:
    """Where a fit is drawn to when quotes say little: `strength` [volatility] x (coordinate - the prior's) joins the residuals,
    for the parameters in `names` (all, where empty). Coordinates are mostly logarithms: 0.001 costs a tenth of a volatility
    point for each e-fold."""

    law: Law
    strength: float
    name: str
    names: tuple[str, ...] = field(default=())


class Problem:
    """One loss, one law, one set of quotes. `scale` makes residuals volatility points, of which a sum of squares is near one."""

    scale = 100.0

    def __init__(
        self, quotes: Quotes, coordinates: Coordinates, loss: str, prior: Prior | None, fixed: Mapping[str, float], nodes: int
    ) -> None:
        self.quotes, self.coordinates, self.prior = quotes, coordinates, prior
        self.loss = PremiumLoss(loss, quotes)
        names = coordinates.law.names()
        if unknown := sorted(set(fixed) - set(names)):
            raise ValueError(f"fixed: there is no {', '.join(unknown)}; there are {', '.join(names)}")
        for name, value in fixed.items():
            check("fixed", name, value)
        if coordinates.feller and fixed:
            raise ValueError("fixed and feller exclude one another: the condition ties three parameters")
        self.fixed = dict(fixed)
        self.free = np.array([name not in fixed for name in names])
        self.pull, self.centre = np.zeros(len(names)), np.zeros(len(names))
        if prior is not None:
            self.pull[:] = [prior.strength * (not prior.names or name in prior.names) for name in names]
            self.centre = coordinates.coordinates(prior.law, f"prior {prior.name!r}")
        self.pulled = self.pull > 0
        self.nodes = nodes
        self.quadrature = _quadrature(quotes, nodes)
        self._last: tuple[bytes, np.ndarray, np.ndarray] = (b"", np.zeros(0), np.zeros(0))

    def solve(self, start: np.ndarray, method: str) -> Solution:
        """The least loss from `start` [coordinate]; what is fixed stays."""
        low, high = self.coordinates.bounds
        start = self.placed(np.clip(start, low + INSIDE, high - INSIDE))

        def whole(y: np.ndarray) -> np.ndarray:
            x = start.copy()
            x[self.free] = y
            return x

        found = search(
            lambda y: self.residuals(whole(y)),
            lambda y: self.jacobian(whole(y))[:, self.free],
            start[self.free],
            (low[self.free], high[self.free]),
            method,
        )
        return found._replace(x=whole(found.x))

    def placed(self, x: np.ndarray) -> np.ndarray:
        """`x` with what is fixed where it is fixed."""
        law, names = self.coordinates.natural(x), self.coordinates.law.names()
        values = [self.fixed.get(name, value) for name, value in zip(names, law.values.tolist(), strict=True)]
        held = [BOUNDS[name][0].coordinate(value) for name, value in zip(names, values, strict=True)]
        return np.where(self.free, x, held)

    def residuals(self, x: np.ndarray) -> np.ndarray:
        """[quote, and one a prior pulls at], in volatility points."""
        premium, _ = self._priced(x)
        rows = self.loss.residuals(premium)
        return self.scale * np.concatenate([rows, self.pull[self.pulled] * (x - self.centre)[self.pulled]])

    def jacobian(self, x: np.ndarray) -> np.ndarray:
        """[residual, coordinate]"""
        premium, gradient = self._priced(x)
        rows = self.loss.slope(premium)[:, None] * gradient @ self.coordinates.slopes(self.coordinates.natural(x))
        return self.scale * np.concatenate([rows, np.diag(self.pull)[self.pulled]])

    def _priced(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Premium and gradient, once for residuals and jacobian: most of a search's trials are accepted."""
        key = x.tobytes()
        if key != self._last[0]:
            with np.errstate(all="ignore"):  # at the bounds a characteristic function may leave double precision: no premium then
                premium, gradient = self.quadrature.prices_and_gradient(self.coordinates.natural(x))
            self._last = key, np.nan_to_num(premium), np.nan_to_num(gradient)
        return self._last[1:]

    def data(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Residuals [quote] and jacobian [quote, coordinate] without the prior, in units of volatility."""
        n = len(self.quotes)
        return self.residuals(x)[:n] / self.scale, self.jacobian(x)[:n] / self.scale

    def quadrature_error(self, x: np.ndarray) -> float:
        """What four times the nodes, reaching farther, move a residual by at most [volatility]."""
        law = self.coordinates.natural(x)
        fine = _quadrature(self.quotes, 4 * self.nodes, REACH + 1).prices(law)
        return float(np.max(np.abs(self.loss.residuals(fine) - self.loss.residuals(self.quadrature.prices(law)))))


def _quadrature(quotes: Quotes, nodes: int, reach: float = REACH) -> Quadrature:
    slices = list(quotes.slices())
    place = np.searchsorted([s.expiry for s in slices], quotes.expiry_index)
    middle = [float(s.quotes.volatility[np.argmin(np.abs(s.quotes.log_moneyness))]) for s in slices]
    years = np.array([s.years for s in slices])
    q, deviation = quotes, middle * np.sqrt(years)
    return Quadrature(place, q.strike, q.is_call, q.forward, q.discount, years, deviation, nodes, reach)
