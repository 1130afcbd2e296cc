"""`simulator calibrate`: from a question to a proposal with its evidence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from simulator.cli.exits import DONE, NOT_MET
from simulator.cli.options import (
    all_options,
    cluster_option,
    jobs_option,
    json_option,
    open_scenario,
    out_option,
    refuse_beyond_memory,
    scenario_argument,
    seed_option,
    workers,
)

if TYPE_CHECKING:
    from simulator.calibration.calibrate import Calibration
    from simulator.scenario import Scenario

look_option = click.option("--look", type=click.IntRange(1), help="Reproduce this look at the question instead of counting.")


@click.command()
@all_options(scenario_argument, seed_option, jobs_option, cluster_option, out_option, look_option, json_option)
def calibrate(
    scenario: str, seed: int | None, jobs: int | None, cluster: str | None, out: Path, look: int | None, as_json: bool
) -> int:
    """Search the parameters that [calibration] names, select, confirm once.

    SCENARIO is a file, or the name of a shipped scenario. Writes the proposal into a result folder below --out. A run
    that was stopped goes on where it was. The exit code is 1 when nothing was confirmed.
    """
    found = open_scenario(scenario, seed=seed)
    from simulator.results import folder_of

    with workers(jobs, cluster) as count:
        return calibrate_into(folder_of(out, found), found, jobs=count, look=look, as_json=as_json)


def calibrate_into(
    folder: Path, scenario: Scenario, *, jobs: int, look: int | None, as_json: bool, allow_version_change: bool = False
) -> int:
    """Calibrate in `folder`, going on with what it holds; write and print what was found; return the exit code."""
    from simulator.calibration.calibrate import calibrate as calibrated
    from simulator.cli.progress import Bar
    from simulator.results import ResultFolder

    for section in ("appetite", "calibration"):
        if getattr(scenario, section) is None:
            raise click.UsageError(f"{scenario.name}: needs a [{section}] section; `simulator new` shows one")
    refuse_beyond_memory(scenario)
    with ResultFolder(folder) as result:
        result.write_origin(scenario, {"command": "calibrate"})
    assert scenario.calibration is not None
    with Bar(names=[one.parameter for one in scenario.calibration.search]) as bar:
        calibration = calibrated(
            scenario,
            folder=folder,
            jobs=jobs,
            look=look,
            progress=bar.show,
            leaders=bar.lead,
            allow_version_change=allow_version_change,
        )
    proposal = write_calibration(folder, scenario, calibration)
    click.echo(json.dumps({**proposal, "folder": str(folder)}, indent=1)) if as_json else _print(calibration, folder)
    return DONE if calibration.verdict == "confirmed" else NOT_MET


def write_calibration(folder: Path, scenario: Scenario, calibration: Calibration) -> dict[str, Any]:
    """Write tables, checks and the proposal with its pages; return the proposal."""
    from simulator.calibration.files import to_json
    from simulator.calibration.proposal import make_proposal
    from simulator.checks import outcome_checks
    from simulator.results import ResultFolder

    proposal = make_proposal(calibration)
    with ResultFolder(folder) as result:
        result.write_origin(scenario, {"command": "calibrate", "look": calibration.plan.look, "verdict": calibration.verdict})
        result.write_table("candidates", _candidates(calibration))
        if calibration.confirmation is not None:
            candidate, current = calibration.confirmation.outcomes
            result.write_table("confirmation", candidate.frame().reset_index())
            result.write_table("confirmation-current", current.frame().reset_index())
            result.add_checks({f"confirmation_{name}": check for name, check in outcome_checks(candidate).items()})
        result.write_json("proposal.json", proposal)
        _write_pages(result, json.loads(to_json(proposal)))
        result.finish(scenario)
    return proposal


def _write_pages(result: Any, proposal: dict[str, Any]) -> None:
    """proposal.md and report.html, made from proposal.json as it lies in the folder and nothing else."""
    from simulator.report import markdown, page

    result.write("proposal.md", markdown(proposal).encode())
    result.write("report.html", page(proposal).encode())


def _candidates(calibration: Calibration) -> Any:
    """One row a candidate of the search: its values, paths, score and violations."""
    import pandas as pd

    question = calibration.question
    rows = [
        {
            "number": trial.number,
            **dict(zip(question.space.names, trial.point, strict=True)),
            "paths": trial.paths,
            "score": trial.score,
            "score_error": trial.score_error,
            **{one.name: value for one, value in zip(question.conditions, trial.violations[0], strict=True)},
        }
        for trial in calibration.found.trials
    ]
    return pd.DataFrame(rows)


def _print(calibration: Calibration, folder: Path) -> None:
    from simulator.cli.tables import print_table

    names, current = calibration.space.names, calibration.space.current_point
    proposed = calibration.proposed or current
    rows = [(name, f"{was:g}", f"{now:g}") for name, was, now in zip(names, current, proposed, strict=True)]
    print_table(f"{calibration.world.name}: {calibration.verdict}", ["parameter", "current", "proposed"], rows)
    for reason in calibration.reasons:
        click.echo(reason)
    click.echo(f"{folder / 'proposal.md'}")
