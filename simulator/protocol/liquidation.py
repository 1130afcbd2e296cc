"""How much of an account a keeper closes. docs/model.md sections 5.2 and 5.3."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from simulator.parameters import VOTABLE, Fraction, Part


class WholeLiquidation(Part):
    """Every position of the account is closed."""

    kind: Literal["whole"]
    keeper_share: Annotated[Fraction, VOTABLE] = 0.5  # [1] of the penalty; the rest goes to the fund
    guaranteed: bool = False  # the penalty is owed even by an account that cannot pay it: the fund pays it


class PartialLiquidation(Part):
    """The least share that brings maintenance back to `buffer` x requirement, or all below `minimum_notional`."""

    kind: Literal["partial"]
    keeper_share: Annotated[Fraction, VOTABLE] = 0.5  # [1] of the penalty; the rest goes to the fund
    guaranteed: bool = False
    buffer: Annotated[float, Field(ge=0, le=10), VOTABLE] = 0.25  # [1] of the maintenance requirement
    minimum_notional: Annotated[float, Field(ge=0), VOTABLE] = 1000.0  # [usd]


class StagedLiquidation(Part):
    """Hyperliquid: a share of an account above `large` first, the whole of it while that cools down."""

    kind: Literal["staged-close"]
    keeper_share: Annotated[Fraction, VOTABLE] = 0.5  # [1] of the penalty; the rest goes to the fund
    guaranteed: bool = False
    large: Annotated[float, Field(ge=0), VOTABLE] = 100_000.0  # [usd]
    first_share: Annotated[float, Field(gt=0, le=1), VOTABLE] = 0.2  # [1]
    cooldown: Annotated[float, Field(ge=0), VOTABLE] = 30.0  # [s]


class WindowLiquidation(Part):
    """Synthetix v3: at most (maker + taker fee) x skew scale x `multiplier` a second of a market, unless its skew is calm."""

    kind: Literal["window-cap"]
    keeper_share: Annotated[Fraction, VOTABLE] = 0.5  # [1] of the penalty; the rest goes to the fund
    guaranteed: bool = False
    multiplier: Annotated[float, Field(ge=0, le=1e6), VOTABLE] = 1.0  # [1/s]
    window: Annotated[float, Field(gt=0), VOTABLE] = 30.0  # [s] no longer than a substep
    calm_skew: Annotated[Fraction, VOTABLE] = 0.0  # [1] |skew| / scale below which nothing is capped


class FillableLiquidation(Part):
    """dYdX v4: slices offered between index and bankruptcy price; the fund takes what is above bankruptcy, pays what is below."""

    kind: Literal["fillable-price"]
    keeper_share: Annotated[float, Field(ge=0, le=0)] = 0.0  # nobody is paid for it
    guaranteed: Literal[False] = False
    bankruptcy_adjustment: Annotated[float, Field(ge=1, le=5_000), VOTABLE] = 1.0  # [1]
    spread: Annotated[float, Field(ge=0, le=5_000), VOTABLE] = 1.5  # [1] of the maintenance requirement
    most_fee: Annotated[Fraction, VOTABLE] = 0.015  # [1] of the fill, to the fund
    block: Annotated[float, Field(gt=0)] = 1.0  # [s]
    most_of_position: Annotated[float, Field(gt=0, le=1), VOTABLE] = 0.1  # [1] a block
    least_notional: Annotated[float, Field(ge=0), VOTABLE] = 1_000.0  # [usd] a block, unless the position is smaller
    most_notional: Annotated[float, Field(ge=0), VOTABLE] = 100_000.0  # [usd] a block and account
    most_insurance_lost: Annotated[float, Field(ge=0), VOTABLE] = 1_000_000.0  # [usd] a block and account


class GrowingFeeLiquidation(Part):
    """Drift v2: what covers the shortage, a share of it first, at the index; the liquidator's fee grows while nobody comes."""

    kind: Literal["growing-fee"]
    keeper_share: Annotated[float, Field(ge=1, le=1)] = 1.0  # of the liquidator's fee; the fund has its own
    guaranteed: Literal[False] = False
    liquidator_fee: Annotated[Fraction, VOTABLE] = 0.01  # [1] of what is closed
    most_fee_multiple: Annotated[float, Field(ge=1, le=100), VOTABLE] = 3.0  # [1] of that fee; never above the maintenance ratio
    growth: Annotated[float, Field(ge=0, le=1), VOTABLE] = 2.5e-6  # [1/s] 1e-6 a slot of 0.4 s
    grace: Annotated[float, Field(ge=0), VOTABLE] = 600.0  # [s] 1,500 slots
    fund_fee: Annotated[Fraction, VOTABLE] = 0.01  # [1] at most, of what is closed
    buffer: Annotated[Fraction, VOTABLE] = 0.02  # [1] of notional, beyond maintenance
    first_share: Annotated[float, Field(gt=0, le=1), VOTABLE] = 0.1  # [1] of the shortage that may be freed at once
    duration: Annotated[float, Field(gt=0), VOTABLE] = 60.0  # [s] in which all of it may be: 150 slots
    small: Annotated[float, Field(ge=0), VOTABLE] = 50.0  # [usd] a shortage below it is freed, a position up to it closed at once


Liquidation = Annotated[
    WholeLiquidation | PartialLiquidation | StagedLiquidation | WindowLiquidation | FillableLiquidation | GrowingFeeLiquidation,
    Field(discriminator="kind"),
]
