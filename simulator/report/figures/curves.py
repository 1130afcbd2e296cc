"""Small panels of curves: the data with their interval, and simulated paths with theirs, one panel an asset or a pair."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from simulator.parameters import DAY
from simulator.report.figures.drawn import TIGHT
from simulator.report.numbers import plain
from simulator.report.scales import Linear, Logarithmic, padded
from simulator.report.svg import Element, fitted, group, line, path, picture, text

if TYPE_CHECKING:
    from simulator.estimation.portrait import Curve

Scale = Linear | Logarithmic
GAP, HEIGHT, LEGEND = 26.0, 214.0, 24.0  # [px]


@dataclass(frozen=True)
class Axes:
    """What the axes say: names, whether the horizontal one is logarithmic, how its values are written."""

    across: str
    up: str
    is_logarithmic: bool = False
    words: Callable[[float], str] = plain
    up_words: Callable[[float], str] = plain
    ticks: Callable[[Scale], list[tuple[float, str]]] | None = None  # where round numbers will not do
    floor: float | None = None  # the lowest value shown


def draw_curves(panels: Sequence[tuple[str, Curve]], axes: Axes, label: str, width: float) -> Element:
    """Panels in rows of three, on a phone in one column."""
    columns = 1 if width < TIGHT else 3
    each = (width - GAP * (columns - 1)) / columns
    rows = -(-len(panels) // columns)
    root = picture(width, LEGEND + rows * HEIGHT + (rows - 1) * GAP / 2, label).add(_legend())
    for i, (title, curve) in enumerate(panels):
        left, top = (i % columns) * (each + GAP), LEGEND + (i // columns) * (HEIGHT + GAP / 2)
        root.add(group(*_panel(title, curve, axes, left, top, each)))
    return root


def _legend() -> Element:
    found = group(text(24, 12, "Data, 95 % interval", "label"), text(178, 12, "Simulated, 95 % of paths", "label strong"))
    for start, side in ((0.0, "data"), (154.0, "after")):
        box = [(start, 2.0), (start + 18, 2.0), (start + 18, 14.0), (start, 14.0)]
        found.add(path(box, f"{side}-band", closed=True), path([(start, 8.0), (start + 18, 8.0)], f"{side}-curve"))
    return found


def _panel(title: str, curve: Curve, axes: Axes, left: float, top: float, width: float) -> Iterator[Element]:
    x, y = _scales(curve, axes, left + 40, left + width - 4, top + HEIGHT - 38, top + 24)
    yield text(left, top + 13, fitted(title, width, 12.5), "label strong")
    for tick in y.ticks(4):
        yield line(x.start, y(tick), x.end, y(tick), "zero" if tick == 0 else "grid")
        yield text(x.start - 5, y(tick) + 4, axes.up_words(tick), "tick", "end")
    for value, words in _ticks(x, axes):
        yield line(x(value), y.end, x(value), y.start, "grid")
        yield text(x(value), y.start + 15, words, "tick", "end" if x(value) > x.end - 14 else "middle")
    yield text((x.start + x.end) / 2, y.start + 32, axes.across, "axis", "middle")
    yield text(x.end, top + 13, axes.up, "axis", "end")
    for side, middle, low, high in (
        ("after", curve.simulated, curve.simulated_low, curve.simulated_high),
        ("data", curve.data, curve.low, curve.high),
    ):
        band = [*zip(curve.at, high, strict=True), *reversed([*zip(curve.at, low, strict=True)])]
        yield path([(x(a), y(b)) for a, b in band], f"{side}-band", closed=True)
        yield path([(x(a), y(b)) for a, b in zip(curve.at, middle, strict=True)], f"{side}-curve")


def _scales(curve: Curve, axes: Axes, left: float, right: float, bottom: float, top: float) -> tuple[Scale, Linear]:
    values = np.concatenate([curve.data, curve.low, curve.high, curve.simulated, curve.simulated_low, curve.simulated_high])
    low, high = padded([float(value) for value in (values.min(), values.max())], 0.04)
    low = low if axes.floor is None else min(axes.floor, float(values.min()))
    first, last = float(curve.at.min()), float(curve.at.max())
    if not first < last:
        first, last = padded([first])
    scale = Logarithmic if axes.is_logarithmic and first > 0 else Linear
    return scale(first, last, left, right), Linear(low, high, bottom, top)


def _ticks(x: Scale, axes: Axes) -> list[tuple[float, str]]:
    if axes.ticks is not None:
        return axes.ticks(x)
    ticks = x.ticks(4)
    while len(ticks) > 5:
        ticks = ticks[::2]
    return [(tick, axes.words(tick)) for tick in ticks]


def lag_ticks(x: Scale) -> list[tuple[float, str]]:
    """Lengths of time [s] that people say."""
    lengths = ((60.0, "1 min"), (600.0, "10 min"), (3_600.0, "1 h"), (21_600.0, "6 h"), (DAY, "1 d"), (7 * DAY, "7 d"))
    return [(seconds, words) for seconds, words in (*lengths, (30 * DAY, "30 d")) if x.low * 0.999 <= seconds <= x.high * 1.001]


def year_ticks(x: Scale) -> list[tuple[float, str]]:
    """First days of years [s since 1970], or of months where fewer than two years begin."""
    first, last = (datetime.fromtimestamp(value, UTC) for value in (x.low, x.high))
    years = [datetime(year, 1, 1, tzinfo=UTC) for year in range(first.year, last.year + 1)]
    years = [moment for moment in years if first <= moment <= last]
    if len(years) >= 2:
        every = -(-len(years) // 5)
        return [(moment.timestamp(), f"{moment.year}") for moment in years[::every]]
    months = [datetime(y, m, 1, tzinfo=UTC) for y in range(first.year, last.year + 1) for m in range(1, 13)]
    months = [moment for moment in months if first <= moment <= last]
    every = max(1, -(-len(months) // 4))
    return [(moment.timestamp(), f"{moment:%Y-%m}") for moment in months[::every]]
