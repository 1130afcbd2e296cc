"""`simulator report`: the page of a result."""

from __future__ import annotations

import sys
import webbrowser
from pathlib import Path

import click

from simulator.cli.options import all_options, result_argument


@click.command()
@all_options(result_argument)
@click.option("--open/--no-open", "opens", default=None, help="Open it in a browser; by default only from a terminal.")
def report(result: Path, opens: bool | None) -> None:
    """Print the path of a result's page, and open it.

    RESULT is a result folder that `simulator calibrate` has finished.
    """
    from simulator.results import NotAResult, changed_files

    changed = changed_files(result)
    page = (result / "report.html").resolve()
    if not page.is_file():
        raise NotAResult(f"{result}: has no page; `simulator calibrate` writes one")
    for name in changed:
        click.echo(f"{result / name}: was changed since it was written", err=True)
    click.echo(page)
    if opens or (opens is None and sys.stdout.isatty()):
        webbrowser.open(page.as_uri())
