"""What `simulator fit` may do with a fit once it is there: options of their own, and the calls behind them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from simulator.wording import shown

if TYPE_CHECKING:
    from simulator.estimation.held_out import HeldOut
    from simulator.estimation.held_out_dependence import HeldOutDependence
    from simulator.estimation.market_fit import MarketFit
    from simulator.estimation.plan import Plan
    from simulator.estimation.portrait import Portrait
    from simulator.estimation.staleness import Staleness
    from simulator.estimation.walk import WalkForward
    from simulator.market.price_file import PriceTable

F = TypeVar("F", bound=Callable[..., Any])
STRETCH = re.compile(r"(\d{1,6})|(\d{1,6}(?:\.\d{1,6})?)d")


def evaluation_options(command: F) -> F:
    """The options that look at a fit rather than make it."""
    for option in reversed(
        (
            click.option("--held-out", is_flag=True, help="Back-test the fit on the file's rows after --until."),
            click.option("--online", is_flag=True, help="What a volatility costs that is not looked at often, on later rows."),
            click.option(
                "--walk-forward",
                metavar="N|DAYSd",
                help="Refit over the second half of the window in N stretches, or stretches as in 90d; score each unseen.",
            ),
            click.option(
                "--report",
                type=click.Path(path_type=Path),
                metavar="FILE.html",
                help="One page with pictures: the fit beside its data, and what else was asked.",
            ),
            click.option("--rolling", is_flag=True, help="Walk forward with fits of one length. Default: of all rows before."),
        )
    ):
        command = option(command)
    return command


@dataclass(frozen=True)
class Evaluation:
    """What was looked at, nothing where nothing was asked."""

    held_out: tuple[HeldOut, ...] = ()
    tied: HeldOutDependence | None = None
    walk: WalkForward | None = None
    portrait: Portrait | None = None
    stale: tuple[Staleness, ...] = ()

    @property
    def windows(self) -> tuple[tuple[datetime, datetime], ...]:
        """Rows after the fit's own that were looked at."""
        return tuple(dict.fromkeys((one.since, one.until) for one in self.held_out))

    def page(self, found: MarketFit) -> str | None:
        """The page of the fit, if one was asked for."""
        from simulator.report.fit_page import fit_page

        return fit_page(found, self.portrait, self.held_out, self.walk, self.tied) if self.portrait else None

    def facts(self) -> dict[str, Any]:
        """For JSON."""
        from simulator.estimation import held_out, held_out_dependence, staleness, walk

        return {
            "held_out": [held_out.facts(one) for one in self.held_out],
            "held_out_dependence": held_out_dependence.facts(self.tied),
            "walk_forward": walk.facts(self.walk) if self.walk else None,
            "online": staleness.facts(self.stale),
        }

    def print(self) -> None:
        """Tables on stdout."""
        from simulator.cli.fit_later_tables import print_held_out, print_held_out_dependence, print_stale
        from simulator.cli.fit_walk_tables import print_walk

        print_held_out_dependence(self.tied)
        print_held_out(self.held_out)
        print_stale(self.stale)
        print_walk(self.walk)


def plan_of(options: dict[str, Any], problems: list[tuple[str, str]]) -> Plan | None:
    """The walk that was asked for; what is wrong with it is added to `problems`."""
    text = options["walk_forward"]
    if text is None:
        if options["rolling"]:
            problems.append(("--rolling", "needs --walk-forward"))
        return None
    from simulator.estimation.plan import Plan

    found = STRETCH.fullmatch(text)
    if found is None:
        problems.append(("--walk-forward", f"{shown(text)[:40]!r} is neither a number of stretches nor days as in 90d"))
        return None
    folds, days = found.groups()
    plan = Plan(int(folds) if folds else None, float(days) if days else None, options["rolling"])
    problems += [(f"--{key}", what) for key, what in plan.problems()]
    return plan


def evaluate(
    table: PriceTable, found: MarketFit, made: dict[str, Any], plan: Plan | None, options: dict[str, Any], progress: Callable
) -> Evaluation:
    """Everything that was asked for; `made` is how the fit was made. Raises FitError, NotConverged."""
    later: tuple[HeldOut, ...] = ()
    tied = walk = None
    if options["held_out"]:
        from simulator.estimation.held_out import held_out
        from simulator.estimation.held_out_dependence import held_out_dependence

        progress("looking at later rows")
        later, tied = held_out(table, found, options["seed"]), held_out_dependence(table, found, options["seed"])
    stale: tuple[Staleness, ...] = ()
    if options["online"]:
        from simulator.estimation.staleness import staleness

        progress("following later rows")
        stale = staleness(table, found)
    if plan is not None:
        from simulator.estimation.walk_forward import walk_forward

        walk = walk_forward(table, plan, **made, whole=found, seed=options["seed"], progress=progress)
    portrait = _portrait(table, found, made, options, progress) if options["report"] else None
    return Evaluation(later, tied, walk, portrait, stale)


def _portrait(table: PriceTable, found: MarketFit, made: dict[str, Any], options: dict[str, Any], progress: Callable) -> Portrait:
    from simulator.estimation.portrait import make_portrait
    from simulator.estimation.returns import Window, log_returns

    window = Window(made["until"], made["since"], tuple(made["exclude"]))
    returns = log_returns(table, window, made["step"])
    return make_portrait(returns, found, seed=options["seed"], paths=options["paths"], progress=progress)


def report_problems(options: dict[str, Any]) -> list[tuple[str, str]]:
    """What stops a page from being made."""
    from simulator.estimation.settings import FEWEST_PATHS

    if options["report"] is None or options["paths"] >= FEWEST_PATHS:
        return []
    return [("--report", f"its intervals are over paths: --paths must be at least {FEWEST_PATHS}, but is {options['paths']}")]
