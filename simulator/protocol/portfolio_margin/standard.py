"""Standard margin: each short option by itself, or the greatest loss at expiry where that is less (Derive SRM)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from simulator.parameters import Fraction, Part

Share = Annotated[float, Field(ge=0, le=10)]


class StandardCollateral(Part):
    """One asset as collateral: the share of its value that counts, to keep positions and (times `initial_scale`) to open them."""

    counted: Fraction = 1.0  # [1]
    initial_scale: Fraction = 1.0  # [1]
    underlying: str = ""  # whose oracle decides how sure its price is


class StandardMargin(Part):
    """requirement of an expiry = marks - max(sum of isolated options, least payoff - unpaired x forward x net short calls).

    A short call needs max(`greatest_option` - out of the money, `least_option`) x spot beside its mark to be opened and
    `call` x spot to be kept; a short put the same to be opened but no less than `put_scale` x what it needs to be kept, mark
    included; and max(`put` x spot, `put_of_mark` x mark) to be kept. A long option gives no credit by itself.
    """

    kind: Literal["standard"]
    initial_perpetual: Share = 0.1  # [1] of notional
    maintenance_perpetual: Share = 0.065  # [1]
    greatest_option: Share = 0.15  # [1] of spot
    least_option: Share = 0.1  # [1] of spot
    call: Share = 0.075  # [1] of spot
    put: Share = 0.075  # [1] of spot
    put_of_mark: Share = 0.075  # [1] of the mark
    put_scale: Annotated[float, Field(ge=1, le=10)] = 1.05  # [1]
    initial_unpaired: Share = 1.2  # [1] of the forward, for each call that is short net of all calls
    maintenance_unpaired: Share = 1.1  # [1]
    confidence_threshold: Fraction = 0.4  # [1] below which (1 - confidence) x `confidence_factor` x notional is added to open
    confidence_factor: Share = 0.4  # [1]
    depeg_threshold: Annotated[float, Field(ge=0, le=2)] = 0.98  # [usd] of the settlement asset
    depeg_factor: Annotated[float, Field(ge=0, le=20)] = 1.2  # [1/usd] of notional, to open
    collateral: dict[str, StandardCollateral] = Field(default={})

    @model_validator(mode="after")
    def _relations(self) -> StandardMargin:
        pairs = (
            ("maintenance_perpetual", "initial_perpetual"),
            ("maintenance_unpaired", "initial_unpaired"),
            ("call", "least_option"),
            ("least_option", "greatest_option"),
        )
        for low, high in pairs:
            if getattr(self, low) > getattr(self, high):
                raise ValueError(
                    f"`{low} <= {high}` must hold, but got {getattr(self, low):g} and {getattr(self, high):g}; "
                    "raise the initial margin or lower the maintenance margin"
                )
        return self
