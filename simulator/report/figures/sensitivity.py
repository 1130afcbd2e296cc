"""One step down and up in each parameter: bars of the goal's change, and whether a limit breaks."""

from __future__ import annotations

from collections.abc import Iterator

from simulator.report.figures.drawn import TIGHT
from simulator.report.numbers import certain, exact, signed
from simulator.report.scales import Linear
from simulator.report.svg import Element, fitted, group, line, picture, rectangle, text
from simulator.report.words import Proposal, condition

BAR, GAP, FOOT = 17.0, 12.0, 42.0


def draw_sensitivity(proposal: Proposal, width: float) -> Element | None:
    """None without neighbours."""
    rows = [row for row in proposal["sensitivity"] if row["goal_change"] is not None]
    if not rows:
        return None
    tight = width < TIGHT
    head = 20.0 if tight else 0.0
    names = list(dict.fromkeys(row["name"] for row in rows))
    left, right = (52.0, width - 96) if tight else (330.0, width - 150)
    height = 22 + sum(GAP + head + BAR * sum(row["name"] == name for row in rows) for name in names)
    most = max(abs(row["goal_change"]) for row in rows) or 1.0
    x = Linear(-1.1 * most, 1.1 * most, left, right)
    root = picture(width, height + FOOT, "Change of the goal for one step down or up in each parameter")
    root.add(text(width, 12, "chance to pass", "tick", "end"), *_axis(x, 18.0, height, tight))
    y = 22.0
    for name in names:
        mine = [row for row in rows if row["name"] == name]
        middle = y + head + BAR * len(mine) / 2
        if tight:
            root.add(text(0, y + 14, fitted(name, width), "label halo"))
        else:
            root.add(text(left - 62, middle + 4, fitted(name, left - 66, 11.5), "label", "end"))
        for i, row in enumerate(mine):
            root.add(*_bar(x, y + head + BAR * i, row, width))
        y += GAP + head + BAR * len(mine)
    return root


def _bar(x: Linear, y: float, row: Proposal, width: float) -> Iterator[Element]:
    zero, end = x(0.0), x(row["goal_change"])
    broken = ", ".join(condition(name) for name in row["breaks"])
    hover = f"{row['name']} at {exact(row['value'])}: goal {signed(row['goal_change'])}, breaks {broken or 'no limit'}"
    style = "bar breaks" if row["fragile"] else "bar holds"
    yield text(x.start - 8, y + 12, exact(row["value"]), "tick", "end")
    yield group(rectangle(min(zero, end), y + 2, max(1.5, abs(end - zero)), BAR - 5, style), hover=hover)
    words = certain(row["chance_to_pass"]) + ("  breaks ✗" if row["fragile"] else "")
    yield text(width, y + 12, words, "value strong" if row["fragile"] else "value", "end")


def _axis(x: Linear, top: float, bottom: float, tight: bool) -> Iterator[Element]:
    for tick in x.ticks(3 if tight else 5):
        yield line(x(tick), top, x(tick), bottom, "zero" if tick == 0 else "grid")
        yield text(x(tick), bottom + 14, signed(tick), "tick", "middle")
    yield text((x.start + x.end) / 2, bottom + 34, "change of the goal", "axis", "middle")
