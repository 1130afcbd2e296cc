"""`simulator new`: a commented scenario to start from."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import click

from simulator.cli.options import NAME


@click.command()
@click.argument("name", metavar="NAME")
def new(name: str) -> None:
    """Write NAME.toml, a commented starter scenario, into this folder.

    A file that is there already is left alone.
    """
    if not NAME.fullmatch(name):
        raise click.UsageError("a name is 1 to 64 lower-case letters, digits and hyphens, the first no hyphen")
    text = re.sub(r'^name = ".*"$', f'name = "{name}"', starter(), count=1, flags=re.MULTILINE)
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
