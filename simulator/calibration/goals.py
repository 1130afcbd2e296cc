"""What is made as large as the limits allow: relative changes against current parameters, weighted.

Capital efficiency comes in two kinds. *Available* is a promise that parameters make (promise.py; where margin follows volatility,
by its mean over the time of a path). *Used* is a finding about people: open interest and borrowing over collateral, compared path
by path. Used counts only where every response of demand has a source.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from simulator.calibration.promise import available_change, changes_of_collateral
from simulator.calibration.world import Votable
from simulator.calibration_settings import GoalName, Objective
from simulator.risk import measures
from simulator.risk.measures import Estimate, PerPath

if TYPE_CHECKING:
    from simulator.outcomes import Outcomes
    from simulator.scenario.book import Book

USED = "capital_efficiency_used.whole"
REVENUE = ("fees.whole", "penalties.whole")
USER_COST = "user_cost.whole"
LOSS = "loss.whole"
COLUMNS = (USED, *REVENUE, USER_COST)
MARGIN = "margin_ratio.whole"  # where margin follows volatility
GOAL_WORDS: dict[GoalName, str] = {
    "capital-efficiency": "capital efficiency",
    "revenue": "protocol revenue",
    "user-cost": "low user cost",
    "loss": "low expected loss",
}


@dataclass(frozen=True)
class Goal:
    """The objective of a scenario; `counts_used`: capital efficiency is measured as used, otherwise as available to `book`."""

    objective: Objective
    counts_used: bool
    front: tuple[GoalName, ...] = ()
    book: Book | None = None

    def reached(self, candidate: Votable, outcomes: Outcomes, current: Votable, baseline: Outcomes) -> tuple[PerPath, ...]:
        """Every goal of the front, path by path, more being better; relative changes against `current` on the same paths."""
        return tuple(self._one(name, candidate, outcomes, current, baseline) for name in self.front)

    def _one(self, name: GoalName, candidate: Votable, outcomes: Outcomes, current: Votable, baseline: Outcomes) -> PerPath:
        if name == "capital-efficiency":
            if self.counts_used:
                return _relative(outcomes, baseline, (USED,))
            return available(candidate, outcomes, current, baseline, self.book)
        if name == "revenue":
            return _relative(outcomes, baseline, REVENUE)
        return _relative(outcomes, baseline, (USER_COST if name == "user-cost" else LOSS,)).scaled(-1.0)

    def describe(self) -> str:
        """The goal in one sentence."""
        kind = "used" if self.counts_used else "available"
        named = {
            f"{kind} capital efficiency": self.objective.capital_efficiency,
            "protocol revenue": self.objective.revenue,
            "low user cost": self.objective.user_cost,
        }
        wanted = ", ".join(f"{name} (weight {weight:g})" for name, weight in named.items() if weight)
        return f"Within the limits, as much as possible of {wanted}."

    def score(self, candidate: Votable, outcomes: Outcomes, current: Votable, baseline: Outcomes) -> tuple[float, float]:
        """The weighted sum of relative changes against `current` on the same paths, and its standard error over paths."""
        objective, fixed = self.objective, 0.0
        parts: list[tuple[float, PerPath]] = []
        if objective.capital_efficiency and self.counts_used:
            parts.append((objective.capital_efficiency, _relative(outcomes, baseline, (USED,))))
        elif objective.capital_efficiency and MARGIN in outcomes.columns:
            parts.append((objective.capital_efficiency, available(candidate, outcomes, current, baseline, self.book)))
        elif objective.capital_efficiency:
            fixed = objective.capital_efficiency * available_change(candidate, current, self.book)
        if objective.revenue:
            parts.append((objective.revenue, _relative(outcomes, baseline, REVENUE)))
        if objective.user_cost:
            parts.append((-objective.user_cost, _relative(outcomes, baseline, (USER_COST,))))
        if not parts:
            return fixed, 0.0
        total = np.sum([weight * change.value for weight, change in parts], axis=0)
        estimate = measures.mean(PerPath.over(outcomes, total))
        return fixed + estimate.value, estimate.standard_error


def _relative(outcomes: Outcomes, baseline: Outcomes, columns: tuple[str, ...]) -> PerPath:
    """The change path by path over the baseline's mean; zero where the baseline has none of it."""
    theirs, ours = (_sum(side, columns) for side in (baseline, outcomes))
    scale = measures.mean(theirs).value
    return ours.minus(theirs).scaled(1 / scale if scale else 0.0)


def _sum(outcomes: Outcomes, columns: tuple[str, ...]) -> PerPath:
    return PerPath.over(outcomes, np.sum([PerPath.of(outcomes, column).value for column in columns], axis=0))


def available(candidate: Votable, outcomes: Outcomes, current: Votable, baseline: Outcomes, book: Book | None = None) -> PerPath:
    """`available_change` path by path: where margin follows volatility, of the mean ratio over a path's time and its markets."""
    if MARGIN not in outcomes.columns:
        return PerPath.over(outcomes, np.full(len(outcomes.path), available_change(candidate, current, book)))
    ours, theirs = (PerPath.over(side, np.log(side.column(MARGIN))) for side in (outcomes, baseline))
    markets, others = len(current.perpetuals), changes_of_collateral(candidate, current, book)
    changes = markets * theirs.minus(ours).value + math.fsum(others)
    return PerPath.over(outcomes, changes / (markets + len(others)))


def used_change(outcomes: Outcomes, baseline: Outcomes, confidence: float) -> Estimate:
    """The paired difference of used capital efficiency against current parameters."""
    return measures.paired_difference(PerPath.of(outcomes, USED), PerPath.of(baseline, USED), confidence)
