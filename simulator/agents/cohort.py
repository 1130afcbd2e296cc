"""One Mesa agent a cohort: `step` decides for all its accounts on all paths at once. The only other module that imports Mesa."""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING

import mesa
import numpy as np

from simulator.agents.decide import Holders, borrowers_decide, suppliers_decide, traders_decide
from simulator.agents.lending import Borrowers, Suppliers
from simulator.agents.option_dealers import make_dealers
from simulator.agents.option_decide import option_dealers_decide
from simulator.agents.options import OPTION_COHORTS, OptionCohort
from simulator.agents.perp_traders import PerpTraders
from simulator.agents.population import Population
from simulator.kernel import entry, stream
from simulator.parameters import DAY
from simulator.terms.loan_liquidation import Bands

if TYPE_CHECKING:
    from simulator.agents.demand import Level


DECIDE = {
    "perp-traders": traders_decide,
    "borrowers": borrowers_decide,
    "suppliers": suppliers_decide,
    "option-buyers": option_dealers_decide,
    "option-writers": option_dealers_decide,
    "option-hedgers": option_dealers_decide,
}


class Cohort(mesa.Agent):
    """Accounts that share one behaviour. `holders` are its numbers, `decide` its kernel."""

    def __init__(self, model, part: PerpTraders | Borrowers | Suppliers | OptionCohort, population: Population, holders):
        super().__init__(model)
        self.part, self.population, self.holders = part, population, holders
        self._decide = DECIDE[part.kind]

    def step(self) -> None:
        """Write this step's requests of every path into the book."""
        model = self.model
        self._enter(model.state, model.clock, model.first, self.holders, *model.handed_over)

    @cached_property
    def _enter(self):
        model = self.model
        return entry(self._decide, model.state, 0, model.first, self.holders, *model.handed_over)

    @property
    def holders_and_sides(self) -> tuple[str, Holders, np.ndarray]:
        """What the load needs: (kind, numbers, side of each account)."""
        return self.part.kind, self.holders, self.population.side


def make_cohorts(model, scenario, purpose: str, parts: list, populations: list[Population]) -> list[Cohort]:
    """One agent for every part, its accounts after those of the parts before it."""
    cohorts, start = [], 0
    for part, population in zip(parts, populations, strict=True):
        make = make_dealers if isinstance(part, OPTION_COHORTS) else make_holders
        holders = make(part, population, scenario, purpose, start)
        cohorts.append(Cohort(model, part, population, holders))
        start += len(population)
    return cohorts


def make_holders(part, population: Population, scenario, purpose: str, start: int) -> Holders:
    """The numbers of a cohort, its elasticities at the scenario's level."""
    level: Level = scenario.elasticity
    markets, currencies = list(scenario.parameters.perpetuals), list(scenario.parameters.collateral)
    holding = getattr(part, "holding_days", math.inf)
    p_close = 1.0 / (holding * part.activity) if part.activity > 0 else 0.0
    open_share = getattr(part, "open_share", 0.0)
    wary = getattr(part, "leverage_volatility_elasticity", None)
    trading, borrowing = isinstance(part, PerpTraders), isinstance(part, Borrowers)
    if trading:
        first = currencies.index(part.collateral) if part.collateral is not None else -1
        elasticity, sensitivity = part.leverage_elasticity, part.entry_fee_sensitivity
    elif borrowing:
        first = currencies.index(part.collateral)
        elasticity, sensitivity = part.factor_elasticity, part.rate_sensitivity
    else:
        first, elasticity, sensitivity = currencies.index(part.asset), part.rate_elasticity, None
    loans = scenario.parameters.liquidation.loans
    bands = (part.bands or loans.bands) if borrowing and isinstance(loans, Bands) else 0
    return Holders(
        start=start,
        accounts=len(population),
        wealth=population.wealth,
        appetite=population.appetite,
        activity_key=stream(scenario.seed, purpose, part.name, "activity"),
        decision_key=stream(scenario.seed, purpose, part.name, "decision"),
        log_quiet=-part.activity * scenario.grid.dt / DAY,
        p_close=p_close,
        p_enter=p_close * open_share / (1 - open_share),
        markets=np.array([markets.index(name) for name in part.markets] if trading else [], np.int64),
        first=first,
        debts=np.array([currencies.index(name) for name in part.debts] if borrowing else [], np.int64),
        long_share=part.long_share if trading else 0.0,
        margin_buffer=part.margin_buffer if trading else 0.0,
        top_up_below=getattr(part, "top_up_below", 0.0),
        top_up_probability=getattr(part, "top_up_probability", 0.0),
        band=part.rebalance_band,
        elasticity=elasticity.at(level),
        volatility_elasticity=wary.at(level) if wary else 0.0,
        entry_elasticity=part.entry_margin_elasticity.at(level) if trading else 0.0,
        sensitivity=sensitivity.at(level) if sensitivity else 0.0,
        reference_rate=getattr(part, "reference_rate", 0.0),
        run_utilisation=getattr(part, "run_utilisation", 1.0),
        bands=bands,
        carries=loans.worth_of(bands) / loans.worth_of(loans.bands) if bands else 1.0,
    )
