"""Blocks as one HTML page: no script, no network, nothing written that was not escaped."""

from __future__ import annotations

import functools
import re
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from simulator.report.blocks import Heading
from simulator.report.content import blocks
from simulator.report.numbers import SPACE, visible
from simulator.report.words import pieces, verdict

if TYPE_CHECKING:
    from jinja2 import Template

UNIT = re.compile(r"(?<=\d) (?=%|USD)")  # no line ends between a number and its unit


def document(proposal: dict[str, Any]) -> str:
    """The whole page."""
    content = blocks(proposal)
    return _template().render(
        title=proposal["title"],
        scenario=proposal["scenario"],
        look=proposal["look"]["number"],
        expiry=proposal["expiry"]["date"],
        tone=verdict(proposal).tone,
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
