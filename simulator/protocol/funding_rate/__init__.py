"""What one side of a perpetual market pays the other: the funding rules that a scenario may name.

Premium funding follows the price (dYdX v4, Hyperliquid, Derive, Drift); velocity funding lets the skew move the *rate*
(Synthetix v3); adaptive funding moves it only while the skew stays out of a band (GMX v2).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from simulator.parameters import VOTABLE, Fraction, Part
from simulator.terms.part import require_order


class IntervalFunding(Part):
    """Longs pay (mark / index - 1) per `interval`, on oracle notional, capped. What `[protocol.funding]` is without a `kind`."""

    kind: Literal["interval"] = "interval"
    interval: Annotated[float, Field(gt=0), VOTABLE] = 28_800.0  # [s]
    cap: Annotated[float, Field(ge=0), VOTABLE] = 10.0  # [1/year]


class PremiumFunding(Part):
    """Rate per hour = premium / `convergence_hours` + interest, clipped at +- `hourly_cap`.

    With a `band` (Hyperliquid) the interest only pulls: clip(interest - premium / convergence, +- band) is added instead.
    """

    kind: Literal["premium"]
    convergence_hours: Annotated[float, Field(gt=0, le=1000), VOTABLE] = 8.0  # [h]
    hourly_interest: Annotated[float, Field(ge=-0.01, le=0.01), VOTABLE] = 0.0  # [1/h]
    hourly_cap: Annotated[float, Field(ge=0, le=1), VOTABLE] = 0.04  # [1/h]
    hourly_band: Annotated[Annotated[float, Field(ge=0, le=1)] | None, VOTABLE] = None  # [1/h]
    margin_multiple: Annotated[Annotated[float, Field(ge=0, le=1000)] | None, VOTABLE] = (
        None  # [1] dYdX v4: the rate per `convergence_hours`
    )
    # is at most this times (initial - maintenance ratio) of a small position
    most_of_fees: Annotated[Fraction | None, VOTABLE] = None  # [1] of a market's fee pool that its maker pays in an hour (Drift)
    fees_at_load: Annotated[float, Field(ge=0)] = 0.0  # [usd] in every market's fee pool


class VelocityFunding(Part):
    """Synthetix v3: the daily rate moves at clip(skew / scale, +-1) x `greatest_velocity` per day."""

    kind: Literal["velocity"]
    skew_scale: Annotated[Annotated[float, Field(gt=0)] | None, VOTABLE] = (
        None  # [asset]; absent: that of each market's skew-fill venue
    )
    greatest_velocity: Annotated[float, Field(ge=0, le=1000), VOTABLE]  # [1/day^2]


class AdaptiveFunding(Part):
    """GMX v2: grows while the skew is above `threshold_stable`, holds in between, falls below `threshold_decrease`."""

    kind: Literal["adaptive"]
    increase: Annotated[float, Field(ge=0, le=1), VOTABLE]  # [1/s^2] at full skew
    decrease: Annotated[float, Field(ge=0, le=1), VOTABLE]  # [1/s^2]
    threshold_stable: Annotated[Fraction, VOTABLE] = 0.05  # [1] of open interest
    threshold_decrease: Annotated[Fraction, VOTABLE] = 0.0  # [1] of open interest
    exponent: Annotated[float, Field(gt=0, le=4), VOTABLE] = 1.0  # [1] of the skew in dollars
    least: Annotated[float, Field(ge=0, le=1), VOTABLE] = 0.0  # [1/s]
    greatest: Annotated[float, Field(ge=0, le=1), VOTABLE]  # [1/s]

    @model_validator(mode="after")
    def _relations(self) -> AdaptiveFunding:
        require_order(self, "threshold_decrease", "threshold_stable")
        require_order(self, "least", "greatest")
        return self


FundingRule = Annotated[PremiumFunding | VelocityFunding | AdaptiveFunding, Field(discriminator="kind")]


def interval_by_default(value: Any) -> Any:
    """Funding without a `kind` is by interval."""
    return {"kind": "interval", **value} if isinstance(value, dict) and "kind" not in value else value


Funding = Annotated[
    Annotated[IntervalFunding | PremiumFunding | VelocityFunding | AdaptiveFunding, Field(discriminator="kind")],
    BeforeValidator(interval_by_default),
]
