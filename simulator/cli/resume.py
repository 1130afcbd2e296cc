"""`simulator resume`: go on with a calibration that was stopped; the result is the same as if it had not been."""

from __future__ import annotations

from pathlib import Path

import click

from simulator.cli.options import all_options, cluster_option, jobs_option, json_option, result_argument, workers


@click.command()
@all_options(result_argument, jobs_option, cluster_option, json_option)
@click.option("--allow-version-change", is_flag=True, help="Go on although another version began it; the record says so.")
def resume(result: Path, jobs: int | None, cluster: str | None, as_json: bool, allow_version_change: bool) -> int:
    """Go on with a calibration that was stopped.

    RESULT is its folder, as in results/eth-perpetual-1a2b3c4d. The result is the same as if it had not been stopped.
    """
    from simulator.cli.calibrate import calibrate_into
    from simulator.results import NotAResult, scenario_of

    scenario = scenario_of(result)
    if not (result / "log.jsonl").is_file():
        raise NotAResult(f"{result}: holds no record of a calibration; `simulator calibrate` begins one")
    with workers(jobs, cluster) as count:
        return calibrate_into(result, scenario, jobs=count, look=None, as_json=as_json, allow_version_change=allow_version_change)
