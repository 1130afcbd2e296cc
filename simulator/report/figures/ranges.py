"""Rows of estimates with their intervals beside a line they should touch; and an estimate's path through time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from simulator.report.figures.curves import year_ticks
from simulator.report.figures.drawn import TIGHT
from simulator.report.numbers import plain
from simulator.report.scales import Linear, padded
from simulator.report.svg import Element, circle, fitted, group, line, picture, rectangle, text

ROW, HEAD, FOOT = 21.0, 30.0, 40.0  # [px]
SMALL, GAP = 132.0, 26.0


@dataclass(frozen=True)
class Range:
    """One row: what it is, where it lies, what stands at its end. `band`: of what it is held against, if that has one."""

    name: str
    value: float
    low: float
    high: float
    words: str
    holds: bool
    band: tuple[float, float] | None = None


@dataclass(frozen=True)
class Point:
    """An estimate at a moment [s since 1970]; no interval where a bound holds it."""

    at: float
    value: float
    low: float | None
    high: float | None
    hover: str


def draw_ranges(panels: Sequence[tuple[str, Sequence[Range]]], across: str, label: str, most: float, width: float) -> Element:
    """Panels of rows below one another, against the line at 1; what lies beyond `most` is put on the edge."""
    tight = width < TIGHT
    left, right = (128.0, width - 24) if tight else (210.0, width - 250)
    rows = sum(len(ranges) for _, ranges in panels)
    height = len(panels) * HEAD + rows * ROW + FOOT
    values = [v for _, ranges in panels for r in ranges for v in (r.value, r.low, r.high, *(r.band or ()))]
    x = Linear(0.0, min(most, max(1.2, 1.05 * max(values))), left, right)
    root = picture(width, height, label)
    for tick in x.ticks(3 if tight else 5):
        root.add(line(x(tick), HEAD - 6, x(tick), height - FOOT, "grid"))
        root.add(text(x(tick), height - FOOT + 15, plain(tick), "tick", "middle"))
    root.add(line(x(1.0), HEAD - 6, x(1.0), height - FOOT, "limit dashed"))
    root.add(text((left + right) / 2, height - FOOT + 33, across, "axis", "middle"))
    y = 0.0
    for title, ranges in panels:
        root.add(text(0, y + 18, fitted(title, width, 12.5), "label strong"))
        y += HEAD
        for one in ranges:
            root.add(*_row(x, y, one, tight, width))
            y += ROW
    return root


def _row(x: Linear, y: float, one: Range, tight: bool, width: float) -> Iterator[Element]:
    middle, style = y + ROW / 2 - 2, "after" if one.holds else "fails"
    yield text(0 if tight else x.start - 12, middle + 4, fitted(one.name, x.start - 8, 11.5), "label", None if tight else "end")
    hover = f"{one.name}: {plain(one.value)} ({plain(one.low)} to {plain(one.high)}); {one.words}"
    parts = [] if one.band is None else [rectangle(x(one.band[0]), y + 2, x(one.band[1]) - x(one.band[0]), ROW - 8, "data-band")]
    parts.append(line(x(one.low), middle, x(one.high), middle, f"{style}-line"))
    yield group(*parts, circle(x(one.value), middle, 4, f"{style}-dot"), hover=hover)
    if tight:
        yield text(width, middle + 4, "" if one.holds else "✗", "value fails", "end")
    else:
        yield text(x.end + 14, middle + 4, fitted(one.words, width - x.end - 14, 11.5), "value" if one.holds else "value fails")


def draw_paths(panels: Sequence[tuple[str, Sequence[Point]]], label: str, width: float) -> Element:
    """One small panel a parameter: its estimate and interval at the end of every fit."""
    columns = 1 if width < TIGHT else 3
    each = (width - GAP * (columns - 1)) / columns
    root = picture(width, -(-len(panels) // columns) * (SMALL + 10), label)
    for i, (title, points) in enumerate(panels):
        root.add(group(*_path(title, points, (i % columns) * (each + GAP), (i // columns) * (SMALL + 10), each)))
    return root


def _path(title: str, points: Sequence[Point], left: float, top: float, width: float) -> Iterator[Element]:
    ends = [value for p in points for value in (p.value, p.low, p.high) if value is not None]
    y = Linear(*padded(ends, 0.1), top + SMALL - 24, top + 24)
    x = Linear(*padded([p.at for p in points], 0.06), left + 52, left + width - 6)
    yield text(left, top + 13, fitted(title, width, 12.5), "label strong")
    for tick in y.ticks(4):
        yield line(x.start, y(tick), x.end, y(tick), "grid")
        yield text(x.start - 5, y(tick) + 4, f"{tick:.6g}", "tick", "end")
    for moment, words in year_ticks(x):
        yield text(x(moment), y.start + 15, words, "tick", "middle")
    yield line(x.start, y.start, x.end, y.start, "frame")
    for p in points:
        known = p.low is not None and p.high is not None
        whisker = line(x(p.at), y(p.low or 0.0), x(p.at), y(p.high or 0.0), "after-line") if known else None
        yield group(whisker, circle(x(p.at), y(p.value), 3.5, "after-dot" if known else "before-dot"), hover=p.hover)
