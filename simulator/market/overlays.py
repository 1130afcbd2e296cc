"""Stress overlays: what happens to the paths of any market at a stated time. Times are seconds after the vote.

Overlays compose in any order: factors on one quantity multiply, halts add up, correlations are pulled one after the other.
Every magnitude may name its `source`.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from simulator.market.sequences import Names, tupled
from simulator.parameters import Part

Seconds = Annotated[float, Field(gt=0)]
Moment = Annotated[float, Field(ge=0)]
Some = Annotated[Names, Field(min_length=1, max_length=64)]


class Overlay(Part):
    """One stress. `at` [s] after the vote it begins."""

    at: Moment  # [s] after the vote
    source: str = ""  # where the magnitude comes from

    @property
    @abstractmethod
    def lasts(self) -> float:
        """[s] from `at` on in which it must fall into the horizon for anything to happen."""


class PriceMove(Overlay):
    """Prices times (1 + size)^(ramp x 2^(-elapsed / half_life)): a ramp over `over` seconds, `hold`, then the way back."""

    assets: Some
    size: float  # [1] -0.3: thirty percent down
    over: Moment = 0.0  # [s] until it is whole; 0: in the first substep that ends after `at`
    hold: Moment = 0.0  # [s] that it stays whole
    half_life: Seconds | None = None  # [s] of the way back; absent: it stays

    @property
    def lasts(self) -> float:
        return 0.0

    def log_factor(self, moment: float) -> float:
        """Logarithm of the factor on a price `moment` seconds after the vote."""
        import math

        elapsed = moment - self.at
        if elapsed <= 0:
            return 0.0
        ramp = 1.0 if self.over == 0 else min(elapsed / self.over, 1.0)
        back = max(elapsed - self.over - self.hold, 0.0)
        kept = 1.0 if self.half_life is None else 2.0 ** (-back / self.half_life)
        return math.log1p(self.size) * ramp * kept


class PriceShock(PriceMove):
    """External prices fall or rise; what is pegged to an asset moves with it."""

    kind: Literal["price-shock"] = "price-shock"
    size: Annotated[float, Field(gt=-1, le=10)]

    @model_validator(mode="after")
    def _moves(self) -> PriceShock:
        return _not_zero(self)


class Depeg(PriceMove):
    """A peg breaks: only the assets named move, and what they are pegged to stays."""

    kind: Literal["depeg"] = "depeg"
    size: Annotated[float, Field(gt=-1, lt=1)]

    @model_validator(mode="after")
    def _moves(self) -> Depeg:
        return _not_zero(self)


def _not_zero(move):
    if move.size == 0:
        raise ValueError("`size` must not be 0: it would change nothing")
    return move


class Lasting(Overlay):
    """An overlay that is there from `at` for `duration`: on every step that begins in that time."""

    duration: Seconds  # [s]

    @property
    def lasts(self) -> float:
        return self.duration

    def covers(self, moment: float) -> bool:
        """Whether it is there in a step that begins `moment` seconds after the vote."""
        return self.at <= moment < self.at + self.duration


class VolatilitySpike(Lasting):
    """Diffusive returns of every market step that begins in it, times `multiplier`, compensated: the expected price stays.

    What paths report as volatility rises with them. The recursion of variance is fed by the returns without it, so that
    volatility is afterwards what it would have been; jumps are left alone.
    """

    kind: Literal["volatility-spike"] = "volatility-spike"
    multiplier: Annotated[float, Field(gt=0, le=20)]  # [1]
    assets: Names = ()  # none named: all

    @model_validator(mode="after")
    def _changes(self) -> VolatilitySpike:
        if self.multiplier == 1:
            raise ValueError("`multiplier` must not be 1: it would change nothing")
        return self


class CorrelationShock(Lasting):
    """Every pair `level` of the way to one, on every market step that begins in it; each asset keeps its own law."""

    kind: Literal["correlation-shock"] = "correlation-shock"
    level: Annotated[float, Field(gt=0, le=1)]  # [1]


class LiquidityDrought(Lasting):
    """Depth of the assets' venues, spot and perpetual, times `depth_multiplier`, on top of what depth does by itself."""

    kind: Literal["liquidity-drought"] = "liquidity-drought"
    depth_multiplier: Annotated[float, Field(gt=0, lt=1)]  # [1]
    assets: Names = ()  # none named: all


class OracleHalt(Lasting):
    """The oracle of the assets publishes nothing; its last price grows old."""

    kind: Literal["oracle-halt"] = "oracle-halt"
    assets: Some


class GasSpike(Lasting):
    """The price of gas times `price_multiplier`, what blocks leave to keepers times `capacity_multiplier`."""

    kind: Literal["gas-spike"] = "gas-spike"
    price_multiplier: Annotated[float, Field(ge=1, le=10_000)] = 1.0  # [1]
    capacity_multiplier: Annotated[float, Field(gt=0, le=1)] = 1.0  # [1]

    @model_validator(mode="after")
    def _changes(self) -> GasSpike:
        if self.price_multiplier == 1 and self.capacity_multiplier == 1:
            raise ValueError("give a `price_multiplier` above 1 or a `capacity_multiplier` below 1: it would change nothing")
        return self


AnyOverlay = Annotated[
    PriceShock | Depeg | VolatilitySpike | CorrelationShock | LiquidityDrought | OracleHalt | GasSpike,
    Field(discriminator="kind"),
]
Overlays = Annotated[tuple[AnyOverlay, ...], BeforeValidator(tupled), Field(max_length=40)]
