"""What `simulator fit --walk-forward` prints: tables that fit 80 columns."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import click

from simulator.cli.fit_later_tables import print_models
from simulator.cli.tables import WIDTH, print_table
from simulator.wording import shown

if TYPE_CHECKING:
    from simulator.estimation.walk import AssetWalk, WalkForward

HEADS = {
    "degrees_of_freedom": "degrees",
    "total_volatility": "with jumps",
    "jump_intensity": "jumps a year",
    "half_life": "half-life, s",
    "jump_deviation": "of jumps",
}


def print_walk(found: WalkForward | None) -> None:
    """Every asset: scores and alarms by stretch, parameters, coverage, models; then what a reader must know."""
    if found is None:
        return
    for walk in found.assets:
        _print_folds(walk, found.rolling)
        _print_parameters(walk)
        _print_coverage(walk)
        print_models(f"{walk.asset}: models out of sample, log score a return", "model", walk.models)
    _print_correlation(found)
    _print_power(found)
    for note in found.notes:
        click.echo(textwrap.fill(f"- {shown(note)}", WIDTH, subsequent_indent="  "))


def _print_folds(walk: AssetWalk, rolling: bool) -> None:
    rows = [
        [
            fold.fitted_until.date().isoformat(),
            f"{fold.returns:,}",
            f"{fold.in_sample:.4f}",
            f"{fold.out_of_sample:.4f}",
            f"{fold.in_sample - fold.out_of_sample:.4f} ({fold.error:.2g})",
            f"{fold.drift.p:.3f}",
            fold.drift.where if fold.drift.alarm else "",
        ]
        for fold in walk.folds
    ]
    pooled = f"{walk.difference:.4f} ({walk.difference_error:.2g})"
    rows.append(["all", f"{walk.returns:,}", f"{walk.in_sample:.4f}", f"{walk.out_of_sample:.4f}", pooled, "", ""])
    kind = "rolling" if rolling else "expanding"
    title = f"{walk.asset}: log score a return, in sample and on the next stretch; {kind} fits"
    print_table(title, ["fitted until", "returns", "in", "out", "in - out (SE)", "drift p", "alarm"], rows)
    click.echo(f"same rows, a fit that has seen them less those that had not: {walk.optimism:.4f} ({walk.optimism_error:.2g})")


def _print_parameters(walk: AssetWalk) -> None:
    keys = walk.followed[:5]
    rows = [[fold.fitted_until.date().isoformat(), *(_estimate(fold.estimates.get(key)) for key in keys)] for fold in walk.folds]
    header = ["fitted until", *(HEADS.get(key, key) for key in keys)]
    print_table(f"{walk.asset}: parameters (standard errors)", header, rows)


def _estimate(estimate) -> str:
    if estimate is None:
        return ""
    digits = 5 if 0.9 < estimate.value < 1 else 3
    error = f" ({estimate.standard_error:.1g})" if estimate.standard_error is not None else ""
    return f"{estimate.value:.{digits}g}{error}"


def _print_coverage(walk: AssetWalk) -> None:
    rows = [
        [
            side,
            f"{100 * (1 - p):g} %",
            f"{c.exceeded}",
            f"{c.count * p:.1f}",
            f"{c.exact_p:.3f}",
            f"{c.independence_p:.3f}",
            f"{c.power:.2f}",
            f"{walk.shortfall[side, p].ratio:.2f}",
            f"{walk.shortfall[side, p].exact_p:.3f}",
        ]
        for (side, p), c in walk.coverage.items()
    ]
    header = ["", "VaR", "beyond", "due", "exact p", "clusters", "power", "ES ratio", "ES p"]
    print_table(f"{walk.asset}: one-step VaR and ES on {walk.returns:,} returns out of sample", header, rows, numbers_from=1)


def _print_correlation(found: WalkForward) -> None:
    rows = [[at.date().isoformat(), f"{mean:.3f} ({error:.1g})"] for at, mean, error in found.correlation]
    if rows:
        print_table("Correlation of residuals, mean of pairs", ["fitted until", "(standard error)"], rows)


def _print_power(found: WalkForward) -> None:
    changes = dict.fromkeys(change for walk in found.assets for change in walk.power)
    if changes:
        rows = [[walk.asset, *(f"{walk.power[c]:.2f}" if c in walk.power else "" for c in changes)] for walk in found.assets]
        print_table("Power of the drift alarm (5 %), last stretch, were this so in it", ["", *changes], rows)
    click.echo("VaR power: at 5 %, were it exceeded twice as often as stated; clusters: a p")
