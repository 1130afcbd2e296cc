"""What `simulator fit` prints: tables that fit 80 columns."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING

import click

from simulator.cli.tables import WIDTH, print_table
from simulator.wording import end_of, shown

if TYPE_CHECKING:
    from simulator.estimation.asset_fit import AssetFit
    from simulator.estimation.copula_fit import DependenceCandidate, DependenceFit
    from simulator.estimation.market_fit import MarketFit
    from simulator.estimation.peg_fit import PegFit
    from simulator.estimation.standard_errors import Estimate

ASSETS_A_TABLE = 3  # what 80 columns hold


def print_fit(found: MarketFit) -> None:
    """Estimates, correlation, fitted / simulated / interval, and what a reader must know."""
    for first in range(0, len(found.assets), ASSETS_A_TABLE):
        _print_estimates(found, first)
    for asset in found.assets:
        _print_candidates(asset)
    _print_fine_jumps(found)
    if len(found.assets) > 1:
        _print_correlation(found)
    if found.dependence is not None:
        _print_dependence(found.dependence)
    _print_residual_tests(found)
    if found.comparison:
        _print_comparison(found)
    for note in found.notes:
        click.echo(textwrap.fill(f"- {shown(note)}", WIDTH, subsequent_indent="  "))


def _print_estimates(found: MarketFit, first: int) -> None:
    assets = found.assets[first : first + ASSETS_A_TABLE]
    keys = dict.fromkeys(key for asset in assets for key in asset.estimates)
    rows = [[key, *(_cell(asset.estimates.get(key)) for asset in assets)] for key in keys]
    rows.append(["max_move", *("none" if asset.max_move is None else f"{asset.max_move:g}" for asset in assets)])
    rows.append(["returns used", *(f"{asset.count:,}" for asset in assets)])
    rows.append(["log-likelihood", *(f"{asset.log_likelihood:.1f}" for asset in assets)])
    rows.append(["cost: bounds, tail", *(asset.costs for asset in assets)])
    print_table("Estimates (standard errors)", ["", *(asset.name for asset in assets)], rows)


def _print_candidates(asset: AssetFit | PegFit) -> None:
    """Every law tried for one asset; the one taken is marked."""
    if len(asset.candidates) < 2:
        return
    rows = []
    for row in asset.candidates:
        numbers = [f"{row.log_likelihood:.1f}", f"{row.aic:.1f}", f"{row.bic:.1f}", f"{row.persistence:.6f}"]
        says = "taken" if row.specification == asset.specification else row.note
        rows.append([row.specification.process, row.specification.innovation, *(numbers if row.converged else ["-"] * 4), says])
    title = f"{asset.name}: candidates, under the same bounds"
    print_table(title, ["", "", "log-likel.", "AIC", "BIC", "persistence", ""], rows, numbers_from=2)


def _print_fine_jumps(found: MarketFit) -> None:
    rows = [
        [
            name,
            f"{fine.days:,}",
            _percent(fine.jump_days),
            _percent(fine.jump_share),
            f"{fine.fit.count:,}",
            f"{100 * fine.down_share:.0f} %",
            f"{fine.threshold:.2f}",
        ]
        for name, fine in found.fine_jumps
    ]
    if rows:
        names = ["", "days", "jump days, 99 %", "share of variance", "jumps", "down", "threshold"]
        print_table("Jumps on finer bars (standard errors)", names, rows)


def _percent(estimate: Estimate) -> str:
    return f"{100 * estimate.value:.1f} % ({100 * (estimate.standard_error or 0):.1f})"


def _cell(estimate: Estimate | None) -> str:
    if estimate is None:
        return ""
    if estimate.note.startswith("at the bound"):
        return f"{estimate.value:.6g} (bound)"
    digits = 6 if 0.9 < estimate.value < 1 else 4
    return f"{estimate.value:.{digits}g}" + (f" ({estimate.standard_error:.2g})" if estimate.standard_error is not None else "")


def _print_correlation(found: MarketFit) -> None:
    names = [asset.name for asset in found.assets]
    for first in range(0, len(names), 8):
        columns = range(first, min(first + 8, len(names)))
        rows = [[name, *(f"{found.correlation[i][j]:.3f}" for j in columns)] for i, name in enumerate(names)]
        print_table("Correlation of residuals", ["", *(names[j] for j in columns)], rows)


def _print_residual_tests(found: MarketFit) -> None:
    rows = [
        [row.asset, row.test, f"{row.statistic:.4g}", f"{row.degrees}" if row.degrees else "-", f"{row.p:.3f}"]
        for row in found.residual_tests()
    ]
    print_table("What is left in the residuals", ["", "", "statistic", "degrees", "p"], rows, numbers_from=2)


def _print_dependence(tied: DependenceFit) -> None:
    rows = [
        [row.dynamics, row.copula, f"{row.log_likelihood:.1f}", f"{row.aic:.1f}", f"{row.bic:.1f}", _taken(row, tied)]
        for row in tied.candidates
    ]
    print_table("Dependence: candidates", ["", "", "log-likel.", "AIC", "BIC", ""], rows, numbers_from=2)
    estimates = [[key, _cell(estimate), _ends(estimate)] for key, estimate in tied.estimates.items()]
    if estimates:
        print_table("Dependence (standard errors), 95 % intervals", ["", "", "95 %"], estimates)
    tails = [[pair, f"{100 * q:g} %", f"{low:.3f}", f"{high:.3f}", f"{error:.3f}"] for pair, q, low, high, error in tied.tails]
    print_table("Joint extremes of the data: P(both) / level", ["", "level", "falls", "rises", "error"], tails)


def _ends(estimate: Estimate) -> str:
    low, high = estimate.interval
    return "" if math.isnan(low) else f"{end_of(low, 4)} .. {end_of(high, 4)}"


def _taken(row: DependenceCandidate, tied: DependenceFit) -> str:
    return "taken" if (row.dynamics, row.copula) == (tied.dynamics, tied.copula) else ""


def _print_comparison(found: MarketFit) -> None:
    rows = [
        [
            row.asset,
            row.statistic,
            f"{row.data:.3g}",
            f"{row.simulated:.3g}",
            f"{row.low:.3g} .. {row.high:.3g}",
            "" if row.inside else "outside",
        ]
        for row in found.comparison
    ]
    title = f"Fitted / simulated / interval (of the data: 95 %, blocks of {found.block:,.0f} steps)"
    print_table(title, ["", "", "data", "simulated", "interval", ""], rows, numbers_from=2)
    each = ", ".join(f"{name} in {inside}" for name, inside in found.agreement.items())
    click.echo(textwrap.fill(f"inside: {each}", WIDTH))
