"""What is voted on, and what is watched afterwards: the specification, its bounds, roll-back, expiry and the sequence."""

from __future__ import annotations

from collections.abc import Iterator

from simulator.report.blocks import Block, Bullets, Cell, Code, Mark, Paragraph, Strong, Subheading, Table
from simulator.report.numbers import NOTHING, exact, named, step
from simulator.report.words import Proposal, is_proposed


def specification(proposal: Proposal) -> Iterator[Block]:
    """Parameter | Instance | Asset | Current | Proposed, digit for digit, and whether the change keeps its bounds."""
    if not is_proposed(proposal):
        yield Paragraph("Nothing is proposed: every parameter keeps its current value.")
    yield Table(
        ("Parameter", "Instance", "Asset", "Current", "Proposed", "Change", "Unit"),
        "lllrrrl",
        tuple(_row(row) for row in proposal["parameters"]),
    )
    yield Paragraph(
        "Values are fractions: 0.05 is 5 %. A parameter that the table does not name keeps its current value.", quiet=True
    )
    yield Table(
        ("Bounds of one proposal", "Grid", "Largest change", "Range", "Kept"),
        "lrrrl",
        tuple(_bounds(row) for row in proposal["step_bounds"]),
        small=True,
    )


def _row(row: Proposal) -> tuple[Cell, ...]:
    proposed = row["proposed"]
    if proposed is None or proposed == row["current"]:
        after: tuple[Cell, ...] = ("no change" if proposed is None else exact(proposed), NOTHING)
    else:
        after = (Strong(exact(proposed)), step(row["change"]))
    unit = named(row["unit"]) or "fraction"
    return (Code(row["parameter"]), row["instance"], row["asset"] or NOTHING, exact(row["current"]), *after, unit)


def _bounds(row: Proposal) -> tuple[Cell, ...]:
    kept = row["on_grid"] and row["within"]
    broken = "off its grid" if not row["on_grid"] else "outside its range or largest change"
    largest = "any" if row["max_change"] is None else exact(row["max_change"])
    low, high = (exact(end) for end in row["range"])
    return (Code(row["name"]), exact(row["step"]), largest, f"{low} to {high}", Mark(kept, "kept" if kept else broken))


def after_the_vote(proposal: Proposal) -> Iterator[Block]:
    """The roll-back trigger, the expiry of the analysis, and what follows a step that only reduces risk."""
    if proposal["sequence"]:
        yield Subheading("The steps that follow")
        yield Paragraph("This step begins a sequence. Every further step is voted on only after a calibration of its own.")
        names = list(proposal["sequence"][0]["values"])
        rows: list[tuple[Cell, ...]] = [
            (Code(name), *(exact(further["values"][name]) for further in proposal["sequence"])) for name in names
        ]
        heads = (f"Step {row['step']}, after {row['needs']}" for row in proposal["sequence"])
        yield Table(("Parameter", *heads), "l" + "r" * len(proposal["sequence"]), tuple(rows))
    yield Subheading("Roll-back")
    back = ", ".join(f"{name} = {exact(value)}" for name, value in proposal["rollback"]["to"].items())
    yield Paragraph("Return to the current values when one of these is seen:")
    yield Bullets(tuple(proposal["rollback"]["triggers"]))
    yield Paragraph(f"Current values: {back}.", quiet=True)
    yield Subheading("Expiry")
    yield Paragraph(expiry(proposal))


def expiry(proposal: Proposal) -> str:
    """Until when the analysis may be relied on."""
    found = proposal["expiry"]
    return f"The analysis expires on {found['date']}: {found['why']}." if found["date"] else f"No date: {found['why']}."
