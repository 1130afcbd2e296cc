"""A peg from its prices: an Ornstein-Uhlenbeck distance that jumps, as `market.processes.OrnsteinUhlenbeck` simulates it.

The peg itself, half-life and volatility (`peg_point`) are one regression of moves on where they began (`peg_likelihood`), depegs
apart (`peg_depegs`). Where there is no pull its t has the law of Dickey and Fuller (1979), not a normal one: what does not pass
their test is no peg.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simulator.estimation.comparison import duration
from simulator.estimation.errors import FitError, NotConverged
from simulator.estimation.jump_choice import Parted
from simulator.estimation.jumps import JumpFit
from simulator.estimation.merton_likelihood import no_crashes_note
from simulator.estimation.model_choice import Candidate
from simulator.estimation.peg_depegs import Found, parted_moves
from simulator.estimation.peg_likelihood import DEVIATION, MEAN, line
from simulator.estimation.peg_point import Point
from simulator.estimation.returns import Returns
from simulator.estimation.settings import FitSettings
from simulator.estimation.standard_errors import Estimate, mean_block
from simulator.market.law import ParameterLaw
from simulator.parameters import YEAR

DICKEY_FULLER = 2.8615  # |t| of the pull above which k = 1 is rejected at 5 %, a mean fitted too (MacKinnon 2010, table 2)
LEAST_KEPT = 1e-3  # k below which a step leaves nothing to tell a half-life by


@dataclass(frozen=True)
class PegFit:
    """What the data say of one peg; see `asset_fit.AssetFit` for what the two share."""

    name: str
    price: float  # [usd]
    base: str | None
    count: int
    block: float
    estimates: dict[str, Estimate]
    jumps: JumpFit | None
    law: ParameterLaw
    residuals: np.ndarray
    log_likelihood: float  # of moves in percent
    beyond: int
    threshold: float
    pull_t: float  # of 1 - k
    parted: Parted
    specification: str = "ornstein-uhlenbeck"
    max_move: None = None
    candidates: tuple[Candidate, ...] = ()
    costs: str = "none"

    @property
    def headline(self) -> str:
        """What a line can say of it."""
        e = self.estimates
        return f"peg {e['peg'].value:.6g}, half-life {span(e['half_life'].value)}, volatility {e['volatility'].value:.4g} a year"

    @property
    def notes(self) -> list[str]:
        """What was decided, and how sure the half-life is."""
        low, high = (span(value) for value in self.estimates["half_life"].interval)
        lines = [
            f"{self.name}: half-life {span(self.estimates['half_life'].value)} (95 %: {low} to {high}); that there is a pull: "
            f"|t| = {self.pull_t:.1f}, Dickey and Fuller's 5 % is {DICKEY_FULLER:.2f}"
        ]
        likelihood = self.parted.likelihood
        if likelihood is not None and not likelihood.describes_crashes:
            lines.append(f"{self.name}: {no_crashes_note(likelihood)}")
        found = f"moves beyond {self.threshold:.1f} deviations: {self.beyond}"
        if likelihood is not None and likelihood.describes_crashes:
            found = f"depegs by the likelihood of moves; {self.beyond} of them probably held one"
        elif self.jumps is None:
            found += ": no depegs"
        else:
            found += ": they are the depegs, left out of what is fitted beside them"
        return [*lines, f"{self.name}: {found}. Moves between depegs are normal: quiet and busy months are alike in paths"]


def span(seconds: float) -> str:
    """A length of time, three digits of it."""
    for unit, length in (("y", YEAR), ("d", 86_400.0), ("h", 3_600.0), ("min", 60.0)):
        if seconds >= length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.3g} s"


def peg_problems(settings: FitSettings, assets: Sequence[str]) -> list[tuple[str, str]]:
    """What is wrong with the pegs that were named."""
    found, names = [], [name for name, _ in settings.pegs]
    for name, base in settings.pegs:
        if name not in assets:
            found.append(("pegs", f"{name} is no asset of the fit; there are {', '.join(assets)}"))
        if base is not None and (base not in assets or base == name):
            found.append(("pegs", f"{name} is pegged to {base}, which is no other asset of the fit"))
        elif base in names:
            found.append(("pegs", f"{name} is pegged to {base}, which is pegged itself; peg both to the same base"))
    found += [("pegs", f"{name} is there twice") for name in sorted({n for n in names if names.count(n) > 1})]
    return found


def pegged(settings: FitSettings) -> str:
    """The pegs of a fit's method; empty without them."""
    names = ", ".join(name if base is None else f"{name} to {base}" for name, base in settings.pegs)
    return f"; {names}: Ornstein-Uhlenbeck by the likelihood of its exact transition" if names else ""


def fit_peg(returns: Returns, name: str, settings: FitSettings, base: str | None = None) -> PegFit:
    """One asset held to a dollar or to the asset `base`. Raises FitError where nothing pulls it back, NotConverged."""
    column = returns.assets.index(name)
    distance, moves = returns.log_price[:, column], returns.returns[:, column]
    if base is not None:
        below = returns.assets.index(base)
        distance, moves = distance - returns.log_price[:, below], moves - returns.returns[:, below]
    try:
        found = parted_moves(moves, distance[:-1], returns.step, settings)
    except NotConverged as problem:
        raise NotConverged(f"{name}: {problem}") from None
    return _peg_fit(name, float(returns.price[column]), base, found, int(np.count_nonzero(~np.isnan(moves))), settings)


def _peg_fit(name: str, price: float, base: str | None, found: Found, count: int, settings: FitSettings) -> PegFit:
    told, top, seen = found.told, found.top, found.seen
    block = mean_block(count, found.step, 0.0)
    places = [MEAN, DEVIATION, len(top.x) - 1]
    covariance = top.covariance(block)[np.ix_(places, places)]
    point = Point(float(top.x[MEAN]), float(top.x[DEVIATION]), float(top.x[-1]), seen, found.step)
    pull_t = point.pull / math.sqrt(covariance[2, 2]) if covariance[2, 2] > 0 else 0.0
    _refuse(name, point, pull_t)
    own = point.slopes @ covariance @ point.slopes.T
    return PegFit(
        name=name,
        price=price,
        base=base,
        count=count,
        block=block,
        estimates=_estimates(point, own, math.sqrt(covariance[2, 2]), told.law),
        jumps=told.law,
        law=_law(own, told.law, settings.draws),
        residuals=(told.split.diffusive - line(seen, top.x, found.start)) / (seen.scale * math.exp(point.deviation)),
        log_likelihood=top.value - len(seen.move) * math.log(100 * seen.scale),
        beyond=told.split.beyond,
        threshold=told.split.threshold,
        pull_t=pull_t,
        parted=told,
    )


def _refuse(name: str, point: Point, pull_t: float) -> None:
    """Raises FitError for what does not revert, and for what reverts within a step."""
    if pull_t < DICKEY_FULLER or point.kept >= 1:
        raise FitError(
            [
                (
                    f"pegs: {name}",
                    f"does not come back to a peg: its pull has t = {pull_t:.2f}, below the {DICKEY_FULLER:.2f} that Dickey and "
                    "Fuller's test needs at 5 %, and no half-life is too long; leave it out of the pegs, or take a longer window",
                )
            ]
        )
    if point.kept < LEAST_KEPT:
        raise FitError(
            [(f"pegs: {name}", f"comes back within a step of {duration(point.step)}: its half-life needs finer prices")]
        )


def _estimates(point: Point, own: np.ndarray, pull_error: float, jumps: JumpFit | None) -> dict[str, Estimate]:
    errors = np.sqrt(np.diag(own))
    found = {
        "volatility": Estimate(point.volatility, point.volatility * float(errors[0]), scale="log"),
        "half_life": Estimate(point.half_life, point.half_life * float(errors[1]), scale="log"),
        "peg": Estimate(point.peg, point.peg * float(errors[2])),
        "persistence": Estimate(point.kept, pull_error),
    }
    if jumps is not None:
        total = math.sqrt(point.volatility**2 + jumps.jumps.intensity * jumps.jumps.second_moment)
        found["total_volatility"] = Estimate(total, None, "diffusion and jumps")
        found |= {f"jump_{name}": estimate for name, estimate in jumps.estimates.items()}
    return found


def _law(own: np.ndarray, jumps: JumpFit | None, draws: int) -> ParameterLaw:
    """Log volatility and log half-life as fitted together, jumps apart from them."""
    jump_law = jumps.law if jumps else {}
    own = (own + own.T) / 2
    full = np.zeros((2 + len(jump_law),) * 2)
    full[:2, :2] = own[:2, :2]
    full[range(2, len(full)), range(2, len(full))] = list(jump_law.values())
    rounded = tuple(tuple(float(f"{value:.15g}") for value in row) for row in full)
    return ParameterLaw(names=("log_volatility", "log_half_life", *jump_law), covariance=rounded, draws=draws)
