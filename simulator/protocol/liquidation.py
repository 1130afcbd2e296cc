"""How much of an account a keeper closes. docs/model.md sections 5.2 and 5.3."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from simulator.parameters import Fraction, Part


class WholeLiquidation(Part):
    """Every position of the account is closed."""

    kind: Literal["whole"]
    keeper_share: Fraction = 0.5  # [1] of the penalty; the rest goes to the fund
    guaranteed: bool = False  # the penalty is owed even by an account that cannot pay it: the fund pays it


class PartialLiquidation(Part):
    """The least share that brings maintenance back to `buffer` x requirement, or all below `minimum_notional`."""

    kind: Literal["partial"]
    keeper_share: Fraction = 0.5  # [1] of the penalty; the rest goes to the fund
    guaranteed: bool = False
    buffer: Annotated[float, Field(ge=0, le=10)] = 0.25  # [1] of the maintenance requirement
    minimum_notional: Annotated[float, Field(ge=0)] = 1000.0  # [usd]


Liquidation = Annotated[WholeLiquidation | PartialLiquidation, Field(discriminator="kind")]
