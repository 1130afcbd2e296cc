"""Cohorts: each one Mesa agent, each many accounts sharing one behaviour."""

from typing import Annotated

from pydantic import Field

from simulator.agents.keepers import Keepers
from simulator.agents.lending import Borrowers, Suppliers
from simulator.agents.options import OptionBuyers, OptionHedgers, OptionWriters
from simulator.agents.perp_traders import PerpTraders

Cohort = Annotated[
    PerpTraders | Borrowers | Suppliers | OptionBuyers | OptionWriters | OptionHedgers | Keepers, Field(discriminator="kind")
]

__all__ = ["Borrowers", "Cohort", "Keepers", "OptionBuyers", "OptionHedgers", "OptionWriters", "PerpTraders", "Suppliers"]
