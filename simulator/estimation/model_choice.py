"""Which law of the GARCH family: every candidate fitted under the same bounds to the same returns, and one of them chosen.

Akaike's and Schwarz's criteria of log-likelihoods under the bounds, since it is the bounded law that will be simulated; a level
that variance targeting takes from the sample counts as a parameter. A GJR is only chosen where its gamma has a robust |t| above
`SIGNIFICANT`: the criteria take the likelihood at its word, and with tails this fat a handful of days decide it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from simulator.estimation.coordinates import FIRST_MAX_MOVE
from simulator.estimation.errors import NotConverged
from simulator.estimation.garch_fit import Fit, Restriction, fit_garch
from simulator.estimation.settings import LARGEST_MAX_MOVE, FitSettings
from simulator.estimation.specification import GARCH_T, Specification, specifications
from simulator.estimation.standard_errors import covariance, mean_block, natural_estimates
from simulator.estimation.tail import TailBound
from simulator.parameters import DAY

SIGNIFICANT = 2.0  # |t| that gamma must exceed to be kept
ROOM = 1.5  # max_move over the largest standardised residual
MOST_ROUNDS = 6


@dataclass(frozen=True)
class Candidate:
    """One law of the family as it fits; a law whose likelihood has no maximum keeps only its name and `note`."""

    specification: Specification
    log_likelihood: float = math.nan  # percent returns, under the bounds
    aic: float = math.nan
    bic: float = math.nan
    persistence: float = math.nan
    note: str = ""  # why it cannot be chosen

    @property
    def converged(self) -> bool:
        return not math.isnan(self.log_likelihood)


@dataclass(frozen=True)
class Bounded:
    """A fit under every bound, and before the tail bound; `max_move` is what both the bound and the market use."""

    fit: Fit
    targeted: Fit
    max_move: float


@dataclass(frozen=True)
class Choice:
    """The law chosen, the candidates it was chosen from, and the robust t of gamma in the asymmetric law of its innovations."""

    bounded: Bounded
    candidates: tuple[Candidate, ...]
    asymmetry_t: float


def choose(returns: np.ndarray, step: float, settings: FitSettings) -> Choice:
    """Fit every candidate of `settings` to `returns` over `step` [s] (NaN where missing) and choose one.

    Raises NotConverged if none has a maximum.
    """
    found: dict[Specification, Bounded] = {}
    candidates, failures = [], []
    for specification in specifications(settings.process, settings.innovation):
        try:
            found[specification] = bounded_fit(returns, step, specification, settings, found)
        except NotConverged as problem:
            failures.append(str(problem))
            candidates.append(Candidate(specification, note="no maximum"))
        else:
            candidates.append(_candidate(found[specification].fit, int(np.count_nonzero(~np.isnan(returns)))))
    if not found:
        raise NotConverged(failures[0])
    gammas = {s: gamma_t(found[s].fit, returns, step) for s in found if s.process == "gjr"}
    rows = tuple(_judged(row, gammas, settings) for row in candidates)
    best = min((row for row in rows if not row.note), key=lambda row: getattr(row, settings.criterion)).specification
    asymmetric = Specification("gjr", best.innovation) if best.process == "garch" else best
    t = gammas[asymmetric] if asymmetric in gammas else gamma_t(found[best].fit, returns, step)
    return Choice(found[best], rows, t)


def _candidate(fit: Fit, count: int) -> Candidate:
    k, value = fit.specification.parameters, fit.log_likelihood
    return Candidate(fit.specification, value, 2 * (k - value), k * math.log(count) - 2 * value, fit.natural.persistence)


def _judged(row: Candidate, gammas: dict[Specification, float], settings: FitSettings) -> Candidate:
    """A GJR whose gamma says nothing is out; where only GARCH was asked for, a GARCH whose gamma says something is."""
    specification = row.specification
    t = abs(gammas.get(Specification("gjr", specification.innovation), math.nan))
    if specification.process == "gjr" and settings.process != "gjr" and t <= SIGNIFICANT:
        return replace(row, note=f"gamma |t| {t:.1f}")
    if specification.process == settings.process == "garch" and t > SIGNIFICANT:
        return replace(row, note=f"gamma |t| {t:.1f}")
    return row


def gamma_t(fit: Fit, returns: np.ndarray, step: float) -> float:
    """gamma over its robust standard error; 0 where it has none."""
    block = mean_block(int(np.count_nonzero(~np.isnan(returns))), step, fit.natural.persistence)
    gamma = natural_estimates(fit, covariance(fit, returns, block), 1.0)["gamma"]
    return gamma.value / gamma.standard_error if gamma.standard_error else 0.0


def bounded_fit(
    returns: np.ndarray,
    step: float,
    specification: Specification,
    settings: FitSettings,
    others: dict[Specification, Bounded],
) -> Bounded:
    """The fit of `specification` under variance targeting, bounded persistence and the tail bound.

    A skewed t starts from the Student-t of the same recursion where that is known: at skew 0 it is that law.
    """
    plain = Restriction(settings.persistence_per_day ** (step / DAY), max_move=settings.max_move or FIRST_MAX_MOVE)
    symmetric = others.get(Specification(specification.process, "student-t")) if specification.innovation == "skewed-t" else None
    targeted = fit_garch(returns, plain, specification=specification, near=symmetric.targeted if symmetric else None)
    fit, max_move = _with_tail(returns, targeted, settings)
    if specification.is_exponential:  # its level depends on the cut, and the cost of the tail bound is between fits of one cut
        targeted = fit_garch(returns, replace(plain, max_move=max_move), specification=specification, near=targeted)
    return Bounded(fit, targeted, max_move)


def _with_tail(returns: np.ndarray, near: Fit, settings: FitSettings) -> tuple[Fit, float]:
    max_move = settings.max_move or FIRST_MAX_MOVE
    tried: list[float] = []
    fit = near
    while max_move not in tried and len(tried) < MOST_ROUNDS:
        tried.append(max_move)
        tail = TailBound(settings.tail_index, max_move, near.specification) if settings.tail_index else None
        restriction = Restriction(near.restriction.largest_persistence, tail=tail, max_move=max_move)
        fit = fit_garch(returns, restriction, specification=near.specification, near=fit)
        if settings.max_move is None:
            largest = float(np.nanmax(np.abs(returns) / np.sqrt(fit.variance(returns)[:-1])))
            max_move = min(max(math.ceil(ROOM * largest), 3.0), LARGEST_MAX_MOVE)
    if near.specification == GARCH_T:
        return fit_garch(returns, fit.restriction), max_move
    return fit, max_move
