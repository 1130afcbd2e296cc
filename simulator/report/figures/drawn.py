"""A figure of the page, or a sentence where its numbers are not in the proposal."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from simulator.report.blocks import Figure, Paragraph
from simulator.report.svg import Element
from simulator.report.words import Proposal

WIDE, NARROW = 880.0, 360.0  # [px] of the column on a desk and on a phone
TIGHT = 600.0  # [px] below it a drawing puts its labels above instead of beside

Draw = Callable[[Proposal, float], Element | None]


def drawn(id: str, title: str, caption: str, draw: Draw, proposal: Proposal) -> Iterator[Figure | Paragraph]:
    """The figure, or why there is none."""
    wide, narrow = draw(proposal, WIDE), draw(proposal, NARROW)
    if wide is None or narrow is None:
        yield Paragraph(f"There is no figure “{title}”: this proposal does not hold its numbers.", quiet=True)
    else:
        yield Figure(id, title, caption, wide, narrow)
