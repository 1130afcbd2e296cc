"""Every number that a vote may change, with its unit, its bounds and its meaning; and the conventions they are stated in.

Parameters are not state: a `RiskParameters` is frozen, `Accounts` (protocol/accounts.py) are arrays.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import Field, model_validator

from simulator.loan_liquidation import LoanLiquidation
from simulator.parts import DAY, UNLIMITED, YEAR, Fraction, Part, tupled
from simulator.rate_curves import Borrowing

__all__ = ["DAY", "UNLIMITED", "YEAR", "Fraction", "Part", "RiskParameters", "tupled"]


class PerpetualParameters(Part):
    """Margin of one perpetual market. Requirement = ratio x |size| x index price."""

    initial_margin_ratio: Annotated[float, Field(gt=0, le=1)]  # [1] needed to open or enlarge
    maintenance_margin_ratio: Annotated[float, Field(gt=0, le=1)]  # [1] below it the account is liquidatable

    @model_validator(mode="after")
    def _maintenance_below_initial(self) -> PerpetualParameters:
        if self.maintenance_margin_ratio > self.initial_margin_ratio:
            raise ValueError(
                f"`maintenance_margin_ratio <= initial_margin_ratio` must hold, but got {self.maintenance_margin_ratio:g} "
                f"and {self.initial_margin_ratio:g}; raise the initial margin or lower the maintenance margin"
            )
        return self


class CollateralParameters(Part):
    """Credit given to one asset. Value counted = amount x price x (1 - haircut) x factor."""

    haircut: Annotated[float, Field(ge=0, lt=1)] = 0.0  # [1] valuation: size, depeg, confidence
    collateral_factor: Fraction = 1.0  # [1] credit weight to open or withdraw
    liquidation_threshold: Fraction = 1.0  # [1] credit weight that decides liquidation
    liquidation_bonus: Annotated[float, Field(ge=0, lt=1)] = 0.0  # [1] paid to the keeper on collateral seized
    liquidation_factor: Fraction = 1.0  # [1] of the value credited where loans are absorbed (Comet)
    borrow_weight: Annotated[float, Field(ge=0, le=1)] = 0.0  # [1] debt in this asset counts as (1 + borrow_weight)
    supply_cap: Annotated[float, Field(ge=0)] = UNLIMITED  # [asset] deposited in all
    debt_ceiling: Annotated[float, Field(ge=0)] = 0.0  # [usd] of debt against it in isolation; 0: not isolated

    @model_validator(mode="after")
    def _relations(self) -> CollateralParameters:
        check_credit(self.haircut, self.collateral_factor, self.liquidation_threshold, self.liquidation_bonus)
        if self.liquidation_threshold > self.liquidation_factor:
            raise ValueError(
                f"`liquidation_threshold <= liquidation_factor` must hold, but got {self.liquidation_threshold:g} and "
                f"{self.liquidation_factor:g}; every absorption would create bad debt"
            )
        return self


class CategoryParameters(Part):
    """Credit given to every asset of an e-mode category, in accounts that hold and owe nothing else (Aave v3)."""

    collateral_factor: Fraction  # [1] credit weight to open or withdraw
    liquidation_threshold: Fraction  # [1] credit weight that decides liquidation
    liquidation_bonus: Annotated[float, Field(ge=0, lt=1)] = 0.0  # [1] paid to the keeper on collateral seized

    @model_validator(mode="after")
    def _relations(self) -> CategoryParameters:
        check_credit(0.0, self.collateral_factor, self.liquidation_threshold, self.liquidation_bonus)
        return self


def check_credit(haircut: float, factor: float, threshold: float, bonus: float) -> None:
    """Raise ValueError where a position would be liquidatable when opened, or every liquidation would create bad debt."""
    if threshold < factor:
        raise ValueError(
            f"`collateral_factor <= liquidation_threshold` must hold, but got {factor:g} and "
            f"{threshold:g}; a position at the limit would be liquidatable when opened"
        )
    credit = (1 - haircut) * threshold * (1 + bonus)
    if credit > 1 + 1e-12:
        raise ValueError(
            f"`(1 - haircut) * liquidation_threshold * (1 + liquidation_bonus) <= 1` must hold, but got {credit:g} "
            f"from {haircut:g}, {threshold:g} and {bonus:g}; "
            "every liquidation would create bad debt"
        )


class FeeParameters(Part):
    """Trading fee = min(cap, flat + slope x volatility), volatility = annualised EWMA of the oracle price."""

    flat: Annotated[float, Field(ge=0, lt=1)] = 0.0  # [1] of notional traded
    volatility_slope: Annotated[float, Field(ge=0, le=1)] = 0.0  # [1 per unit of annualised volatility]
    cap: Annotated[float, Field(ge=0, lt=1)] = 0.05  # [1]

    @model_validator(mode="after")
    def _cap_above_flat(self) -> FeeParameters:
        if self.cap < self.flat:
            raise ValueError(f"`flat <= cap` must hold, but got {self.flat:g} and {self.cap:g}")
        return self


class LiquidationParameters(Part):
    """What a liquidation costs and how much of an account it may take."""

    penalty: Annotated[float, Field(ge=0, lt=1)] = 0.0  # [1] of perpetual notional closed
    close_factor: Annotated[float, Field(gt=0, le=1)] = 1.0  # [1] share of debt one liquidation may repay
    full_below_health: Annotated[float, Field(ge=0, le=1)] = 0.95  # [1] health factor below which all debt may be repaid
    full_below_value: Annotated[float, Field(ge=0)] = 0.0  # [usd] all may be repaid where debt or collateral is worth less
    least_leftover: Annotated[float, Field(ge=0)] = 0.0  # [usd] of debt and of collateral, unless one of them is gone
    protocol_share: Fraction = 0.0  # [1] of the bonus
    loans: LoanLiquidation | None = None  # another shape for loans; absent: the close factor

    @model_validator(mode="after")
    def _no_dust_that_stays(self) -> LiquidationParameters:
        if self.least_leftover > self.full_below_value:
            raise ValueError(
                f"`least_leftover <= full_below_value` must hold, but got {self.least_leftover:g} and {self.full_below_value:g}; "
                "some accounts could not be liquidated at all"
            )
        return self


class RiskParameters(Part):
    """Every number that a vote may change. Dotted names, as in `perpetuals.ETH.initial_margin_ratio`, address them."""

    perpetuals: dict[str, PerpetualParameters] = Field(default_factory=dict)
    collateral: dict[str, CollateralParameters] = Field(default_factory=dict)
    borrowing: dict[str, Borrowing] = Field(default_factory=dict)
    categories: dict[str, CategoryParameters] = Field(default_factory=dict)
    fees: FeeParameters = FeeParameters()
    liquidation: LiquidationParameters = LiquidationParameters()

    def get(self, name: str) -> float:
        """The value under a dotted name. Raises KeyError, naming the parameters there are, if there is none."""
        return dict(self.items())[name]

    def items(self) -> Iterator[tuple[str, float]]:
        """Every (dotted name, value), in a fixed order."""
        yield from _leaves("", self.model_dump())

    def replace(self, changes: Mapping[str, float]) -> RiskParameters:
        """A copy with some dotted names changed, all relations checked again. Raises KeyError for an unknown name."""
        values = self.model_dump()
        for name, value in changes.items():
            *folders, leaf = name.split(".")
            place = values
            for folder in folders:
                place = place.get(folder) or {}
            if not isinstance(place.get(leaf), float):
                raise KeyError(name)
            place[leaf] = float(value)
        return RiskParameters.model_validate(values)


def _leaves(prefix: str, tree: dict[str, Any]) -> Iterator[tuple[str, float]]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _leaves(f"{prefix}{key}.", value)
        elif isinstance(value, float):
            yield f"{prefix}{key}", value
