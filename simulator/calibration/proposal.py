"""The proposal: everything a vote needs, as pure data. proposal.json is the source that every text and page is made from.

Deterministic: the same calibration gives the same bytes, so nothing here asks for the time, the machine or the folder.
"""

from __future__ import annotations

import datetime
import math
from dataclasses import asdict
from typing import Any

from simulator.calibration import attribution, change, choice, evidence, pictures, studied
from simulator.calibration.calibrate import Calibration
from simulator.calibration.confirmation import CONFIRMED, REDUCING
from simulator.calibration.files import to_json
from simulator.calibration.plan import asked
from simulator.calibration.versions import versions
from simulator.calibration.world import World

SCHEMA = 1
UNSEEN = "losses without a jump or a far innovation that are too rare for these weighted paths to show"
LIFE_DAYS = 30  # of a set of parameters, after the last observation behind it

NOT_COVERED = (
    "errors or manipulation of an oracle beyond the oracle model of the scenario",
    "attacks on governance and changes of parameters after the vote",
    "errors in contracts, upgrades, halts of a chain or of a venue",
    "accounts, assets and markets that the scenario does not have",
    "moves beyond the largest that the market model can make, and dependence that it does not have",
    "legal and custody risk",
)


def make_proposal(calibration: Calibration, *, scenario_file: str = "scenario.toml") -> dict[str, Any]:
    """The content of proposal.json. `scenario_file` is how the reproducing command names the scenario.

    Numbers that do not exist (an interval without an upper end, a tail with too few paths) are None.
    """
    world, confirmation = calibration.world, calibration.confirmation
    appetite, settings = asked(world)
    return _plain(
        {
            "schema": SCHEMA,
            "title": _title(calibration),
            "scenario": world.name,
            "verdict": calibration.verdict,
            "reasons": list(calibration.reasons),
            "warnings": list(calibration.warnings),
            "summary": change.summary(calibration),
            "preamble": world.preamble.model_dump(),
            "context": studied.context(calibration),
            "appetite": {
                "text": appetite.describe(),
                "limits": [limit.describe() for limit in appetite.limits],
                "confidence": appetite.confidence,
                "regimes": _own_limits(world),
                "goal": calibration.question.goal.describe(),
                "denominators_usd": calibration.question.frozen,
            },
            "parameters": change.table(calibration),
            "step_bounds": change.step_bounds(calibration),
            "evidence": evidence.worlds(confirmation) if confirmation else evidence.from_selection(calibration),
            "windows": list(world.windows()),
            "backtest": studied.later_history(calibration),
            "metrics": evidence.metrics(confirmation) if confirmation else [],
            "stages": choice.stages(calibration),
            "finalists": choice.finalists(calibration),
            "alternatives": choice.alternatives(calibration),
            "capital_efficiency": evidence.efficiency(calibration),
            "newly_liquidatable": evidence.newly_liquidatable(confirmation) if confirmation else None,
            "loss_bearers": attribution.loss_bearers(confirmation) if confirmation else [],
            "loss_sources": attribution.loss_sources(calibration.attribution),
            "paired_loss_test": evidence.paired_test(confirmation) if confirmation else None,
            "convergence": evidence.convergence(confirmation) if confirmation else None,
            "elasticities": evidence.elasticities(world, confirmation),
            "sensitivity": choice.sensitivity(calibration),
            "neighbourhood": asdict(calibration.neighbourhood) if calibration.neighbourhood else None,
            "global_sensitivity": [asdict(figure) for figure in calibration.indices],
            "front": pictures.front(calibration),
            "loss_distribution": pictures.loss_distribution(calibration),
            "search_cloud": pictures.search_cloud(calibration),
            "sequence": change.sequence(calibration),
            "rollback": _rollback(calibration),
            "expiry": _expiry(world),
            "not_covered": [*NOT_COVERED, *([UNSEEN] if _is_weighted(calibration) else [])],
            "paths": {
                "search": settings.search_paths,
                "selection": settings.selection_paths,
                "confirmation": len(confirmation.outcomes[0]) if confirmation else 0,
                "path_evaluations": calibration.evaluations,
                "candidates": len(calibration.found.trials),
                "failed_candidates": [
                    {"values": list(point), "reason": reason} for point, reason in sorted(calibration.failures.items())
                ],
            },
            "look": {
                "number": calibration.plan.look,
                "confidence": calibration.plan.confidence,
                "stages": [asdict(stage) for stage in calibration.plan.stages],
                "power_at_half_of_all_limits": calibration.plan.power,
                "conditions": calibration.plan.conditions,
            },
            "reproduce": {
                "command": _command(calibration, scenario_file),
                "seed": world.seed,
                "scenario_hash": world.hash,
                "lineage": world.lineage,
                "data": studied.data(world),
                "versions": versions(),
            },
        }
    )


def proposal_bytes(calibration: Calibration, *, scenario_file: str = "scenario.toml") -> bytes:
    """proposal.json: sorted keys, shortest exact floats."""
    return to_json(make_proposal(calibration, scenario_file=scenario_file))


def _plain(value: Any) -> Any:
    """Data that JSON has a word for: None for NaN and infinities, lists for tuples."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value


def _is_weighted(calibration: Calibration) -> bool:
    return calibration.confirmation is not None and any(one.weighted for one in calibration.confirmation.worlds)


def _own_limits(world: World) -> dict[str, str]:
    """The appetites of regimes that have their own."""
    return {
        name: regime.appetite.describe() for name, _, regime in world.regimes() if regime.appetite not in (None, world.appetite)
    }


def _title(calibration: Calibration) -> str:
    what = {CONFIRMED: "Change of risk parameters", REDUCING: "Risk-reducing step of parameters"}
    return f"{what.get(calibration.verdict, 'No change of risk parameters')}: {calibration.world.name}"


def _rollback(calibration: Calibration) -> dict[str, Any]:
    """When to go back: a loss beyond the threshold that the limits made rare, or a market or demand outside what was studied."""
    confirmation = calibration.confirmation
    reached = studied.studied_range(confirmation) if confirmation else []
    return {
        "to": dict(zip(calibration.space.names, calibration.space.current_point, strict=True)),
        "triggers": [
            *(f"any breach of a limit's threshold: {limit.describe()}" for limit in asked(calibration.world)[0].limits),
            *studied.in_words(reached),
        ],
        "studied_range": reached,
        "studied_volatility": studied.studied_volatility(confirmation, calibration.world.assets) if confirmation else [],
    }


def _expiry(world: World) -> dict[str, Any]:
    """The analysis expires `LIFE_DAYS` after the last observation behind it; without one, only triggers end it."""
    if world.data_until is None:
        return {"date": None, "why": "the scenario names no data window: the analysis ends when a rollback trigger fires"}
    last = datetime.date.fromisoformat(world.data_until[:10])
    date = last + datetime.timedelta(days=LIFE_DAYS)
    return {"date": date.isoformat(), "why": f"{LIFE_DAYS} days after the last observation, {last.isoformat()}"}


def _command(calibration: Calibration, scenario_file: str) -> str:
    return f"simulator calibrate {scenario_file} --seed {calibration.world.seed} --look {calibration.plan.look}"
