"""How the choice came about: what each stage estimated, what else could have been chosen, and what lies a step beside it."""

from __future__ import annotations

import math
from typing import Any

from simulator.calibration.calibrate import Calibration
from simulator.calibration.world import HEADLINE
from simulator.risk.judgement import Judgement

OVERFITTED = 3.0  # standard errors between search and confirmation


def stages(calibration: Calibration) -> list[dict[str, Any]]:
    """Search, selection and confirmed estimates of the goal and of every headline condition, and the shrinkage.

    `shrinkage` = confirmed - search; beyond 3 standard errors the search has overfitted. For the conditions, search counts
    what judgement counts, though it ranked by a continuous quantity.
    """
    chosen, confirmation, searched = calibration.selection.chosen, calibration.confirmation, calibration.searched
    if chosen is None or confirmation is None or searched is None:
        return []
    rows = [_stage("goal", searched.score, searched.score_error, chosen.score, confirmation.score, confirmation.score_error)]
    headline = next(one for one in confirmation.worlds if one.label == HEADLINE)
    for before, between, after in zip(searched.judgements, chosen.judgements, headline.candidate, strict=True):
        rows.append(_stage(after.condition, before.value, _error(before), between.value, after.value, _error(after)))
    return rows


def finalists(calibration: Calibration) -> list[dict[str, Any]]:
    """What else could have been chosen, on the selection paths, in the order of preference; current parameters last."""
    selection, names = calibration.selection, calibration.space.names
    return [
        {
            "values": dict(zip(names, one.point, strict=True)),
            "is_current": one.is_current,
            "is_chosen": one is selection.chosen,
            "goal": one.score,
            "goal_error": one.score_error,
            "chance_to_pass": one.chance,
            "wanted": one.wanted,
            "is_ready": one.is_ready,
            "loss_change_usd": one.loss_change.value,
            "conditions": [{"condition": j.condition, "value": j.value, "bound": j.bound} for j in one.judgements],
        }
        for one in (*selection.finalists, selection.current)
    ]


def alternatives(calibration: Calibration) -> list[dict[str, Any]]:
    """What was confirmed together with the chosen values, each with its verdict and the confidence of its last step."""
    names = calibration.space.names
    return [
        {
            "values": dict(zip(names, one.point, strict=True)),
            "verdict": one.verdict,
            "reasons": list(one.reasons),
            "confidence": one.plan.confidence,
            "goal": one.score,
            "goal_error": one.score_error,
        }
        for one in calibration.alternatives
    ]


def _error(judgement: Judgement) -> float:
    """The standard error behind a judgement; for a probability, at half a failure more, so that none seen is not certainty."""
    if judgement.method == "Clopper-Pearson":
        p = (judgement.value * judgement.paths + 0.5) / (judgement.paths + 1)
        return math.sqrt(p * (1 - p) / judgement.paths)
    return (judgement.high - judgement.low) / 4 if math.isfinite(judgement.high - judgement.low) else math.nan


def _stage(name: str, search: float, e: float, selection: float, confirmed: float, later: float) -> dict[str, Any]:
    spread = math.hypot(e, later)
    shrinkage = confirmed - search
    apart = shrinkage / spread if spread > 0 else 0.0 if abs(shrinkage) < 1e-12 else math.inf
    return {
        "figure": name,
        "search": search,
        "selection": selection,
        "confirmed": confirmed,
        "shrinkage": shrinkage,
        "shrinkage_in_standard_errors": apart,
        "overfitted": bool(abs(apart) > OVERFITTED),
    }


def sensitivity(calibration: Calibration) -> list[dict[str, Any]]:
    """One grid step down and up in every parameter, on the selection paths; fragile where a limit breaks."""
    chosen = calibration.selection.chosen
    if chosen is None:
        return []
    return [
        {
            "name": step.parameter,
            "direction": step.direction,
            "value": step.value,
            "goal_change": step.neighbour.score - chosen.score,
            "chance_to_pass": step.neighbour.chance,
            "breaks": list(step.breaks),
            "fragile": bool(step.breaks),
            "conditions": [{"condition": j.condition, "value": j.value, "bound": j.bound} for j in step.neighbour.judgements],
        }
        for step in calibration.sensitivity
    ]
