"""How an unhealthy loan is closed where no close factor does it: the numbers of the shape, which a vote may change."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from simulator.terms.part import Fraction, Part


class AbsorbAndResale(Part):
    """Comet: the protocol takes debt and collateral whole, and sells the collateral at a discount until reserves are full."""

    kind: Literal["absorb-and-resale"]
    storefront_factor: Fraction = 0.5  # [1] of the liquidation penalty given to the buyer
    target_reserves: Annotated[float, Field(ge=0)] = 0.0  # [asset] of the borrowed currency: no resale above it


class IncentiveFactor(Part):
    """Morpho Blue: all may be repaid; seized value = repaid x min(`most`, 1 / (1 - cursor (1 - threshold)))."""

    kind: Literal["incentive-factor"]
    cursor: Fraction = 0.3  # [1]
    most: Annotated[float, Field(ge=1, le=2)] = 1.15  # [1]


class ReverseDutch(Part):
    """Euler v2: the discount on collateral equals how far the account is below its threshold, up to `most_discount`."""

    kind: Literal["reverse-dutch"]
    most_discount: Annotated[float, Field(ge=0, lt=1)] = 0.15  # [1]


LoanLiquidation = Annotated[AbsorbAndResale | IncentiveFactor | ReverseDutch, Field(discriminator="kind")]
