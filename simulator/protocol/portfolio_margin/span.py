"""SPAN: sixteen scenarios of one scan range of price and one of volatility, two of them extreme and covered in part."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from simulator.parameters import VOTABLE, Fraction, Part
from simulator.protocol.portfolio_margin.scenario_grid import (
    AddOns,
    BasisShock,
    ScenarioGrid,
    Shock,
    ShockedDiscount,
    VolatilityShock,
)


class Span(Part):
    """Price by 0, 1/3, 2/3 and all of `price_scan_range` both ways, each with volatility up and down; and the extremes.

    requirement = max(worst loss, `short_option_minimum` x spot x short options), times the factor. CME's sixteen arrays;
    charges between months and commodities are not part of it.
    """

    kind: Literal["span"]
    price_scan_range: Annotated[float, Field(gt=0, lt=1), VOTABLE]  # [1] of spot
    volatility_scan_range: Annotated[float, Field(ge=0, le=5), VOTABLE]  # [1/sqrt(year)]
    extreme_multiple: Annotated[float, Field(ge=1, le=10), VOTABLE] = 2.0  # [1] of the price scan range
    extreme_cover: Annotated[Fraction, VOTABLE] = 0.35  # [1] of the loss in an extreme move
    short_option_minimum: Annotated[float, Field(ge=0, le=1), VOTABLE] = 0.0  # [1] of spot
    initial_factor: Annotated[float, Field(ge=1, le=10), VOTABLE] = 1.0  # [1] initial over maintenance

    @model_validator(mode="after")
    def _relations(self) -> Span:
        if self.extreme_multiple * self.extreme_cover > 10:
            raise ValueError(
                "`extreme_multiple x extreme_cover <= 10` must hold, but got "
                f"{self.extreme_multiple:g} and {self.extreme_cover:g}"
            )
        return self

    def grid(self) -> ScenarioGrid:
        """The same rule as a scenario grid, in the order of CME's arrays."""
        thirds = (0, 1, -1, 2, -2, 3, -3)
        usual = [Shock(spot=1 + n / 3 * self.price_scan_range, volatility=way) for n in thirds for way in _WAYS]
        far = self.extreme_multiple * self.price_scan_range
        extreme = [Shock(spot=max(1 + sign * far, 0.0), share=self.extreme_cover) for sign in (1, -1)]
        shift = VolatilityShock(up=0.0, down=0.0, shift=self.volatility_scan_range, least_up=0.0)
        return ScenarioGrid(
            kind="scenario-grid", scenarios=(*usual, *extreme), volatility=shift, discount=AS_MARKED, basis=NO_BASIS,
            initial_factor=self.initial_factor, maintenance_factor=1.0,
            add_ons=NOTHING_ADDED.model_copy(update={"short_option_minimum": self.short_option_minimum}),
        )  # fmt: skip


_WAYS: tuple[Literal["up", "down"], ...] = ("up", "down")
AS_MARKED = ShockedDiscount(
    long_share=1.0, short_share=1.0, long_rate_factor=0.0, short_rate_factor=0.0, long_rate_added=0.0, short_rate_added=0.0
)
NO_BASIS = BasisShock(added=0.0, per_year=0.0)
NOTHING_ADDED = AddOns(
    maintenance_perpetual=0.0, initial_perpetual=0.0, maintenance_option=0.0, initial_option=0.0,
    depeg_factor=0.0, confidence_factor=0.0,
)  # fmt: skip
