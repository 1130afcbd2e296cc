"""What every population shares: how demand answers to parameters, and how sizes are distributed."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from simulator.parameters import Part

Level = Literal["low", "central", "high"]


class Elasticity(Part):
    """One response of demand, as a range with its source. Without a source only *available* efficiency may be claimed."""

    low: Annotated[float, Field(ge=0)]
    central: Annotated[float, Field(ge=0)]
    high: Annotated[float, Field(ge=0)]
    source: str = ""

    @model_validator(mode="after")
    def _ordered(self) -> Elasticity:
        if not self.low <= self.central <= self.high:
            raise ValueError(f"`low <= central <= high` must hold, but got {self.low:g}, {self.central:g}, {self.high:g}")
        return self

    def at(self, level: Level) -> float:
        """The value at one of the three levels."""
        return {"low": self.low, "central": self.central, "high": self.high}[level]


NONE = Elasticity(low=0.0, central=0.0, high=0.0, source="")


class Wealth(Part):
    """Lognormal: half of the accounts have more than `median`; `sigma` is the deviation of its logarithm."""

    median: Annotated[float, Field(gt=0)]  # [usd]
    sigma: Annotated[float, Field(ge=0, le=5)] = 0.0  # [1]
