"""Who bears a loss and where it comes from: confirmation paths that lost are lived again with a ledger. The unit is the path."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from simulator.calibration.confirmation import Confirmation
from simulator.calibration.trials import Trials
from simulator.calibration.world import World
from simulator.outcomes import BEARERS, Outcomes
from simulator.risk import measures
from simulator.risk.measures import PerPath

MOST_PATHS = 1000  # of the headline
PREFIX = "loss_by_"  # of the columns, as in loss_by_cause.gap.whole
SOURCES = ("cause", "asset", "cohort")  # by which a loss is told apart


def attribute(world: World, trials: Trials, confirmation: Confirmation) -> tuple[Outcomes, Outcomes] | None:
    """(candidate, current): parts of the loss of every headline path, by cause, asset and cohort; None where nobody lost.

    Only paths that lost keep a ledger: the parts of all others are zero.
    """
    paths = min(len(confirmation.outcomes[0]), MOST_PATHS)
    lost = np.any([side.column("loss.whole")[:paths] > 0 for side in confirmation.outcomes], axis=0)
    if not lost.any():
        return None
    told, pair = world.with_ledger(np.flatnonzero(lost).tolist()), [confirmation.point, trials.space.current_point]
    found = trials.outcomes(told, "attribution", confirmation.plan.purpose, pair, paths, PREFIX, "where losses come from")
    return found[0], found[1]


def loss_bearers(confirmation: Confirmation) -> list[dict[str, Any]]:
    """Who bears the mean loss of a path [usd], before and after: parts that add up to it."""
    candidate, current = confirmation.outcomes
    return [{"who": who, **before_and_after(current, candidate, f"{quantity}.whole")} for who, quantity in BEARERS.items()]


def loss_sources(told: tuple[Outcomes, Outcomes] | None) -> dict[str, Any] | None:
    """Mean loss of a path [usd] by cause, asset and cohort, before and after, largest first; parts without loss left out."""
    if told is None:
        return None
    candidate, current = told
    rows = [_source(name, current, candidate) for name in candidate.columns if name.startswith(PREFIX)]
    found = [row for row in rows if row["before"]["value"] or row["after"]["value"]]
    found.sort(key=lambda row: (SOURCES.index(row["by"]), -row["after"]["value"], row["what"]))
    return {"paths": len(candidate), "rows": found}


def _source(column: str, current: Outcomes, candidate: Outcomes) -> dict[str, Any]:
    by, _, what = column.removeprefix(PREFIX).removesuffix(".whole").partition(".")
    return {"by": by, "what": what, **before_and_after(current, candidate, column)}


def before_and_after(current: Outcomes, candidate: Outcomes, column: str) -> dict[str, Any]:
    """The mean of a column under current parameters and under the candidate, each with its interval over paths."""
    before, after = (asdict(measures.mean(PerPath.of(side, column))) for side in (current, candidate))
    return {"before": before, "after": after}
