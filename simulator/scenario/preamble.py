"""The [proposal] section: what a forum asks of a proposal beside its numbers. Nothing here moves a result or its hash."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from simulator.parameters import Part, tupled

Line = Annotated[str, Field(max_length=200)]
Text = Annotated[str, Field(max_length=4_000)]


def _address(value: str) -> str:
    if not value.startswith(("https://", "http://")) or len(value.split()) != 1:
        raise ValueError(f"expected an address such as https://forum.example.org/t/1, but got {value[:40]!r}")
    return value


class Preamble(Part):
    """Who proposes, where it is discussed, and why; what is left out, the proposal says is not stated."""

    author: Line = ""
    discussion: Annotated[Line, AfterValidator(_address)] | None = None
    motivation: Text = ""
    references: Annotated[tuple[Line, ...], BeforeValidator(tupled), Field(max_length=20)] = ()
    conflicts: Text = ""  # interests of the author in what is voted on
    licence: Line = ""  # of the text, as in CC0-1.0
