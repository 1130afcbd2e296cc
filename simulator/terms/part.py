"""What every part is: a frozen record whose fields are what a scenario file may say, and how its numbers are named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field


class Part(BaseModel):
    """A frozen record that a scenario file can name: its fields are what the file may set, and nothing else."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)


def tupled(value: Any) -> Any:
    """A list of a scenario file as the tuple that a frozen record holds; anything else as it is."""
    return tuple(value) if isinstance(value, list) else value


class Votable:
    """Marks a number of a rule that a vote may change, so that a search may name it; in `[parameters]` every number is one."""


VOTABLE = Votable()
P = TypeVar("P", bound=Part)


def numbers(tree: Any, prefix: str = "") -> Iterator[tuple[str, float]]:
    """Every (dotted name, value) of a dumped part, in a fixed order; a place in a list is a number."""
    for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
        if isinstance(value, (dict, tuple)):
            yield from numbers(value, f"{prefix}{key}.")
        elif isinstance(value, float):
            yield f"{prefix}{key}", value


def votable(inside: Any, prefix: str = "") -> Iterator[tuple[str, float]]:
    """(dotted name, value) of the numbers marked `VOTABLE` in a part, through tables and lists of parts."""
    if isinstance(inside, Part):
        for name, field in type(inside).model_fields.items():
            value = getattr(inside, name)
            if not isinstance(value, float):
                yield from votable(value, f"{prefix}{name}.")
            elif VOTABLE in field.metadata:
                yield f"{prefix}{name}", value
    elif isinstance(inside, (dict, tuple)):
        for key, value in inside.items() if isinstance(inside, dict) else enumerate(inside):
            yield from votable(value, f"{prefix}{key}.")


def number(part: Part, name: str) -> float:
    """The value under a dotted name. Raises KeyError if there is none."""
    place: Any = part
    for step in name.split("."):
        place = _inside(dict(place) if isinstance(place, Part) else place, step)
    if not isinstance(place, float):
        raise KeyError(name)
    return place


def replaced(part: P, changes: Mapping[str, float]) -> P:
    """A copy with some dotted names changed, all relations checked again. Raises KeyError, ValidationError."""
    values = part.model_dump()
    for name, value in changes.items():
        *folders, leaf = name.split(".")
        place = values
        for folder in folders:
            place = _inside(place, folder)
        if not isinstance(_inside(place, leaf), float):
            raise KeyError(name)
        place[leaf] = float(value)
    return type(part).model_validate(values)


def _inside(place: Any, step: str) -> Any:
    """What stands under one step of a dotted name: a key of a table, a number of a list. Raises KeyError if nothing does."""
    if isinstance(place, dict):
        return place[step]
    if isinstance(place, tuple) and step.isdecimal() and int(step) < len(place):
        return place[int(step)]
    raise KeyError(step)


def require_order(part: Part, lower: str, upper: str, reason: str = "") -> None:
    """Raise ValueError, with both values and the `reason`, where the number `lower` of a part is above its `upper`."""
    low, high = getattr(part, lower), getattr(part, upper)
    if low > high:
        because = f"; {reason}" if reason else ""
        raise ValueError(f"`{lower} <= {upper}` must hold, but got {low:g} and {high:g}{because}")


Fraction = Annotated[float, Field(ge=0, le=1)]
