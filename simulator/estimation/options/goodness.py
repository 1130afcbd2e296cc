"""How good a fit is and how sure: errors in volatility, standard errors, conditioning, and tests of what is left over."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from simulator.estimation.options.quotes import Quotes

FEWEST_FOR_TESTS = 8


@dataclass(frozen=True)
class Goodness:
    """Residuals = fitted less quoted volatility; all errors as fractions (0.01 is one volatility point)."""

    count: int
    rmse: float
    weighted_rmse: float
    largest_error: float
    price_rmse: float  # of the forward, to first order: error x vega / (discount x forward)
    inside: float  # share of quotes whose fitted volatility lies between bid and ask; NaN where no quote has two sides
    runs_p: float  # of Wald and Wolfowitz (1940): signs of residuals in the order of strikes are as of coin throws
    neighbour_correlation: float  # of residuals next to one another; large: the shape is missing something
    normal_p: float  # of Jarque and Bera (1980)


def goodness(quotes: Quotes, fitted: np.ndarray) -> Goodness:
    """What is left over when `fitted` [1/sqrt(year)] stands against the quotes."""
    error = fitted - quotes.volatility
    sided = ~np.isnan(quotes.bid) & ~np.isnan(quotes.ask)
    inside = (fitted >= quotes.bid - 1e-12) & (fitted <= quotes.ask + 1e-12)
    price = error * quotes.vega / (quotes.discount * quotes.forward)
    return Goodness(
        len(error),
        _root_mean(error**2),
        math.sqrt(float(np.sum(quotes.weight * error**2) / np.sum(quotes.weight))),
        float(np.max(np.abs(error))),
        _root_mean(price**2),
        float(np.mean(inside[sided])) if np.any(sided) else math.nan,
        *residual_tests(error),
    )


def residual_tests(error: np.ndarray) -> tuple[float, float, float]:
    """p of the runs test, correlation of neighbours, p of Jarque-Bera; NaN with fewer than `FEWEST_FOR_TESTS`."""
    if len(error) < FEWEST_FOR_TESTS or np.ptp(error) == 0:
        return math.nan, math.nan, math.nan
    centred = error - error.mean()
    neighbours = float(np.sum(centred[1:] * centred[:-1]) / np.sum(centred**2))
    z = centred / centred.std()
    statistic = len(z) / 6 * (np.mean(z**3) ** 2 + (np.mean(z**4) - 3) ** 2 / 4)
    return _runs_p(error > np.median(error)), neighbours, math.exp(-float(statistic) / 2)


def _runs_p(above: np.ndarray) -> float:
    n1, n2 = int(np.sum(above)), int(np.sum(~above))
    n = n1 + n2
    if n1 == 0 or n2 == 0:
        return math.nan
    runs = 1 + int(np.sum(above[1:] != above[:-1]))
    expected = 1 + 2 * n1 * n2 / n
    variance = (expected - 1) * (expected - 2) / (n - 1)
    if variance <= 0:
        return math.nan
    return math.erfc(abs(runs - expected) / math.sqrt(2 * variance))


def covariance(jacobian: np.ndarray, residuals: np.ndarray) -> np.ndarray:
    """s^2 (J'J)^-1 of weighted residuals [quote] and their jacobian [quote, parameter], s^2 with n - parameters in it.

    Errors of quotes are taken as independent with variances in the proportion of 1 / weight. NaN without a degree left. A
    coordinate at its bound moves nothing: it has variance zero, and the others' is what they have while it stays there.
    """
    n, live = len(jacobian), moves(jacobian)
    m = int(np.sum(live))
    result = np.zeros((jacobian.shape[1],) * 2)
    if n <= m:
        return np.full_like(result, np.nan)
    scale = np.linalg.norm(jacobian[:, live], axis=0)
    inverse = np.linalg.pinv((jacobian[:, live] / scale).T @ (jacobian[:, live] / scale), rcond=1e-15, hermitian=True)
    result[np.ix_(live, live)] = float(residuals @ residuals) / (n - m) * inverse / np.outer(scale, scale)
    return result


def moves(jacobian: np.ndarray) -> np.ndarray:
    """Which coordinates move any residual: bool [coordinate]. One that does not is at its bound."""
    norms = np.linalg.norm(jacobian, axis=0)
    return norms > 1e-7 * np.max(norms)


def condition(jacobian: np.ndarray) -> float:
    """Condition number of the jacobian with columns of length one: above 1e3 or so, parameters trade against one another."""
    live = moves(jacobian)
    return float(np.linalg.cond(jacobian[:, live] / np.linalg.norm(jacobian[:, live], axis=0)))


def _root_mean(squares: np.ndarray) -> float:
    return math.sqrt(float(np.mean(squares)))
