"""`simulator new`: a commented scenario to start from."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import click

from simulator.cli.options import NAME, find_scenario

TABLE = re.compile(r"\[")
MARKET = re.compile(r"\[\[?market[.\]]")


@click.command()
@click.argument("name", metavar="NAME")
@click.option("--like", metavar="SCENARIO", help="Start from this file or shipped scenario instead of the starter.")
@click.option(
    "--market",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Put the [market] block of this file, as `fit --out` writes it, in the place of its own.",
)
def new(name: str, like: str | None, market: Path | None) -> None:
    """Write NAME.toml, a commented starter scenario, into this folder.

    A file that is there already is left alone.
    """
    if not NAME.fullmatch(name):
        raise click.UsageError("a name is 1 to 64 lower-case letters, digits and hyphens, the first no hyphen")
    text = starter() if like is None else find_scenario(like).read_text(encoding="utf-8")
    if market is not None:
        text = with_market(text, market.read_text(encoding="utf-8"))
    text = re.sub(r'^name = ".*"$', f'name = "{name}"', text, count=1, flags=re.MULTILINE)
    path = Path(f"{name}.toml")
    try:
        with open(path, "x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except FileExistsError:
        raise click.UsageError(f"{path} exists; choose another name or move it away") from None
    click.echo(f"{path}: written; `simulator run {path}` simulates it, `simulator calibrate {path}` searches its parameters")


def starter() -> str:
    """The text of the starter scenario."""
    return files("simulator.cli").joinpath("starter.toml").read_text(encoding="utf-8")


def with_market(scenario: str, block: str) -> str:
    """`scenario` with its [market] tables, up to the next other table, replaced by the lines of `block`."""
    lines = scenario.splitlines(keepends=True)
    place = [n for n, line in enumerate(lines) if MARKET.match(line)]
    if not place:
        raise click.UsageError("the scenario to start from has no [market] table")
    after = next((n for n in range(place[-1] + 1, len(lines)) if TABLE.match(lines[n])), len(lines))
    return "".join([*lines[: place[0]], block.rstrip("\n"), "\n\n", *lines[after:]])
