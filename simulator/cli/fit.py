"""simulator fit: a CSV of prices to the `[market]` block of a scenario. Parsing, progress, tables, exit codes; no arithmetic."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from simulator.cli.exits import BAD_INPUT, MACHINE, NOT_MET
from simulator.cli.fit_evaluation import Evaluation, evaluate, evaluation_options, plan_of, report_problems
from simulator.cli.fit_feedback import feedback_option, opened, print_feedback, reconciled
from simulator.cli.fit_history import folder_of, jumps_of, kind_option, kind_problems
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
@click.option("--assets", help="Columns to fit, as in BTC,ETH,SOL. Default: every column.")
@click.option("--until", required=True, help="Last moment the fit may see, as in 2024-12-31T00:00:00Z. Later rows stay held out.")
@click.option("--from", "since", help="First moment the fit may see. Default: the first row.")
@click.option("--exclude", multiple=True, metavar="A..B", help="A stretch the fit may not see. May be given again.")
@click.option("--step", type=float, help="Market step in seconds. Default: the commonest distance between rows.")
@click.option("--max-gap", type=float, help="Seconds; a longer stretch without a price is an error. Default: a warning.")
@click.option("--substeps", type=click.IntRange(1, 100_000), default=1, help="Substeps of the [grid] line the block names.")
@click.option(
    "--jumps",
    type=click.Choice(["auto", "none", "merton", "kou", "likelihood"]),
    default="auto",
    show_default=True,
    help="auto: Merton where Student-t innovations do not explain the tails. likelihood: Merton's, where it describes crashes.",
)
@click.option("--jumps-from", type=click.Path(path_type=Path), help="A CSV of finer prices (5 minutes) to take jumps from.")
@click.option(
    "--process",
    type=click.Choice(["auto", "garch", "gjr", "egarch"]),
    default="garch",
    show_default=True,
    help="auto: the best by --criterion. garch: GJR where its gamma is significant.",
)
@click.option(
    "--innovation",
    type=click.Choice(["auto", "normal", "student-t", "skewed-t"]),
    default="student-t",
    show_default=True,
    help="auto: the best by --criterion.",
)
@click.option("--criterion", type=click.Choice(["aic", "bic"]), default="bic", show_default=True, help="What auto goes by.")
@click.option(
    "--dependence",
    type=click.Choice(["auto", "constant", "dcc", "converging"]),
    default="constant",
    show_default=True,
    help="How correlation moves. auto: the best by --criterion.",
)
@click.option(
    "--copula",
    type=click.Choice(["auto", "gaussian", "student-t", "skewed-t"]),
    default="gaussian",
    show_default=True,
    help="What ties extremes. auto: the best by --criterion of the first two. skewed-t: joint falls apart from joint rises.",
)
@click.option(
    "--pegs", metavar="A,B:C", help="Assets held near a peg, as in USDC,stETH:ETH: a dollar, or another asset of the fit."
)
@click.option("--persistence", type=float, default=0.995, show_default=True, help="Largest persistence of variance, a day.")
@click.option("--tail-index", type=float, default=3.0, show_default=True, help="Least tail index of the stationary law; 0: free.")
@click.option("--max-move", type=float, help="Cut of the innovations in deviations. Default: 1.5 x the largest residual.")
@click.option("--paths", type=click.IntRange(0, 10_000), default=100, show_default=True, help="Paths compared with the data.")
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
    from simulator.estimation.settings import FitSettings

    problems: list[tuple[str, str]] = []
    until = _moment("--until", options["until"], problems)
    since = _moment("--from", options["since"], problems) if options["since"] else None
    exclude = [_stretch(text, problems) for text in options["exclude"]]
    assets = _names(options["assets"], problems) if options["assets"] is not None else None
    settings = FitSettings(
        jumps=jumps_of(options),
        persistence_per_day=options["persistence"],
        tail_index=options["tail_index"] or None,
        max_move=options["max_move"],
        max_gap=options["max_gap"],
        process=options["process"],
        innovation=options["innovation"],
        criterion=options["criterion"],
        dependence=options["dependence"],
        copula=options["copula"],
        pegs=_pegs(options, problems),
    )
    problems += [(f"--{key}", what) for key, what in settings.problems()]
    if options["step"] is not None and not 0 < options["step"] < 1e9:
        problems.append(("--step", f"{options['step']:g} must be a number of seconds above 0"))
    plan = plan_of(options, problems)
    problems += report_problems(options)
    problems += kind_problems(options)
    scenario = opened(options, problems)
    if problems:
        raise FitError(problems)
    made = {
        "until": until,
        "since": since,
        "exclude": [stretch for stretch in exclude if stretch],
        "step": options["step"],
        "settings": settings,
    }
    folder = folder_of(prices, options)
    with _progress() as progress:
        progress("reading prices")
        table = read_each(prices, assets)
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


def _moment(key: str, text: str, problems: list[tuple[str, str]]) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        problems.append((key, f"{shown(text)[:40]!r} is no moment; write it as 2024-12-31T00:00:00Z"))
        return None
    if moment.tzinfo is None:
        problems.append((key, f"{text} has no offset; write {moment.isoformat()}Z"))
        return None
    return moment


def _stretch(text: str, problems: list[tuple[str, str]]) -> tuple[datetime, datetime] | None:
    first, dots, last = text.partition("..")
    if not dots:
        problems.append(("--exclude", f"{shown(text)[:60]!r} is no stretch; write 2022-05-07T00:00:00Z..2022-05-14T00:00:00Z"))
        return None
    a, b = _moment("--exclude", first, problems), _moment("--exclude", last, problems)
    return (a, b) if a is not None and b is not None else None


def _names(text: str, problems: list[tuple[str, str]], option: str = "--assets") -> list[str]:
    names = [name.strip() for name in text.split(",")]
    twice = sorted({name for name in names if names.count(name) > 1})
    if not all(names):
        problems.append((option, "a name is blank; write names with commas between, as in BTC,ETH"))
    problems += [(option, f"{shown(name)} is there twice") for name in twice if name]
    return names


def _pegs(options: dict[str, Any], problems: list[tuple[str, str]]) -> tuple[tuple[str, str | None], ...]:
    """(asset, base or None) of each; what looks at a fit as a GARCH cannot look at a peg."""
    if options["pegs"] is None:
        return ()
    names = _names(options["pegs"], problems, "--pegs")
    looks = [key for key in ("held_out", "online", "walk_forward", "with_feedback") if options[key]]
    problems += [(f"--{key.replace('_', '-')}", "looks at no pegs yet; leave --pegs out, or it") for key in looks]
    parts = [name.partition(":") for name in names]
    return tuple((name, base.strip() if colon else None) for name, colon, base in parts)


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
