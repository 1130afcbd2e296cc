"""The rules of lending that a vote on numbers does not change. docs/model.md sections 3, 4.4, 5.1 and 5.3."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from simulator.parameters import Part, tupled
from simulator.protocol.interest import Accrual

Names = Annotated[tuple[str, ...], BeforeValidator(tupled)]


class Lending(Part):
    """How interest compounds, which assets form an e-mode category, and what may be borrowed in isolation or alone."""

    accrual: Accrual = "simple"  # of a debt over one substep
    categories: dict[str, Names] = Field(default_factory=dict)  # currencies of each category of [parameters.categories]
    borrowable_in_isolation: Names = ()  # currencies that an account with isolated collateral may borrow
    siloed: Names = ()  # currencies that who owes them may not owe another beside (Aave v3)
    reserves: dict[str, Annotated[float, Field(ge=0)]] = Field(default_factory=dict)  # [asset] of pools at load
