"""Several goals against each other: every point of the front on fresh paths, each with its intervals."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from simulator.report.figures.drawn import TIGHT
from simulator.report.numbers import exact, signed
from simulator.report.scales import Linear, padded
from simulator.report.svg import Element, circle, line, path, picture, text
from simulator.report.words import Proposal


def draw_front(proposal: Proposal, width: float) -> Element | None:
    """The first two goals; None where the scenario asked for no front."""
    found = proposal.get("front")
    if not found or len(found["points"]) < 2:
        return None
    tight = width < TIGHT
    height, left = (290.0, 56.0) if tight else (400.0, 72.0)
    points = found["points"]
    x = Linear(*padded(_ends(points, 0)), left, width - 16)
    y = Linear(*padded(_ends(points, 1)), height - 44, 18.0)
    root = picture(width, height, "Every point of the front: one goal against the other")
    root.add(*_axes(x, y, found["goals"], tight), _line(points, x, y))
    ordered = sorted(points, key=lambda one: (one["is_kept"], one["is_current"], one["is_chosen"]))
    root.add(*(shape for one in ordered for shape in _point(one, x, y)))
    return root.add(*(_named(one, x, y) for one in ordered if one["is_current"] or one["is_chosen"]))


def _ends(points: list[Proposal], goal: int) -> list[float]:
    return [one["goals"][goal][end] for one in points for end in ("low", "high")]


def _point(one: Proposal, x: Linear, y: Linear) -> Iterator[Element]:
    first, second = one["goals"][:2]
    at, up = x(first["value"]), y(second["value"])
    yield line(x(first["low"]), up, x(first["high"]), up, "whisker")
    yield line(at, y(second["low"]), at, y(second["high"]), "whisker")
    role = "chosen" if one["is_chosen"] else "current" if one["is_current"] else "front" if one["is_kept"] else "other"
    values = ", ".join(f"{name} = {exact(value)}" for name, value in one["values"].items())
    hover = f"{values}; {signed(first['value'])} and {signed(second['value'])}"
    yield circle(at, up, {"chosen": 7.0, "current": 6.0}.get(role, 4.0), f"candidate {role}", hover)


def _named(one: Proposal, x: Linear, y: Linear) -> Element:
    at, up = x(one["goals"][0]["value"]), y(one["goals"][1]["value"])
    anchor = "start" if at < x.start + 80 else "end" if at > x.end - 80 else "middle"
    name = "chosen" if one["is_chosen"] else "current parameters"
    return text(at, up - 12 if up > y.end + 24 else up + 22, name, "label strong halo", anchor)


def _line(points: list[Proposal], x: Linear, y: Linear) -> Element | None:
    """The edge of what the kept points reach, where two goals are all."""
    kept = sorted((one["goals"][0]["value"], one["goals"][1]["value"]) for one in points if one["is_kept"])
    if len(kept) < 2 or len(points[0]["goals"]) > 2:
        return None
    corners = [kept[0]]
    for before, now in pairwise(kept):
        corners += [(before[0], now[1]), now]
    return path([(x(a), y(b)) for a, b in corners], "front-line")


def _axes(x: Linear, y: Linear, goals: list[Proposal], tight: bool) -> Iterator[Element]:
    for tick in y.ticks(5):
        yield line(x.start, y(tick), x.end, y(tick), "zero" if tick == 0 else "grid")
        yield text(x.start - 6, y(tick) + 4, signed(tick), "tick", "end")
    for tick in x.ticks(3 if tight else 6):
        yield line(x(tick), y.start, x(tick), y.end, "zero" if tick == 0 else "grid")
        yield text(x(tick), y.start + 16, signed(tick), "tick", "middle")
    yield text((x.start + x.end) / 2, y.start + 36, f"{goals[0]['words']}, change against current", "axis", "middle")
    yield text(x.start + 6, y.end - 6, f"{goals[1]['words']}, change against current", "axis")
