"""Blocks as Markdown for a forum: everything that came from outside is escaped, piece by piece."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from simulator.report import blocks
from simulator.report.content import blocks as blocks_of
from simulator.report.numbers import SPACE, visible
from simulator.report.words import pieces

ACTIVE = re.compile(r"[\\`*_{}\[\]<>#|~@&$]|(?<=\w)\.(?=[A-Za-z])|:(?=//)")  # what Markdown, its tables, links, formulas act on
LEADING = re.compile(r"[-+=]|\d{1,9}[.)](?=\s|$)")  # what would begin a list, a rule or an underline
PLAIN_CODE = re.compile(r"[A-Za-z0-9._/-]+")


def document(proposal: dict[str, Any]) -> str:
    """The whole text, ending in one newline."""
    parts = [f"# {escaped(proposal['title'])}", *(part for block in blocks_of(proposal) for part in _block(block))]
    return "\n\n".join(parts) + "\n"


def escaped(text: str) -> str:
    """Text in which nothing acts: no markup, link, table border, HTML, or sign that steers a terminal."""
    clean = visible(text).replace(SPACE, " ").strip()
    return "".join(_code(piece) if is_name else ACTIVE.sub(r"\\\g<0>", piece) for piece, is_name in pieces(clean))


def line(text: str) -> str:
    """Escaped text that begins a line."""
    text = escaped(text)
    return f"{text[: found.end() - 1]}\\{text[found.end() - 1 :]}" if (found := LEADING.match(text)) else text


def _block(block: blocks.Block) -> Iterator[str]:
    if isinstance(block, blocks.Heading):
        yield f"## {escaped(block.text)}"
    elif isinstance(block, blocks.Subheading):
        yield f"### {escaped(block.text)}"
    elif isinstance(block, blocks.Paragraph):
        yield line(block.text)
    elif isinstance(block, blocks.Notice):
        yield f"**{escaped(block.title)}.** {escaped(block.text)}"
        if block.items:
            yield "\n".join(f"- {line(item)}" for item in block.items)
    elif isinstance(block, blocks.Facts):
        rows = [(what, blocks.Strong(value), behind) for what, value, behind in block.items]
        yield from _table(blocks.Table(("At a glance", "", ""), "lll", tuple(rows)))
    elif isinstance(block, blocks.Bullets):
        signs = (f"{i}." if block.numbered else "-" for i in range(1, len(block.items) + 1))
        yield "\n".join(f"{sign} {line(item)}" for sign, item in zip(signs, block.items, strict=True))
    elif isinstance(block, blocks.Table):
        yield from _table(block)
    elif isinstance(block, blocks.Listing):
        yield "\n".join(f"    {row}" for row in visible(block.text).splitlines())
    # figures and folded tables are on the page


def _table(table: blocks.Table) -> Iterator[str]:
    if table.caption:
        yield line(table.caption)
    head = [escaped(name) or " " for name in table.header]
    rule = ["---:" if align == "r" else "---" for align in table.align]
    rows = [[_heading(row[0]), *[""] * (len(head) - 1)] if len(row) == 1 else [_cell(cell) for cell in row] for row in table.rows]
    yield "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))


def _heading(cell: blocks.Cell) -> str:
    if isinstance(cell, blocks.Estimate):
        return f"**{escaped(cell.value)}**, {escaped(cell.behind)}"
    return f"**{_cell(cell)}**"


def _cell(cell: blocks.Cell) -> str:
    if isinstance(cell, blocks.Code):
        return _code(cell.text)
    if isinstance(cell, blocks.Strong):
        return f"**{escaped(cell.text)}**"
    if isinstance(cell, blocks.Estimate):
        return f"{escaped(cell.value)} ({escaped(cell.behind)})" if cell.behind else escaped(cell.value)
    if isinstance(cell, blocks.Mark):
        return f"{'✓' if cell.holds else '✗'} {escaped(cell.text)}"
    return escaped(cell)


def _code(text: str) -> str:
    return f"`{text}`" if PLAIN_CODE.fullmatch(text) else escaped(text)
