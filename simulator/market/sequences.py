"""TOML has lists; frozen records hold tuples."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator


def tupled(value: Any) -> Any:
    """Lists, at any depth, as tuples; anything else as it is, for the type check to judge."""
    return tuple(tupled(item) for item in value) if isinstance(value, list) else value


Names = Annotated[tuple[str, ...], BeforeValidator(tupled)]
Matrix = Annotated[tuple[tuple[float, ...], ...], BeforeValidator(tupled)]
