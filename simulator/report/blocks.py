"""What a document is made of. Text is plain: whoever writes the blocks out escapes every piece of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from simulator.report.svg import Element


@dataclass(frozen=True)
class Code:
    """A name or a hash, set as code."""

    kind: ClassVar[str] = "code"
    text: str


@dataclass(frozen=True)
class Estimate:
    """A number and what stands behind it."""

    kind: ClassVar[str] = "estimate"
    value: str
    behind: str


@dataclass(frozen=True)
class Mark:
    """Whether something holds; said in words, so that no colour is needed to read it."""

    kind: ClassVar[str] = "mark"
    holds: bool
    text: str


@dataclass(frozen=True)
class Strong:
    """A value that is voted on."""

    kind: ClassVar[str] = "strong"
    text: str


Cell = str | Code | Estimate | Mark | Strong


@dataclass(frozen=True)
class Heading:
    """The heading of a section; `id` is its address in the page."""

    kind: ClassVar[str] = "heading"
    text: str
    id: str


@dataclass(frozen=True)
class Subheading:
    """A heading inside a section."""

    kind: ClassVar[str] = "subheading"
    text: str


@dataclass(frozen=True)
class Paragraph:
    """Sentences; `quiet` ones explain and may be skipped."""

    kind: ClassVar[str] = "paragraph"
    text: str
    quiet: bool = False


@dataclass(frozen=True)
class Notice:
    """A paragraph that must not be missed. `tone`: good, caution, plain."""

    kind: ClassVar[str] = "notice"
    tone: str
    title: str
    text: str
    items: tuple[str, ...] = ()


@dataclass(frozen=True)
class Facts:
    """A few figures at a glance: (what, value, what stands behind it)."""

    kind: ClassVar[str] = "facts"
    items: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class Bullets:
    """A list, numbered or not."""

    kind: ClassVar[str] = "bullets"
    items: tuple[str, ...]
    numbered: bool = False


@dataclass(frozen=True)
class Table:
    """`align`: one letter a column, l or r (numbers). A row of one cell is a heading over the rows below it."""

    kind: ClassVar[str] = "table"
    header: tuple[str, ...]
    align: str
    rows: tuple[tuple[Cell, ...], ...]
    caption: str = ""
    small: bool = False


@dataclass(frozen=True)
class Listing:
    """A command, to be copied."""

    kind: ClassVar[str] = "listing"
    text: str


@dataclass(frozen=True)
class Figure:
    """A picture, drawn for a wide and for a narrow page; its numbers stand in a table."""

    kind: ClassVar[str] = "figure"
    id: str
    title: str
    caption: str
    wide: Element
    narrow: Element


@dataclass(frozen=True)
class Folded:
    """Tables for those who want every number: folded away on the page, left out of the text."""

    kind: ClassVar[str] = "folded"
    summary: str
    blocks: tuple[Table | Paragraph, ...]


Block = Heading | Subheading | Paragraph | Notice | Facts | Bullets | Table | Listing | Figure | Folded
