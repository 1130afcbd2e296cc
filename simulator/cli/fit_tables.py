"""What `simulator fit` prints: tables that fit 80 columns."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import click

from simulator.cli.tables import WIDTH, print_table
from simulator.wording import shown

if TYPE_CHECKING:
    from simulator.estimation.asset_fit import AssetFit
    from simulator.estimation.copula_fit import DependenceCandidate, DependenceFit
    from simulator.estimation.held_out import HeldOut
    from simulator.estimation.market_fit import MarketFit
    from simulator.estimation.peg_fit import PegFit
    from simulator.estimation.staleness import Staleness
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
    estimates = [[key, _cell(estimate)] for key, estimate in tied.estimates.items()]
    if estimates:
        print_table("Dependence (standard errors)", ["", ""], estimates)
    tails = [[pair, f"{100 * q:g} %", f"{low:.3f}", f"{high:.3f}", f"{error:.3f}"] for pair, q, low, high, error in tied.tails]
    print_table("Joint extremes of the data: P(both) / level", ["", "level", "falls", "rises", "error"], tails)


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
        print_table("Log score of a return; lead of the filter", ["variance", "score", "behind (95 %)"], scores)
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
