"""A whole SSVI surface fitted at once, free of static arbitrage by its coordinates.

Coordinates: log theta of the first expiry and logs of its steps (total variance at the money never falls: no calendar
arbitrage, Gatheral and Jacquier 2014, theorem 4.1), artanh rho, and for the power law logits of eta (1 + |rho|) / 2 and
2 gamma, for the Heston-like law log(lambda - (1 + |rho|) / 4): the conditions of theorem 4.2 hold whatever they are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simulator.estimation.options.goodness import Goodness, condition, covariance, goodness, moves
from simulator.estimation.options.least_squares import minimise
from simulator.estimation.options.loss import Loss
from simulator.estimation.options.quotes import Quotes, Slice
from simulator.estimation.options.ssvi_coordinates import COORDINATES, natural, variance_and_gradient
from simulator.estimation.standard_errors import Estimate
from simulator.pricing.ssvi import SSVI, Calendar, worst_calendars
from simulator.pricing.svi import Worst

LAWS = tuple(COORDINATES)


@dataclass(frozen=True)
class SsviFit:
    """A surface: total variance at the money by expiry, and the law that shapes every smile."""

    surface: SSVI
    law: str
    years: np.ndarray  # [expiry]
    theta: np.ndarray  # [expiry] total variance at the money
    estimates: dict[str, Estimate]  # rho and the law's
    theta_errors: np.ndarray  # [expiry] standard errors
    slices: list[tuple[Slice, Goodness]]
    goodness: Goodness
    condition: float
    worst: list[Worst]  # by expiry
    calendars: list[Calendar]
    converged: bool
    method: str
    agreement: float


def fit_ssvi(quotes: Quotes, law: str = "power-law", method: str = "levenberg-marquardt", loss: str = "volatility") -> SsviFit:
    """The surface of least weighted loss. Needs more quotes than parameters, the number of expiries and 3 (ValueError)."""
    if law not in COORDINATES:
        raise ValueError(f"law must be one of {', '.join(LAWS)}, but got {law!r}")
    slices = list(quotes.slices())
    if len(quotes) < len(slices) + 3:
        raise ValueError(f"{len(slices)} expiries need at least {len(slices) + 3} quotes, but got {len(quotes)}")
    place = np.searchsorted([s.expiry for s in slices], quotes.expiry_index)
    measure, k = Loss(loss, quotes), quotes.log_moneyness

    def residuals(x: np.ndarray) -> np.ndarray:
        return 100 * measure.residuals(variance_and_gradient(law, x, len(slices), place, k)[0])

    def jacobian(x: np.ndarray) -> np.ndarray:
        w, by_x = variance_and_gradient(law, x, len(slices), place, k)
        return 100 * measure.slope(w)[:, None] * by_x

    found = [minimise(residuals, jacobian, start, method) for start in _starts(law, slices)]
    best = min(found, key=lambda solution: solution.cost)
    n = len(slices)
    theta, rho, shape, by_x = natural(law, best.x, n)
    surface = SSVI(rho, COORDINATES[law].make(shape))
    data = jacobian(best.x) / 100
    spread = by_x @ covariance(data, residuals(best.x) / 100) @ by_x.T
    errors = np.sqrt(np.maximum(np.diag(spread), 0))
    names = ("rho", *COORDINATES[law].names)
    fitted = np.sqrt(surface.total_variance(k, theta[place]) / quotes.years)
    smiles = [surface.slice(float(value)) for value in theta]
    return SsviFit(
        surface,
        law,
        np.array([s.years for s in slices]),
        theta,
        {
            name: Estimate(value, float(error)) if moved else Estimate(value, None, "at the bound of no arbitrage")
            for name, value, error, moved in zip(names, (rho, *shape), errors[n:], moves(data)[n:], strict=True)
        },
        errors[:n],
        [(s, goodness(s.quotes, fitted[place == i])) for i, s in enumerate(slices)],
        goodness(quotes, fitted),
        condition(data),
        [smile.worst_butterfly() for smile in smiles],
        worst_calendars(smiles),
        best.converged,
        best.method,
        best.agreement,
    )


def _starts(law: str, slices: Sequence[Slice]) -> list[np.ndarray]:
    middle = [float(s.quotes.total_variance[np.argmin(np.abs(s.quotes.log_moneyness))]) for s in slices]
    rising = np.maximum.accumulate(middle)
    steps = np.diff(rising, prepend=0.0)
    logs = np.log(np.maximum(steps, 1e-3 * rising))
    return [np.concatenate([logs, [math.atanh(rho)], shape]) for rho in (-0.3, 0.1) for shape in COORDINATES[law].starts]
