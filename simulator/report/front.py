"""Several goals at once: what could have been chosen instead, at other weights."""

from __future__ import annotations

from collections.abc import Iterator

from simulator.report.blocks import Block, Cell, Estimate, Mark, Paragraph, Subheading, Table
from simulator.report.figures.drawn import drawn
from simulator.report.figures.front import draw_front
from simulator.report.numbers import between, certain, count, exact, percent, plain, signed
from simulator.report.words import Proposal


def front(proposal: Proposal) -> Iterator[Block]:
    """The front in words, as a figure, and in numbers; nothing where the scenario asked for none."""
    found = proposal.get("front")
    if not found:
        return
    goals = [goal["words"] for goal in found["goals"]]
    yield Subheading(f"The front: {' against '.join(goals)}")
    kept = sum(point["is_kept"] for point in found["points"])
    volume = found["volume"]
    yield Paragraph(
        f"{count(kept)} of {count(len(found['points']))} candidates are likely to pass every limit and are beaten by none in "
        f"every goal. All are estimated again on the {count(proposal['paths']['selection'])} selection paths, against current "
        f"parameters; all intervals hold together with {percent(found['confidence'])} confidence. Volume that they command: "
        f"{plain(volume['value'])} ({between(volume['low'], volume['high'], '1')})."
    )
    yield from drawn(
        "figure-front",
        "What more of one goal costs of the other",
        "Dark dots: on the front. Grey: beaten, or not likely to pass. Lines: intervals. Right and up is better.",
        draw_front,
        proposal,
    )
    yield Table(
        ("Values that differ from current ones", *(words.capitalize() for words in goals), "Chance to pass", ""),
        "l" + "r" * (len(goals) + 1) + "l",
        tuple(_point(point, proposal) for point in found["points"]),
        small=True,
    )


def _point(point: Proposal, proposal: Proposal) -> tuple[Cell, ...]:
    current = {one["name"]: one["current"] for one in proposal["parameters"]}
    changed = ", ".join(f"{name} = {exact(value)}" for name, value in point["values"].items() if value != current.get(name))
    goals = [Estimate(signed(goal["value"]), between(goal["low"], goal["high"], "1")) for goal in point["goals"]]
    role = "chosen" if point["is_chosen"] else "current" if point["is_current"] else ""
    words = "on the front" if point["is_kept"] else "beaten" if point["is_within"] else "may not pass"
    return (changed or "none", *goals, certain(point["chance_to_pass"]), Mark(point["is_kept"], f"{words} {role}".strip()))
