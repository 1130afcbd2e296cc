"""Simpler models of the next return, fitted to the same rows as the market and scored on the same later ones.

Each takes the returns before and after the end of its fit (NaN where missing) and gives the log density of every later one.
What a fit adds is what it leads them by; what it cannot lead them by, it need not have.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from simulator.estimation.likelihood import Natural, filter_variance
from simulator.estimation.standard_errors import long_run_covariance
from simulator.kernel import stream
from simulator.market.online_kernel import filtered
from simulator.parameters import DAY

HALF_LIVES = (DAY / 4, DAY, 3 * DAY, 11.2 * DAY)  # [s] the last is RiskMetrics' 0.94 a day
LARGEST_DEGREES = 200.0
CONFIDENCE = 0.9  # of the set of models that none is proven better than
RESAMPLES = 500


@dataclass(frozen=True)
class ModelScore:
    """One model out of sample: mean log density of a return, the lead of the fit, and whether any model is proven better."""

    model: str
    log_score: float
    behind: float  # mean log density that the fit has more
    error: float  # its standard error, autocorrelation kept
    p: float  # Diebold and Mariano (1995), two-sided: as good as the fit
    in_set: bool  # of the 90 % model confidence set (Hansen, Lunde and Nason 2011)


Rival = Callable[[np.ndarray, np.ndarray, float], np.ndarray]


def constant_normal(before: np.ndarray, after: np.ndarray, step: float) -> np.ndarray:
    """Geometric Brownian motion: normal returns of constant variance."""
    return normal_log_density(after, np.full(after.shape, np.nanmean(before**2)))


def constant_t(before: np.ndarray, after: np.ndarray, step: float) -> np.ndarray:
    """Student-t returns of constant variance."""
    variance = np.nanmean(before**2)
    nu = _degrees(before / math.sqrt(variance))
    return t_log_density(after, np.full(after.shape, variance), nu)


def ewma_t(before: np.ndarray, after: np.ndarray, step: float) -> np.ndarray:
    """Student-t returns at an exponentially weighted variance; half-life and degrees of freedom by likelihood."""
    start = float(np.nanmean(before**2))
    both = np.concatenate([before, after])[:, np.newaxis]
    best, chosen = -math.inf, None
    for half_life in HALF_LIVES:
        kept = 2.0 ** (-step / half_life)
        h = filtered(both, start, 0.0, 1 - kept, 0.0, kept, math.inf)[:-1, 0]
        nu = _degrees(before / np.sqrt(h[: before.size]))
        score = float(np.nansum(t_log_density(before, h[: before.size], nu)))
        if score > best:
            best, chosen = score, t_log_density(after, h[before.size :], nu)
    assert chosen is not None
    return chosen


def garch_normal(before: np.ndarray, after: np.ndarray, step: float) -> np.ndarray:
    """GARCH(1,1) with normal innovations, by arch."""
    from arch import arch_model

    scale = math.sqrt(np.nanmean(before**2))
    seen = before[~np.isnan(before)] / scale
    found = arch_model(seen, mean="Zero", vol="GARCH", p=1, q=1, rescale=False).fit(disp="off", show_warning=False)
    omega, alpha, beta = (float(found.params[name]) for name in ("omega", "alpha[1]", "beta[1]"))
    h = filter_variance(np.concatenate([before, after]) / scale, Natural(omega, alpha, 0.0, beta, math.inf))[:-1]
    return normal_log_density(after, h[before.size :] * scale**2)


RIVALS: dict[str, Rival] = {
    "garch, normal": garch_normal,
    "ewma, student-t": ewma_t,
    "constant, student-t": constant_t,
    "constant, normal": constant_normal,
}


def normal_log_density(r: np.ndarray, h: np.ndarray) -> np.ndarray:
    """Log density of returns of variance `h`."""
    return -0.5 * (np.log(2 * math.pi * h) + r * r / h)


def t_log_density(r: np.ndarray, h: np.ndarray, nu: float) -> np.ndarray:
    """Log density of Student-t returns of variance `h` and `nu` > 2 degrees of freedom."""
    constant = math.lgamma((nu + 1) / 2) - math.lgamma(nu / 2) - 0.5 * math.log(math.pi * (nu - 2))
    return constant - 0.5 * np.log(h) - (nu + 1) / 2 * np.log1p(r * r / (h * (nu - 2)))


def _degrees(z: np.ndarray) -> float:
    """Degrees of freedom of most likelihood for residuals of unit variance."""
    from scipy.optimize import minimize_scalar

    seen = z[~np.isnan(z)]
    ones = np.ones_like(seen)

    def loss(x: float) -> float:
        return -float(np.mean(t_log_density(seen, ones, 2 + math.exp(x))))

    bounds = (math.log(0.05), math.log(LARGEST_DEGREES - 2))
    return 2 + math.exp(float(minimize_scalar(loss, bounds=bounds, method="bounded").x))


def compare_models(scores: dict[str, np.ndarray], block: float, seed: int) -> tuple[ModelScore, ...]:
    """Log densities [t] of models on the same returns, the fit first, each against it; blocks of `block` returns."""
    names = list(scores)
    table = np.column_stack([scores[name] for name in names])
    kept = confidence_set(-table, block, seed)
    rows = []
    for i, name in enumerate(names):
        lead, error = mean_and_error(table[:, 0] - table[:, i], block)
        p = 1.0 if i == 0 else math.erfc(abs(lead) / (error * math.sqrt(2))) if error > 0 else 0.0
        rows.append(ModelScore(name, float(table[:, i].mean()), lead, error, p, kept[i]))
    return tuple(rows)


def mean_and_error(values: np.ndarray, block: float) -> tuple[float, float]:
    """The mean of `values` [t] and its standard error under a stationary bootstrap with mean block `block`."""
    variance = float(long_run_covariance(values[:, np.newaxis], min(block, max(1.0, values.size / 10)))[0, 0])
    return float(values.mean()), math.sqrt(max(variance, 0.0) / values.size)


def confidence_set(losses: np.ndarray, block: float, seed: int) -> Sequence[bool]:
    """Which models [column] belong to the 90 % model confidence set of `losses` [t, model]."""
    from arch.bootstrap import MCS

    generator = np.random.default_rng(int(stream(seed, "rivals", "bootstrap")))
    size = max(1, round(min(block, len(losses) / 10)))
    found = MCS(losses, size=1 - CONFIDENCE, reps=RESAMPLES, block_size=size, method="R", seed=generator)
    found.compute()
    return [i in set(found.included) for i in range(losses.shape[1])]
