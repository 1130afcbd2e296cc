"""What a trade pays for being a trade: fees that rest, that grow with volatility, and that lean against the last move.

The parts of `[parameters.fees]`; without a `kind` a fee is linear in volatility. All fees are shares of the traded value. The
arithmetic is `protocol/trading_fees/rates.py`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from simulator.terms.part import Fraction, Part, require_order

Fee = Annotated[float, Field(ge=0, le=1)]


class MakerTakerFee(Part):
    """What makes the skew smaller pays (or, if negative, receives) the maker fee, the rest the taker fee."""

    kind: Literal["maker-taker"]
    maker: Annotated[float, Field(ge=-1, le=1)]  # [1]
    taker: Fee  # [1]

    @model_validator(mode="after")
    def _relations(self) -> MakerTakerFee:
        if self.maker + self.taker < 0:
            raise ValueError(
                f"`maker + taker >= 0` must hold, but got {self.maker:g} and {self.taker:g}; trading with oneself would pay"
            )
        return self


class LinearFee(Part):
    """Trading fee = min(cap, flat + slope x volatility), volatility = annualised EWMA of the oracle price."""

    kind: Literal["linear-in-volatility"] = "linear-in-volatility"
    flat: Annotated[float, Field(ge=0, lt=1)] = 0.0  # [1] of notional traded
    volatility_slope: Annotated[float, Field(ge=0, le=1)] = 0.0  # [1 per unit of annualised volatility]
    cap: Annotated[float, Field(ge=0, lt=1)] = 0.05  # [1]

    @model_validator(mode="after")
    def _cap_above_flat(self) -> LinearFee:
        require_order(self, "flat", "cap")
        return self


class SigmoidFee(Part):
    """Algebra: base + two sigmoids of the mean squared tick deviation per 15 s over a rolling window."""

    kind: Literal["two-sigmoid"]
    base: Fee = 100e-6  # [1]
    height_1: Fee = 2_900e-6  # [1]
    height_2: Fee = 12_000e-6  # [1]
    middle_1: Annotated[float, Field(ge=0)] = 360.0  # [tick^2] where half of the height is reached
    middle_2: Annotated[float, Field(ge=0)] = 60_000.0  # [tick^2]
    width_1: Annotated[float, Field(gt=0)] = 59.0  # [tick^2]
    width_2: Annotated[float, Field(gt=0)] = 8_500.0  # [tick^2]

    @model_validator(mode="after")
    def _relations(self) -> SigmoidFee:
        total = self.base + self.height_1 + self.height_2
        if total > 1:
            raise ValueError(
                f"`base + height_1 + height_2 <= 1` must hold, but got {total:g} from {self.base:g}, {self.height_1:g} "
                f"and {self.height_2:g}"
            )
        return self


class BinFee(Part):
    """Trader Joe's Liquidity Book: base + control x (log price crossed lately)^2, the crossing decaying in steps."""

    kind: Literal["liquidity-book"]
    bin_step: Annotated[float, Field(gt=0, le=0.1)]  # [1] relative width of a bin
    base: Fee  # [1]
    control: Annotated[float, Field(ge=0)]  # [1] variable fee per squared crossing
    filter_period: Annotated[float, Field(ge=0)] = 30.0  # [s] trades closer than this count as one
    decay_period: Annotated[float, Field(ge=0)] = 600.0  # [s] after this, all is forgotten
    reduction: Fraction = 0.5  # [1] kept after the filter period
    most_bins: Annotated[float, Field(ge=0)] = 35.0  # [1] crossed bins counted
    cap: Fee = 0.1  # [1]

    @model_validator(mode="after")
    def _relations(self) -> BinFee:
        require_order(self, "filter_period", "decay_period")
        return self


class SlidingFee(Part):
    """Algebra's sliding fee: the side that follows the last price move pays more, the other less; both factors sum to 2."""

    kind: Literal["sliding"]
    base: Fee  # [1]
    sensitivity: Annotated[float, Field(ge=0)] = 1.0  # [1] change of the factor per relative price change


class OneSidedFee(Part):
    """LLAMMA: at least 1 - (new / old oracle price)^3, so that no one profits from the oracle's step; it fades out."""

    kind: Literal["one-sided"]
    base: Fee  # [1]
    delay: Annotated[float, Field(gt=0)] = 120.0  # [s] until the step is forgotten
    cap: Fraction = 0.5  # [1]


FeeRule = Annotated[MakerTakerFee | LinearFee | SigmoidFee | BinFee | SlidingFee | OneSidedFee, Field(discriminator="kind")]


def linear_by_default(value: Any) -> Any:
    """Fees without a `kind` are linear in volatility."""
    return {"kind": "linear-in-volatility", **value} if isinstance(value, dict) and "kind" not in value else value


FeeParameters = Annotated[FeeRule, BeforeValidator(linear_by_default)]
