"""`simulator fit --with-feedback`: what trading in a scenario does to the fitted volatility, and the fit without it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from simulator.estimation.market_fit import MarketFit
    from simulator.scenario import Scenario

FEWEST = 10  # paths of which a standard error means something

feedback_option = click.option(
    "--with-feedback",
    metavar="SCENARIO",
    help="Make returns outside smaller, so that prices observable in SCENARIO have the data's variance.",
)


def opened(options: dict[str, Any], problems: list[tuple[str, str]]) -> Scenario | None:
    """The scenario whose feedback is to be taken out. Raises ScenarioError."""
    if options["with_feedback"] is None:
        return None
    if options["paths"] < FEWEST:
        problems.append(("--with-feedback", f"simulates --paths paths: at least {FEWEST}, but got {options['paths']}"))
    from simulator.cli.options import open_scenario

    return open_scenario(options["with_feedback"])


def reconciled(found: MarketFit, scenario: Scenario | None, options: dict[str, Any], progress: Callable) -> MarketFit:
    """The fit that the block is written from. Raises FitError, NotConverged."""
    if scenario is None:
        return found
    from simulator.calibration.feedback import reconcile

    return reconcile(found, scenario, seed=options["seed"], paths=options["paths"], progress=progress)


def print_feedback(fit: MarketFit) -> None:
    """One row an asset; nothing where nothing was asked."""
    from simulator.cli.tables import print_table

    rows = [
        [row.asset, f"{row.fitted:.4g}", f"x {row.amplified:.4f}", f"x {row.factor:.4f}", f"{row.reached:.4f} ({row.error:.2g})"]
        for row in fit.feedback
    ]
    if rows:
        header = ["", "data's volatility", "by trading here", "returns outside", "observable / data's (SE)"]
        print_table("Feedback taken out", header, rows)
