"""What `simulator fit --held-out` and `--online` print: tables that fit 80 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from simulator.cli.tables import WIDTH, print_table
from simulator.wording import shown

if TYPE_CHECKING:
    from simulator.estimation.held_out import HeldOut
    from simulator.estimation.held_out_dependence import HeldOutDependence
    from simulator.estimation.rivals import ModelScore
    from simulator.estimation.staleness import Staleness


def print_models(title: str, what: str, models: Sequence[ModelScore]) -> None:
    """Log scores on the same rows, the first model's lead over every other."""
    rows = [
        [m.model, f"{m.log_score:.4f}", f"{m.behind:.4f} ({m.error:.2g})", f"{m.p:.3f}", "yes" if m.in_set else "no"]
        for m in models
    ]
    print_table(title, [what, "score", "behind the fit (SE)", "equal p", "in 90 % set"], rows)


def print_held_out_dependence(found: HeldOutDependence | None) -> None:
    """Every candidate beside the one that was taken."""
    if found is not None:
        print_models(f"Dependence on {found.rows:,} later rows, log score of the copula a row", "dependence", found.candidates)


def print_held_out(later: tuple[HeldOut, ...]) -> None:
    """How the fit did on later rows: coverage with exact tests and their power, and what a stale or missing filter costs."""
    if not later:
        return
    from simulator.estimation.held_out import notes

    for one in later:
        rows = [
            [
                side,
                f"{100 * (1 - p):g} %",
                f"{c.exceeded}",
                f"{c.count * c.probability:.1f}",
                f"{c.exact_p:.3f}",
                f"{c.independence_p:.3f}",
                f"{c.power:.2f}",
            ]
            for (side, p), c in one.coverage.items()
        ]
        title = f"{one.asset}: one-step VaR on {one.returns:,} later returns"
        print_table(title, ["", "VaR", "beyond", "expected", "exact p", "clusters p", "power"], rows, numbers_from=2)
        scores = [
            [s.strategy, f"{s.log_score:.4f}", f"{s.behind:.4f} ({s.behind_low:.4f} .. {s.behind_high:.4f})"] for s in one.scores
        ]
        print_table("Log score of a return; lead of the fit", ["variance", "score", "behind (95 %)"], scores)
    click.echo("power: of the exact test at 5 %, were the VaR exceeded twice as often as stated")
    for note in notes(later):
        click.echo(textwrap.fill(f"- {shown(note)}", WIDTH, subsequent_indent="  "))


def print_stale(found: tuple[Staleness, ...]) -> None:
    """What every estimator loses, looked at less and less often."""
    for asset in dict.fromkeys(one.asset for one in found):
        own = [one for one in found if one.asset == asset]
        rows = [
            [
                one.estimator,
                one.refresh,
                f"{one.lost:.4f} ({one.error:.2g})",
                f"{one.falls}",
                f"{one.falls_p:.3f}",
                f"{one.rises}",
                f"{one.rises_p:.3f}",
            ]
            for one in own
        ]
        title = f"{asset}: what a volatility looked at now and then costs, on {own[0].returns:,} later returns"
        print_table(title, ["volatility", "looked at", "score lost (SE)", "falls", "p", "rises", "p"], rows, numbers_from=2)
        click.echo(f"falls, rises: beyond the 99 % VaR, {own[0].due:.1f} due each; p: Kupiec's test, exact")
    if found:
        from simulator.estimation.held_out import SEEN

        click.echo(textwrap.fill(f"- {SEEN}", WIDTH, subsequent_indent="  "))
