"""Margin of one perpetual position, by the rule of its market: the parts of `[parameters.perpetuals.NAME]`.

Each gives an initial requirement (to open or enlarge) and a maintenance requirement (below it: liquidatable) in dollars,
from the position and from what the whole market holds; the arithmetic is `protocol/margin_ratio/requirement.py`. What grows the
ratio differs: open interest (dYdX v4, GMX v2), the position (Drift v2, Synthetix v3), a tier of notional (Hyperliquid),
volatility (clearing houses), nothing (flat: what a market without a `kind` has). `least_initial_ratio` is what the smallest
position needs in an empty market.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from simulator.terms.part import Fraction, Part, require_order, tupled

Ratio = Annotated[float, Field(gt=0, le=1)]
Dollars = Annotated[float, Field(ge=0)]

MOST_TIERS = 12
SMALL_SKEW = 1e-3  # [1] of the skew scale: what counts as a small position


MAINTENANCE_IS_LESS = "raise the initial margin or lower the maintenance margin"


class FlatRatio(Part):
    """Requirement = ratio x notional, whatever the market holds (Perpetual Protocol, Derive's standard perpetuals)."""

    kind: Literal["flat"] = "flat"
    initial_margin_ratio: Ratio  # [1]
    maintenance_margin_ratio: Ratio  # [1]

    @model_validator(mode="after")
    def _relations(self) -> FlatRatio:
        require_order(self, "maintenance_margin_ratio", "initial_margin_ratio", MAINTENANCE_IS_LESS)
        return self

    @property
    def least_initial_ratio(self) -> float:
        """[1] of a small position in an empty market."""
        return self.initial_margin_ratio

    @property
    def least_maintenance_ratio(self) -> float:
        """[1] of the same position."""
        return self.maintenance_margin_ratio


class OpenInterestScaledRatio(Part):
    """dYdX v4: the initial ratio rises linearly from its base to 1 between two levels of open interest.

    The maintenance ratio is `maintenance_fraction` of the *base*: open interest never liquidates anybody.
    """

    kind: Literal["open-interest-scaled"]
    initial_margin_ratio: Ratio  # [1] base
    maintenance_fraction: Fraction  # [1] of the base
    lower_open_interest: Dollars = 0.0  # [usd] the ratio rises from here
    upper_open_interest: Dollars = 0.0  # [usd] the ratio is 1 from here; 0: never scaled

    @model_validator(mode="after")
    def _relations(self) -> OpenInterestScaledRatio:
        require_order(self, "lower_open_interest", "upper_open_interest", "a market without scaling has both at 0")
        return self

    @property
    def least_initial_ratio(self) -> float:
        """[1] of a small position in an empty market."""
        return self.initial_margin_ratio

    @property
    def least_maintenance_ratio(self) -> float:
        """[1] of the same position."""
        return self.initial_margin_ratio * self.maintenance_fraction


class SizeScaledRatio(Part):
    """Drift v2: ratio = max(r, 0.8 r + `size_factor` x sqrt(size)), for the initial and the maintenance ratio r alike."""

    kind: Literal["size-scaled"]
    initial_margin_ratio: Ratio  # [1]
    maintenance_margin_ratio: Ratio  # [1]
    size_factor: Annotated[float, Field(ge=0, le=10)] = 0.0  # [asset^-1/2] Drift's imf factor

    @model_validator(mode="after")
    def _relations(self) -> SizeScaledRatio:
        require_order(self, "maintenance_margin_ratio", "initial_margin_ratio", MAINTENANCE_IS_LESS)
        return self

    @property
    def least_initial_ratio(self) -> float:
        """[1] of a small position in an empty market."""
        return self.initial_margin_ratio

    @property
    def least_maintenance_ratio(self) -> float:
        """[1] of the same position."""
        return self.maintenance_margin_ratio


class SkewScaledRatio(Part):
    """Synthetix v3: initial ratio = |size| / `skew_scale` x `scaled_ratio` + `minimum_ratio`; maintenance a share of it.

    The position is measured in the skew that it could become, not in dollars; `minimum_margin` is added to both.
    """

    kind: Literal["skew-scaled"]
    skew_scale: Annotated[float, Field(gt=0)]  # [asset]
    scaled_ratio: Annotated[float, Field(ge=0, le=100)]  # [1] added when the position equals the skew scale
    minimum_ratio: Annotated[float, Field(ge=0, le=1)]  # [1]
    maintenance_scalar: Fraction  # [1] maintenance ratio over initial ratio
    minimum_margin: Dollars = 0.0  # [usd] of every open position

    @model_validator(mode="after")
    def _relations(self) -> SkewScaledRatio:
        if self.minimum_ratio + self.scaled_ratio == 0:
            raise ValueError("`minimum_ratio + scaled_ratio > 0` must hold, but both are 0; leverage would have no bound")
        return self

    @property
    def least_initial_ratio(self) -> float:
        """[1] of a position of a thousandth of the skew scale: Synthetix allows a `minimum_ratio` of 0."""
        return self.minimum_ratio + SMALL_SKEW * self.scaled_ratio

    @property
    def least_maintenance_ratio(self) -> float:
        """[1] of the same position."""
        return self.least_initial_ratio * self.maintenance_scalar


class CollateralFactorRatio(Part):
    """GMX v2: collateral of at least size x max(`minimum_factor`, open interest x `open_interest_factor`).

    Maintenance is a factor of its own, never scaled; neither falls below `minimum_collateral`.
    """

    kind: Literal["collateral-factor"]
    minimum_factor: Ratio  # [1] to open
    minimum_factor_liquidation: Ratio  # [1] below it: liquidatable
    open_interest_factor: Annotated[float, Field(ge=0, le=1)] = 0.0  # [1/usd] of the position's own side
    minimum_collateral: Dollars = 0.0  # [usd] of every open position

    @model_validator(mode="after")
    def _relations(self) -> CollateralFactorRatio:
        require_order(self, "minimum_factor_liquidation", "minimum_factor", MAINTENANCE_IS_LESS)
        return self

    @property
    def least_initial_ratio(self) -> float:
        """[1] of a small position in an empty market."""
        return self.minimum_factor

    @property
    def least_maintenance_ratio(self) -> float:
        """[1] of the same position."""
        return self.minimum_factor_liquidation


class Tier(Part):
    """The leverage allowed from `lower_bound` of notional on."""

    lower_bound: Dollars  # [usd]
    greatest_leverage: Annotated[float, Field(ge=1, le=1000)]  # [1]


class TieredRatio(Part):
    """Hyperliquid: initial = notional / greatest leverage of its tier; maintenance is charged slice by slice.

    The maintenance rate of a tier is `maintenance_share` / leverage, on the notional inside the tier only, so that the
    requirement is continuous; the initial requirement steps up at each bound.
    """

    kind: Literal["tiered"]
    tiers: Annotated[tuple[Tier, ...], BeforeValidator(tupled), Field(min_length=1, max_length=MOST_TIERS)]
    maintenance_share: Ratio = 0.5  # [1] of the initial ratio at the greatest leverage

    @model_validator(mode="after")
    def _relations(self) -> TieredRatio:
        if self.tiers[0].lower_bound != 0:
            raise ValueError(f"the first `lower_bound` must be 0, but got {self.tiers[0].lower_bound:g}")
        for former, latter in zip(self.tiers, self.tiers[1:], strict=False):
            if latter.lower_bound <= former.lower_bound:
                raise ValueError(
                    f"`lower_bound` must rise from tier to tier, but got {former.lower_bound:g} and then {latter.lower_bound:g}"
                )
            if latter.greatest_leverage > former.greatest_leverage:
                raise ValueError(
                    f"`greatest_leverage` must not rise with notional, but got {former.greatest_leverage:g} "
                    f"and then {latter.greatest_leverage:g}"
                )
        return self

    @property
    def least_initial_ratio(self) -> float:
        """[1] of a small position in an empty market."""
        return 1 / self.tiers[0].greatest_leverage

    @property
    def least_maintenance_ratio(self) -> float:
        """[1] of the same position."""
        return self.maintenance_share * self.least_initial_ratio


class VolatilityScaledRatio(Part):
    """Both ratios times a factor that follows volatility, held back in the ways of EMIR's RTS 153/2013, article 28.

    `factor` says how; at the reference volatility, the long-run one, it is 1 before buffer, weight, floor and cap. (a): `buffer`,
    built in calm markets and used up between the long-run volatility and (1 + buffer) times it; (b): `stressed_weight` of the
    variance is that of a stressed time; (c): `floor` = 1, never below the long-run volatility. `cap` = `floor` is a flat margin.
    """

    kind: Literal["volatility-scaled"]
    initial_margin_ratio: Ratio  # [1] at a factor of 1
    maintenance_margin_ratio: Ratio  # [1] at a factor of 1
    reference_volatility: Annotated[float, Field(gt=0, le=20)]  # [1/sqrt(year)] long-run
    half_life: Annotated[float, Field(ge=0)] = 0.0  # [s] of the variance that the factor follows; 0: what the protocol reads
    buffer: Fraction = 0.0  # [1]
    stressed_weight: Fraction = 0.0  # [1] of variance
    stressed_volatility: Annotated[float, Field(ge=0, le=20)] = 0.0  # [1/sqrt(year)]
    floor: Annotated[float, Field(gt=0, le=100)] = 1.0  # [1]
    cap: Annotated[float, Field(gt=0, le=100)] = 4.0  # [1]
    reference_correlation: Fraction | None = None  # [1] the factor follows a book of all markets, at this correlation as it is

    @model_validator(mode="after")
    def _relations(self) -> VolatilityScaledRatio:
        require_order(self, "maintenance_margin_ratio", "initial_margin_ratio", MAINTENANCE_IS_LESS)
        require_order(self, "floor", "cap", "equal, they are a flat margin")
        if self.stressed_weight > 0:
            require_order(self, "reference_volatility", "stressed_volatility", "a stressed time is worse than the long run")
        return self

    def factor(self, variance: float) -> float:
        """[1] clip(max(s, (1 + buffer) min(s, 1)), floor, cap) at a smoothed `variance` [1/year], s the volatility that counts
        over the reference."""
        counted = (1 - self.stressed_weight) * variance + self.stressed_weight * self.stressed_volatility**2
        scale = math.sqrt(counted) / self.reference_volatility
        return min(max(scale, (1 + self.buffer) * min(scale, 1.0), self.floor), self.cap)

    @property
    def least_initial_ratio(self) -> float:
        """[1] of any position at the reference volatility."""
        return self.initial_margin_ratio * self.factor(self.reference_volatility**2)

    @property
    def least_maintenance_ratio(self) -> float:
        """[1] of the same position."""
        return self.maintenance_margin_ratio * self.factor(self.reference_volatility**2)


MarginRatio = Annotated[
    FlatRatio
    | OpenInterestScaledRatio
    | SizeScaledRatio
    | SkewScaledRatio
    | CollateralFactorRatio
    | TieredRatio
    | VolatilityScaledRatio,
    Field(discriminator="kind"),
]


def flat_by_default(value: Any) -> Any:
    """A market without a `kind` is flat."""
    return {"kind": "flat", **value} if isinstance(value, dict) and "kind" not in value else value


PerpetualParameters = Annotated[MarginRatio, BeforeValidator(flat_by_default)]
