"""The command line: one module a verb, loaded when it is called. Parsing, progress and exit codes; no arithmetic."""

from __future__ import annotations

import importlib
from collections.abc import Sequence

import click

VERBS = {
    "run": "Simulate a scenario: a table of metrics with intervals.",
    "calibrate": "Search, select, confirm once, and write the proposal.",
    "resume": "Go on with a calibration that was stopped.",
    "propose": "Write the proposal of a finished calibration again.",
    "report": "Open the page of a result.",
    "verify": "Compute a random share of a result again.",
    "monitor": "Has the studied range been left, a trigger fired, the time run out?",
    "backtest": "A proposal on history that its search did not see.",
    "validate": "Check a scenario file; estimate time and memory.",
    "schema": "Print the JSON Schema of scenario files.",
    "new": "Write a commented starter scenario.",
    "fit": "Market models from a price file: a [market] block.",
    "fit-options": "Smiles and surfaces from an option chain.",
}


class Verbs(click.Group):
    """Verbs by name; the module of one is imported when it is called, so that `--help` imports none."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in VERBS:
            return None
        name = name.replace("-", "_")
        command = getattr(importlib.import_module(f"simulator.cli.{name}"), name)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            from simulator.wording import did_you_mean, quoted

            raise click.UsageError(f"unknown verb {quoted(args[0])}; {did_you_mean(args[0], VERBS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))


def _version(ctx: click.Context, parameter: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from importlib.metadata import PackageNotFoundError, version

        try:
            click.echo(f"simulator {version('simulator')}")
        except PackageNotFoundError:
            click.echo("simulator, not installed")
        ctx.exit()


@click.command(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version.")
def simulator() -> None:
    """Risk parameters of DeFi protocols: simulate, calibrate, confirm, propose.

    Exit codes: 0 done; 1 goal not met or nothing confirmed; 2 bad input; 3 results folder busy; 4 disk, permission or
    memory; 5 a defect of the simulator; 6 workers lost; 130 interrupted.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; every problem is one line on stderr."""
    from simulator.cli.exits import report_and_code, signals_interrupt

    with signals_interrupt():
        try:
            code = simulator.main(args=arguments, prog_name="simulator", standalone_mode=False)
        except BaseException as error:
            return report_and_code(error)
    return code if isinstance(code, int) else 0
