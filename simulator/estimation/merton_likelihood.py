"""Merton's jump diffusion by the likelihood of returns alone, and whether it is a law of crashes.

A return over `step` is normal given its number of jumps k: mean m step + k mean, variance volatility^2 step + k deviation^2, k
Poisson (Merton 1976). Variance that clusters has no place in it, so on daily or hourly prices the likelihood spends its jumps on
the fat body of the distribution: BTC 2018 to 2026 gives 235 jumps a year of 3.8 %, about the size of a day. `describes_crashes`
says whether that happened. Where jumps are hard to tell from days the likelihood leans to one side, and 1.96 standard
errors cover 87 % of the mean jump: intervals are by profile, chi-square's cut times what the sandwich has over the curvature.
"""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from simulator.estimation.errors import NotConverged
from simulator.estimation.jumps import JumpFit, merton_fit, no_crashes
from simulator.estimation.maximum import Maximum, Problem, maximise
from simulator.estimation.profile import CHI_SQUARE, edge
from simulator.estimation.standard_errors import Estimate, mean_block
from simulator.market.jumps import Merton
from simulator.parameters import DAY, YEAR

MOST_A_STEP = 2.0  # [1] expected jumps; with more of them the law is normal again
UNTOLD = 1e-14
TERMS = 16  # jumps in a step that are counted: P(more) < 1e-8 at the most expected
MEAN, VOLATILITY, INTENSITY, JUMP_MEAN, JUMP_DEVIATION = range(5)
STARTS = (  # in units of the root mean square: mean, log volatility, log expected jumps a step, jump mean, log deviation
    (0.0, math.log(0.9), math.log(0.01), -1.0, math.log(5.0)),
    (0.0, math.log(0.7), math.log(0.1), 0.0, math.log(2.5)),
    (0.0, math.log(0.4), math.log(0.6), 0.0, math.log(1.1)),
)
LOW = (-2.0, math.log(0.05), math.log(1e-6), -40.0, math.log(0.02))
WIDEST = 16.0  # standard errors that are looked at
HIGH = (2.0, math.log(3.0), math.log(MOST_A_STEP), 40.0, math.log(60.0))


@dataclass(frozen=True)
class ReturnsFit:
    """Jumps and diffusion by likelihood. `posterior` [t] is the probability that a return held a jump, NaN where missing."""

    jumps: JumpFit
    volatility: Estimate  # [1/sqrt(year)] of the diffusion
    daily_deviation: float  # [1] of all returns, jumps and diffusion, scaled to a day
    log_likelihood: float  # of returns as fractions
    posterior: np.ndarray

    @property
    def describes_crashes(self) -> bool:
        """False where jumps are many and of an everyday size."""
        return not no_crashes(self.jumps.jumps, self.daily_deviation)


def no_crashes_note(found: ReturnsFit) -> str:
    """Why the likelihood is not taken at its word."""
    law, day = found.jumps.jumps, found.daily_deviation
    return (
        f"Merton's likelihood describes no crashes: {law.intensity:.0f} jumps a year with a root mean square "
        f"of {100 * math.sqrt(law.second_moment):.2g} %, where a day's deviation is {100 * day:.2g} %; not used, "
        "jumps are found by threshold instead"
    )


def fit_merton_returns(returns: np.ndarray, step: float) -> ReturnsFit:
    """Maximum likelihood for `returns` over `step` [s] (NaN where missing); sandwich errors. Raises NotConverged."""
    seen = ~np.isnan(returns)
    scale = math.sqrt(float(np.mean(returns[seen] ** 2)))
    y = returns[seen] / scale
    top = maximise(partial(densities, y), STARTS, LOW, HIGH, "Merton's likelihood", partial(slopes, y))
    found = returns_fit(top, y, scale, seen, step)
    if not found.describes_crashes:
        return found
    a_year, told = YEAR / step, dict(found.jumps.estimates)
    for name, (c, back) in {
        "intensity": (INTENSITY, lambda x: math.exp(x) * a_year),
        "mean": (JUMP_MEAN, lambda x: x * scale),
        "deviation": (JUMP_DEVIATION, lambda x: math.exp(x) * scale),
    }.items():
        if c in top.free:
            with suppress(NotConverged):  # then 1.96 standard errors stand
                low, high = limits(y, top, c, float(top.covariance(mean_block(y.size, step, 0.0))[c, c]))
                told[name] = replace(told[name], limits=(back(low), back(high)))
    return replace(found, jumps=replace(found.jumps, estimates=told))


def limits(y: np.ndarray, top: Maximum, c: int, robust: float) -> tuple[float, float]:
    """95 % interval of coordinate `c` by profile likelihood, `robust` its variance by the sandwich.

    Raises NotConverged where the top is no hill in `c`, or a climb along the profile has no maximum.
    """
    free = list(top.free)
    variance = -float(np.linalg.inv(top.hessian[np.ix_(free, free)])[free.index(c), free.index(c)])
    if not (variance > 0 and robust > 0):
        raise NotConverged("a profile: the likelihood does not bend down at its maximum")
    cut, error, at = CHI_SQUARE * robust / variance, math.sqrt(robust), float(top.x[c])

    def end(side: float) -> float:
        near = top.x

        def lost(reach: float) -> float:
            nonlocal near
            low, high, start = ([*x[:c], at + side * reach, *x[c + 1 :]] for x in (LOW, HIGH, near))
            found = Problem(partial(densities, y), low, high, partial(slopes, y)).top([start], "a profile")
            near = found.x
            return top.value - found.value

        return at + side * edge(lost, 2 * error, WIDEST * error, cut)

    return end(-1.0), end(1.0)


def returns_fit(top: Maximum, y: np.ndarray, scale: float, seen: np.ndarray, step: float) -> ReturnsFit:
    """What the maximum says of `y`, returns in units of `scale` where `seen` [t]; coordinates after Merton's are not asked."""
    posterior = np.full(seen.size, np.nan)
    posterior[seen] = 1 - _shares(y, top.x)[0]
    variance = np.diag(top.covariance(mean_block(y.size, step, 0.0)))
    errors = [math.sqrt(v) if v > 0 else None for v in variance]
    values = np.exp(top.x) * scale
    a_year = YEAR / step
    return ReturnsFit(
        jumps=_jump_fit(top.x, scale, a_year, variance, int(np.count_nonzero(posterior > 0.5))),
        volatility=_scaled(values[VOLATILITY] * math.sqrt(a_year), errors[VOLATILITY]),
        daily_deviation=scale * math.sqrt(DAY / step),
        log_likelihood=top.value - y.size * math.log(scale),
        posterior=posterior,
    )


def _jump_fit(x: np.ndarray, scale: float, a_year: float, variance: np.ndarray, count: int) -> JumpFit:
    intensity, mean = math.exp(x[INTENSITY]) * a_year, float(x[JUMP_MEAN]) * scale
    jumps = Merton(intensity=intensity, mean=mean, deviation=math.exp(x[JUMP_DEVIATION]) * scale)
    errors = np.sqrt(variance)
    log_errors = {"intensity": errors[INTENSITY], "mean": errors[JUMP_MEAN] * scale, "deviation": errors[JUMP_DEVIATION]}
    return merton_fit(jumps, count, {name: float(value) for name, value in log_errors.items()})


def _scaled(value: float, log_error: float | None) -> Estimate:
    """A positive number whose log has `log_error`."""
    return Estimate(float(value), float(value * log_error) if log_error else None, scale="log")


def _most_told(expected: float) -> int:
    """Jumps in a step that are counted where so many are `expected`: more have a chance below `UNTOLD`."""
    chance, count = 1.0, 0
    while count < TERMS - 1 and chance > UNTOLD:
        count += 1
        chance *= expected / count
    return count


def _parts(y: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Numbers of jumps k [k, 1], the variance of a return given them [k, 1], and what its mean leaves of it [k, t]."""
    k = np.arange(_most_told(math.exp(x[INTENSITY])) + 1)[:, np.newaxis]
    variance = math.exp(2 * x[VOLATILITY]) + k * math.exp(2 * x[JUMP_DEVIATION])
    return k, variance, y - x[MEAN] - k * x[JUMP_MEAN]


def _terms(y: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """P(k jumps) times the density of a return given them [k, t], over exp(the largest log of them) [t]."""
    from scipy.special import gammaln

    k, variance, apart = _parts(y, x)
    chance = k * x[INTENSITY] - math.exp(x[INTENSITY]) - gammaln(k + 1) - 0.5 * np.log(2 * math.pi * variance)
    logs = chance - apart**2 / (2 * variance)
    most = logs.max(axis=0)
    return np.exp(logs - most), most


def densities(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    terms, most = _terms(y, x)
    return np.asarray(np.log(terms.sum(axis=0)) + most)


def _shares(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """P(k jumps | return) [k, t]."""
    terms, _ = _terms(y, x)
    return np.asarray(terms / terms.sum(axis=0))


def slopes(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Slopes of the log densities [t, coordinate]: means over the shares of those given k."""
    k, variance, apart = _parts(y, x)
    share = _shares(y, x)
    pull, spread = share * apart / variance, share * (apart**2 / variance - 1) / variance
    return np.column_stack([
        pull.sum(axis=0),
        math.exp(2 * x[VOLATILITY]) * spread.sum(axis=0),
        (share * k).sum(axis=0) - math.exp(x[INTENSITY]),
        (k * pull).sum(axis=0),
        math.exp(2 * x[JUMP_DEVIATION]) * (k * spread).sum(axis=0),
    ])  # fmt: skip
