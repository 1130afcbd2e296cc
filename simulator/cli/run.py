"""`simulator run`: what happens under the scenario's own parameters."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from simulator.cli.options import (
    all_options,
    cluster_option,
    jobs_option,
    json_option,
    open_scenario,
    out_option,
    paths_option,
    scenario_argument,
    seed_option,
    workers,
)

if TYPE_CHECKING:
    from simulator.outcomes import Outcomes
    from simulator.risk.metrics import Interval, Metric
    from simulator.scenario import Scenario


@click.command()
@all_options(scenario_argument, seed_option, paths_option, jobs_option, cluster_option, out_option, json_option)
def run(
    scenario: str, seed: int | None, paths: int | None, jobs: int | None, cluster: str | None, out: Path, as_json: bool
) -> None:
    """Simulate a scenario under its current parameters.

    SCENARIO is a file, or the name of a shipped scenario. Prints a table of metrics with 95 % intervals over paths, and
    writes a result folder below --out.
    """
    found = open_scenario(scenario, seed=seed, paths=paths)
    from simulator.results import ResultFolder, folder_of

    with workers(jobs, cluster) as count, ResultFolder(folder_of(out, found)) as result:
        outcomes = _simulated(found, count)
        from simulator.checks import outcome_checks, volatilities, volatility_warnings
        from simulator.risk import metrics

        interval: Interval = "model" if found.has_parameter_law else "simulation"
        rows = metrics.risk_metrics(outcomes, interval=interval)
        result.write_origin(found, {"command": "run", "purpose": "run"})
        result.write_table("outcomes", outcomes.frame().reset_index())
        result.write_table("metrics", metrics.frame(rows))
        result.add_checks(outcome_checks(outcomes))
        result.finish(found)
    for warning in volatility_warnings(outcomes, found.assets):
        click.echo(f"{found.name}: {warning}", err=True)
    if as_json:
        click.echo(_as_json(found, rows, result.folder))
    else:
        _print(found, rows, result.folder, volatilities(outcomes, found.assets))


def _simulated(scenario: Scenario, jobs: int) -> Outcomes:
    from simulator.cli.progress import Bar
    from simulator.model import simulate

    with Bar("paths", scenario.paths) as bar:
        return simulate(scenario, jobs=jobs, progress=bar.advance)


def _as_json(scenario: Scenario, rows: tuple[Metric, ...], folder: Path) -> str:
    content: dict[str, Any] = {"scenario": scenario.name, "hash": scenario.hash, "seed": scenario.seed, "folder": str(folder)}
    content["metrics"] = [
        {key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in asdict(row).items()}
        for row in rows
    ]
    return json.dumps(content, indent=1, allow_nan=False)


def _print(scenario: Scenario, rows: tuple[Metric, ...], folder: Path, volatilities: dict[str, tuple[float, float]]) -> None:
    from simulator.cli.tables import print_table

    title = f"{scenario.name}: {scenario.paths:,} paths, seed {scenario.seed}, from the vote to the horizon"
    print_table(title, ["", "value", "95 % interval", "unit"], _lines(rows))
    for asset, (outside, observed) in volatilities.items():
        stationary = scenario.market.reference_volatility(asset)
        click.echo(f"volatility of {asset}: stationary {stationary:.3g}, these paths {outside:.3g}, observed {observed:.3g}")
    click.echo(f"{rows[0].interval} interval over paths; transition and steady state apart in metrics.csv")
    click.echo(folder)


def _lines(rows: tuple[Metric, ...]) -> Iterator[tuple[str, str, str, str]]:
    from simulator.cli.tables import number

    for row in rows:
        is_shown = row.window == "whole" and not row.name.endswith("variance, mean")  # volatilities have a line of their own
        if is_shown and (row.value != 0 or row.unit == "probability"):
            unit = "" if row.unit in ("probability", "1") else row.unit
            known = not math.isnan(row.low)
            between = f"{number(row.low, row.unit)} to {number(row.high, row.unit)}" if known else "needs more paths"
            yield row.name, number(row.value, row.unit), between, unit
