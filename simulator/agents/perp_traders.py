"""Traders of one perpetual market. docs/model.md section 6."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from simulator.agents.demand import NONE, Elasticity, Wealth
from simulator.parameters import Fraction, Part, tupled
from simulator.terms.part import require_order


class LeverageRange(Part):
    """Log-uniform between `low` and `high`."""

    low: Annotated[float, Field(gt=0, le=1000)]
    high: Annotated[float, Field(gt=0, le=1000)]

    @model_validator(mode="after")
    def _ordered(self) -> LeverageRange:
        require_order(self, "low", "high")
        return self


class PerpTraders(Part):
    """Open, hold, rebalance to a target leverage, top up or not, close, come back; one margin for all their markets."""

    kind: Literal["perp-traders"]
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}$")]
    market: str
    also: Annotated[tuple[str, ...], BeforeValidator(tupled), Field(max_length=15)] = ()  # other markets of the same account
    collateral: str | None = None  # the currency that they put in; absent: cash
    accounts: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    wealth: Wealth | None = None
    leverage: LeverageRange | None = None
    file: str | None = None  # CSV with columns wealth, leverage, side (+1, -1 or 0: flat), instead of the distributions
    long_share: Fraction = 0.5  # [1] of openings
    open_share: Annotated[float, Field(gt=0, lt=1)] = 0.6  # [1] of accounts that hold a position at load and in the steady state
    activity: Annotated[float, Field(ge=0)] = 2.0  # [1/day] how often one account looks
    holding_days: Annotated[float, Field(gt=0)] = 5.0  # [day] mean time from opening to closing
    margin_buffer: Annotated[float, Field(ge=0, lt=1)] = 0.05  # [1] distance kept from the highest leverage allowed
    top_up_below: Annotated[float, Field(ge=0)] = 1.5  # [1] x maintenance requirement
    top_up_probability: Fraction = 0.0  # [1] that a look in distress brings money
    rebalance_band: Annotated[float, Field(ge=0)] = 0.2  # [1] of the position left alone
    leverage_elasticity: Elasticity = NONE  # of leverage to initial margin
    leverage_volatility_elasticity: Elasticity | None = None  # of leverage to the market's volatility; absent: none
    entry_margin_elasticity: Elasticity = NONE  # of openings to initial margin
    entry_fee_sensitivity: Elasticity = NONE  # [1 per unit of fee] of openings to the trading fee

    @property
    def markets(self) -> tuple[str, ...]:
        """Every market that they trade."""
        return (self.market, *self.also)

    @model_validator(mode="after")
    def _population(self) -> PerpTraders:
        if len(set(self.markets)) < len(self.markets):
            raise ValueError(f"`market` and `also` must name each market once, but name {', '.join(self.markets)}")
        return _one_population(self, ("wealth", "leverage"))


def _one_population(cohort, names):
    """Either a file of accounts or a count with its distributions."""
    given = [name for name in names if getattr(cohort, name) is not None]
    if cohort.file is not None and (given or cohort.accounts):
        raise ValueError("give either `file` or `accounts` with its distributions, not both")
    if cohort.file is None and (cohort.accounts == 0 or len(given) < len(names)):
        raise ValueError(f"needs `file`, or `accounts` > 0 with {', '.join(f'`{n}`' for n in names)}")
    return cohort
