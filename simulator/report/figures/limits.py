"""Every limit in every world: estimate and upper bound, current and proposed, as a share of the limit."""

from __future__ import annotations

from collections.abc import Iterator

from simulator.report.figures.drawn import TIGHT
from simulator.report.figures.legend import legend, marker
from simulator.report.numbers import in_unit, percent
from simulator.report.scales import Linear
from simulator.report.svg import Element, fitted, group, line, path, picture, rectangle, text
from simulator.report.words import Proposal, after, condition, world

FARTHEST = 8.0  # times the limit: what lies beyond is an arrow at the edge, with its number beside it
TOP, HEAD, FOOT = 34.0, 34.0, 40.0  # [px] above the first limit, of a limit's title, of the axis
LANE = 5.0  # [px] of each side from the middle of its row


def draw_limits(proposal: Proposal, width: float) -> Element | None:
    """None where no limit can be a scale (a limit of zero)."""
    rows = _rows(proposal)
    if not rows:
        return None
    tight = width < TIGHT
    row_height = 50.0 if tight else 29.0
    left, right = (6.0, width - 10) if tight else (200.0, width - 170)
    bottom = TOP + sum(HEAD + row_height * len(places) for _, places in rows)
    x = Linear(0.0, _end(proposal), left, right)
    found = picture(width, bottom + FOOT, "Estimates and upper bounds of every limit in every world")
    found.add(legend(0.0 if tight else left, 14.0, after(proposal)))
    y = TOP
    for name, places in rows:
        height = row_height * len(places)
        found.add(text(0, y + 21, fitted(condition(name), width - 8, 12.5), "label strong"))
        strips = [(y + HEAD + row_height * i + 16, 28.0) for i in range(len(places))] if tight else [(y + HEAD - 5, height)]
        for top, tall in strips:
            found.add(_ground(x, top, tall), *_lines(x, top, tall))
        for i, (label, row) in enumerate(places):
            found.add(*_row(x, y + HEAD + row_height * i, label, row, width, tight))
        y += HEAD + height
    return found.add(*_axis(x, bottom))


def _rows(proposal: Proposal) -> list[tuple[str, list[tuple[str, Proposal]]]]:
    """(condition, [(world, its two judgements)]), for limits above zero."""
    found: dict[str, list[tuple[str, Proposal]]] = {}
    for place in proposal["evidence"]:
        for row in place["conditions"]:
            if row["after"]["allowed"] and row["before"]["allowed"]:
                found.setdefault(row["condition"], []).append((place["world"], row))
    return list(found.items())


def _end(proposal: Proposal) -> float:
    """How far the scale reaches: to the farthest mark of a world that decides."""
    places = [place for place in proposal["evidence"] if place["decides"]] or proposal["evidence"]
    judged = [row[side] for place in places for row in place["conditions"] for side in ("before", "after")]
    shares = [_share(side, what) for side in judged if side["allowed"] for what in ("value", "bound")]
    return min(FARTHEST, max(1.3, *(1.06 * share for share in shares if share is not None), 0.0))


def _share(side: Proposal, what: str) -> float | None:
    return None if side[what] is None else side[what] / side["allowed"]


def _ground(x: Linear, y: float, height: float) -> Element:
    return group(
        rectangle(x.start, y, x(1.0) - x.start, height, "inside"),
        rectangle(x(1.0), y, x.end - x(1.0), height, "beyond"),
    )


def _lines(x: Linear, y: float, height: float) -> Iterator[Element]:
    for tick in x.ticks(6):
        yield line(x(tick), y, x(tick), y + height, "limit" if tick == 1 else "grid")
    yield line(x(1.0), y, x(1.0), y + height, "limit")


def _row(x: Linear, y: float, label: str, row: Proposal, width: float, tight: bool) -> Iterator[Element]:
    middle = y + (30 if tight else 9)
    words, style = _numbers(row), "value" if row["after"]["passes"] else "value fails"
    if tight:
        yield text(x.start, y + 12, fitted(world(label), width - 160), "label")
        yield text(width, y + 12, words, style, "end")
    else:
        yield text(x.start - 12, middle + 4, fitted(world(label), x.start - 16), "label", "end")
        yield text(width, middle + 4, words, style, "end")
    yield _lane(x, middle - LANE, "before", row["before"])
    yield _lane(x, middle + LANE, "after", row["after"])


def _numbers(row: Proposal) -> str:
    def bound(side: Proposal) -> str:
        return "none" if side["bound"] is None else in_unit(side["bound"], side["unit"])

    sign = "✓" if row["after"]["passes"] else "✗"
    return f"{bound(row['before'])} → {bound(row['after'])} {sign}"


def _lane(x: Linear, y: float, side: str, judged: Proposal) -> Element:
    value, bound = _share(judged, "value"), _share(judged, "bound")
    hover = (
        f"estimate {in_unit(judged['value'], judged['unit'])}, bound {in_unit(judged['bound'], judged['unit'])}, "
        f"allowed {in_unit(judged['allowed'], judged['unit'])}"
    )
    found = group(hover=hover)
    end = x.high * 2 if bound is None else bound
    if value is not None:
        found.add(line(x(value), y, x(end), y, f"{side}-line"))
    if end <= x.high:
        found.add(line(x(end), y - 4, x(end), y + 4, f"{side}-line"))
    else:
        found.add(path([(x.end - 7, y - 4), (x.end, y), (x.end - 7, y + 4)], f"{side}-arrow", closed=True))
    if value is not None and value <= x.high:
        found.add(marker(x(value), y, side))
    return found


def _axis(x: Linear, y: float) -> Iterator[Element]:
    for tick in x.ticks(6 if x.end - x.start > 400 else 4):
        words = "limit" if tick == 1 else percent(tick)
        place = "start" if tick == 0 and x.start < 20 else "middle"
        yield text(x(tick), y + 12, words, "tick strong" if tick == 1 else "tick", place)
    yield text((x.start + x.end) / 2, y + 30, "share of the limit", "axis", "middle")
