"""simulator fit: a CSV of prices to the `[market]` block of a scenario. Parsing, progress, tables, exit codes; no arithmetic."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from simulator.cli.exits import BAD_INPUT, MACHINE, NOT_MET
from simulator.cli.fit_arguments import asked_of, model_options
from simulator.cli.fit_evaluation import Evaluation, evaluate, evaluation_options, plan_of, report_problems
from simulator.cli.fit_feedback import feedback_option, opened, print_feedback, reconciled
from simulator.cli.fit_history import folder_of, kind_option, kind_problems
from simulator.cli.options import json_option
from simulator.wording import shown

if TYPE_CHECKING:
    from simulator.estimation.market_fit import MarketFit
    from simulator.market.price_file import PriceTable


class Refused(Exception):
    """What stops the command: one line a problem, and the exit code."""

    def __init__(self, problems: list[str], exit_code: int) -> None:
        self.problems, self.exit_code = [shown(problem) for problem in problems], exit_code
        super().__init__("\n".join(self.problems))


@click.command()
@click.argument("prices", type=click.Path(path_type=Path))
@model_options
@kind_option
@feedback_option
@evaluation_options
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True, help="Of paths and bootstrap.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("market.toml"), show_default=True, help="The block.")
@json_option
def fit(prices: Path, out: Path, substeps: int, as_json: bool, **options: Any) -> None:
    """Fit market models to PRICES (a CSV: timestamp and one column an asset) and write a [market] block."""
    from simulator.estimation.errors import FitError, NotConverged
    from simulator.estimation.market_block import FIRST_LINE
    from simulator.market.price_file import PriceFileError
    from simulator.report.fit_page import FIRST_LINES

    name = shown(str(prices))
    try:
        _check_target("--out", out, FIRST_LINE)
        if options["report"]:
            _check_target("--report", options["report"], FIRST_LINES)
        found, later, outside = _fit(prices, options)
    except PriceFileError as error:
        raise Refused([f"{name}: {problem}" for problem in error.problems], BAD_INPUT) from None
    except FitError as error:
        raise Refused([f"{name}: {key}: {what}" for key, what in error.problems], BAD_INPUT) from None
    except NotConverged as error:
        raise Refused([f"{name}: {error}"], NOT_MET) from None
    _write(out, outside.toml(substeps))
    page = later.page(found)
    if page is not None:
        _write(options["report"], page)
    if as_json:
        _print_json(found, later, outside)
    else:
        from simulator.cli.fit_tables import print_fit

        print_fit(found)
        print_feedback(outside)
        later.print()
        for target in (out, options["report"]):
            if target is not None:
                click.echo(f"written: {shown(str(target))}")


def _fit(prices: Path, options: dict[str, Any]) -> tuple[MarketFit, Evaluation, MarketFit]:
    """The fit, what was looked at, and the fit that the block is written from."""
    from simulator.estimation.errors import FitError
    from simulator.estimation.returns import read_each

    problems: list[tuple[str, str]] = []
    asked = asked_of(options, problems)
    plan = plan_of(options, problems)
    problems += report_problems(options)
    problems += kind_problems(options)
    scenario = opened(options, problems)
    if problems:
        raise FitError(problems)
    made = dict(asked.made)
    folder = folder_of(prices, options)
    with _progress() as progress:
        progress("reading prices")
        table = read_each(prices, asked.assets)
        for number, warning in enumerate(table.warnings, start=1):
            click.echo(f"W{number:02d} {shown(str(prices))}: {shown(warning)}", err=True)
        from simulator.estimation.fit import fit_market  # numba and the kernels, once the input is known to be good

        fine = _fine(options["jumps_from"])
        made |= {"fine": fine, "fine_file": options["jumps_from"].name} if fine else {}
        found = fit_market(
            table, **made, file=prices.name, folder=folder, seed=options["seed"], paths=options["paths"], progress=progress
        )
        outside = reconciled(found, scenario, options, progress)
        later = evaluate(table, found, made, plan, options, progress)
        return found, later, outside.after_looking_at(later.windows)


def _fine(path: Path | None) -> PriceTable | None:
    """The finer prices of `path`. Raises FitError, so that its problems carry the option's name."""
    from simulator.estimation.errors import FitError
    from simulator.estimation.returns import read_each
    from simulator.market.price_file import PriceFileError

    if path is None:
        return None
    try:
        return read_each(path)
    except PriceFileError as error:
        raise FitError([(f"--jumps-from: {shown(path.name)}", problem) for problem in error.problems]) from None


def _check_target(option: str, target: Path, beginning: str) -> None:
    """Refuse a target that cannot be or must not be written, before any work is done."""
    from simulator.estimation.errors import FitError

    if not target.parent.is_dir():
        raise FitError([(option, f"there is no folder {shown(str(target.parent))}")])
    if target.exists():
        if not target.is_file():
            raise FitError([(option, f"{shown(str(target))} is not a regular file")])
        with target.open("rb") as file:
            if not file.read(4_096).startswith(beginning.encode()):
                raise FitError([(option, f"{target} exists and was not written by `simulator fit`; choose another name")])


def _write(target: Path, text: str) -> None:
    """The whole file or none. Raises Refused."""
    from simulator.calibration.files import write_file

    try:
        write_file(target, text.encode())
    except OSError as error:
        raise Refused([f"{target}: cannot be written: {error.strerror}; check space and permissions"], MACHINE) from None


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """A line on stderr that says what is being done, where somebody looks at it."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console

    with Console(stderr=True).status("") as status:
        yield lambda message: status.update(shown(message))


def _print_json(found: MarketFit, later: Evaluation, outside: MarketFit) -> None:
    from simulator.estimation.fine_jumps import facts as fine_facts

    data = {
        "provenance": outside.source.facts(),
        "estimates": json.loads(found.frame().to_json(orient="records", double_precision=15)),
        "candidates": json.loads(found.candidates_frame().to_json(orient="records", double_precision=15)),
        "correlation": found.correlation,
        "dependence": found.dependence.facts() if found.dependence else None,
        "fine_jumps": [fine_facts(name, fine) for name, fine in found.fine_jumps],
        "residual_tests": [vars(row) for row in found.residual_tests()],
        "comparison": json.loads(found.comparison_frame().to_json(orient="records", double_precision=15)),
        "feedback": [vars(row) for row in outside.feedback],
        "notes": outside.notes,
        **later.facts(),
    }
    click.echo(json.dumps(data, indent=1))
