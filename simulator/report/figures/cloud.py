"""What was tried: the goal against the tail of every candidate, or, where the cloud is not told, of the finalists."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from simulator.report.figures.drawn import TIGHT
from simulator.report.numbers import exact, percent, signed
from simulator.report.scales import Linear, Logarithmic, padded
from simulator.report.svg import Element, circle, group, line, path, picture, rectangle, text
from simulator.report.words import Proposal

NEAREST, FARTHEST = 0.02, 50.0  # times the limit


@dataclass(frozen=True)
class Candidate:
    """One dot. `role`: "current", "chosen", "front" or ""."""

    tail: float
    goal: float
    role: str
    values: dict[str, float]


def draw_cloud(proposal: Proposal, width: float) -> Element | None:
    """None where neither cloud nor finalists are told."""
    dots = list(_searched(proposal)) or list(_finalists(proposal))
    if len(dots) < 2:
        return None
    tight = width < TIGHT
    height, left = (290.0, 48.0) if tight else (400.0, 64.0)
    x = Logarithmic(*_reach(dots), left, width - 14)
    y = Linear(*padded([dot.goal for dot in dots]), height - 44, 14.0)
    root = picture(width, height, "Goal of every candidate against its tail as a share of the limit")
    root.add(rectangle(x.start, y.end, x(1.0) - x.start, y.start - y.end, "inside"))
    root.add(rectangle(x(1.0), y.end, x.end - x(1.0), y.start - y.end, "beyond"))
    root.add(*_axes(x, y, tight), _front(dots, x, y))
    ordered = sorted(dots, key=lambda dot: ("", "front", "current", "chosen").index(dot.role))
    root.add(*(_dot(dot, x, y) for dot in ordered))
    return root.add(*(_named(dot, x, y) for dot in ordered if dot.role in ("current", "chosen")))


def _reach(dots: list[Candidate]) -> tuple[float, float]:
    tails = [dot.tail for dot in dots]
    return max(NEAREST, min(0.5, 0.8 * min(tails))), min(FARTHEST, max(2.0, 1.25 * max(tails)))


def _searched(proposal: Proposal) -> Iterator[Candidate]:
    for one in (proposal.get("search_cloud") or {}).get("candidates", ()):
        role = "chosen" if one["is_chosen"] else "current" if one["is_current"] else "front" if one["is_front"] else ""
        if one["tail_share_of_limit"] is not None and one["goal"] is not None:
            yield Candidate(max(0.0, one["tail_share_of_limit"]), one["goal"], role, one["values"])


def _finalists(proposal: Proposal) -> Iterator[Candidate]:
    allowed = {row["condition"]: row["after"]["allowed"] for row in proposal["evidence"][0]["conditions"]}
    for one in proposal["finalists"]:
        shares = [
            row["bound"] / allowed[row["condition"]]
            for row in one["conditions"]
            if row["bound"] is not None and allowed.get(row["condition"])
        ]
        if len(shares) == len(one["conditions"]) and shares and one["goal"] is not None:
            role = "chosen" if one["is_chosen"] else "current" if one["is_current"] else ""
            yield Candidate(max(shares), one["goal"], role, one["values"])


def _dot(dot: Candidate, x: Logarithmic, y: Linear) -> Element:
    values = ", ".join(f"{name} = {exact(value)}" for name, value in dot.values.items())
    hover = f"{values}; goal {signed(dot.goal)}, {percent(dot.tail)} of the limit"
    at, up = x(dot.tail), y(dot.goal)
    if not x.low <= dot.tail <= x.high:
        tip = 6 if dot.tail > x.high else -6
        shape = path([(at - tip, up - 4), (at, up), (at - tip, up + 4)], f"candidate {dot.role or 'other'}", closed=True)
        return group(shape, hover=hover)
    sizes = {"chosen": 7.0, "current": 6.0, "front": 3.5, "": 3.0}
    return circle(at, up, sizes[dot.role], f"candidate {dot.role or 'other'}", hover)


def _named(dot: Candidate, x: Logarithmic, y: Linear) -> Element:
    name = "chosen" if dot.role == "chosen" else "current parameters"
    at, up = x(dot.tail), y(dot.goal)
    anchor = "start" if at < x.start + 80 else "end" if at > x.end - 80 else "middle"
    return text(at, up - 12 if up > y.end + 24 else up + 20, name, "label strong halo", anchor)


def _front(dots: list[Candidate], x: Logarithmic, y: Linear) -> Element | None:
    """Candidates that no other beats in both; the chosen and the current one belong to it where they are on it."""
    line_of = sorted((dot.tail, dot.goal) for dot in dots if dot.role and dot.tail <= x.high)
    kept: list[tuple[float, float]] = []
    for tail, goal in line_of:
        if not kept or goal > kept[-1][1]:
            kept.append((tail, goal))
    if len(kept) < 2 or not any(dot.role == "front" for dot in dots):
        return None
    steps = [kept[0]]
    for (_, before), (tail, goal) in pairwise(kept):
        steps += [(tail, before), (tail, goal)]
    return path([(x(tail), y(goal)) for tail, goal in steps], "front-line")


def _round(x: Logarithmic) -> list[float]:
    return [share for share in (0.02, 0.05, 0.1, 0.2, 0.5, 2.0, 5.0, 10.0, 20.0, 50.0) if x.low <= share <= x.high]


def _axes(x: Logarithmic, y: Linear, tight: bool) -> Iterator[Element]:
    for goal in y.ticks(5):
        yield line(x.start, y(goal), x.end, y(goal), "zero" if goal == 0 else "grid")
        yield text(x.start - 6, y(goal) + 4, signed(goal), "tick", "end")
    for share in _round(x)[:: 2 if tight else 1]:
        yield text(x(share), y.start + 16, percent(share), "tick", "end" if x(share) > x.end - 20 else "middle")
    yield line(x(1.0), y.end, x(1.0), y.start, "limit")
    yield text(x(1.0), y.start + 16, "limit", "tick strong", "middle")
    yield text((x.start + x.end) / 2, y.start + 36, "share of the limit, logarithmic", "axis", "middle")
    yield text(x.start + 6, y.end + 14, "goal", "axis")
