"""What `simulator fit` is asked to make: window, assets, laws. Options that make a fit, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import click

from simulator.cli.fit_history import jumps_of
from simulator.wording import shown

F = TypeVar("F", bound=Callable[..., Any])
OPTIONS = (
    click.option("--assets", help="Columns to fit, as in BTC,ETH,SOL. Default: every column."),
    click.option(
        "--until", required=True, help="Last moment the fit may see, as in 2024-12-31T00:00:00Z. Later rows stay held out."
    ),
    click.option("--from", "since", help="First moment the fit may see. Default: the first row."),
    click.option("--exclude", multiple=True, metavar="A..B", help="A stretch the fit may not see. May be given again."),
    click.option("--step", type=float, help="Market step in seconds. Default: the commonest distance between rows."),
    click.option("--max-gap", type=float, help="Seconds; a longer stretch without a price is an error. Default: a warning."),
    click.option("--substeps", type=click.IntRange(1, 100_000), default=1, help="Substeps of the [grid] line the block names."),
    click.option(
        "--jumps",
        type=click.Choice(["auto", "none", "merton", "kou", "likelihood"]),
        default="auto",
        show_default=True,
        help="auto: Merton where Student-t innovations leave tails open. likelihood: Merton's, where it describes crashes.",
    ),
    click.option("--jumps-from", type=click.Path(path_type=Path), help="A CSV of finer prices (5 minutes) to take jumps from."),
    click.option(
        "--process",
        type=click.Choice(["auto", "garch", "gjr", "egarch"]),
        default="garch",
        show_default=True,
        help="auto: the best by --criterion. garch: GJR where its gamma is significant.",
    ),
    click.option(
        "--innovation",
        type=click.Choice(["auto", "normal", "student-t", "skewed-t"]),
        default="student-t",
        show_default=True,
        help="auto: the best by --criterion.",
    ),
    click.option("--criterion", type=click.Choice(["aic", "bic"]), default="bic", show_default=True, help="What auto goes by."),
    click.option(
        "--dependence",
        type=click.Choice(["auto", "constant", "dcc", "converging"]),
        default="constant",
        show_default=True,
        help="How correlation moves. auto: the best by --criterion.",
    ),
    click.option(
        "--copula",
        type=click.Choice(["auto", "gaussian", "student-t", "skewed-t"]),
        default="gaussian",
        show_default=True,
        help="What ties extremes. auto: the best by --criterion of the first two. skewed-t: joint falls apart from joint rises.",
    ),
    click.option(
        "--pegs", metavar="A,B:C", help="Assets held near a peg, as in USDC,stETH:ETH: a dollar, or another asset of the fit."
    ),
    click.option("--persistence", type=float, default=0.995, show_default=True, help="Largest persistence of variance, a day."),
    click.option(
        "--tail-index", type=float, default=3.0, show_default=True, help="Least tail index of the stationary law; 0: free."
    ),
    click.option("--max-move", type=float, help="Cut of the innovations in deviations. Default: 1.5 x the largest residual."),
    click.option("--paths", type=click.IntRange(0, 10_000), default=100, show_default=True, help="Paths compared with the data."),
)


def model_options(command: F) -> F:
    """The options that make a fit."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


@dataclass(frozen=True)
class Asked:
    """`made`: how `fit_market` is to be called; `assets`: the columns, all of them where None."""

    assets: list[str] | None
    made: dict[str, Any]


def asked_of(options: dict[str, Any], problems: list[tuple[str, str]]) -> Asked:
    """What was asked for; what is wrong with it is added to `problems`."""
    from simulator.estimation.settings import FitSettings

    until = moment_of("--until", options["until"], problems)
    since = moment_of("--from", options["since"], problems) if options["since"] else None
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
    exclude = [stretch for stretch in exclude if stretch]
    return Asked(assets, {"until": until, "since": since, "exclude": exclude, "step": options["step"], "settings": settings})


def moment_of(key: str, text: str, problems: list[tuple[str, str]]) -> datetime | None:
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
    a, b = moment_of("--exclude", first, problems), moment_of("--exclude", last, problems)
    return (a, b) if a is not None and b is not None else None


def _names(text: str, problems: list[tuple[str, str]], option: str = "--assets") -> list[str]:
    names = [name.strip() for name in text.split(",")]
    twice = sorted({name for name in names if names.count(name) > 1})
    if not all(names):
        problems.append((option, "a name is blank; write names with commas between, as in BTC,ETH"))
    problems += [(option, f"{shown(name)} is there twice") for name in twice if name]
    return names


def _pegs(options: dict[str, Any], problems: list[tuple[str, str]]) -> tuple[tuple[str, str | None], ...]:
    """(asset, base or None) of each."""
    if options["pegs"] is None:
        return ()
    names = _names(options["pegs"], problems, "--pegs")
    parts = [name.partition(":") for name in names]
    return tuple((name, base.strip() if colon else None) for name, colon, base in parts)
