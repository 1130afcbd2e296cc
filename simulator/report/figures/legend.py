"""The two sides of every comparison, drawn alike everywhere: current parameters grey and hollow, the candidate blue and full."""

from __future__ import annotations

from simulator.report.svg import Element, circle, group, path, text


def marker(x: float, y: float, side: str, *, fails: bool = False, hover: str | None = None) -> Element:
    """The mark of one side, "before" or "after"; one that fails has a cross in it."""
    found = circle(x, y, 4.5, f"{side}-dot", hover)
    if not fails:
        return found
    cross = (path([(x - 2, y - 2), (x + 2, y + 2)], f"{side}-cross"), path([(x - 2, y + 2), (x + 2, y - 2)], f"{side}-cross"))
    return group(found, *cross)


def legend(x: float, y: float, after: str, *, curves: bool = False) -> Element:
    """Both marks, or both kinds of curve, with their names, on one line from (x, y)."""
    found = group(text(x + 22, y, "Current", "label"), text(x + 112, y, after, "label strong"))
    for start, side in ((x, "before"), (x + 90, "after")):
        sample = path([(start, y - 4), (start + 17, y - 4)], f"{side}-curve") if curves else marker(start + 8, y - 4, side)
        found.add(sample)
    return found
