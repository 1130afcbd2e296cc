"""Who proposes this and why, and what it is about: the book, its accounts, its liquidity."""

from __future__ import annotations

from collections.abc import Iterator

from simulator.outcomes import QUANTITIES
from simulator.report.blocks import Block, Bullets, Cell, Estimate, Paragraph, Table
from simulator.report.numbers import between, count, in_unit, named, percent, plain
from simulator.report.words import Proposal

NOT_STATED = "not stated"
STATED = {
    "author": "Author",
    "discussion": "Discussion",
    "conflicts": "Interests of the author",
    "licence": "Licence of the text",
}


def background(proposal: Proposal) -> Iterator[Block]:
    """The author's own words, then the context in numbers."""
    said, about = proposal.get("preamble"), proposal.get("context")
    if said:
        yield from (Paragraph(" ".join(part.split())) for part in said["motivation"].split("\n\n") if part.strip())
        rows = tuple((name, said[key] or NOT_STATED) for key, name in STATED.items())
        yield Table(("Who stands behind it", ""), "ll", rows, small=True)
        if said["references"]:
            yield Paragraph("References:")
            yield Bullets(tuple(said["references"]))
    if about:
        yield Table(("The book under current parameters", ""), "lr", tuple(_book(about)), caption=_caption(about), small=True)


def _book(about: Proposal) -> Iterator[tuple[Cell, ...]]:
    yield "Accounts", count(about["accounts"])
    for row in about["book"]:
        if row["value"]:
            unit = QUANTITIES[row["quantity"]][0]
            name = "insurance fund at the end" if row["quantity"] == "fund_end" else row["quantity"].replace("_", " ")
            yield (
                Estimate(name[:1].upper() + name[1:], named(unit)),
                Estimate(in_unit(row["value"], unit), between(row["low"], row["high"], unit)),
            )
    for place, usd in about["depth_usd"].items():
        yield Estimate(f"Depth of {place}", "USD traded that move the log price by 1, in a market as usual"), plain(usd)


def _caption(about: Proposal) -> str:
    if not about["book"]:
        return "Nothing was confirmed, so the book was not averaged."
    one = about["book"][0]
    return f"Means over {count(one['paths'])} confirmation paths, with {percent(one['confidence'])} intervals."
