"""What a person may choose about a fit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from simulator.estimation.specification import InnovationChoice, ProcessChoice

JumpChoice = Literal["auto", "none", "merton", "kou", "likelihood"]
FEWEST_PATHS = 40  # of which 95 % can be told
LARGEST_MAX_MOVE = 500.0  # [standard deviations] what an innovation of the market accepts


@dataclass(frozen=True)
class FitSettings:
    """How to fit. `tail_index=None` lets the likelihood choose the tail of the stationary law."""

    jumps: JumpChoice = "auto"
    persistence_per_day: float = 0.995
    tail_index: float | None = 3.0
    max_move: float | None = None  # [standard deviations]; None: 1.5 times the largest residual, rounded up
    max_gap: float | None = None  # [s] a longer stretch without a price is an error; None: a warning
    draws: int = 200  # of the parameter law
    process: ProcessChoice = "garch"  # and GJR where its gamma is significant
    innovation: InnovationChoice = "student-t"
    criterion: Literal["aic", "bic"] = "bic"
    dependence: Literal["auto", "constant", "dcc", "converging"] = "constant"
    copula: Literal["auto", "gaussian", "student-t", "skewed-t"] = "gaussian"
    pegs: tuple[tuple[str, str | None], ...] = ()  # (asset held to a peg, the asset it is pegged to; None: a dollar)

    def problems(self) -> list[tuple[str, str]]:
        """(setting, what is wrong; what is allowed) for each."""
        found = []
        if not 0 < self.persistence_per_day < 1:
            found.append(("persistence", f"{self.persistence_per_day:g} must lie between 0 and 1, a day"))
        if self.tail_index is not None and not 2 < self.tail_index <= 20:
            found.append(("tail-index", f"{self.tail_index:g} must lie above 2, where a variance exists, and not above 20"))
        if self.max_move is not None and not 3 <= self.max_move <= LARGEST_MAX_MOVE:
            found.append(("max-move", f"{self.max_move:g} must lie between 3 and {LARGEST_MAX_MOVE:g} standard deviations"))
        if self.max_gap is not None and not 0 < self.max_gap < math.inf:
            found.append(("max-gap", f"{self.max_gap:g} must be a number of seconds above 0"))
        if self.copula == "skewed-t" and self.dependence != "constant":
            found.append(
                ("copula", f"skewed-t is fitted with a constant correlation only, but `dependence` is {self.dependence}")
            )
        return found
