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
    refuse_beyond_memory,
    scenario_argument,
    seed_option,
    workers,
)

if TYPE_CHECKING:
    from simulator.losses import Losses
    from simulator.outcomes import Outcomes
    from simulator.risk.metrics import Interval, Metric
    from simulator.scenario import Scenario

GROUPS = ("cohort", "size", "asset", "cause")  # by which losses are shown


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
    refuse_beyond_memory(found)
    from simulator.results import ResultFolder, folder_of

    with workers(jobs, cluster) as count, ResultFolder(folder_of(out, found)) as result:
        outcomes = _simulated(found, count)
        from simulator.checks import outcome_checks, volatilities, volatility_warnings
        from simulator.market.model import ModelMarket
        from simulator.risk import metrics

        interval: Interval = "model" if found.has_parameter_law else "simulation"
        rows = metrics.risk_metrics(outcomes, interval=interval)
        result.write_origin(found, {"command": "run", "purpose": "run"})
        result.write_table("outcomes", outcomes.frame().reset_index())
        result.write_table("metrics", metrics.frame(rows))
        losses = _losses(found, outcomes)
        if losses is not None:
            result.write_table("losses", losses.accounts)
        result.add_checks(outcome_checks(outcomes))
        result.finish(found)
    shares = {asset.name: asset.external_share for asset in found.market.assets} if isinstance(found.market, ModelMarket) else {}
    for warning in volatility_warnings(outcomes, found.assets, shares):
        click.echo(f"{found.name}: {warning}", err=True)
    if as_json:
        click.echo(_as_json(found, rows, losses, result.folder))
    else:
        _print(found, rows, losses, result.folder, volatilities(outcomes, found.assets))


def _simulated(scenario: Scenario, jobs: int) -> Outcomes:
    from simulator.cli.progress import Bar
    from simulator.model import simulate

    with Bar("paths", scenario.paths) as bar:
        return simulate(scenario, jobs=jobs, progress=bar.advance)


def _losses(scenario: Scenario, outcomes: Outcomes) -> Losses | None:
    """Where bad debt came from, if there is any."""
    if not (outcomes.column("loss.whole") > 0).any():
        return None
    from simulator.losses import attribute_losses

    return attribute_losses(scenario, outcomes)


def _as_json(scenario: Scenario, rows: tuple[Metric, ...], losses: Losses | None, folder: Path) -> str:
    content: dict[str, Any] = {"scenario": scenario.name, "hash": scenario.hash, "seed": scenario.seed, "folder": str(folder)}
    content["metrics"] = [
        {key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in asdict(row).items()}
        for row in rows
    ]
    if losses is not None:
        content["losses"] = {"share": losses.share, "bearers": losses.bearers, **{what: losses.by(what) for what in GROUPS}}
    return json.dumps(content, indent=1, allow_nan=False)


def _print(
    scenario: Scenario,
    rows: tuple[Metric, ...],
    losses: Losses | None,
    folder: Path,
    volatilities: dict[str, tuple[float, float]],
) -> None:
    from simulator.cli.tables import print_table

    title = f"{scenario.name}: {scenario.paths:,} paths, seed {scenario.seed}, from the vote to the horizon"
    print_table(title, ["", "value", "95 % interval", "unit"], _lines(rows))
    if losses is not None:
        _print_losses(losses)
    for asset, (outside, observed) in volatilities.items():
        stationary = scenario.market.reference_volatility(asset)
        click.echo(f"volatility of {asset}: stationary {stationary:.3g}, these paths {outside:.3g}, observed {observed:.3g}")
    if rows[0].note:
        click.echo(rows[0].note)
    click.echo(f"{rows[0].interval} interval over paths; transition and steady state apart in metrics.csv")
    click.echo(folder)


def _print_losses(losses: Losses) -> None:
    from simulator.cli.tables import number, print_table
    from simulator.outcomes import CAUSES

    def lines() -> Iterator[tuple[str, str, str]]:
        for what in GROUPS:
            found = losses.by(what)
            whole = sum(found.values())
            for name, usd in found.items():
                yield CAUSES.get(name, name), number(usd, "usd"), number(usd / whole, "probability")
        for name, usd in losses.bearers.items():
            if usd:
                yield (
                    f"borne by {name}" if "open" not in name else name,
                    number(usd, "usd"),
                    number(usd / losses.total, "probability"),
                )

    explained = f"{losses.paths} worst paths, {number(losses.share, 'probability')} of all loss; who bore it: all paths"
    print_table(f"Where the bad debt came from ({explained})", ["", "usd", "share"], lines())


def _lines(rows: tuple[Metric, ...]) -> Iterator[tuple[str, str, str, str]]:
    from simulator.cli.tables import number

    for row in rows:
        is_shown = row.window == "whole" and not row.name.endswith("variance, mean")  # volatilities have a line of their own
        if is_shown and (row.value != 0 or row.unit == "probability"):
            unit = "" if row.unit in ("probability", "1") else row.unit
            known = not math.isnan(row.low)
            between = f"{number(row.low, row.unit)} to {number(row.high, row.unit)}" if known else "needs more paths"
            yield row.name, number(row.value, row.unit), between, unit
