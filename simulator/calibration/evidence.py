"""The evidence of a proposal: before and after, with named intervals, for every limit, window and world."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from simulator.calibration.attribution import before_and_after
from simulator.calibration.calibrate import Calibration
from simulator.calibration.confirmation import Confirmation, InWorld, interval_of
from simulator.calibration.goals import MARGIN, available, used_change
from simulator.calibration.promise import available_change
from simulator.calibration.world import HEADLINE, World
from simulator.risk import measures
from simulator.risk.judgement import Judgement
from simulator.risk.metrics import Metric, risk_metrics

if TYPE_CHECKING:
    from simulator.outcomes import Outcomes


def worlds(confirmation: Confirmation) -> list[dict[str, Any]]:
    """One entry a world: whether it decides, and every condition before and after."""
    return [_world(one, confirmation) for one in confirmation.worlds]


def _world(one: InWorld, confirmation: Confirmation) -> dict[str, Any]:
    return {
        "world": one.label,
        "decides": one.gates,
        "passes": one.passes,
        "interval": confirmation.intervals[one.label],
        "loss_change_usd": asdict(one.loss_change),
        "weighted": one.weighted,
        "conditions": _before_and_after(one.current, one.candidate),
    }


def _before_and_after(current: Sequence[Judgement], candidate: Sequence[Judgement]) -> list[dict[str, Any]]:
    return [
        {"condition": after.condition, "before": asdict(before), "after": asdict(after)}
        for before, after in zip(current, candidate, strict=True)
    ]


def from_selection(calibration: Calibration) -> list[dict[str, Any]]:
    """Without a confirmation: current parameters and the best finalist on the selection paths. It decides nothing."""
    selection = calibration.selection
    best = selection.finalists[0] if selection.finalists else selection.current
    return [
        {
            "world": "selection paths",
            "decides": False,
            "passes": all(judgement.passes for judgement in best.judgements),
            "interval": interval_of(calibration.world),
            "loss_change_usd": asdict(best.loss_change),
            "candidate": dict(zip(calibration.space.names, best.point, strict=True)),
            "conditions": _before_and_after(selection.current.judgements, best.judgements),
        }
    ]


def metrics(confirmation: Confirmation) -> list[dict[str, Any]]:
    """Every metric before and after, in the headline world and, where parameters are drawn, at their point estimates."""
    shown = {HEADLINE: confirmation.outcomes, **confirmation.reported}
    return [
        row
        for label, (candidate, current) in shown.items()
        if label in (HEADLINE, "point-parameters")
        for row in _metric_rows(label, current, candidate, confirmation.intervals[label])
    ]


def _metric_rows(label: str, current: Outcomes, candidate: Outcomes, interval: Any) -> list[dict[str, Any]]:
    before, after = (risk_metrics(side, interval=interval) for side in (current, candidate))
    return [
        {
            "world": label,
            "metric": now.name,
            "window": now.window,
            "unit": now.unit,
            "interval": now.interval,
            "confidence": now.confidence,
            "paths": now.paths,
            "note": now.note,
            "before": _three(was),
            "after": _three(now),
        }
        for was, now in zip(before, after, strict=True)
    ]


def _three(metric: Metric) -> dict[str, float]:
    return {"value": metric.value, "low": metric.low, "high": metric.high}


def efficiency(calibration: Calibration) -> dict[str, Any]:
    """Capital efficiency against current parameters: available, and used as a paired difference."""
    point = calibration.confirmation.point if calibration.confirmation else None
    candidate = calibration.space.parameters(point) if point else None
    if candidate is None or calibration.confirmation is None:
        return {"available_change": None, "used_change": None, "used_may_be_claimed": False}
    ours, theirs = calibration.confirmation.outcomes
    used = used_change(ours, theirs, calibration.plan.confidence)
    current, book = calibration.space.current, calibration.world.book
    promised = available_change(candidate, current, book)
    if MARGIN in ours.columns:
        promised = measures.mean(available(candidate, ours, current, theirs, book)).value
    return {
        "available_change": math.expm1(promised),
        "used_change": asdict(used),
        "used_may_be_claimed": calibration.world.has_sourced_elasticities,
    }


def newly_liquidatable(confirmation: Confirmation) -> dict[str, Any]:
    """Accounts that the vote itself makes liquidatable, before and after [count]."""
    candidate, current = confirmation.outcomes
    return before_and_after(current, candidate, "newly_liquidatable.transition")


def paired_test(confirmation: Confirmation) -> dict[str, Any]:
    """The paired tests of loss against current parameters."""
    return {**asdict(confirmation.improvement), "is_proven": confirmation.improvement.is_proven}


def convergence(confirmation: Confirmation) -> dict[str, Any]:
    """Key figures at the substep and at half of it."""
    found = confirmation.convergence
    figures = [{**asdict(figure), "is_converged": figure.is_converged} for figure in found.figures]
    return {"substeps": list(found.substeps), "paths": found.paths, "is_converged": found.is_converged, "figures": figures}


def elasticities(world: World, confirmation: Confirmation | None) -> dict[str, Any]:
    """At which elasticities the limits pass, and those at which the choice would flip."""
    if not world.has_elasticities:
        return {"levels": {}, "flips_at": [], "note": "the scenario states no range of responses of demand"}
    if confirmation is None:
        return {"levels": {}, "flips_at": [], "note": "nothing was confirmed"}
    labels = {"low": "elasticity-low", "central": HEADLINE, "high": "elasticity-high"}
    passes = {one.label: one.passes for one in confirmation.worlds}
    levels = {level: passes[label] for level, label in labels.items()}
    return {"levels": levels, "flips_at": [level for level, passed in levels.items() if not passed], "note": ""}
