"""Global sensitivity: the share of a figure's variance that each parameter explains, alone and with its interactions."""

from __future__ import annotations

from collections.abc import Iterator

from simulator.report.figures.drawn import TIGHT
from simulator.report.numbers import percent
from simulator.report.scales import Linear
from simulator.report.svg import Element, fitted, group, line, picture, rectangle, text
from simulator.report.words import Proposal

ROW, HEAD, FOOT = 28.0, 26.0, 30.0
FIGURES = {"goal": "the goal", "tail": "the worst tail as a share of its limit"}


def draw_indices(proposal: Proposal, width: float) -> Element | None:
    """One panel a figure that has indices; None without any."""
    panels = [panel for panel in proposal.get("global_sensitivity") or () if panel["rows"]]
    if not panels:
        return None
    tight = width < TIGHT
    left = 12.0 if tight else 330.0
    rows = sum(len(panel["rows"]) for panel in panels)
    each = ROW + (16.0 if tight else 0.0)
    height = len(panels) * HEAD + rows * each + FOOT
    x = Linear(0.0, 1.0, left, width - 16)
    root = picture(width, height, "Share of variance that each parameter explains")
    for tick in x.ticks(3 if tight else 5):
        root.add(line(x(tick), 8.0, x(tick), height - FOOT, "grid"))
        root.add(text(x(tick), height - FOOT + 16, percent(tick), "tick", "middle" if tick < 1 else "end"))
    y = 0.0
    for panel in panels:
        root.add(text(0, y + 18, f"Variance of {FIGURES.get(panel['figure'], panel['figure'])}", "label strong"))
        y += HEAD
        for row in panel["rows"]:
            root.add(*_bar(x, y, row, tight))
            y += each
    return root


def _bar(x: Linear, y: float, row: Proposal, tight: bool) -> Iterator[Element]:
    top = y + (16.0 if tight else 0.0)
    if tight:
        yield text(0, y + 12, fitted(row["parameter"], x.end), "label")
    else:
        yield text(x.start - 10, y + 16, fitted(row["parameter"], x.start - 14, 11.5), "label", "end")
    hover = f"{row['parameter']}: alone {percent(row['first'])}, with interactions {percent(row['total'])}"
    yield group(
        rectangle(x.start, top + 4, x(_share(row["total"])) - x.start, 14, "bar total"),
        rectangle(x.start, top + 4, x(_share(row["first"])) - x.start, 14, "bar holds"),
        hover=hover,
    )
    yield line(x(_share(row["total_low"])), top + 11, x(_share(row["total_high"])), top + 11, "whisker")


def _share(value: float) -> float:
    return min(max(value, 0.0), 1.0)
