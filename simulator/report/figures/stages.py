"""Search, selection, confirmation: the same figures on three sets of paths, a panel each."""

from __future__ import annotations

from collections.abc import Iterator

from simulator.report.figures.drawn import TIGHT
from simulator.report.numbers import in_unit
from simulator.report.scales import Linear, padded
from simulator.report.svg import Element, circle, fitted, group, line, path, picture, text
from simulator.report.words import Proposal, short_condition

STAGES = ("search", "selection", "confirmed")
GAP = 28.0


def draw_stages(proposal: Proposal, width: float) -> Element | None:
    """None where nothing was confirmed."""
    rows = [row for row in proposal["stages"] if any(row[stage] is not None for stage in STAGES)]
    if not rows:
        return None
    judged = {row["condition"]: row["after"] for row in proposal["evidence"][0]["conditions"]}
    columns = 1 if width < TIGHT else min(3, len(rows))
    panel = (width - GAP * (columns - 1)) / columns
    height = 124.0 if columns == 1 else 158.0
    root = picture(width, -(-len(rows) // columns) * (height + 12), "Each figure on search, selection and confirmation paths")
    for i, row in enumerate(rows):
        left, top = (i % columns) * (panel + GAP), (i // columns) * (height + 12)
        root.add(group(*_panel(row, judged.get(row["figure"]), left, top, panel, height)))
    return root


def _panel(row: Proposal, judged: Proposal | None, left: float, top: float, width: float, height: float) -> Iterator[Element]:
    unit = judged["unit"] if judged else "1"
    values = [row[stage] for stage in STAGES]
    seen = [value for value in values if value is not None]
    allowed = judged["allowed"] if judged else None
    in_range = allowed is not None and allowed <= 3 * max(*seen, 1e-12)
    low, high = padded([0.0, *seen, allowed] if in_range and allowed is not None else [0.0, *seen], 0.12)
    y = Linear(0.0 if min(seen) >= 0 else low, high, top + height - 26, top + 34)
    x = [left + width * share for share in (0.16, 0.5, 0.84)]
    name = "Goal" if row["figure"] == "goal" else short_condition(row["figure"])
    yield text(left, top + 13, fitted(name, width, 12.5), "label strong")
    yield line(left, y(0.0), left + width, y(0.0), "frame")
    if in_range and allowed is not None:
        yield line(left, y(allowed), left + width, y(allowed), "limit dashed")
    points = [(at, y(value)) for at, value in zip(x, values, strict=True) if value is not None]
    if len(points) > 1:
        yield path(points, "after-curve thin")
    for at, stage, value in zip(x, STAGES, values, strict=True):
        yield text(at, y.start + 16, stage, "tick strong" if stage == "confirmed" else "tick", "middle")
        if value is not None:
            yield circle(at, y(value), 4.5, "after-dot" if stage == "confirmed" else "before-dot")
            yield text(at, y(value) - 10, in_unit(value, unit), "value halo", "middle")
