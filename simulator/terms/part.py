"""What every part is: a frozen record whose fields are what a scenario file may say."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field


class Part(BaseModel):
    """A frozen record that a scenario file can name: its fields are what the file may set, and nothing else."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)


def tupled(value: Any) -> Any:
    """A list of a scenario file as the tuple that a frozen record holds; anything else as it is."""
    return tuple(value) if isinstance(value, list) else value


Fraction = Annotated[float, Field(ge=0, le=1)]
