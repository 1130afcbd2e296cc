"""Which returns are jumps: by threshold, by Merton's likelihood where it describes crashes, or from finer bars."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from simulator.estimation.garch_fit import Restriction, fit_garch
from simulator.estimation.jumps import FEWEST_JUMPS, TOO_MANY, JumpFit, Split, fit_kou, fit_merton, split, threshold
from simulator.estimation.settings import FitSettings, JumpChoice
from simulator.estimation.specification import Specification
from simulator.parameters import DAY, YEAR

if TYPE_CHECKING:
    from simulator.estimation.fine_jumps import FineJumps
    from simulator.estimation.merton_likelihood import ReturnsFit
    from simulator.estimation.returns import Returns


@dataclass(frozen=True)
class Parted:
    """Returns split, the law of the jumps (None: there are none), and what told them apart."""

    split: Split
    law: JumpFit | None
    likelihood: ReturnsFit | None = None  # Merton's, where it was asked for
    fine: FineJumps | None = None


def parted(returns: np.ndarray, step: float, settings: FitSettings) -> Parted:
    """Jumps apart from the rest, or everything together if innovations explain the tails or no jumps are wanted.

    What is a jump is judged by a GARCH with normal innovations if those were asked for, else with Student-t ones. Merton's
    likelihood is taken at its word only where it describes crashes. Raises NotConverged.
    """
    told = None
    judge = Specification("garch", "normal" if settings.innovation == "normal" else "student-t")
    bounded = Restriction(settings.persistence_per_day ** (step / DAY))
    near = fit_garch(returns, bounded, specification=judge)
    k = threshold(near.degrees, int(np.count_nonzero(~np.isnan(returns))))
    if settings.jumps == "likelihood":
        from simulator.estimation.merton_likelihood import fit_merton_returns

        told = fit_merton_returns(returns, step)
        if told.describes_crashes and told.jumps.count >= FEWEST_JUMPS:
            is_jump = told.posterior > 0.5
            found = Split(np.where(is_jump, np.nan, returns), np.where(is_jump, returns, np.nan), k, told.jumps.count)
            return Parted(found, told.jumps, told)
    if settings.jumps != "none":
        found = split(returns, partial(fit_garch, restriction=bounded, specification=judge, near=near))
        if not too_few(found.sizes.size, settings.jumps):
            years = int(np.count_nonzero(~np.isnan(returns))) * step / YEAR
            return Parted(found, law_of_sizes(found.sizes, years, settings.jumps), told)
    beyond = near.beyond(returns, returns, k)
    return Parted(Split(returns, np.full(returns.size, np.nan), k, int(np.count_nonzero(beyond))), None, told)


def too_few(count: int, choice: JumpChoice) -> bool:
    """Whether `count` jumps beyond a threshold may be chance or, where jumps were asked for, are too few for a law."""
    return count < (FEWEST_JUMPS if choice in ("merton", "kou") else TOO_MANY)


def law_of_sizes(sizes: np.ndarray, years: float, choice: JumpChoice) -> JumpFit:
    """Of the jumps found in `years`: Kou's where it is asked for, else Merton's."""
    return fit_kou(sizes, years) if choice == "kou" else fit_merton(sizes, years)


def parted_by(fine: FineJumps, returns: Returns, column: int, settings: FitSettings) -> Parted:
    """The jumps that finer bars of the same asset show, taken out of its returns; rows the bars do not cover are left out.

    Later returns, of which no bars are known, are judged by the usual threshold. Raises FitError, NotConverged.
    """
    diffusive, taken = fine.parted(returns, column)
    near = fit_garch(diffusive, Restriction(settings.persistence_per_day ** (returns.step / DAY)))
    k = threshold(near.degrees, int(np.count_nonzero(~np.isnan(diffusive))))
    jumps = np.where(taken != 0, taken, np.nan)
    return Parted(Split(diffusive, jumps, k, int(np.count_nonzero(taken))), fine.fit, fine=fine)
