"""Borrowers and suppliers of a lending pool. docs/model.md section 6."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from simulator.agents.demand import NONE, Elasticity, Wealth
from simulator.agents.perp_traders import LeverageRange, _one_population
from simulator.parameters import Fraction, Part, tupled
from simulator.terms.loan_liquidation import BandCount


class Borrowers(Part):
    """Deposit one asset, borrow another up to a share of what the collateral factor allows, top up or not, repay, come back."""

    kind: Literal["borrowers"]
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}$")]
    collateral: str
    debt: str
    also: Annotated[tuple[str, ...], BeforeValidator(tupled), Field(max_length=15)] = ()  # other debts of the same account
    accounts: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    wealth: Wealth | None = None  # [usd] of collateral
    use: LeverageRange | None = None  # [1] share of the borrowing power used
    file: str | None = None  # CSV with columns wealth, use (0: no debt), instead of the distributions
    open_share: Annotated[float, Field(gt=0, lt=1)] = 0.8
    activity: Annotated[float, Field(ge=0)] = 1.0  # [1/day]
    holding_days: Annotated[float, Field(gt=0)] = 30.0  # [day]
    top_up_below: Annotated[float, Field(ge=0)] = 1.1  # health factor that alarms
    top_up_probability: Fraction = 0.0
    rebalance_band: Annotated[float, Field(ge=0)] = 0.1
    factor_elasticity: Elasticity = Elasticity(low=1.0, central=1.0, high=1.0, source="a constant share of borrowing power")
    rate_sensitivity: Elasticity = NONE  # [1 per unit of rate] of debt to the borrow rate
    reference_rate: Annotated[float, Field(ge=0)] = 0.0  # [1/year] at which `use` was observed
    bands: BandCount | None = None  # [1] of each loan, where loans lie in bands; absent: those of the rule

    @property
    def debts(self) -> tuple[str, ...]:
        """Every currency that they may owe, in equal shares."""
        return (self.debt, *self.also)

    @model_validator(mode="after")
    def _population(self) -> Borrowers:
        if self.use is not None and self.use.high > 1:
            raise ValueError(f"`use.high <= 1` must hold, but got {self.use.high:g}; use is a share of the borrowing power")
        if self.collateral in self.debts:
            other = "debt" if self.collateral == self.debt else "also"
            raise ValueError(f"`collateral` and `{other}` must differ, but both are {self.collateral!r}")
        if len(set(self.debts)) < len(self.debts):
            raise ValueError(f"`debt` and `also` must name each currency once, but name {', '.join(self.debts)}")
        return _one_population(self, ("wealth", "use"))


class Suppliers(Part):
    """Lend one asset; answer to the rate; run on utilisation and on bad debt."""

    kind: Literal["suppliers"]
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}$")]
    asset: str
    accounts: Annotated[int, Field(ge=1, le=1_000_000)]
    wealth: Wealth
    activity: Annotated[float, Field(ge=0)] = 1.0  # [1/day]
    rate_elasticity: Elasticity = NONE  # of supply to the supply rate
    reference_rate: Annotated[float, Field(gt=0)] = 0.03  # [1/year] at which `wealth` is supplied
    run_utilisation: Annotated[float, Field(gt=0, le=1)] = 0.99
    rebalance_band: Annotated[float, Field(ge=0)] = 0.1
