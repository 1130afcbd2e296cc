"""Scenario-grid margin: the worst loss of an account over named moves of spot and volatility, and additions to it.

Derive's portfolio margin (PMRM_2) is the general case; Deribit's, Paradex's and SPAN's grids are sets of its numbers
(`presets.py`, `span.py`). The arithmetic is `grid_values.py` (instruments, once a path) and `grid_requirement.py` (accounts).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from simulator.parameters import VOTABLE, Fraction, Part, tupled
from simulator.terms.part import require_order

Factor = Annotated[float, Field(ge=0, le=20)]
Haircut = Annotated[float, Field(ge=0, le=1)]

MOST_SCENARIOS = 100


class Shock(Part):
    """One scenario: spot and forwards times `spot`, volatility up, down or tilted over strikes, `share` of the loss counted."""

    spot: Annotated[float, Field(ge=0, le=100), VOTABLE] = 1.0  # [1] price after over price before
    volatility: Literal["up", "none", "down", "linear-skew", "absolute-skew"] = "none"
    share: Annotated[float, Field(ge=0, le=10), VOTABLE] = 1.0  # [1] of the result; a far move is covered in part

    @model_validator(mode="after")
    def _relations(self) -> Shock:
        if self.volatility.endswith("skew") and self.spot != 1:
            raise ValueError(f"a skew shock leaves spot where it is, but got `spot` {self.spot:g}; write 1.0")
        return self


class VolatilityShock(Part):
    """Volatility after: up v (1 + `up` x b) + `shift`, at least `least_up`; down v (1 - `down` x b) - `shift`, at least 0.

    b = (`pivot_days` / max(days, `least_days`)) ^ power, days to expiry; `short_power` up to the pivot and `long_power` beyond.
    """

    up: Factor = 0.5  # [1]
    down: Factor = 0.3  # [1]
    shift: Annotated[float, Field(ge=0, le=5)] = 0.0  # [1/sqrt(year)]
    short_power: Annotated[float, Field(ge=0, le=10)] = 0.3  # [1]
    long_power: Annotated[float, Field(ge=0, le=10)] = 0.13  # [1]
    pivot_days: Annotated[float, Field(gt=0, le=365)] = 30.0  # [day]
    least_days: Annotated[float, Field(ge=0, le=400)] = 1.0  # [day]
    least_up: Factor = 0.4  # [1/sqrt(year)]


class SkewShock(Part):
    """Volatility times 1 + min(c, k c / k*), k = log(strike / forward); the absolute shock has |k| for k.

    c = cap + slope sqrt(years), and k* = max(`least_width`, sqrt(years) x `width` x (`level` + sqrt(years) x `level_slope`)).
    An expiry loses the size of what it gains or loses: the tilt is taken in the worse direction.
    """

    linear_cap: Annotated[float, Field(ge=0, le=10)] = 0.15  # [1]
    linear_slope: Annotated[float, Field(ge=-10, le=10)] = -0.05  # [1/sqrt(year)]
    absolute_cap: Annotated[float, Field(ge=0, le=10)] = 0.15  # [1]
    absolute_slope: Annotated[float, Field(ge=-10, le=10)] = -0.05  # [1/sqrt(year)]
    least_width: Annotated[float, Field(ge=0, le=10)] = 0.01  # [1] of log-moneyness
    width: Annotated[float, Field(ge=0, le=10)] = 4.0  # [1]
    level: Annotated[float, Field(ge=0, le=20)] = 0.6  # [1/sqrt(year)]
    level_slope: Annotated[float, Field(ge=-20, le=20)] = -0.1  # [1/year]


class ShockedDiscount(Part):
    """What an expiry is worth after a shock: long values less, short ones more, however it ends.

    A shocked value above 0 counts `long_share` x exp(-(rate x `long_rate_factor` + `long_rate_added`) years), one below 0
    `short_share` x exp(+(rate x `short_rate_factor` + `short_rate_added`) years), at most 1 / discount. 1, 1 and zeros: nothing.
    """

    long_share: Fraction = 0.95  # [1]
    short_share: Annotated[float, Field(ge=0, le=10)] = 1.04  # [1]
    long_rate_factor: Annotated[float, Field(ge=0, le=10)] = 1.0  # [1]
    short_rate_factor: Annotated[float, Field(ge=0, le=10)] = 0.5  # [1]
    long_rate_added: Annotated[float, Field(ge=0, le=10)] = 0.08  # [1/year]
    short_rate_added: Annotated[float, Field(ge=0, le=10)] = 0.08  # [1/year]


class BasisShock(Part):
    """Forwards move without spot: each expiry's worse of two moves, times `added` + `per_year` x years; stands as a scenario."""

    up: Annotated[float, Field(ge=1, le=10)] = 1.045  # [1]
    down: Annotated[float, Field(ge=0, le=1)] = 0.955  # [1]
    added: Annotated[float, Field(ge=0, le=20)] = 0.5  # [1]
    per_year: Annotated[float, Field(ge=0, le=20)] = 2.0  # [1/year]


class AddOns(Part):
    """What is required beside the worst scenario. `initial_*` is on top of `maintenance_*`; shares are of spot times size."""

    maintenance_perpetual: Annotated[float, Field(ge=0, le=10)] = 0.01  # [1]
    initial_perpetual: Annotated[float, Field(ge=0, le=10)] = 0.02  # [1]
    maintenance_option: Annotated[float, Field(ge=0, le=10)] = 0.003  # [1] of options short at a strike, calls and puts netted
    initial_option: Annotated[float, Field(ge=0, le=10)] = 0.002  # [1]
    depeg_threshold: Annotated[float, Field(ge=0, le=2)] = (
        0.98  # [usd] of the settlement asset, below which the loss factor grows
    )
    depeg_factor: Annotated[float, Field(ge=0, le=20)] = 2.0  # [1/usd]
    confidence_threshold: Fraction = 0.55  # [1] of the oracle, below which (1 - confidence) x `confidence_factor` is added
    confidence_factor: Annotated[float, Field(ge=0, le=10)] = 1.0  # [1] of notional
    short_option_minimum: Annotated[float, Field(ge=0, le=1)] = 0.0  # [1] of spot: the least loss of an option short at a strike


class GridCollateral(Part):
    """One asset as collateral: haircuts of its value, and the underlying, if any, that it hedges."""

    maintenance_haircut: Haircut = 0.0  # [1]
    initial_haircut: Haircut = 0.0  # [1] on top
    hedges: str = ""  # the underlying with whose spot its value moves in every scenario

    @model_validator(mode="after")
    def _relations(self) -> GridCollateral:
        if self.maintenance_haircut + self.initial_haircut > 1:
            raise ValueError(
                "`maintenance_haircut + initial_haircut <= 1` must hold, but got "
                f"{self.maintenance_haircut:g} and {self.initial_haircut:g}; a deposit would count as a debt"
            )
        return self


class ScenarioGrid(Part):
    """requirement = loss factor x worst loss + add-ons, by underlying; the factor is `initial_factor` or `maintenance_factor`."""

    kind: Literal["scenario-grid"]
    scenarios: Annotated[tuple[Shock, ...], BeforeValidator(tupled), Field(min_length=1, max_length=MOST_SCENARIOS)]
    spot_scale: Annotated[float, Field(ge=0, le=5), VOTABLE] = (
        1.0  # [1] widens every move of spot: 1 + scale (spot - 1), at least 0
    )
    initial_factor: Annotated[float, Field(gt=0, le=20)] = 1.0  # [1]
    maintenance_factor: Annotated[float, Field(gt=0, le=20)] = 0.8  # [1]
    volatility: VolatilityShock = VolatilityShock()
    skew: SkewShock = SkewShock()
    discount: ShockedDiscount = ShockedDiscount()
    basis: BasisShock = BasisShock()
    add_ons: AddOns = AddOns()
    collateral: dict[str, GridCollateral] = Field(default={})

    @model_validator(mode="after")
    def _relations(self) -> ScenarioGrid:
        require_order(self, "maintenance_factor", "initial_factor", "raise the initial margin or lower the maintenance margin")
        return self
