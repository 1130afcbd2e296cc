"""Heston, Bates, Merton and Kou fitted to the quotes of a whole chain, all expiries at once.

Prices and their derivatives by Lewis's integral at nodes that a fit keeps (`pricing.lewis`), derivatives of the characteristic
functions in closed form (for Heston: Cui, del Bano Rollin and Germano 2017). When a search has ended, four times the nodes must
not move a residual by more than `EXACT`; otherwise it goes on from there with more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from simulator.estimation.options.goodness import Goodness, goodness
from simulator.estimation.options.least_squares import METHODS, Solution
from simulator.estimation.options.model_coordinates import LAWS, Coordinates, starts
from simulator.estimation.options.model_inference import (
    Bias,
    Certainty,
    Information,
    biases,
    certainty,
    information,
    runs_by_expiry,
)
from simulator.estimation.options.model_problem import Prior, Problem
from simulator.estimation.options.model_report import report
from simulator.estimation.options.quotes import Quotes
from simulator.pricing.laws import Law

NODES = 64  # an expiry, to begin with
MOST_NODES = 4_096
EXACT = 1e-8  # [volatility] that the sum for an integral may cost a residual
SAME = 1e-6  # relative difference of two losses that counts as one minimum


@dataclass(frozen=True)
class ModelFit:
    """The law of least loss, how good and how sure it is. `print` of it is a short report. The measure is risk-neutral."""

    model: str
    law: Law
    method: str
    loss: str
    sum_of_squares: float  # of weighted residuals [volatility^2], without the prior's
    certainty: Certainty
    goodness: Goodness
    information: Information
    biases: list[Bias]
    runs_p: float
    ended: tuple[float, ...]  # sum of squares of every start, with the prior's share
    converged: bool
    agreement: float  # relative difference of the two methods' losses; NaN where one was run
    evaluations: int
    nodes: int
    quadrature_error: float  # [volatility]
    feller: bool
    prior: Prior | None
    fixed: Mapping[str, float]
    notes: tuple[str, ...]
    problem: Problem = field(repr=False)
    x: np.ndarray = field(repr=False)

    def __str__(self) -> str:
        return report(self)


def fit_model(
    quotes: Quotes,
    model: str = "heston",
    *,
    method: str = METHODS[0],
    loss: str = "implied-volatility",
    starts_at: int | Sequence[Law] = 3,
    feller: bool = False,
    prior: Prior | None = None,
    fixed: Mapping[str, float] | None = None,
    nodes: int = NODES,
) -> ModelFit:
    """The best of the searches from several starts: a number of those made for the quotes (at most 4), or laws of one's own.

    `feller` holds 2 mean_reversion long_run_variance at or above volatility_of_variance^2. `fixed` maps names to values that
    stay. Raises ValueError for settings that make no sense, and for fewer quotes than parameters.
    """
    if model not in LAWS:
        raise ValueError(f"model must be one of {', '.join(LAWS)}, but got {model!r}")
    coordinates = Coordinates(LAWS[model], feller)
    problem = Problem(quotes, coordinates, loss, prior, fixed or {}, nodes)
    if len(quotes) <= problem.free.sum():
        raise ValueError(f"{model} has {problem.free.sum()} parameters to find and needs more quotes, but got {len(quotes)}")
    laws = starts(LAWS[model], quotes, starts_at) if isinstance(starts_at, int) else list(starts_at)
    if not laws:
        raise ValueError(f"starts_at: needs at least one start, but got {starts_at!r}")
    found = [problem.solve(coordinates.coordinates(law, "starts_at"), method) for law in laws]
    best, error = min(found, key=lambda solution: solution.cost), 0.0
    while True:
        error = problem.quadrature_error(best.x)
        if error <= EXACT or 2 * problem.nodes > MOST_NODES:
            break
        problem = Problem(quotes, coordinates, loss, prior, fixed or {}, 2 * problem.nodes)
        best = problem.solve(best.x, method)
    return _fit(problem, model, loss, best, error, found)


def _fit(problem: Problem, model: str, loss: str, best: Solution, error: float, found: list[Solution]) -> ModelFit:
    quotes, law = problem.quotes, problem.coordinates.natural(best.x)
    residuals, _ = problem.data(best.x)
    fitted = problem.loss.volatility(problem.quadrature.prices(law))
    sure = certainty(problem, best.x)
    return ModelFit(
        model,
        law,
        best.method,
        loss,
        float(residuals @ residuals),
        sure,
        goodness(quotes, fitted),
        information(residuals, int(problem.free.sum())),
        biases(quotes, fitted - quotes.volatility),
        runs_by_expiry(quotes, fitted - quotes.volatility),
        tuple(2 * s.cost / problem.scale**2 for s in found),
        best.converged,
        best.agreement,
        sum(s.evaluations for s in found),
        problem.nodes,
        error,
        problem.coordinates.feller,
        problem.prior,
        problem.fixed,
        tuple(_notes(problem, law, sure, found, best, error)),
        problem,
        best.x,
    )


def _notes(problem: Problem, law: Law, sure: Certainty, found: list[Solution], best: Solution, error: float):
    if not best.converged:
        yield "the search has not converged"
    if not sure.is_identified:
        dead = f"; {', '.join(sure.dead)} move no quote" if sure.dead else ""
        yield f"not identified: condition number {sure.condition:.1e}{dead}"
    if len(found) > 1 and sum(s.cost <= best.cost * (1 + SAME) + 1e-16 for s in found) == 1:
        yield "only one start ended at this loss: try more"
    if error > EXACT:
        yield f"the integral is good to {error:.1e} of volatility only"
    values = dict(zip(law.names(), law.values, strict=True))
    if "mean_reversion" in values and not problem.coordinates.feller:
        ratio = 2 * values["mean_reversion"] * values["long_run_variance"] / values["volatility_of_variance"] ** 2
        if ratio < 1:
            yield f"Feller's condition fails: 2 mean_reversion long_run_variance is {ratio:.2f} of volatility_of_variance^2"


@dataclass(frozen=True)
class Profile:
    """The least sum of squares [volatility^2] with one parameter held at each of `values`, the others free."""

    name: str
    values: np.ndarray
    sum_of_squares: np.ndarray
    laws: tuple[Law, ...]
    limit: float  # what it may reach inside the 95 % interval: (1 + F / degrees) times the least; F of 1 and `degrees`

    @property
    def inside(self) -> np.ndarray:
        """bool [value]: in the interval that the likelihood ratio gives, which need not be symmetric nor finite."""
        return self.sum_of_squares <= self.limit


def profile(fit: ModelFit, name: str, values: Sequence[float]) -> Profile:
    """How much the quotes mind another value of `name`: flat means not identified. With the prior's share, if there is one."""
    from scipy.special import fdtri

    law, problem = type(fit.law), fit.problem
    if name not in law.names():
        raise ValueError(f"name: there is no {name!r}; there are {', '.join(law.names())}")
    sums, laws = [], []
    for value in values:
        held = Problem(problem.quotes, Coordinates(law), fit.loss, fit.prior, {**fit.fixed, name: float(value)}, problem.nodes)
        found = held.solve(held.coordinates.coordinates(fit.law), METHODS[0])
        sums.append(2 * found.cost / held.scale**2)
        laws.append(held.coordinates.natural(found.x))
    degrees = len(problem.quotes) - fit.information.parameters
    least = float(np.sum(problem.residuals(fit.x) ** 2)) / problem.scale**2
    return Profile(name, np.asarray(values, float), np.array(sums), tuple(laws), least * (1 + fdtri(1, degrees, 0.95) / degrees))
