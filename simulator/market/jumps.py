"""Jumps of log prices: a Poisson number in a step, each size drawn from one law, none of them feeding the variance."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, model_validator

from simulator.parameters import Part


class Merton(Part):
    """Normal jumps of the log price (Merton 1976): size ~ N(mean, deviation^2)."""

    kind: Literal["merton"] = "merton"
    intensity: Annotated[float, Field(ge=0, le=100_000)]  # [1/year]
    mean: Annotated[float, Field(ge=-5, le=5)]  # [1] of the log price
    deviation: Annotated[float, Field(ge=0, le=5)]  # [1] of the log price

    @property
    def mean_growth(self) -> float:
        """E[exp(size)] - 1, what one jump adds to the expected price."""
        return math.expm1(self.mean + self.deviation**2 / 2)

    @property
    def second_moment(self) -> float:
        """E[size^2]; times `intensity`, the variance jumps add in a year."""
        return self.mean**2 + self.deviation**2


class Kou(Part):
    """Double exponential jumps of the log price (Kou 2002): up with rate `eta_up`, else down with rate `eta_down`."""

    kind: Literal["kou"] = "kou"
    intensity: Annotated[float, Field(ge=0, le=100_000)]  # [1/year]
    up_probability: Annotated[float, Field(ge=0, le=1)]  # [1]
    eta_up: float  # [1] mean up jump 1 / eta_up
    eta_down: Annotated[float, Field(gt=0)]  # [1] mean down jump 1 / eta_down

    @model_validator(mode="after")
    def _finite_mean(self) -> Kou:
        if self.eta_up <= 1:
            raise ValueError(
                f"`eta_up > 1` must hold, but got {self.eta_up:g}: the expected price after an up jump would be infinite; "
                "a mean up jump of 5 percent is eta_up = 20"
            )
        return self

    @property
    def mean_growth(self) -> float:
        """E[exp(size)] - 1, what one jump adds to the expected price."""
        up, down = self.up_probability, 1 - self.up_probability
        return up / (self.eta_up - 1) - down / (self.eta_down + 1)

    @property
    def second_moment(self) -> float:
        """E[size^2]; times `intensity`, the variance jumps add in a year."""
        up, down = self.up_probability, 1 - self.up_probability
        return 2 * (up / self.eta_up**2 + down / self.eta_down**2)


Jumps = Annotated[Merton | Kou, Field(discriminator="kind")]
