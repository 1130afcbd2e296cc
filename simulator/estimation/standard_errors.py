"""How sure a fit is: the robust covariance of its coordinates, and standard errors of the parameters people read.

Two moments are stacked, the mean square that sets the level and the scores of the likelihood given that level (two-step
estimation; Newey and McFadden 1994, section 6; Francq, Horvath and Zakoian 2011 for variance targeting):
covariance = A^-1 B A^-T / n, A the derivatives of the mean moments, B their long-run covariance. Squared returns are
dependent over months, so B is the one a stationary bootstrap with a stated mean block would give, here in closed form.

A coordinate at its bound has no standard error: the others are those given that it stays there. Moments of order four do
not exist for tails as fat as these; the figures are those of this sample, a lower bound where the level is concerned.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from simulator.estimation.coordinates import DEGREES, LEVEL, jacobian, natural
from simulator.estimation.garch_fit import Fit
from simulator.parameters import DAY

BLOCK_DAYS = 30.0  # at least: volatility clusters for weeks; the rule of Politis and White (2004) stops at 3 sqrt(n) rows
BLOCK_LIVES = 10.0  # mean lives of a shock to variance, 1 / (1 - persistence); five leave out a sixth of the variance
FEWEST_BLOCKS = 20
NORMAL_95 = 1.959963985


def mean_block(rows: int, step: float, persistence: float) -> float:
    """Mean length [steps] of a bootstrap block for `rows` returns over `step` [s] whose variance has this persistence a step."""
    wanted = max(BLOCK_DAYS * DAY / step, BLOCK_LIVES / max(1 - persistence, 1e-9))
    return max(1.0, min(wanted, rows / FEWEST_BLOCKS))


def long_run_covariance(moments: np.ndarray, block: float) -> np.ndarray:
    """Covariance of sqrt(n) x the mean of `moments` [t, m] under a stationary bootstrap (Politis and Romano 1994, lemma 1).

    Positive semi-definite: it is the exact variance of that bootstrap, summed without resampling.
    """
    n, m = moments.shape
    transform = np.fft.fft(moments - moments.mean(axis=0), axis=0)
    lag = np.arange(n)
    weight = (1 - lag / n) * (1 - 1 / block) ** lag
    result = np.empty((m, m))
    for i in range(m):
        for j in range(i + 1):
            circular = np.fft.ifft(transform[:, i] * np.conj(transform[:, j])).real / n
            both = np.sum(weight * circular) + np.sum(weight[1:] * circular[:0:-1])
            result[i, j] = result[j, i] = both
    return result


def estimated_covariance(moments: np.ndarray, block: float) -> np.ndarray:
    """`long_run_covariance` for intervals of 1.96 standard errors.

    Divided by what it is on average of white noise of variance one: the sample's own mean takes 1 / n off every lag, over the
    lags of a long block a tenth and more. And widened to Student's quantile: with the weights (1 - 1 / block)^lag it has as
    much noise as a sample variance of n / block degrees of freedom (Priestley 1981, section 6.2.4).
    """
    from scipy.special import stdtrit

    n = len(moments)
    lag = np.arange(1, n)
    mass = 1 + 2 * float(np.sum((1 - lag / n) * (1 - 1 / block) ** lag))
    widened = float(stdtrit(max(n / block, 3.0), 0.975)) / NORMAL_95
    return long_run_covariance(moments, block) * widened**2 / (1 - mass / n)


def covariance(fit: Fit, returns: np.ndarray, block: float) -> np.ndarray:
    """Covariance [coordinate, coordinate] of `coordinates.NAMES`; zero rows for what was not estimated or a bound holds."""
    surface = fit.surface(returns)
    seen = ~np.isnan(surface.y)
    free = [c for c in fit.free if c != LEVEL]
    columns = [LEVEL, *free]
    moments = np.column_stack([surface.y[seen] ** 2 - 1.0, surface.scores(fit.x)[seen][:, free]])
    derivatives = np.zeros((len(columns), len(columns)))
    derivatives[0, 0] = -1.0
    derivatives[1:] = surface.hessian(fit.x, columns)[free] / len(moments)
    bread = np.linalg.inv(derivatives)
    spread = surface.spread(fit.x)[:, columns] @ bread
    result = spread @ estimated_covariance(moments, block) @ spread.T / len(moments)
    return (result + result.T) / 2


@dataclass(frozen=True)
class Estimate:
    """One number of the fit with its standard error; None where there is none, and then `note` says why.

    `scale` says in which coordinate its law is nearest to normal, and its interval symmetric.
    """

    value: float
    standard_error: float | None = None
    note: str = ""
    scale: Literal["plain", "log", "logit"] = "plain"
    limits: tuple[float, float] | None = None  # of the interval, where it comes from the likelihood itself

    def facts(self) -> dict[str, Any]:
        """As plain values, for JSON; an open end of an interval is None."""
        limits = None if self.limits is None else [end if math.isfinite(end) else None for end in self.limits]
        return {**vars(self), "limits": limits}

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval; NaN where there is none."""
        if self.limits is not None:
            return self.limits
        if self.standard_error is None:
            return math.nan, math.nan
        v, reach = self.value, NORMAL_95 * self.standard_error
        if self.scale == "log":
            return v * math.exp(-reach / v), v * math.exp(reach / v)
        if self.scale == "logit":
            odds, by = v / (1 - v), math.exp(reach / (v * (1 - v)))
            return odds / (odds + by), odds * by / (1 + odds * by)
        return v - reach, v + reach


def natural_estimates(fit: Fit, cov: np.ndarray, per_year: float) -> dict[str, Estimate]:
    """Volatility [1/sqrt(year)], alpha, beta, gamma, persistence and what the innovation has, by the delta method."""
    law = (fit.restriction.targeted, fit.specification, fit.restriction.max_move)
    p, j = natural(fit.x, *law), jacobian(fit.x, *law)
    volatility = fit.scale * math.exp(fit.x[LEVEL] / 2) * math.sqrt(per_year)
    persistence = math.copysign(1, p.beta) * j[3] if p.is_exponential else j[1] + j[2] / 2 + j[3]
    rows = {
        "volatility": (volatility, volatility / 2 * np.eye(len(fit.x))[LEVEL]),
        "alpha": (p.alpha, j[1]),
        "beta": (p.beta, j[3]),
        "gamma": (p.gamma, j[2]),
        "persistence": (p.persistence, persistence),
    }
    if not fit.specification.is_normal:
        rows["degrees_of_freedom"] = (p.degrees_of_freedom, j[DEGREES])
    if fit.specification.innovation == "skewed-t":
        rows["skew"] = (p.skew, j[5])
    return {name: Estimate(float(value), _error(slope, cov)) for name, (value, slope) in rows.items()}


def _error(slope: np.ndarray, cov: np.ndarray) -> float | None:
    variance = float(slope @ cov @ slope)
    return math.sqrt(variance) if variance > 0 else None
