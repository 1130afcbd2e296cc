"""`simulator validate`: is the file sound, and what will it take?"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from simulator.cli.options import all_options, json_option, open_scenario, paths_option, scenario_argument, seed_option

if TYPE_CHECKING:
    from simulator.scenario import Scenario


@click.command()
@all_options(scenario_argument, seed_option, paths_option, json_option)
def validate(scenario: str, seed: int | None, paths: int | None, as_json: bool) -> None:
    """Check a scenario file; estimate time and memory.

    Every problem of the file is one line on stderr, and the exit code is then 2.
    """
    found = open_scenario(scenario, seed=seed, paths=paths)
    click.echo(json.dumps(_facts(found), indent=1) if as_json else _text(found))


def _facts(scenario: Scenario) -> dict[str, object]:
    size = scenario.size
    return {
        "name": scenario.name,
        "hash": scenario.hash,
        "warnings": list(scenario.warnings),
        "accounts": size.accounts,
        "paths": size.paths,
        "steps": size.steps,
        "seconds_on_one_core": size.seconds,
        "memory_bytes": size.memory,
        "calibration_seconds_on_one_core": _calibration_seconds(scenario),
    }


def _text(scenario: Scenario) -> str:
    lines = [f"{scenario.name}: sound ({scenario.hash[:8]})", f"run: {scenario.size}"]
    if scenario.appetite is not None:
        lines += [f"preset {scenario.appetite.meaning}"] * bool(scenario.appetite.meaning)
        lines.append(f"appetite: {scenario.appetite.describe()}")
    if scenario.rare_events is not None:
        lines.append(f"rare events: a losing path is planned to count at most {scenario.weight_of_unseen:.3g} plain ones")
    seconds = _calibration_seconds(scenario)
    if seconds is not None:
        from simulator.scenario.size import duration

        lines.append(f"calibrate: about {duration(seconds)} on one core before confirmation")
    return "\n".join(lines)


def _calibration_seconds(scenario: Scenario) -> float | None:
    return None if scenario.calibration is None else scenario.size.seconds_of(scenario.calibration.paths_before_confirmation)
