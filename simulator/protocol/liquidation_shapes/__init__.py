"""How an unhealthy account is closed, by protocol: how much at once, at what price, and who is paid.

Lending: Aave v3 (close factor), Comet (absorb and resale), Morpho (whole, at an incentive set by the threshold), Euler v2
(reverse Dutch). Portfolios: Derive (Dutch auction with an insolvent phase). Perpetuals: formulas here, parts of a scenario in
`simulator.protocol.liquidation`. Real parameters are the defaults, with their source in the module of the rule.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from simulator.parameters import VOTABLE, Fraction, Part
from simulator.terms.loan_liquidation import AbsorbAndResale, IncentiveFactor, ReverseDutch
from simulator.terms.part import require_order

Dollars = Annotated[float, Field(ge=0)]
Seconds = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(gt=0, le=1)]


class CloseFactor(Part):
    """Aave v3: half of the debt may be repaid, all of it where the account is far gone or small; no dust may be left."""

    kind: Literal["close-factor"]
    close_factor: Share = 0.5  # [1] of the whole debt
    full_below_health: Fraction = 0.95  # [1] at or below it all may be repaid
    full_below_value: Dollars = 2_000.0  # [usd] all may be repaid where debt or collateral is worth less
    least_leftover: Dollars = 1_000.0  # [usd] of debt and of collateral, unless one of them is gone
    protocol_share: Fraction = 0.1  # [1] of the bonus

    @model_validator(mode="after")
    def _relations(self) -> CloseFactor:
        require_order(self, "least_leftover", "full_below_value", "some accounts could not be liquidated at all")
        return self


class AbsorbedCollateral(Part):
    """Comet's factors of one collateral: to borrow, to be absorbed, and what is credited when absorbed."""

    borrow_factor: Annotated[float, Field(ge=0, lt=1)]  # [1]
    liquidate_factor: Fraction  # [1] above it: absorbable
    liquidation_factor: Fraction  # [1] of the value credited to the account

    @model_validator(mode="after")
    def _relations(self) -> AbsorbedCollateral:
        require_order(self, "borrow_factor", "liquidate_factor", "a position at the limit would be absorbable when opened")
        if self.liquidate_factor > self.liquidation_factor > 0:
            raise ValueError(
                f"`liquidate_factor <= liquidation_factor` must hold, but got {self.liquidate_factor:g} and "
                f"{self.liquidation_factor:g}; every absorption would create bad debt"
            )
        return self


class DutchAuction(Part):
    """Derive: shares of a whole portfolio are offered at a falling share of its value, then against payment."""

    kind: Literal["dutch-auction"]
    start: Annotated[Fraction, VOTABLE] = 0.95  # [1] of mark-to-market
    fast_end: Annotated[Fraction, VOTABLE] = 0.7  # [1] of mark-to-market
    fast: Annotated[Seconds, VOTABLE] = 900.0  # [s]
    slow: Annotated[float, Field(gt=0), VOTABLE] = 43_200.0  # [s] from there to nothing
    insolvent: Annotated[float, Field(gt=0), VOTABLE] = 3_600.0  # [s] from mark-to-market to the maintenance requirement
    liquidator_fee: Annotated[Fraction, VOTABLE] = 0.1  # [1] of the bid, to the security module
    buffer: Annotated[Fraction, VOTABLE] = 0.15  # [1] of maintenance less mark-to-market

    @model_validator(mode="after")
    def _relations(self) -> DutchAuction:
        require_order(self, "fast_end", "start")
        return self


__all__ = [
    "AbsorbAndResale",
    "AbsorbedCollateral",
    "CloseFactor",
    "DutchAuction",
    "IncentiveFactor",
    "ReverseDutch",
]
