"""The page of a fit: the model beside its data, curve by curve, and how it did on rows it had not seen.

Everything is drawn from the fit, its portrait and its evaluation; nothing is estimated here. Intervals of the data come from a
bootstrap, those of the model are over simulated paths as long as the data.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from simulator.estimation.comparison import duration
from simulator.report.blocks import Block, Bullets, Cell, Code, Facts, Figure, Folded, Heading, Mark, Notice, Paragraph, Table
from simulator.report.dependence import dependence
from simulator.report.figures.curves import Axes, draw_curves, lag_ticks, year_ticks
from simulator.report.figures.drawn import NARROW, WIDE
from simulator.report.figures.ranges import Range, draw_ranges
from simulator.report.numbers import NOTHING, chance, count, fixed, percent, plain
from simulator.report.out_of_sample import out_of_sample
from simulator.report.to_html import written

if TYPE_CHECKING:
    from simulator.estimation.comparison import Comparison
    from simulator.estimation.held_out import HeldOut
    from simulator.estimation.held_out_dependence import HeldOutDependence
    from simulator.estimation.market_fit import MarketFit
    from simulator.estimation.portrait import Curve, Portrait
    from simulator.estimation.standard_errors import Estimate
    from simulator.estimation.walk import WalkForward

MADE_BY = "simulator fit"
FIRST_LINES = f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<meta name="generator" content="{MADE_BY}">'
MOST_PAIRS = 6  # that are drawn
MOST_RATIO = 2.5  # simulated / data that is still drawn to scale


def fit_page(
    fit: MarketFit,
    portrait: Portrait,
    held_out: Sequence[HeldOut] = (),
    walk: WalkForward | None = None,
    tied: HeldOutDependence | None = None,
) -> str:
    """The whole page."""
    names = [asset.name for asset in fit.assets]
    title = f"A market model of {_listed(names)}"
    source = fit.source
    over = ["Fit of a market model", source.file, f"{source.since:%Y-%m-%d} to {source.until:%Y-%m-%d}"]
    return written(title, over, tuple(_blocks(fit, portrait, tuple(out_of_sample(held_out, walk, tied)))), MADE_BY)


def _blocks(fit: MarketFit, portrait: Portrait, later: Sequence[Block]) -> Iterator[Block]:
    yield Paragraph(_lead(fit))
    if fit.warnings:
        yield Notice("caution", "Warnings", "What is suspicious about the price file:", fit.warnings)
    yield Facts(tuple(_facts(fit)))
    yield Heading("Fitted against simulated", "moments")
    yield from _moments(fit, portrait)
    yield Heading("Quantiles", "quantiles")
    yield from _quantiles(portrait)
    yield Heading("Memory of size", "memory")
    yield from _memory(portrait)
    if len(fit.assets) > 1:
        yield Heading("Together", "together")
        yield from _together(portrait)
    yield Heading("Out of sample", "out-of-sample")
    yield from later
    yield Heading("The model", "model")
    yield from _model(fit)
    yield Heading("Where it comes from", "source")
    yield from _source(fit, portrait)


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _lead(fit: MarketFit) -> str:
    inside = sum(row.inside for row in fit.comparison)
    rows = sum(asset.count for asset in fit.assets)
    return (
        f"Made of {count(rows)} returns over {duration(fit.source.step)}. Simulated paths lie within the data's own 95 % "
        f"interval in {inside} of {len(fit.comparison)} statistics; the pictures below say where they do not."
    )


def _facts(fit: MarketFit) -> Iterator[tuple[str, str, str]]:
    for asset in fit.assets:
        e = asset.estimates
        volatility, degrees = e.get("total_volatility", e["volatility"]), e.get("degrees_of_freedom")
        today = e.get("volatility_today", e["volatility"])
        tails = f"; {degrees.value:.3g} degrees of freedom" if degrees else ""
        jumps = f"; {asset.jumps.jumps.kind} jumps" if asset.jumps else ""
        yield (
            f"{asset.name}: volatility a year, today",
            f"{percent(volatility.value)}, {percent(today.value)}",
            f"{asset.specification}{tails}{jumps}; paths inside the data's interval in {fit.agreement[asset.name]} statistics",
        )


def _moments(fit: MarketFit, portrait: Portrait) -> Iterator[Block]:
    by_asset = {asset.name: [row for row in fit.comparison if row.asset == asset.name] for asset in fit.assets}
    panels = [(name, [_range(row) for row in rows if row.data > 0]) for name, rows in by_asset.items()]
    label = "Statistics of simulated paths over those of the data"
    yield Figure(
        "figure-moments",
        "Simulated over data, statistic by statistic",
        f"Dot and line: mean and 95 % of {count(portrait.paths)} simulated paths as long as the data. Grey bar: 95 % interval of "
        f"the data themselves (blocks of {count(portrait.block)} steps). A red dot lies outside it. Moments that need not exist "
        "for such tails, as a kurtosis, are not compared.",
        *(draw_ranges(panels, "simulated / data", label, MOST_RATIO, width) for width in (WIDE, NARROW)),
    )
    yield Folded("Every statistic in numbers", (_moments_table(fit.comparison),))


def _range(row: Comparison) -> Range:
    of = [value / row.data for value in (row.simulated, row.simulated_low, row.simulated_high, row.low, row.high)]
    words = f"{row.simulated:.3g} against {row.low:.3g} to {row.high:.3g}"
    return Range(row.statistic, of[0], of[1], of[2], words, row.inside, (of[3], of[4]))


def _moments_table(rows: Sequence[Comparison]) -> Table:
    cells: list[tuple[Cell, ...]] = []
    for name in dict.fromkeys(row.asset for row in rows):
        cells.append((name,))
        for r in rows:
            if r.asset == name:
                data, made = (f"{plain(a)} to {plain(b)}" for a, b in ((r.low, r.high), (r.simulated_low, r.simulated_high)))
                sign = Mark(r.inside, "inside" if r.inside else "outside")
                cells.append((r.statistic, plain(r.data), data, plain(r.simulated), made, sign))
    header = ("Statistic", "Data", "95 % interval", "Simulated", "95 % of paths", "Mean of paths")
    return Table(header, "lrrrrl", tuple(cells), small=True)


def _figure(name: str, title: str, caption: str, panels: Sequence[tuple[str, Curve]], axes: Axes) -> Figure:
    return Figure(f"figure-{name}", title, caption, *(draw_curves(panels, axes, title, width) for width in (WIDE, NARROW)))


def _quantiles(portrait: Portrait) -> Iterator[Block]:
    panels = [(name, _against_simulated(curve)) for name, curve in portrait.quantiles.items()]
    yield _figure(
        "quantiles",
        "Quantiles of returns: data against simulated paths (QQ)",
        "Across: the quantile of simulated paths, their mean. Up: the same quantile of the data. A model as the data lie is the "
        "straight blue line; data steeper than it have the fatter tail. The outermost points have five returns beyond them.",
        panels,
        Axes("simulated log return", "data", words=percent, up_words=percent),
    )


def _against_simulated(curve: Curve) -> Curve:
    """The same curve over the quantiles of simulated paths instead of probabilities."""
    return type(curve)(curve.simulated, *(getattr(curve, key) for key in list(vars(curve))[1:]))


def _memory(portrait: Portrait) -> Iterator[Block]:
    yield _figure(
        "memory",
        "Autocorrelation of |r|",
        "How long large moves are followed by large moves, by the time between them, on a logarithmic scale.",
        list(portrait.memory.items()),
        Axes("time between the returns", "autocorrelation", is_logarithmic=True, ticks=lag_ticks, floor=0.0),
    )


def _together(portrait: Portrait) -> Iterator[Block]:
    if len(portrait.rolling) > MOST_PAIRS:
        yield Paragraph(f"Of {len(portrait.rolling)} pairs the first {MOST_PAIRS} are drawn.", quiet=True)
    yield _figure(
        "rolling",
        "Correlation of returns over 30 days",
        "Data: each window with a bootstrap interval in blocks of a day. Simulated: the mean and 95 % of windows of all paths.",
        list(portrait.rolling.items())[:MOST_PAIRS],
        Axes("end of the window", "correlation", ticks=year_ticks),
    )
    for name, title, curves, side in (
        ("falls", "Falls together: lower tail dependence", portrait.falls, "smallest"),
        ("rises", "Rises together: upper tail dependence", portrait.rises, "largest"),
    ):
        yield _figure(
            name,
            title,
            f"The chance that one asset's return is among its share q of {side} given that the other's is; q across. "
            "Independent returns would have q itself.",
            list(curves.items())[:MOST_PAIRS],
            Axes("q", "P(both) / q", is_logarithmic=True, words=percent, floor=0.0),
        )


def _model(fit: MarketFit) -> Iterator[Block]:
    keys = dict.fromkeys(key for asset in fit.assets for key in asset.estimates)
    rows: list[tuple[Cell, ...]] = [(Code(key), *(_estimate(asset.estimates.get(key)) for asset in fit.assets)) for key in keys]
    names = tuple(asset.name for asset in fit.assets)
    yield Table(("", *names), "l" + "r" * len(names), tuple(rows), "Estimates, with standard errors in brackets.", small=True)
    if len(names) > 1:
        matrix = [(name, *(fixed(value, 3) for value in row)) for name, row in zip(names, fit.correlation, strict=True)]
        yield Table(("", *names), "l" + "r" * len(names), tuple(matrix), "Correlation of residuals.", small=True)
    if fit.dependence is not None:
        yield from dependence(fit.dependence)
    tests = tuple((t.asset, t.test, plain(t.statistic), f"{t.degrees or NOTHING}", chance(t.p)) for t in fit.residual_tests())
    header = ("Asset", "Test", "Statistic", "Degrees", "p")
    yield Table(header, "llrrr", tests, "What is left in the residuals.", small=True)
    yield Bullets(tuple(note for note in fit.notes if note not in fit.warnings))


def _estimate(estimate: Estimate | None) -> str:
    if estimate is None:
        return ""
    value = f"{estimate.value:.6f}" if 0.9 < estimate.value < 1 else plain(estimate.value)
    if estimate.standard_error is not None:
        return f"{value} ({plain(float(f'{estimate.standard_error:.2g}'))})"
    return f"{value} (bound)" if estimate.note.startswith("at the bound") else value if np.isfinite(estimate.value) else NOTHING


def _source(fit: MarketFit, portrait: Portrait) -> Iterator[Block]:
    facts = fit.source.facts()
    rows: list[tuple[Cell, ...]] = [
        (key.capitalize(), Code(str(value)) if key == "sha256" else _fact(value)) for key, value in facts.items()
    ]
    rows.append(("Versions", ", ".join(f"{name} {version}" for name, version in fit.versions.items())))
    rows.append(("Simulated", f"{count(portrait.paths)} paths, stationary start, point parameters"))
    yield Table(("", ""), "ll", tuple(rows), small=True)


def _fact(value: object) -> str:
    return (", ".join(map(str, value)) or "nothing") if isinstance(value, list) else f"{value}"
