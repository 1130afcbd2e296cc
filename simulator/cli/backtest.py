"""`simulator backtest`: a proposal on history that its search did not see."""

from __future__ import annotations

import json
import textwrap
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from simulator.cli.options import all_options, cores, jobs_option, json_option

if TYPE_CHECKING:
    from simulator.calibration.on_history import Lived, MarginCoverage
    from simulator.scenario import Scenario, Vote


def _moment(ctx: click.Context, parameter: click.Parameter, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is no moment; write it as 2025-01-01T00:00:00Z") from None
    if moment.tzinfo is None:
        raise click.BadParameter(f"{text} has no offset; write {text}Z")
    return moment


@click.command()
@click.argument("place", metavar="RESULT|SCENARIO")
@click.argument("prices", type=click.Path(path_type=Path))
@click.option("--from", "since", required=True, callback=_moment, help="Start of the first window, as in 2025-01-01T00:00:00Z.")
@click.option("--until", callback=_moment, help="End of the last window. Default: the file's last row.")
@click.option("--paths", type=click.IntRange(1, 10_000), default=8, show_default=True, help="A window; they share its prices.")
@click.option("--period", type=float, default=3600.0, show_default=True, help="[s] in which margin must cover a move.")
@click.option("--confidence", type=click.FloatRange(0.5, 1, max_open=True), default=0.99, show_default=True, help="Of margin.")
@all_options(jobs_option, json_option)
def backtest(
    place: str,
    prices: Path,
    since: datetime,
    until: datetime | None,
    paths: int,
    period: float,
    confidence: float,
    jobs: int | None,
    as_json: bool,
) -> None:
    """Live windows of history under current and proposed parameters.

    RESULT is the folder of a finished `calibrate`, or a SCENARIO (then current parameters alone). PRICES is a CSV with a
    column for every asset. History that the market was fitted to is refused; history that was looked at otherwise is marked
    seen. One history has no interval.
    """
    from simulator.calibration.on_history import live, margins_covered
    from simulator.cli.progress import Bar
    from simulator.market.price_file import PriceFileError, read_prices

    scenario, proposed = _opened(place)
    try:
        table = read_prices(prices, scenario.assets, since=since, until=until, blanks=True)
        end = until or _last(table)
        with Bar() as bar:
            lived = list(live(scenario, proposed, prices, since, end, paths=paths, jobs=cores(jobs), progress=bar.show))
    except PriceFileError as error:
        raise PriceFileError([f"{prices}: {line}" for line in error.problems]) from None
    except ValueError as error:
        raise click.UsageError(f"{prices}: {error}") from None
    covered = list(margins_covered(table, scenario.vote, proposed, period, confidence))
    if as_json:
        facts = {"windows": [asdict(one) for one in lived], "margin_coverage": [asdict(one) for one in covered]}
        click.echo(json.dumps({"scenario": scenario.name, "prices": prices.name, **facts}, indent=1, default=str))
    else:
        _print(scenario, lived, covered, period, confidence)


def _opened(place: str) -> tuple[Scenario, Vote]:
    """The scenario, and what is proposed for it: what it has where nothing is."""
    folder = Path(place)
    if not folder.is_dir():
        from simulator.cli.options import open_scenario

        scenario = open_scenario(place)
        return scenario, scenario.vote
    from simulator.results import NotAResult, scenario_of

    scenario = scenario_of(folder)
    if not (folder / "proposal.json").is_file():
        raise NotAResult(f"{folder}: holds no proposal; `simulator calibrate` makes one")
    rows = json.loads((folder / "proposal.json").read_bytes())["parameters"]
    return scenario, scenario.vote.replace({row["name"]: row["proposed"] for row in rows if row["proposed"] is not None})


def _last(table: Any) -> datetime:
    from datetime import UTC

    return datetime.fromtimestamp(int(table.timestamps[-1]) / 1e9, UTC)


def _print(scenario: Scenario, lived: list[Lived], covered: list[MarginCoverage], period: float, confidence: float) -> None:
    from simulator.cli.tables import WIDTH, number, print_table

    rows = [
        (
            f"{one.vote:%Y-%m-%d}",
            f"{100 * one.worst_fall:.1f} %",
            *(number(side[name], "usd") for name in ("loss", "liquidated_notional") for side in (one.current, one.proposed)),
            "seen" if one.seen else "",
        )
        for one in lived
    ]
    header = ["vote", "worst fall", "loss now", "proposed", "liquidated now", "proposed", ""]
    print_table(f"{scenario.name}: {len(lived)} windows of history [usd, means over paths]", header, rows)
    total = [sum(side["loss"] for side in sides) for sides in ([o.current for o in lived], [o.proposed for o in lived])]
    click.echo(f"loss over all windows: {number(total[0], 'usd')} USD now, {number(total[1], 'usd')} USD proposed; one history")
    for words in dict.fromkeys(one.seen for one in lived if one.seen):
        click.echo(textwrap.fill(f"- seen: {words}: these days prove nothing new", WIDTH, subsequent_indent="  "))
    if covered:
        print_table(
            f"margin against moves over {period:g} s at {100 * confidence:g} %: exact tests",
            ["market", "parameters", "margin", "side", "moves", "beyond", "promised", "p"],
            [
                (one.market, one.parameters, f"{100 * one.margin:.3g} %", name, f"{c.count:,}", f"{c.exceeded:,}",
                 f"{c.count * c.probability:.1f}", f"{c.exact_p:.2g}")
                for one in covered
                for name, c in (("fall", one.falls), ("rise", one.rises))
            ],
            numbers_from=2,
        )  # fmt: skip
