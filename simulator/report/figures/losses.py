"""The exceedance curve of loss: current and proposed on the same confirmation paths, with their bands."""

from __future__ import annotations

from collections.abc import Iterator

from simulator.report.figures.drawn import TIGHT
from simulator.report.figures.legend import legend
from simulator.report.numbers import SPACE, percent
from simulator.report.scales import Logarithmic
from simulator.report.svg import Element, group, line, path, picture, rectangle, text
from simulator.report.words import Proposal, after, condition

SMALLEST = 1e-6  # of the largest loss
BIG = ((1e12, "T"), (1e9, "bn"), (1e6, "m"), (1e3, "k"))


def draw_losses(proposal: Proposal, width: float) -> Element | None:
    """None without `loss_distribution`, and where all losses in it are the same: one point is no curve."""
    found = proposal.get("loss_distribution")
    losses = _drawn_losses(found) if found else []
    if found is None or losses[:1] == losses[-1:]:
        return None
    tight = width < TIGHT
    height, left = (280.0, 44.0) if tight else (380.0, 64.0)
    x = Logarithmic(losses[0], losses[-1], left, width - 14)
    y = Logarithmic(_lowest(found), 1.0, height - 44, 34.0)
    root = picture(width, height, "Share of paths whose loss is larger, current and " + after(proposal).lower())
    root.add(*_axes(x, y, tight), legend(left, 14.0, after(proposal), curves=True))
    root.add(*_limits(found, x, y))
    for side in ("before", "after"):
        root.add(_band(found, side, x, y))
    for side in ("before", "after"):
        root.add(_curve(found, side, x, y))
    return root


def _drawn_losses(found: Proposal) -> list[float]:
    """Losses above zero, without what is small as dust beside the largest."""
    return [loss for loss in found["loss"] if loss > SMALLEST * max(found["loss"])]


def _lowest(found: Proposal) -> float:
    """The bottom of the scale: a third of one path, so that one path is seen above it."""
    return 1.0 / (3.0 * max(1, found["paths"]))


def _points(found: Proposal, side: str, what: str) -> list[tuple[float, float]]:
    drawn = set(_drawn_losses(found))
    return [(loss, share) for loss, share in zip(found["loss"], found[side][what], strict=True) if loss in drawn]


def _band(found: Proposal, side: str, x: Logarithmic, y: Logarithmic) -> Element:
    high = [(x(loss), y(share)) for loss, share in _points(found, side, "high")]
    low = [(x(loss), y(share)) for loss, share in _points(found, side, "low")]
    return path([*high, *reversed(low)], f"{side}-band", closed=True)


def _curve(found: Proposal, side: str, x: Logarithmic, y: Logarithmic) -> Element | None:
    seen = [(x(loss), y(share)) for loss, share in _points(found, side, "probability") if share > 0]
    return path(seen, f"{side}-curve") if len(seen) > 1 else None


def _limits(found: Proposal, x: Logarithmic, y: Logarithmic) -> Iterator[Element]:
    """A corner that the curve has to pass below and to the left of."""
    for limit in found["limits"]:
        at, share = limit["loss"], limit["probability"]
        if at > 0 and share > 0:
            corner = [(x.end, y(share)), (x(at), y(share)), (x(at), y.end)]
            number = condition(limit["condition"]).partition(":")[0]
            yield group(
                rectangle(x(at), y.end, x.end - x(at), y(share) - y.end, "beyond"),
                path(corner, "limit-corner"),
                text(x.end - 2, y(share) - 6, number, "label limit-name", "end"),
                hover=f"{number}: loss above {money(at)} USD on at most {percent(share)} of paths",
            )


def _axes(x: Logarithmic, y: Logarithmic, tight: bool) -> Iterator[Element]:
    for share in y.ticks(6):
        yield line(x.start, y(share), x.end, y(share), "grid")
        yield text(x.start - 6, y(share) + 4, percent(share), "tick", "end")
    ticks = x.ticks(4 if tight else 7)
    while len(ticks) > (5 if tight else 9):
        ticks = ticks[::2]
    for loss in ticks:
        yield line(x(loss), y.end, x(loss), y.start, "grid")
        yield text(x(loss), y.start + 16, money(loss), "tick", "middle")
    yield line(x.start, y.start, x.end, y.start, "frame")
    yield text((x.start + x.end) / 2, y.start + 36, "loss of a path [USD], both scales logarithmic", "axis", "middle")


def money(value: float) -> str:
    """Dollars, short."""
    for size, name in BIG:
        if value >= size * (1 - 1e-9):
            return f"{value / size:.3g}{SPACE}{name}"
    return f"{value:.3g}"
