"""What a trade costs beyond the index price, by the venue's rule: the parts that a scenario may name.

Linear impact moves the price with the value traded (order books near the touch); a skew fill with the imbalance it leaves
(Synthetix v3); power impact charges what unbalances and pays for what balances, out of an impact pool (GMX v2).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from simulator.parameters import Fraction, Part


class LinearImpact(Part):
    """The price moves by value / `depth`; the fill is the mean of before and after."""

    kind: Literal["linear"]
    depth: Annotated[float, Field(gt=0)]  # [usd] traded value that moves the price by 100 %


class SkewFill(Part):
    """Synthetix v3: fill = index x (1 + skew / scale), the mean of before and after the trade."""

    kind: Literal["skew-fill"]
    skew_scale: Annotated[float, Field(gt=0)]  # [asset]


class PowerImpact(Part):
    """GMX v2: cost = factor x |skew|^exponent after less before; a smaller factor where the trade balances the market."""

    kind: Literal["power"]
    positive_factor: Annotated[float, Field(ge=0, le=1)]  # [usd^(1 - exponent)] where |skew| falls
    negative_factor: Annotated[float, Field(ge=0, le=1)]  # [usd^(1 - exponent)] where it rises
    positive_exponent: Annotated[float, Field(ge=1, le=4)] = 1.0  # [1]
    negative_exponent: Annotated[float, Field(ge=1, le=4)] = 2.0  # [1]
    greatest_gain: Fraction = 0.004  # [1] of the size
    greatest_cost: Fraction = 0.005  # [1] of the size
    pool: Annotated[float, Field(ge=0)] = 0.0  # [usd] in the impact pool at load

    @model_validator(mode="after")
    def _relations(self) -> PowerImpact:
        same = self.positive_exponent == self.negative_exponent
        if same and self.positive_factor > self.negative_factor:
            raise ValueError(
                f"`positive_factor <= negative_factor` must hold, but got {self.positive_factor:g} and "
                f"{self.negative_factor:g}; trading there and back would earn money"
            )
        return self


PriceImpact = Annotated[LinearImpact | SkewFill | PowerImpact, Field(discriminator="kind")]
