"""`simulator propose`: the proposal of a finished calibration, written again from its record."""

from __future__ import annotations

from pathlib import Path

import click

from simulator.cli.options import all_options, cores, jobs_option, json_option, result_argument


@click.command()
@all_options(result_argument, jobs_option, json_option)
def propose(result: Path, jobs: int | None, as_json: bool) -> int:
    """Write the proposal of a finished calibration again.

    RESULT is its folder. Everything comes from the record of trials: nothing is simulated anew, and proposal, text and
    page say what this version of the simulator makes of it.
    """
    from simulator.cli.calibrate import calibrate_into
    from simulator.results import NotAResult, changed_files, scenario_of

    scenario = scenario_of(result)
    if not (result / "log.jsonl").is_file():
        raise NotAResult(f"{result}: holds no record of a calibration; `simulator calibrate` begins one")
    for name in changed_files(result):
        click.echo(f"{result / name}: was changed since it was written", err=True)
    return calibrate_into(result, scenario, jobs=cores(jobs), look=None, as_json=as_json)
