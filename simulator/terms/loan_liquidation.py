"""How an unhealthy loan is closed where no close factor does it: the numbers of the shape, which a vote may change."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

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


BandCount = Annotated[int, Field(ge=4, le=50)]
SPAN = 3  # a table of bands reaches e^3 up and down from the first price


class Bands(Part):
    """crvUSD: collateral lies in bands, each 1 / `amplification` wide in oracle price, that arbitrage turns into the debt asset.

    `amplification` and `bands` are not for a vote: a market and a loan are made with them.
    """

    kind: Literal["bands"]
    amplification: Annotated[int, Field(ge=2, le=1_000)] = 100  # [1]
    bands: BandCount = 10  # [1] of one loan, unless its cohort says otherwise
    fee: Annotated[float, Field(ge=0, lt=0.1)] = 0.006  # [1] paid into the band by who trades
    fee_delay: Annotated[float, Field(ge=0)] = 0.0  # [s] over which what the oracle's last move adds to the fee fades; 0: nothing
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

    @property
    def borrowing_power(self) -> float:
        """Debt per dollar of collateral laid into the bands from the present price down: (1 - loan discount) x_down."""
        return (1 - self.loan_discount) * self.worth_of(self.bands)

    def worth_of(self, bands: int) -> float:
        """x_down per dollar of collateral in so many bands from the present price down."""
        r = (self.amplification - 1) / self.amplification
        return r**0.5 * (1 - r**bands) / (1 - r) / bands


LoanLiquidation = Annotated[AbsorbAndResale | Bands | IncentiveFactor | ReverseDutch, Field(discriminator="kind")]
