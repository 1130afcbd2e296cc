"""Blocks as one HTML page: no script, no network, nothing written that was not escaped."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from simulator.report.blocks import Block, Heading
from simulator.report.content import blocks
from simulator.report.numbers import SPACE, visible
from simulator.report.words import pieces

if TYPE_CHECKING:
    from jinja2 import Template

UNIT = re.compile(r"(?<=\d) (?=%|USD)")  # no line ends between a number and its unit


def document(proposal: dict[str, Any]) -> str:
    """The whole page."""
    expiry = proposal["expiry"]["date"]
    over = ["Proposal of risk parameters", f"scenario {proposal['scenario']}", f"look {proposal['look']['number']}"]
    return written(proposal["title"], over + ([f"valid until {expiry}"] if expiry else []), blocks(proposal))


def written(title: str, over: Sequence[str], content: Sequence[Block], made_by: str = "") -> str:
    """A page: `over` its title what it is and of what; the first of `content` is the lead paragraph; `made_by` a command."""
    return _template().render(
        title=title,
        over=over,
        made_by=made_by,
        lead=content[0],
        blocks=content[1:],
        sections=[block for block in content if isinstance(block, Heading)],
    )


@functools.cache
def _template() -> Template:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        autoescape=True,
        loader=FunctionLoader(_part),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_safe,
    )
    environment.filters["pieces"] = pieces
    return environment.get_template("page.html")


def _part(name: str) -> str:
    return files("simulator.report").joinpath(name).read_text(encoding="utf-8")


def _safe(value: Any) -> Any:
    """Text without signs that steer: controls and marks of direction are shown, not obeyed."""
    return UNIT.sub(SPACE, visible(value)) if isinstance(value, str) and not hasattr(value, "__html__") else value
