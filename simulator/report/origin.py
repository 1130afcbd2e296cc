"""Where the result comes from, and what it says nothing about."""

from __future__ import annotations

from collections.abc import Iterator

from simulator.report.blocks import Block, Bullets, Code, Listing, Paragraph, Table
from simulator.report.change import expiry
from simulator.report.numbers import count
from simulator.report.words import Proposal, is_proposed


def not_covered(proposal: Proposal) -> Iterator[Block]:
    """What no figure of this document speaks about."""
    yield Paragraph("This analysis says nothing about:")
    yield Bullets(tuple(proposal["not_covered"]))
    if not is_proposed(proposal):
        yield Paragraph(expiry(proposal), quiet=True)


def _data(found: Proposal | None) -> Iterator[tuple[str, str | Code]]:
    """The price file that the market was fitted to."""
    if found:
        yield "Prices", f"{found['prices']}, {count(found['rows'])} rows, {found['since']} to {found['until']}"
        yield "Hash of the prices", Code(found["sha256"])


def reproduce(proposal: Proposal) -> Iterator[Block]:
    """The command, the seed, hashes and versions."""
    found = proposal["reproduce"]
    yield Paragraph(
        "With the scenario file of this result, one command gives the same proposal, with the same versions byte for byte:"
    )
    yield Listing(found["command"])
    yield Table(
        ("Made from", ""),
        "ll",
        (
            ("Scenario", proposal["scenario"]),
            ("Hash of the scenario", Code(found["scenario_hash"])),
            ("Hash of the question", Code(found["lineage"])),
            *_data(found["data"]),
            ("Seed", f"{found['seed']}"),
            ("Confirmation paths", count(proposal["paths"]["confirmation"])),
            ("Versions", ", ".join(f"{name} {version}" for name, version in found["versions"].items())),
        ),
        small=True,
    )
    yield Paragraph("Every number above is in proposal.json; text and page are made from it.", quiet=True)
