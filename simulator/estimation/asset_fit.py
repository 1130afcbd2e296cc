"""One asset's market model from its returns: jumps or none, a law of the GARCH family, residuals, and how sure all of it is."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from simulator.estimation.coordinates import ASYMMETRY, DEGREES, EXPONENTIAL_NAMES, LEVEL, NAMES, PERSISTENCE, SHARE, SKEW
from simulator.estimation.errors import NotConverged
from simulator.estimation.garch_fit import FREE, Fit, fit_garch
from simulator.estimation.jump_choice import Parted, parted
from simulator.estimation.jumps import JumpFit
from simulator.estimation.model_choice import Candidate, choose
from simulator.estimation.settings import FitSettings
from simulator.estimation.specification import GARCH_T, Specification
from simulator.estimation.standard_errors import Estimate, covariance, mean_block, natural_estimates
from simulator.market.law import ParameterLaw
from simulator.parameters import YEAR


@dataclass(frozen=True)
class AssetFit:
    """What the data say of one asset."""

    name: str
    price: float  # [usd]
    count: int  # returns used
    block: float  # [step] mean length of the blocks behind its standard errors
    estimates: dict[str, Estimate]
    jumps: JumpFit | None
    law: ParameterLaw
    max_move: float | None  # None: normal innovations
    residuals: np.ndarray  # [t], NaN where a return is missing or a jump
    relative_variance: np.ndarray  # [t] conditional over stationary, of the diffusive part
    log_likelihood: float
    cost_of_bounds: float  # log-likelihood that variance targeting and bounded persistence cost
    cost_of_tail: float  # and the tail bound
    asymmetry_t: float  # robust t of gamma, kept or not
    beyond: int  # returns beyond `threshold` conditional standard deviations
    threshold: float
    at_bound: tuple[str, ...]  # coordinates held by a bound of their own
    tail_index: float | None  # the bound
    tail_binds: bool
    specification: Specification = GARCH_T
    candidates: tuple[Candidate, ...] = ()  # what it was chosen from
    parted: Parted | None = None  # how jumps were told from the rest

    @property
    def headline(self) -> str:
        """What a line can say of it."""
        e, degrees = self.estimates, self.estimates.get("degrees_of_freedom")
        tails = f" of {degrees.value:.2f} degrees of freedom" if degrees else ""
        return (
            f"volatility {e['volatility'].value:.3f} a year, today {e['volatility_today'].value:.3f}, "
            f"persistence {e['persistence'].value:.6f} a step, {self.specification}{tails}"
        )

    @property
    def costs(self) -> str:
        """Log-likelihood that bounds and tail bound cost, as a table says it."""
        return f"{self.cost_of_bounds:.1f}, {self.cost_of_tail:.1f}"

    @property
    def largest_residual(self) -> float:
        return float(np.nanmax(np.abs(self.residuals)))

    @property
    def residual_variance(self) -> float:
        """Mean square of standardised residuals; simulated innovations have one."""
        return float(np.nanmean(self.residuals**2))


def fit_asset(
    name: str,
    price: float,
    returns: np.ndarray,
    step: float,
    settings: FitSettings,
    fine: Parted | None = None,
) -> AssetFit:
    """Fit `returns` over `step` [s] (NaN where missing), jumps taken from `fine` bars if given. Raises NotConverged, naming the
    asset."""
    try:
        return _fit_asset(name, price, returns, step, settings, fine)
    except NotConverged as problem:
        raise NotConverged(f"{name}: {problem}") from None


def _fit_asset(name: str, price: float, returns: np.ndarray, step: float, settings: FitSettings, fine: Parted | None) -> AssetFit:
    told = fine or parted(returns, step, settings)
    parts, jump_fit = told.split, told.law
    diffusive = parts.diffusive
    seen = int(np.count_nonzero(~(np.isnan(diffusive) & np.isnan(parts.jumps))))
    choice = choose(diffusive, step, settings)
    fit, targeted, max_move = choice.bounded.fit, choice.bounded.targeted, choice.bounded.max_move
    specification = fit.specification
    block = mean_block(seen, step, fit.natural.persistence)
    free = fit_garch(diffusive, FREE, specification=specification)
    cov = covariance(fit, diffusive, block)
    variance = fit.variance(np.where(np.isnan(diffusive) & np.isnan(parts.jumps), returns, diffusive))
    normal = specification.is_normal or DEGREES in fit.at_bound
    names = EXPONENTIAL_NAMES if specification.is_exponential else NAMES
    return AssetFit(
        name=name,
        price=price,
        count=seen,
        block=block,
        estimates=_estimates(fit, cov, variance[-1], step, jump_fit),
        jumps=jump_fit,
        law=_law(cov, specification, normal, jump_fit, settings.draws),
        max_move=None if normal else max_move,
        residuals=diffusive / np.sqrt(variance[:-1]),
        relative_variance=variance[:-1] / (fit.scale**2 * math.exp(fit.x[LEVEL])),
        log_likelihood=fit.log_likelihood,
        cost_of_bounds=free.log_likelihood - targeted.log_likelihood,
        cost_of_tail=targeted.log_likelihood - fit.log_likelihood,
        asymmetry_t=choice.asymmetry_t,
        beyond=parts.beyond,
        threshold=parts.threshold,
        at_bound=tuple(names[c] for c in fit.at_bound),
        tail_index=settings.tail_index,
        tail_binds=fit.tied,
        specification=specification,
        candidates=choice.candidates,
        parted=told,
    )


def _estimates(fit: Fit, cov: np.ndarray, next_variance: float, step: float, jumps: JumpFit | None) -> dict[str, Estimate]:
    """Everything the market block holds of this asset, and the persistence."""
    found = natural_estimates(fit, cov, YEAR / step)
    if PERSISTENCE in fit.at_bound:
        found["persistence"] = Estimate(found["persistence"].value, None, "at the bound: no standard error")
    if DEGREES in fit.at_bound:
        found["degrees_of_freedom"] = Estimate(math.inf, None, "at the bound: normal innovations")
    found["volatility_today"] = Estimate(math.sqrt(next_variance * YEAR / step), None, "filtered at the last row")
    if jumps is not None:
        total = math.sqrt(found["volatility"].value ** 2 + jumps.jumps.intensity * jumps.jumps.second_moment)
        found["total_volatility"] = Estimate(total, None, "diffusion and jumps")
        found |= {f"jump_{name}": estimate for name, estimate in jumps.estimates.items()}
    return found


def _law(cov: np.ndarray, specification: Specification, normal: bool, jumps: JumpFit | None, draws: int) -> ParameterLaw:
    """The law in the market's coordinates: volatility is half the level in logs; zero variance for what a bound holds."""
    names = EXPONENTIAL_NAMES if specification.is_exponential else NAMES
    columns = [PERSISTENCE, SHARE, *([ASYMMETRY] if specification.is_exponential else [])]
    columns += ([] if normal else [DEGREES]) + ([SKEW] if specification.innovation == "skewed-t" and not normal else [])
    places = {"log_volatility": LEVEL} | {names[c]: c for c in columns}
    half = np.ones(len(cov))
    half[LEVEL] = 0.5
    own = (cov * np.outer(half, half))[np.ix_(list(places.values()), list(places.values()))]
    jump_law = jumps.law if jumps else {}
    full = np.zeros((len(own) + len(jump_law),) * 2)
    full[: len(own), : len(own)] = own
    full[range(len(own), len(full)), range(len(own), len(full))] = list(jump_law.values())
    rounded = tuple(tuple(float(f"{value:.15g}") for value in row) for row in full)
    return ParameterLaw(names=(*places, *jump_law), covariance=rounded, draws=draws)
