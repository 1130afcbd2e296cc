"""A raw SVI smile fitted to the quotes of one expiry, without butterfly arbitrage.

The start is quasi-explicit (De Marco and Martini 2009): given m and sigma a smile is linear in three numbers, found exactly
in the box that Lee's bound makes of them; m and sigma come from a grid. The search then runs in coordinates that keep the
least variance above 0 and both wings below Lee's bound: log least variance, logits of the wing slopes b (1 -+ rho) / 2,
m, log sigma. Where the free smile has g(k) < 0, squares of what g lacks are added over a grid that reaches into the wings,
their weight growing until no place is left (a quadratic penalty with a margin; Nocedal and Wright 2006, section 17.1).

Regularisation: `ridge` x log(sigma / its start) joins the residuals, because a smile quoted over few deviations cannot tell
a wide bend from a parabola. It is named with the fit, and 0 turns it off.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from simulator.estimation.options.goodness import Goodness, condition, covariance, goodness
from simulator.estimation.options.least_squares import Solution, minimise
from simulator.estimation.options.loss import Loss
from simulator.estimation.options.quotes import Slice
from simulator.estimation.options.svi_coordinates import derivatives, durrleman_gradient, natural, smile, start_coordinates
from simulator.estimation.standard_errors import Estimate
from simulator.pricing.svi import RawSVI, Worst

RIDGE = 1e-5  # [1/sqrt(year)] of a residual for each e-fold of sigma: a thousandth of a volatility point
MARGIN = 1e-6  # what g must exceed in the search, so that it is not negative between the nodes
PENALTIES = tuple(10.0**n for n in range(-1, 7))  # [1/sqrt(year)] for each unit that g lacks
NODES = 401
PARAMETERS = ("a", "b", "rho", "m", "sigma")


@dataclass(frozen=True)
class SviFit:
    """One slice. Standard errors hold given that the butterfly constraint stays as it is (`binds`)."""

    expiry: int
    years: float
    forward: float
    smile: RawSVI
    estimates: dict[str, Estimate]
    goodness: Goodness
    condition: float
    worst: Worst
    binds: bool  # the free fit had arbitrage
    free_worst: Worst
    free_rmse: float
    converged: bool
    method: str
    agreement: float


def fit_svi(
    slice: Slice, method: str = "levenberg-marquardt", loss: str = "volatility", ridge: float = RIDGE, starts: int = 3
) -> SviFit:
    """The smile of least weighted loss among those without butterfly arbitrage. Needs at least 5 quotes (ValueError)."""
    if len(slice.quotes) < 5:
        raise ValueError(f"a smile of five parameters needs at least 5 quotes, but got {len(slice.quotes)}")
    problem = _Problem(slice, Loss(loss, slice.quotes), ridge)
    found = [problem.solve(x, method, 0.0) for x in start_coordinates(slice.quotes, starts)]
    free = min(found, key=lambda solution: solution.cost)
    free_worst = smile(free.x).worst_butterfly()
    solution = free if free_worst.size >= 0 else problem.without_butterfly([s.x for s in found], method)
    return _fit(problem, solution, free, free_worst)


class _Problem:
    """Residuals and their jacobian in the coordinates of the search."""

    def __init__(self, slice: Slice, loss: Loss, ridge: float) -> None:
        self.slice, self.loss, self.ridge = slice, loss, ridge
        self.k = slice.quotes.log_moneyness
        self.centre = 0.0
        self.extra = np.zeros(0)

    def solve(self, start: np.ndarray, method: str, penalty: float) -> Solution:
        self.centre = float(start[4]) if penalty == 0 else self.centre
        nodes = self._nodes(start) if penalty else np.zeros(0)
        return minimise(lambda x: self._residuals(x, penalty, nodes), lambda x: self._jacobian(x, penalty, nodes), start, method)

    def without_butterfly(self, starts: list[np.ndarray], method: str) -> Solution:
        """The best of the penalised searches that end without arbitrage."""
        ended = [self._push(x, method) for x in starts]
        clean = [s for s in ended if smile(s.x).worst_butterfly().size >= 0]
        return min(clean or ended, key=lambda solution: solution.cost)

    def _push(self, start: np.ndarray, method: str) -> Solution:
        solution, x = None, start
        self.extra = np.zeros(0)
        for penalty in PENALTIES:
            solution = self.solve(x, method, penalty)
            x = solution.x
            worst = smile(x).worst_butterfly()
            if worst.size >= 0:
                break
            if math.isfinite(worst.log_moneyness):
                self.extra = np.append(self.extra, worst.log_moneyness)
        assert solution is not None
        return solution

    def _nodes(self, x: np.ndarray) -> np.ndarray:
        low, high = min(self.k.min(), -1e-3), max(self.k.max(), 1e-3)
        dense = np.linspace(1.5 * low, 1.5 * high, NODES)
        return np.concatenate([dense, smile(x).wing_grid(NODES), self.extra])

    def _residuals(self, x: np.ndarray, penalty: float, nodes: np.ndarray) -> np.ndarray:
        data = self.loss.residuals(natural(x).total_variance(self.k))
        rows = [100 * data, np.array([100 * self.ridge * (x[4] - self.centre)])]
        if penalty:
            g, _ = durrleman_gradient(x, nodes)
            rows.append(100 * penalty * np.maximum(MARGIN - g, 0))
        return np.concatenate(rows)

    def _jacobian(self, x: np.ndarray, penalty: float, nodes: np.ndarray) -> np.ndarray:
        ridge = np.zeros((1, 5))
        ridge[0, 4] = 100 * self.ridge
        rows = [100 * self.data_jacobian(x), ridge]
        if penalty:
            g, by_x = durrleman_gradient(x, nodes)
            rows.append(-100 * penalty * np.where((g < MARGIN)[:, None], by_x, 0))
        return np.concatenate(rows)

    def data_jacobian(self, x: np.ndarray) -> np.ndarray:
        """[quote, coordinate]"""
        w, by_x = derivatives(x, self.k)[0]
        return self.loss.slope(w)[:, None] * by_x


def _fit(problem: _Problem, solution: Solution, free: Solution, free_worst: Worst) -> SviFit:
    from simulator.estimation.options.svi_coordinates import raw_jacobian

    slice, x = problem.slice, solution.x
    raw = smile(x)
    fitted = np.sqrt(raw.total_variance(problem.k) / slice.years)
    free_fitted = np.sqrt(smile(free.x).total_variance(problem.k) / slice.years)
    data = problem.loss.residuals(raw.total_variance(problem.k))
    jacobian = problem.data_jacobian(x)
    to_raw = raw_jacobian(x)
    spread = to_raw @ covariance(jacobian, data) @ to_raw.T
    errors = np.sqrt(np.maximum(np.diag(spread), 0))
    worst = raw.worst_butterfly()
    return SviFit(
        slice.expiry,
        slice.years,
        slice.forward,
        raw,
        {name: _estimate(getattr(raw, name), error) for name, error in zip(PARAMETERS, errors, strict=True)},
        goodness(slice.quotes, fitted),
        condition(jacobian @ np.linalg.pinv(to_raw)),
        worst,
        solution is not free,
        free_worst,
        goodness(slice.quotes, free_fitted).rmse,
        solution.converged and not worst.is_arbitrage,
        solution.method,
        solution.agreement,
    )


def _estimate(value: float, error: float) -> Estimate:
    if not math.isfinite(error):
        return Estimate(value, None, "no standard error: as many parameters as quotes")
    return Estimate(value, float(error))
