"""Every number that a vote may change, with its unit, its bounds and its meaning; and the conventions they are stated in.

Parameters are not state: a `RiskParameters` is frozen, `Accounts` (protocol/accounts.py) are arrays.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated

from pydantic import Field, model_validator

from simulator.terms.fees import FeeParameters, LinearFee
from simulator.terms.loan_liquidation import Bands, LoanLiquidation
from simulator.terms.margin import PerpetualParameters
from simulator.terms.part import VOTABLE, Fraction, Part, number, numbers, replaced, require_order, tupled
from simulator.terms.rate_curves import UNLIMITED, Borrowing, Overdraft

DAY = 86_400.0  # [s]
YEAR = 365 * DAY  # [s]


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
        require_order(self, "liquidation_threshold", "liquidation_factor", "every absorption would create bad debt")
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
        require_order(self, "least_leftover", "full_below_value", "some accounts could not be liquidated at all")
        return self


Limit = Annotated[float, Field(ge=0)]


class OptionParameters(Part):
    """The standard margin of options on one asset, S its index, V the mark, per option sold; those bought count nothing.

    Call: initial max(`initial_spot` - out-of-the-money share, `least_spot`) S, maintenance `maintenance_call` S. Put: the same
    initial, at least `put_offset` x maintenance; maintenance max(`maintenance_put` S, `maintenance_put_mark` V). Beside the mark.
    Defaults: Derive's standard manager (derivexyz/v2-core @7736900, scripts/config-mainnet.sol). The last four limit the book:
    what would take it beyond is refused.
    """

    initial_spot: Annotated[float, Field(ge=0, le=1)] = 0.15  # [1] of the index
    least_spot: Annotated[float, Field(ge=0, le=1)] = 0.13  # [1] of the index
    maintenance_call: Annotated[float, Field(ge=0, le=1)] = 0.09  # [1] of the index
    maintenance_put: Annotated[float, Field(ge=0, le=1)] = 0.09  # [1] of the index
    maintenance_put_mark: Annotated[float, Field(ge=0, le=1)] = 0.09  # [1] of the mark
    put_offset: Annotated[float, Field(ge=1, le=5)] = 1.05  # [1] of maintenance
    fee: Annotated[float, Field(ge=0, lt=1)] = 0.0003  # [1] of the index, a trade
    fee_cap: Annotated[float, Field(ge=0, le=1)] = 0.125  # [1] of the premium, above which no fee goes
    penalty: Annotated[float, Field(ge=0, lt=1)] = 0.0  # [1] of the index, an option closed by a liquidation
    most_open: Limit = UNLIMITED  # [asset] bought by anybody, all expiries
    most_open_in_expiry: Limit = UNLIMITED  # [asset] the same of one expiry
    most_vega: Limit = UNLIMITED  # [usd per 1.00 of volatility] of all that is bought
    most_gamma: Limit = UNLIMITED  # [usd per 1.00 of relative move] gamma x index^2 of all that is bought

    @model_validator(mode="after")
    def _relations(self) -> OptionParameters:
        require_order(self, "least_spot", "initial_spot")
        require_order(self, "maintenance_call", "least_spot", "a call could be liquidatable when sold")
        return self


class PortfolioParameters(Part):
    """What a vote may change of the scenario grid that margins whole accounts with options (`[protocol.options.margin]`).

    Defaults: Derive's portfolio manager (derivexyz/v2-core @7736900, scripts/config-mainnet.sol, PMRM_2).
    """

    initial_factor: Annotated[float, Field(gt=0, le=20)] = 1.0  # [1] of the worst loss
    maintenance_factor: Annotated[float, Field(gt=0, le=20)] = 0.8  # [1] of the worst loss
    volatility_up: Annotated[float, Field(ge=0, le=20)] = 0.5  # [1] relative, at 30 days
    volatility_down: Annotated[float, Field(ge=0, le=1)] = 0.3  # [1] relative, at 30 days
    maintenance_perpetual: Annotated[float, Field(ge=0, le=10)] = 0.03  # [1] of perpetual notional
    initial_perpetual: Annotated[float, Field(ge=0, le=10)] = 0.01  # [1] of perpetual notional, on top of maintenance
    maintenance_option: Annotated[float, Field(ge=0, le=10)] = 0.003  # [1] of the index, an option sold naked at its strike
    initial_option: Annotated[float, Field(ge=0, le=10)] = 0.002  # [1] of the index, on top of maintenance

    @model_validator(mode="after")
    def _relations(self) -> PortfolioParameters:
        require_order(self, "maintenance_factor", "initial_factor", "raise the initial margin or lower the maintenance margin")
        return self


class RiskParameters(Part):
    """Every number that a vote may change. Dotted names, as in `perpetuals.ETH.initial_margin_ratio`, address them."""

    perpetuals: dict[str, PerpetualParameters] = Field(default_factory=dict)
    options: dict[str, OptionParameters] = Field(default_factory=dict)
    portfolio: PortfolioParameters | None = None
    collateral: dict[str, CollateralParameters] = Field(default_factory=dict)
    borrowing: dict[str, Borrowing] = Field(default_factory=dict)
    overdraft: Overdraft | None = None  # interest of negative cash; absent: it bears none
    categories: dict[str, CategoryParameters] = Field(default_factory=dict)
    fees: FeeParameters = LinearFee()
    liquidation: LiquidationParameters = LiquidationParameters()

    def borrowing_power(self, asset: str) -> float:
        """What a dollar of a currency lets one owe: (1 - haircut) x collateral factor, or what its bands allow."""
        loans, own = self.liquidation.loans, self.collateral[asset]
        if isinstance(loans, Bands) and asset not in self.borrowing:
            return loans.borrowing_power
        return (1 - own.haircut) * own.collateral_factor

    def get(self, name: str) -> float:
        """The value under a dotted name. Raises KeyError, naming the parameters there are, if there is none."""
        return number(self, name)

    def items(self) -> Iterator[tuple[str, float]]:
        """Every (dotted name, value), in a fixed order."""
        yield from numbers(self.model_dump())

    def replace(self, changes: Mapping[str, float]) -> RiskParameters:
        """A copy with some dotted names changed, all relations checked again. Raises KeyError for an unknown name."""
        return replaced(self, changes)


__all__ = ["DAY", "UNLIMITED", "VOTABLE", "YEAR", "Fraction", "Part", "PerpetualParameters", "RiskParameters", "tupled"]
