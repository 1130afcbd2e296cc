"""LLAMMA: collateral that turns into the debt asset band by band while its price falls, and back while it rises (crvUSD).

A liquidation is not an event here but what arbitrage does to the bands; the part a scenario may name is `Bands`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from simulator.parameters import Part


class Bands(Part):
    """crvUSD market: band n lies between base x ((A - 1) / A)^(n + 1) and base x ((A - 1) / A)^n of oracle price."""

    kind: Literal["bands"]
    amplification: Annotated[float, Field(ge=2, le=10_000)] = 100.0  # [1] A: a band is 1 / A wide
    bands: Annotated[int, Field(ge=4, le=50)] = 10  # [1] of one loan
    fee: Annotated[float, Field(ge=0, lt=0.1)] = 0.006  # [1] paid into the band by who trades
    loan_discount: Annotated[float, Field(ge=0, lt=1)] = 0.09  # [1] to borrow
    liquidation_discount: Annotated[float, Field(ge=0, lt=1)] = 0.06  # [1] below it: liquidatable whole

    @model_validator(mode="after")
    def _relations(self) -> Bands:
        if self.liquidation_discount >= self.loan_discount:
            raise ValueError(
                f"`liquidation_discount < loan_discount` must hold, but got {self.liquidation_discount:g} and "
                f"{self.loan_discount:g}; a loan at the limit would be liquidatable when opened"
            )
        return self
