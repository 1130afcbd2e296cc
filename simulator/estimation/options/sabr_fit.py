"""A SABR smile fitted to the quotes of one expiry, beta fixed: beta and rho both tilt a smile, and one cannot tell them apart.

Searched for in log alpha, artanh rho and log nu, derivatives by a complex step through Hagan's formula. The formula holds no
promise of no arbitrage: where its density is negative the fit says so, and nothing is enforced.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from simulator.estimation.options.goodness import Goodness, condition, covariance, goodness
from simulator.estimation.options.least_squares import minimise
from simulator.estimation.options.loss import Loss
from simulator.estimation.options.quotes import Quotes, Slice
from simulator.estimation.standard_errors import Estimate
from simulator.pricing.sabr import SABR, lognormal_volatility
from simulator.pricing.svi import Worst

STARTS = tuple((rho, nu) for nu in (0.5, 2.0, 6.0) for rho in (-0.4, 0.2))
TINY = 1e-30  # the complex step
FARTHEST = np.array([25.0, 12.0, 7.0])  # |log alpha|, |artanh rho|, |log nu|


@dataclass(frozen=True)
class SabrFit:
    """One slice. `worst` is the least Durrleman g within the quoted strikes and six deviations: below 0, do not price there."""

    expiry: int
    years: float
    forward: float
    smile: SABR
    estimates: dict[str, Estimate]
    goodness: Goodness
    condition: float
    worst: Worst
    converged: bool
    method: str
    agreement: float


def fit_sabr(slice: Slice, beta: float = 1.0, method: str = "levenberg-marquardt", loss: str = "volatility") -> SabrFit:
    """The smile of least weighted loss. Needs at least 3 quotes and beta in [0, 1] (ValueError)."""
    if len(slice.quotes) < 3:
        raise ValueError(f"a smile of three parameters needs at least 3 quotes, but got {len(slice.quotes)}")
    if not 0 <= beta <= 1:
        raise ValueError(f"`0 <= beta <= 1` must hold, but got ({beta=})")
    quotes, measure = slice.quotes, Loss(loss, slice.quotes)

    def residuals(x: np.ndarray) -> np.ndarray:
        return 100 * measure.residuals(_variance(quotes, beta, x))

    def jacobian(x: np.ndarray) -> np.ndarray:
        steps = [_variance(quotes, beta, x + 1j * TINY * unit).imag / TINY for unit in np.eye(3)]
        return 100 * measure.slope(_variance(quotes, beta, x))[:, None] * np.column_stack(steps)

    found = [minimise(residuals, jacobian, start, method) for start in _starts(slice, beta)]
    best = min(found, key=lambda solution: solution.cost)
    x = best.x
    smile = SABR(*_natural(x, beta))
    by_x = np.array([smile.alpha, 1 - smile.rho**2, smile.nu])  # d (alpha, rho, nu) / d x
    data = jacobian(x) / 100
    errors = by_x * np.sqrt(np.maximum(np.diag(covariance(data, residuals(x) / 100)), 0))
    values = (smile.alpha, smile.rho, smile.nu)
    estimates = {name: Estimate(value, _finite(error)) for name, value, error in zip(NAMES, values, errors, strict=True)}
    estimates["beta"] = Estimate(beta, None, "fixed")
    return SabrFit(
        slice.expiry,
        slice.years,
        slice.forward,
        smile,
        estimates,
        goodness(quotes, np.asarray(smile.volatility(quotes.forward, quotes.strike, quotes.years))),
        condition(data / by_x),
        smile.arbitrage(slice.forward, slice.years),
        best.converged,
        best.method,
        best.agreement,
    )


NAMES = ("alpha", "rho", "nu")


def _natural(x: np.ndarray, beta: float) -> tuple[float, float, float, float]:
    alpha, rho, nu = _parameters(x)
    return float(alpha), beta, float(rho), float(nu)


def _parameters(x: np.ndarray) -> tuple:
    """alpha, rho, nu, real or complex; what lies beyond `FARTHEST` counts as lying there, so that nothing overflows."""
    far = np.where(np.abs(x.real) > FARTHEST, np.copysign(FARTHEST, x.real), x)
    return np.exp(far[0]), np.tanh(far[1]) * (1 - 1e-12), np.exp(far[2])


def _variance(quotes: Quotes, beta: float, x: np.ndarray) -> np.ndarray:
    """Total variance [quote], real or complex."""
    alpha, rho, nu = _parameters(x)
    return lognormal_volatility(alpha, beta, rho, nu, quotes.forward, quotes.strike, quotes.years) ** 2 * quotes.years


def _starts(slice: Slice, beta: float) -> list[np.ndarray]:
    quotes = slice.quotes
    middle = float(quotes.volatility[np.argmin(np.abs(quotes.log_moneyness))])
    level = math.log(middle * slice.forward ** (1 - beta))
    return [np.array([level, math.atanh(rho), math.log(nu)]) for rho, nu in STARTS]


def _finite(error: float) -> float | None:
    return float(error) if math.isfinite(error) else None
