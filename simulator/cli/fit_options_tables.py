"""What `simulator fit-options` prints: tables that fit 80 columns."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING

import click

from simulator.cli.tables import WIDTH, print_table
from simulator.wording import shown

if TYPE_CHECKING:
    from simulator.estimation.options.surface_fit import SurfaceFit
    from simulator.estimation.options.walk_forward import WalkForward
    from simulator.estimation.standard_errors import Estimate


def print_surface(found: SurfaceFit) -> None:
    """Parameters by expiry, errors by expiry, what was dropped, and what a reader must know."""
    quotes = found.cleaned.quotes
    if found.shared:
        rows = [[name, _cell(estimate)] for name, estimate in found.shared.items()]
        print_table("Surface (standard errors)", ["", "estimate"], rows)
    names = [name for name, estimate in found.slices[0].estimates.items() if estimate.note != "fixed"] if found.slices else []
    if names:
        parameters = [[one.expiry[:10], *(_cell(one.estimates[name]) for name in names)] for one in found.slices]
        title = f"{found.options.model} of {shown(quotes.currency)} options, {quotes.as_of.isoformat()} (standard errors)"
        print_table(title, ["expiry", *names], parameters)
    errors = [
        [
            one.expiry[:10],
            f"{one.goodness.count}",
            f"{100 * one.goodness.rmse:.3f}",
            f"{100 * one.goodness.largest_error:.2f}",
            _share(one.goodness.inside),
            _p(one.goodness.runs_p),
            "" if one.worst is None else f"{one.worst.size:.2g}",
        ]
        for one in found.slices
    ]
    header = ["expiry", "quotes", "RMSE", "largest", "inside", "runs p", "least g"]
    print_table("Errors in volatility points; inside: between bid and ask", header, errors)
    _print_cost(found)
    for note in found.notes:
        click.echo(textwrap.fill(f"- {shown(note)}", WIDTH, subsequent_indent="  "))


def _print_cost(found: SurfaceFit) -> None:
    dropped = [[rule, f"{count}"] for rule, count in found.cleaned.dropped.items() if count]
    print_table(f"Rows: {found.cleaned.rows}, used {len(found.cleaned.quotes)}", ["dropped", ""], dropped)
    broken = ", ".join(f"{count} {kind}" for kind, count in found.raw_violations.items()) or "none"
    lines = [f"arbitrage in the quotes themselves, at bid and ask: {broken}"]
    lines.append(f"RMSE of the whole {100 * found.goodness.rmse:.3f} points; worst condition number {found.condition:.3g}")
    if not math.isnan(found.agreement):
        lines.append(f"both methods' sums of squares agree to {found.agreement:.1e}")
    for line in lines:
        click.echo(textwrap.fill(line, WIDTH))


def _cell(estimate: Estimate) -> str:
    if estimate.standard_error is None:
        return f"{estimate.value:.4g} ({estimate.note.split()[0]})" if estimate.note else f"{estimate.value:.4g}"
    return f"{estimate.value:.4g} ({estimate.standard_error:.1g})"


def _share(value: float) -> str:
    return "-" if math.isnan(value) else f"{100 * value:.0f} %"


def _p(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.2f}"


def print_walk(walk: WalkForward) -> None:
    """How a fit does on the next snapshot, by its horizon."""
    rows = [
        [
            row.horizon,
            f"{row.pairs}",
            *(f"{100 * x:.2f}" for x in (row.fitted, row.next, row.refitted, row.interpolated)),
            f"{100 * row.low:.2f} .. {100 * row.high:.2f}",
        ]
        for row in walk.rows
    ]
    header = ["to the next", "pairs", "in sample", "next", "refitted", "interpol.", "next, 95 %"]
    print_table(f"{walk.model}: RMSE in volatility points, median over snapshots", header, rows)
    stable = [[name, f"{middle:.4g}", f"{low:.4g} .. {high:.4g}", f"{move:.2g}"] for name, middle, low, high, move in walk.paths]
    print_table("Parameters over snapshots", ["", "median", "5 % .. 95 %", "median move"], stable)
    for note in walk.notes:
        click.echo(textwrap.fill(f"- {shown(note)}", WIDTH, subsequent_indent="  "))
