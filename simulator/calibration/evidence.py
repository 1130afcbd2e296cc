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
from simulator.outcomes import QUANTITIES
from simulator.risk import measures
from simulator.risk.judgement import Judgement
from simulator.risk.measures import PerPath
from simulator.risk.metrics import Metric, risk_metrics

if TYPE_CHECKING:
    from simulator.outcomes import Outcomes

OVERFITTED = 3.0  # standard errors between search and confirmation


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


BOOK = ("open_interest", "borrowed", "collateral", "utilisation", "fund_end")


def context(calibration: Calibration) -> dict[str, Any]:
    """What the vote is about: accounts, the book under current parameters (means of the confirmation paths), and depth [usd]."""
    world, confirmation = calibration.world, calibration.confirmation
    rows = [] if confirmation is None else [{"quantity": name, **asdict(_mean(confirmation.outcomes[1], name))} for name in BOOK]
    return {"accounts": world.account_count, "book": rows, "depth_usd": dict(world.depths)}


def _mean(outcomes: Outcomes, quantity: str) -> measures.Estimate:
    return measures.mean(PerPath.of(outcomes, f"{quantity}.whole"))


def newly_liquidatable(confirmation: Confirmation) -> dict[str, Any]:
    """Accounts that the vote itself makes liquidatable, before and after [count]."""
    candidate, current = confirmation.outcomes
    return before_and_after(current, candidate, "newly_liquidatable.transition")


def later_history(calibration: Calibration) -> dict[str, Any] | None:
    """What [backtest] showed, window by window: one history, so no interval; and how often moves passed a margin."""
    past, asked = calibration.past, calibration.world.backtest
    if past is None or asked is None:
        return None
    return {
        "since": past.windows[0].begin.isoformat(),
        "until": past.windows[-1].end.isoformat(),
        "paths_a_window": asked.paths,
        "windows": [
            {
                "vote": one.vote.isoformat(),
                "worst_fall": one.worst_fall,
                "seen": one.seen,
                "before": one.current,
                "after": one.proposed,
            }
            for one in past.windows
        ],
        "limits": [{"condition": name, "before": now, "after": then} for name, now, then in past.broken],
        "margin": {"period": asked.period, "confidence": asked.confidence, "rows": [asdict(one) for one in past.margins]},
    }


def data(world: World) -> dict[str, Any] | None:
    """The price file behind the market, its window and hash; None where the market names none."""
    provenance = getattr(getattr(world, "market", None), "provenance", None)
    return {name: getattr(provenance, name) for name in ("prices", "sha256", "since", "until", "rows")} if provenance else None


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


STUDIED = ("open_interest", "borrowed", "collateral", "utilisation", "liquidated_notional", "user_cost")


def studied_range(confirmation: Confirmation) -> list[dict[str, Any]]:
    """The central 99 % of the confirmation paths under the candidate, by quantity: outside it nothing was studied."""
    found = [_range(confirmation, f"{name}.whole", name, QUANTITIES[name][0]) for name in STUDIED]
    return [one for one in found if one["high"] > 0]


def _range(confirmation: Confirmation, column: str, name: str, unit: str) -> dict[str, Any]:
    values = PerPath.of(confirmation.outcomes[0], column)
    low, high = (measures.quantile(values, level).value for level in (0.005, 0.995))
    return {"quantity": name, "unit": unit, "low": low, "high": high}


def studied_volatility(confirmation: Confirmation, assets: Sequence[str]) -> list[dict[str, Any]]:
    """The same of realised volatility [1/sqrt(year)] over a horizon, asset by asset, where outcomes hold it."""
    columns = {asset: f"external_variance.{asset}.whole" for asset in assets}
    if assets and columns[assets[0]] not in confirmation.outcomes[0].columns:
        columns = {assets[0]: "external_variance.whole"}
    there = {asset: name for asset, name in columns.items() if name in confirmation.outcomes[0].columns}
    found = [_range(confirmation, name, asset, "1/sqrt(year)") for asset, name in there.items()]
    return [{**one, "low": math.sqrt(one["low"]), "high": math.sqrt(one["high"])} for one in found]


def in_words(studied: Sequence[dict[str, Any]]) -> list[str]:
    """The range of the book as triggers: leaving it is a reason to calibrate again."""
    names = {"open_interest": "open interest", "borrowed": "borrowing"}
    return [
        f"{names[one['quantity']]} leaves {one['low']:,.0f} to {one['high']:,.0f} USD, the central 99 % of the paths studied"
        for one in studied
        if one["quantity"] in names
    ]
