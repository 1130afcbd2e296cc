"""What the page draws and no table of the proposal holds: the distribution of loss, and the cloud of the search."""

from __future__ import annotations

from typing import Any

import numpy as np

from simulator.calibration.calibrate import Calibration
from simulator.calibration.goals import GOAL_WORDS
from simulator.calibration.ranking import Trial
from simulator.calibration.world import HEADLINE
from simulator.risk.appetite import ProbabilityLimit
from simulator.risk.measures import PerPath, probability

LEVELS = 48  # losses at which the curve is drawn
LOSS = "loss.whole"
SMALLEST = 1e-5  # of the largest loss: what lies below is the dust of adding in binary


def loss_distribution(calibration: Calibration) -> dict[str, Any] | None:
    """P(loss > l) of current parameters and candidate on the confirmation paths, each with its two-sided interval; and the
    limits on the same loss in dollars. None without a confirmation, or where no path has a loss."""
    confirmation = calibration.confirmation
    if confirmation is None:
        return None
    candidate, current = (PerPath.of(side, LOSS) for side in confirmation.outcomes)
    positive = np.concatenate([side.value[side.value > 0] for side in (candidate, current)])
    if positive.size == 0:
        return None
    limits = _loss_limits(calibration)
    largest = float(positive.max())
    least = max(float(positive.min()), SMALLEST * largest)
    ends = [least, largest, *(one["loss"] for one in limits if one["loss"] > 0)]
    levels = [0.0, *(float(f"{level:.6g}") for level in np.geomspace(min(ends), max(ends), LEVELS))]
    confidence = confirmation.plan.confidence
    return {
        "column": LOSS,
        "unit": "usd",
        "confidence": confidence,
        "interval": confirmation.intervals[HEADLINE],
        "paths": candidate.paths,
        "loss": levels,
        "before": _curve(current, levels, confidence),
        "after": _curve(candidate, levels, confidence),
        "limits": limits,
    }


def _curve(sample: PerPath, levels: list[float], confidence: float) -> dict[str, list[float]]:
    found = [probability(sample, level, confidence) for level in levels]
    return {"probability": [p.value for p in found], "low": [p.low for p in found], "high": [p.high for p in found]}


def _loss_limits(calibration: Calibration) -> list[dict[str, Any]]:
    question = calibration.question
    return [
        {
            "condition": one.name,
            "loss": one.limit.threshold * question.frozen[one.limit.of],
            "probability": one.limit.probability,
        }
        for one in question.conditions
        if isinstance(one.limit, ProbabilityLimit) and one.column == LOSS
    ]


def front(calibration: Calibration) -> dict[str, Any] | None:
    """Several goals against each other: every point of the front on the selection paths, and the volume; None without."""
    found = calibration.front
    if found is None:
        return None
    chosen = calibration.selection.chosen
    return {
        "goals": [{"name": name, "words": GOAL_WORDS[name]} for name in found.goals],
        "confidence": found.confidence,
        "reference": list(found.reference),
        "volume": {"value": found.volume.value, "low": found.volume.low, "high": found.volume.high},
        "points": [
            {
                "values": dict(zip(calibration.space.names, one.point, strict=True)),
                "goals": [{"value": goal.value, "low": goal.low, "high": goal.high} for goal in one.goals],
                "chance_to_pass": one.chance,
                "is_within": one.is_within,
                "is_kept": one.is_kept,
                "is_current": one.point == calibration.space.current_point,
                "is_chosen": chosen is not None and one.point == chosen.point,
            }
            for one in found.points
        ],
    }


def search_cloud(calibration: Calibration) -> dict[str, Any]:
    """Every candidate of the search: its goal, and its worst continuous tail quantity as a share of its limit (1: at it).

    `is_front`: no other candidate has both a higher goal and a smaller tail. The chosen candidate is the search's own
    trial, or what selection laid between two of them and was run on the search paths afterwards.
    """
    trials, space = calibration.found.trials, calibration.space
    tails = [1 + max(trial.violations[0]) for trial in trials]
    chosen = calibration.selection.chosen
    return {
        "candidates": [
            {
                "number": trial.number,
                "values": dict(zip(space.names, trial.point, strict=True)),
                "goal": trial.score,
                "tail_share_of_limit": tail,
                "paths": trial.paths,
                "is_current": trial.point == space.current_point,
                "is_chosen": chosen is not None and trial.point == chosen.point,
                "is_front": not any(_beats(a, x, trial, tail) for a, x in zip(trials, tails, strict=True)),
            }
            for trial, tail in zip(trials, tails, strict=True)
        ]
    }


def _beats(a: Trial, tail_of_a: float, b: Trial, tail_of_b: float) -> bool:
    no_worse = a.score >= b.score and tail_of_a <= tail_of_b
    return no_worse and (a.score > b.score or tail_of_a < tail_of_b)
