"""How an unhealthy account is closed, by protocol: how much at once, at what price, and who is paid. The parts of a scenario.

Lending: Aave v3 (close factor), Comet (absorb and resale), Morpho (whole, at an incentive set by the threshold), Euler v2
(reverse Dutch). Perpetuals: dYdX v4 (fillable price), Hyperliquid (staged), Synthetix v3 (a cap a window). Portfolios: Derive
(Dutch auction with an insolvent phase). Real parameters are the defaults, with their source in the module of the rule.
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


class FillablePrice(Part):
    """dYdX v4: closed in slices at a price between index and bankruptcy; the fund takes what is above bankruptcy, capped."""

    kind: Literal["fillable-price"]
    bankruptcy_adjustment: Annotated[float, Field(ge=1, le=5_000)] = 1.0  # [1]
    spread: Annotated[float, Field(ge=0, le=5_000)] = 1.5  # [1] of the maintenance ratio
    most_fee: Fraction = 0.015  # [1] of the fill, to the fund
    most_of_position: Share = 0.1  # [1] a block
    least_notional: Dollars = 1_000.0  # [usd] a block, unless the position is smaller
    most_notional: Dollars = 100_000.0  # [usd] a block and account
    most_insurance_lost: Dollars = 1_000_000.0  # [usd] a block and account


class StagedClose(Part):
    """Hyperliquid: a large position is closed in part first and whole while that cools down; the vault takes what is lost."""

    kind: Literal["staged-close"]
    large: Dollars = 100_000.0  # [usd]
    first_share: Share = 0.2  # [1]
    cooldown: Seconds = 30.0  # [s]
    takeover_below: Fraction = 2 / 3  # [1] of the maintenance requirement


class WindowCap(Part):
    """Synthetix v3: at most (maker + taker fee) x skew scale x multiplier x seconds may be liquidated in a rolling window."""

    kind: Literal["window-cap"]
    multiplier: Annotated[float, Field(ge=0, le=1e6)] = 1.0  # [1/s]
    window: Annotated[float, Field(gt=0)] = 30.0  # [s]
    calm_skew: Fraction = 0.0  # [1] |skew| / scale below which the window does not count
    flag_ratio: Fraction = 0.0  # [1] of the notional, to whoever flags the account
    least_reward_ratio: Fraction = 0.3  # [1] profit on the keeper's cost
    least_reward: Dollars = 1.0  # [usd] profit on the keeper's cost
    most_reward: Dollars = 500.0  # [usd]
    most_reward_ratio: Annotated[float, Field(ge=0, le=1)] = 1.0  # [1] of the account's margin

    @model_validator(mode="after")
    def _relations(self) -> WindowCap:
        require_order(self, "least_reward", "most_reward")
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


LiquidationShape = Annotated[
    CloseFactor | AbsorbAndResale | IncentiveFactor | ReverseDutch | FillablePrice | StagedClose | WindowCap | DutchAuction,
    Field(discriminator="kind"),
]

__all__ = [
    "AbsorbAndResale",
    "AbsorbedCollateral",
    "CloseFactor",
    "DutchAuction",
    "FillablePrice",
    "IncentiveFactor",
    "LiquidationShape",
    "ReverseDutch",
    "StagedClose",
    "WindowCap",
]
