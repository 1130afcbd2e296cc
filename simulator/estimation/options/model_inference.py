"""How sure the fit of a law is: standard errors of two kinds, identifiability, information criteria, and what is left over."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from simulator.estimation.options.goodness import moves, residual_tests
from simulator.estimation.options.model_problem import Problem
from simulator.estimation.options.quotes import Quotes
from simulator.estimation.standard_errors import Estimate

WORST_CONDITION = 1e8  # of the scaled jacobian: beyond it no digit of some combination of parameters is from the quotes
AT_BOUND = 2e-3  # [coordinate]
LEAST_FREE = 1e-3  # [1] of 1 - leverage: a quote that a parameter has to itself tells nothing of its noise
DEAD = "moves no quote"
WINGS = ((-math.inf, -1.0), (-1.0, -0.25), (-0.25, 0.25), (0.25, 1.0), (1.0, math.inf))  # [deviations]


@dataclass(frozen=True)
class Certainty:
    """`estimates` carry Gauss-Newton errors (equal variances of residuals, independent), `robust` those of a sandwich
    that lets every quote have its own variance (HC3, MacKinnon and White 1985: each residual over 1 - its leverage).

    Both say how far noise of the quotes moves the fit, not how far a wrong law is from the truth, and both are of the
    estimator with its prior: a prior makes them smaller and the estimate biased.
    """

    estimates: dict[str, Estimate]
    robust: dict[str, float | None]
    covariance: np.ndarray  # [parameter, parameter], Gauss-Newton
    condition: float
    dead: tuple[str, ...]  # move no residual though no bound holds them

    @property
    def is_identified(self) -> bool:
        """Whether the quotes tell all parameters apart that no bound holds."""
        return self.condition < WORST_CONDITION and not self.dead


def certainty(problem: Problem, x: np.ndarray) -> Certainty:
    """At the least loss `x` [coordinate]."""
    residuals, jacobian = problem.data(x)
    names, law = problem.coordinates.law.names(), problem.coordinates.natural(x)
    low, high = problem.coordinates.bounds
    at_bound = problem.free & ((x - low < AT_BOUND) | (high - x < AT_BOUND))
    moving = moves(jacobian) | problem.pulled
    live = problem.free & ~at_bound & moving
    bread, meat = _bread(jacobian[:, live], problem.pull[live]), jacobian[:, live]
    degrees = len(residuals) - int(live.sum())
    slopes = problem.coordinates.slopes(law)[:, live]
    plain = slopes @ bread @ (meat.T @ meat) @ bread @ slopes.T * _ratio(float(residuals @ residuals), degrees)
    leverage = np.einsum("qi,ij,qj->q", meat, bread, meat)
    own = meat * (residuals / np.maximum(1 - leverage, LEAST_FREE))[:, None]
    robust = slopes @ bread @ (own.T @ own) @ bread @ slopes.T
    notes = [_note(*flags) for flags in zip(problem.free, at_bound, moving, strict=True)]
    dead = tuple(name for name, note in zip(names, notes, strict=True) if note == DEAD)
    errors, others = _errors(plain, notes), _errors(robust, notes)
    return Certainty(
        {name: Estimate(float(v), e, note) for name, v, e, note in zip(names, law.values, errors, notes, strict=True)},
        dict(zip(names, others, strict=True)),
        plain,
        _condition(jacobian[:, problem.free & ~at_bound]),
        dead,
    )


def _bread(jacobian: np.ndarray, pull: np.ndarray) -> np.ndarray:
    scale = np.sqrt(np.sum(jacobian**2, axis=0) + pull**2)
    inner = (jacobian / scale).T @ (jacobian / scale) + np.diag((pull / scale) ** 2)
    return np.linalg.pinv(inner, rcond=1e-15, hermitian=True) / np.outer(scale, scale)


def _ratio(sum_: float, degrees: int) -> float:
    return sum_ / degrees if degrees > 0 else math.nan


def _note(free: bool, at_bound: bool, moving: bool) -> str:
    if not free:
        return "fixed"
    if at_bound:
        return "at its bound"
    return "" if moving else DEAD


def _errors(covariance: np.ndarray, notes: list[str]) -> list[float | None]:
    variance = np.diag(covariance)
    return [math.sqrt(v) if not note and v >= 0 else None for v, note in zip(variance.tolist(), notes, strict=True)]


def _condition(jacobian: np.ndarray) -> float:
    """Of the jacobian with columns of length one; infinite where a column is zero."""
    lengths = np.linalg.norm(jacobian, axis=0)
    return float(np.linalg.cond(jacobian / lengths)) if lengths.size and lengths.min() > 0 else math.inf


@dataclass(frozen=True)
class Information:
    """Of normal residuals with one variance, which counts as a parameter: smaller is better, among fits of the same quotes."""

    parameters: int
    aic: float
    aicc: float
    bic: float


def information(residuals: np.ndarray, parameters: int) -> Information:
    """Akaike 1974, Hurvich and Tsai 1989, Schwarz 1978."""
    n, p = len(residuals), parameters + 1
    deviance = n * (math.log(2 * math.pi * max(float(np.mean(residuals**2)), 1e-300)) + 1)
    corrected = 2 * p * (p + 1) / (n - p - 1) if n > p + 1 else math.inf
    return Information(parameters, deviance + 2 * p, deviance + 2 * p + corrected, deviance + p * math.log(n))


@dataclass(frozen=True)
class Bias:
    """The mean error [volatility] of a group of quotes, and p of its t test: small p, and the law is wrong there."""

    group: str
    count: int
    mean: float
    p: float


def biases(quotes: Quotes, error: np.ndarray) -> list[Bias]:
    """By deviations from the forward and by expiry. Residuals next to one another are alike, so p is too small if anything."""
    z = quotes.log_moneyness / np.sqrt(quotes.total_variance)
    found = [_bias(_wing_name(low, high), error[(z >= low) & (z < high)]) for low, high in WINGS]
    found += [_bias(f"{s.years * 365:.0f} days", error[quotes.expiry_index == s.expiry]) for s in quotes.slices()]
    return [bias for bias in found if bias.count]


def _wing_name(low: float, high: float) -> str:
    return f"below {high:g}" if math.isinf(low) else f"above {low:g}" if math.isinf(high) else f"{low:g} to {high:g}"


def _bias(group: str, error: np.ndarray) -> Bias:
    n = len(error)
    if n < 2 or np.ptp(error) == 0:
        return Bias(group, n, float(np.mean(error)) if n else math.nan, math.nan)
    from scipy.special import stdtr

    t = float(np.mean(error) / (np.std(error, ddof=1) / math.sqrt(n)))
    return Bias(group, n, float(np.mean(error)), float(2 * stdtr(n - 1, -abs(t))))


def runs_by_expiry(quotes: Quotes, error: np.ndarray) -> float:
    """p of the runs tests of the expiries taken together (Fisher 1932); NaN where none has enough quotes."""
    from scipy.special import gammaincc

    each = [residual_tests(error[quotes.expiry_index == s.expiry])[0] for s in quotes.slices()]
    logs = [math.log(max(p, 1e-300)) for p in each if not math.isnan(p)]
    return float(gammaincc(len(logs), -sum(logs))) if logs else math.nan
