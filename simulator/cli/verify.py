"""`simulator verify`: a third party computes a random share of a result again."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from simulator.cli.exits import DONE, NOT_MET
from simulator.cli.options import all_options, cluster_option, jobs_option, json_option, result_argument, workers

if TYPE_CHECKING:
    from simulator.scenario import Scenario

ALWAYS = ("scenario.toml", "run.json")
OF_CALIBRATION = ("log.jsonl", "proposal.json", "proposal.md", "report.html")
OF_RUN = ("outcomes.parquet",)


def _share(ctx: click.Context, parameter: click.Parameter, text: str) -> float:
    number, percent = text.removesuffix("%"), text.endswith("%")
    try:
        value = float(number) / (100 if percent else 1)
    except ValueError:
        value = -1.0
    if not 0 < value <= 1:
        raise click.BadParameter(f"{text!r} is no share; write 5% or 0.05")
    return value


@click.command()
@all_options(result_argument)
@click.option("--share", default="5%", show_default=True, callback=_share, help="Of the result that is computed again.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="Of what is chosen; drawn afresh and printed without it.")
@all_options(jobs_option, cluster_option, json_option)
def verify(result: Path, share: float, seed: int | None, jobs: int | None, cluster: str | None, as_json: bool) -> int:
    """Compute a random share of a result again, and its verdict from the record.

    RESULT is the folder of a finished `run` or `calibrate`. Checks the files against the manifest, the proposal and its
    pages against the record, and the record against this machine's own engine. Exit code 1 where anything differs.
    """
    from simulator.calibration.verification import NotInRecord
    from simulator.results import scenario_of

    seed = secrets.randbits(63) if seed is None else seed
    facts: dict[str, Any] = {}
    problems = _damaged(result)
    try:
        if not problems:
            scenario = scenario_of(result)
            problems = _origin(result, scenario)
        if not problems:
            with workers(jobs, cluster) as count:
                facts, problems = (_calibration if _is_calibration(result) else _run)(result, scenario, share, seed, count)
    except NotInRecord as error:
        problems = [str(error)]
    facts = {"result": str(result), "holds": not problems, "seed": seed, "problems": problems, **facts}
    click.echo(json.dumps(facts, indent=1)) if as_json else _print(result, facts)
    return DONE if not problems else NOT_MET


def _is_calibration(result: Path) -> bool:
    return any((result / name).is_file() for name in ("proposal.json", "log.jsonl"))


def _damaged(result: Path) -> list[str]:
    """What is not as it was written, file by file, and what a result cannot do without."""
    from simulator.results import changed_files

    changed, needed = changed_files(result), (*ALWAYS, *(OF_CALIBRATION if _is_calibration(result) else OF_RUN))
    missing = [name for name in dict.fromkeys((*changed, *needed)) if not (result / name).is_file()]
    return [
        *(f"{name}: is missing" for name in missing),
        *(f"{name}: was changed since it was written" for name in changed if name not in missing),
    ]


def _json(result: Path, name: str) -> dict[str, Any]:
    """Raises NotInRecord for anything but an object."""
    from simulator.calibration.verification import NotInRecord

    try:
        found = json.loads((result / name).read_bytes())
    except ValueError as error:
        raise NotInRecord(f"{name}: is no JSON ({error})") from None
    if not isinstance(found, dict):
        raise NotInRecord(f"{name}: is no JSON object")
    return found


def _origin(result: Path, scenario: Scenario) -> list[str]:
    """Whether the result is of the scenario that lies in it."""
    about = _json(result, "run.json")
    if about.get("scenario_hash") == scenario.hash:
        return []
    return [f"run.json: names scenario {str(about.get('scenario_hash'))[:12]}, scenario.toml is {scenario.hash[:12]}"]


def _calibration(result: Path, scenario: Scenario, share: float, seed: int, jobs: int) -> tuple[dict[str, Any], list[str]]:
    from simulator.calibration.proposal import make_proposal
    from simulator.calibration.record import decode
    from simulator.calibration.verification import differences, recompute, replayed
    from simulator.cli.progress import Bar
    from simulator.model import evaluate
    from simulator.report import markdown, page

    lines = [decode(raw) for raw in (result / "log.jsonl").read_bytes().splitlines(keepends=True)]
    if None in lines:
        return {}, [f"log.jsonl: line {lines.index(None) + 1} is torn or was changed"]
    stored = _json(result, "proposal.json")
    calibration, trials = replayed(scenario, [line for line in lines if line])
    with Bar() as bar:
        found = recompute(trials, evaluate, share, seed, jobs=jobs, progress=bar.show)
    problems = [*found.differing, *differences(stored, json.loads(json.dumps(make_proposal(calibration))))]
    for name, make in (("proposal.md", markdown), ("report.html", page)):
        if (result / name).read_text(encoding="utf-8") != make(stored):
            problems.append(f"{name}: says something else than proposal.json")
    facts = {
        "verdict": calibration.verdict,
        "lines": found.lines,
        "computed_again": found.chosen,
        "path_evaluations": found.path_evaluations,
        "largest_difference": found.worst,
        "chance_missed_if_a_tenth_were_altered": found.chance_missed(0.1),
    }
    return facts, problems


def _run(result: Path, scenario: Scenario, share: float, seed: int, jobs: int) -> tuple[dict[str, Any], list[str]]:
    import pandas as pd

    from simulator.calibration.verification import TOLERANCE, choose, compare
    from simulator.model import simulate

    table = pd.read_parquet(result / "outcomes.parquet").set_index("path")
    paths = [int(table.index[i]) for i in choose(len(table), share, seed)]
    worst, problems = 0.0, []
    for path in paths:
        again = simulate(scenario, first=path, count=1, jobs=jobs)
        gap, where = compare({name: table.loc[[path], name].to_numpy() for name in again.columns}, again.columns)
        worst = max(worst, gap)
        if not gap <= TOLERANCE:
            problems.append(f"outcomes.parquet: path {path}: {where} differs by {gap:.2g}")
    return {"lines": len(table), "computed_again": len(paths), "largest_difference": worst}, problems


def _print(result: Path, facts: dict[str, Any]) -> None:
    for problem in facts["problems"]:
        click.echo(problem)
    if "computed_again" not in facts:
        click.echo(f"{result}: does not hold")
        return
    what = f"verdict {facts['verdict']!r}: " if "verdict" in facts else ""
    click.echo(
        f"{what}{facts['computed_again']:,} of {facts['lines']:,} parts computed again, "
        f"largest difference {facts['largest_difference']:.2g}, seed {facts['seed']}"
    )
    if "chance_missed_if_a_tenth_were_altered" in facts:
        missed = facts["chance_missed_if_a_tenth_were_altered"]
        click.echo(f"had a tenth of the record been altered, this would have missed it with probability {missed:.2g}")
    click.echo(f"{result}: {'holds' if facts['holds'] else 'does not hold'}")
