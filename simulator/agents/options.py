"""Who deals in options: buyers, writers (covered or naked), and hedgers who trade the perpetual. docs/model.md section 8.7."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from simulator.agents.demand import NONE, Elasticity, Wealth
from simulator.parameters import Fraction, Part
from simulator.terms.part import require_order

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}$")]
Accounts = Annotated[int, Field(ge=1, le=1_000_000)]


class Span(Part):
    """Log-uniform between `low` and `high`."""

    low: Annotated[float, Field(gt=0, le=1000)]
    high: Annotated[float, Field(gt=0, le=1000)]

    @model_validator(mode="after")
    def _ordered(self) -> Span:
        require_order(self, "low", "high")
        return self


class Choice(Part):
    """Which of the listed options they deal in: a type, and strikes by their moneyness at listing."""

    type: Literal["call", "put", "either"] = "either"
    lowest: Annotated[float, Field(gt=0)] = 0.05  # [1] strike over the index at listing
    highest: Annotated[float, Field(gt=0)] = 20.0  # [1]

    @model_validator(mode="after")
    def _ordered(self) -> Choice:
        require_order(self, "lowest", "highest")
        return self


class OptionBuyers(Part):
    """Spend a share of their wealth on one option at a time, hold it, sell it or let it expire, and come back."""

    kind: Literal["option-buyers"]
    name: Name
    underlying: str
    choice: Choice = Choice()
    accounts: Accounts
    wealth: Wealth
    spending: Span  # [1] premium as a share of wealth
    most_notional: Annotated[float, Field(gt=0, le=1000)] = 10.0  # [1] index bought, in wealth: cheap options have an end
    open_share: Annotated[float, Field(gt=0, lt=1)] = 0.6  # [1] who hold one in the steady state
    activity: Annotated[float, Field(ge=0)] = 2.0  # [1/day] how often one account looks
    holding_days: Annotated[float, Field(gt=0)] = 5.0  # [day] mean time from opening to closing; expiry may come first
    price_elasticity: Elasticity = NONE  # of what they spend to the volatility marked over the reference volatility
    entry_fee_sensitivity: Elasticity = NONE  # [1 per unit of fee] of openings to the fee of options

    @property
    def span(self) -> Span:
        """What their second trait is drawn from."""
        return self.spending


class OptionWriters(Part):
    """Sell options against cash (naked) or against tokens of `collateral` (covered, where it is the underlying)."""

    kind: Literal["option-writers"]
    name: Name
    underlying: str
    choice: Choice = Choice()
    collateral: str | None = None  # the currency that they put in; absent: cash
    accounts: Accounts
    wealth: Wealth
    leverage: Span  # [1] index sold, in wealth
    open_share: Annotated[float, Field(gt=0, lt=1)] = 0.6
    activity: Annotated[float, Field(ge=0)] = 2.0  # [1/day]
    holding_days: Annotated[float, Field(gt=0)] = 5.0  # [day]
    margin_buffer: Annotated[float, Field(ge=0, lt=1)] = 0.1  # [1] distance kept from the most that margin allows
    top_up_below: Annotated[float, Field(ge=0)] = 1.5  # [1] x maintenance requirement
    top_up_probability: Fraction = 0.0  # [1] that a look in distress brings money
    price_elasticity: Elasticity = NONE  # of what they sell to the volatility marked over the reference volatility
    leverage_elasticity: Elasticity = NONE  # of leverage to the initial margin of the option sold
    entry_margin_elasticity: Elasticity = NONE  # of openings to it
    entry_fee_sensitivity: Elasticity = NONE  # [1 per unit of fee]

    @property
    def span(self) -> Span:
        """What their second trait is drawn from."""
        return self.leverage


class OptionHedgers(Part):
    """Hold one option at a time, bought or sold, and the perpetual against its delta: their hedging moves the venue."""

    kind: Literal["option-hedgers"]
    name: Name
    underlying: str
    choice: Choice = Choice()
    accounts: Accounts
    wealth: Wealth
    leverage: Span  # [1] index bought or sold, in wealth
    buy_share: Fraction = 0.5  # [1] of openings that buy
    hedge_band: Annotated[float, Field(ge=0, le=1)] = 0.05  # [1] of the options held: a smaller net delta is left alone
    open_share: Annotated[float, Field(gt=0, lt=1)] = 0.8
    activity: Annotated[float, Field(ge=0)] = 12.0  # [1/day]
    holding_days: Annotated[float, Field(gt=0)] = 10.0  # [day]
    margin_buffer: Annotated[float, Field(ge=0, lt=1)] = 0.2  # [1]
    top_up_below: Annotated[float, Field(ge=0)] = 1.5  # [1] x maintenance requirement
    top_up_probability: Fraction = 0.5  # [1]
    price_elasticity: Elasticity = NONE  # of what they buy (less) and sell (more) to the volatility marked over the reference
    leverage_elasticity: Elasticity = NONE
    entry_margin_elasticity: Elasticity = NONE
    entry_fee_sensitivity: Elasticity = NONE

    @property
    def span(self) -> Span:
        """What their second trait is drawn from."""
        return self.leverage


OptionCohort = OptionBuyers | OptionWriters | OptionHedgers
OPTION_COHORTS = (OptionBuyers, OptionWriters, OptionHedgers)
