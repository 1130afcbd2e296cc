"""What several verbs accept, and how a scenario is found."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from simulator.scenario import Scenario

scenario_argument = click.argument("scenario", metavar="SCENARIO")
result_argument = click.argument("result", metavar="RESULT", type=click.Path(path_type=Path))
seed_option = click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="Instead of the scenario's seed.")
paths_option = click.option("--paths", type=click.IntRange(1), help="Instead of the scenario's number of paths.")
jobs_option = click.option(
    "--jobs", type=click.IntRange(1, 1024), default=None, help="Processes; all cores without it. Results do not depend on it."
)
cluster_option = click.option(
    "--cluster",
    metavar="ADDRESS",
    help="Run on a cluster: tcp://HOST:PORT of a Dask scheduler, or ray:ADDRESS (ray:auto). Results do not depend on it.",
)
out_option = click.option(
    "--out", type=click.Path(path_type=Path), default=Path("results"), show_default=True, help="Where result folders are made."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


def all_options(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Several options as one decorator, in their order."""

    def decorate(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def cores(jobs: int | None) -> int:
    """The number of processes to use."""
    if jobs is not None:
        return jobs
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def workers(jobs: int | None, cluster: str | None) -> Iterator[int]:
    """How many tasks run at once, on this machine or on the cluster; the cluster is left at the end. Raises ClusterRefused."""
    if cluster is None:
        yield cores(jobs)
        return
    from simulator.workers import cluster as connected

    with connected(cluster) as count:
        yield max(2, count or 0)  # one task at a time would run here


def refuse_beyond_memory(scenario: Scenario) -> None:
    """Raises MemoryError where one process may not take (`ulimit -v`) what a run of the scenario is estimated to need."""
    import resource

    from simulator.scenario.size import memory

    limit, needed = resource.getrlimit(resource.RLIMIT_AS)[0], scenario.size.memory
    if limit != resource.RLIM_INFINITY and needed > limit:
        raise MemoryError(f"{scenario.name} needs about {memory(needed)}, this process may take {memory(limit)}")


def shipped() -> dict[str, Path]:
    """Scenario files that come with the package, by name: inside it when installed, beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "scenarios", package.parent / "scenarios"):
        found = {file.stem: file for file in sorted(folder.glob("*.toml"))}
        if found:
            return found
    return {}


def open_scenario(name: str, *, seed: int | None = None, paths: int | None = None) -> Scenario:
    """The scenario in a file, or the shipped one of that name; its warnings go to stderr. Raises ScenarioError."""
    from simulator.scenario import Scenario

    changes = {key: value for key, value in (("seed", seed), ("paths", paths)) if value is not None}
    scenario = Scenario.load(find_scenario(name), changes)
    for warning in scenario.warnings:
        click.echo(warning, err=True)
    return scenario


def find_scenario(name: str) -> Path:
    if NAME.fullmatch(name) and not Path(name).exists():
        files = shipped()
        if name in files:
            return files[name]
        from simulator.wording import did_you_mean

        raise click.UsageError(f"no file and no shipped scenario is called {name}; {did_you_mean(name, files)}")
    return Path(name)
