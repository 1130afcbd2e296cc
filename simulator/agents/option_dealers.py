"""A cohort that deals in options, as the numbers that its kernel reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from simulator.agents.options import OptionBuyers, OptionCohort, OptionHedgers, OptionWriters
from simulator.agents.population import Population
from simulator.kernel import stream
from simulator.parameters import DAY

if TYPE_CHECKING:
    from simulator.agents.demand import Level
    from simulator.protocol import Protocol


class Dealers(NamedTuple):
    """One cohort; what a behaviour does not use is 0."""

    start: int  # its first account in the protocol
    accounts: int
    wealth: np.ndarray  # float64 [account of the cohort], usd
    appetite: np.ndarray  # float64 [account of the cohort]: share spent, or index bought or sold in wealth
    activity_key: np.uint64
    decision_key: np.uint64
    log_quiet: float  # ln(1 - ceiling probability of a look in one substep); 0: nobody ever looks
    p_close: float
    p_enter: float
    options: np.ndarray  # int64 [option of the cohort]
    underlying: int
    market: int  # the perpetual that hedges; -1: nobody hedges
    first: int  # currency put in (-1: cash)
    buy_share: float
    spends: bool  # the appetite is a share of wealth spent on premium
    most_notional: float
    band: float
    margin_buffer: float
    top_up_below: float
    top_up_probability: float
    elasticity: float  # of leverage to initial margin
    entry_elasticity: float
    sensitivity: float  # of openings to the fee
    price_elasticity: float  # of size to the volatility of the mark


def chosen(part: OptionCohort, protocol: Protocol, underlyings: list[str]) -> list[int]:
    """The numbers of the options that `part` deals in, in the order of `option_rules`."""
    assert protocol.options is not None
    found, place = [], 0
    for name in underlyings:
        market = protocol.options.markets[name]
        for _ in market.slots():
            for strike in market.strikes:
                for kind in ("call", "put"):
                    choice = part.choice
                    fits = choice.type in (kind, "either") and choice.lowest <= strike <= choice.highest
                    if name == part.underlying and fits:
                        found.append(place)
                    place += 1
    return found


def make_dealers(part: OptionCohort, population: Population, scenario, purpose: str, start: int) -> Dealers:
    """The numbers of a cohort, its elasticities at the scenario's level."""
    level: Level = scenario.elasticity
    underlyings, currencies = list(scenario.parameters.options), list(scenario.parameters.collateral)
    p_close = 1.0 / (part.holding_days * part.activity) if part.activity > 0 else 0.0
    buys, hedges = isinstance(part, OptionBuyers), isinstance(part, OptionHedgers)
    collateral = part.collateral if isinstance(part, OptionWriters) else None
    return Dealers(
        start=start,
        accounts=len(population),
        wealth=population.wealth,
        appetite=population.appetite,
        activity_key=stream(scenario.seed, purpose, part.name, "activity"),
        decision_key=stream(scenario.seed, purpose, part.name, "decision"),
        log_quiet=-part.activity * scenario.grid.dt / DAY,
        p_close=p_close,
        p_enter=p_close * part.open_share / (1 - part.open_share),
        options=np.array(chosen(part, scenario.protocol, underlyings), np.int64),
        underlying=underlyings.index(part.underlying),
        market=list(scenario.parameters.perpetuals).index(part.underlying) if hedges else -1,
        first=currencies.index(collateral) if collateral is not None else -1,
        buy_share=1.0 if buys else getattr(part, "buy_share", 0.0),
        spends=buys,
        most_notional=getattr(part, "most_notional", 0.0),
        band=getattr(part, "hedge_band", 0.0),
        margin_buffer=getattr(part, "margin_buffer", 0.0),
        top_up_below=getattr(part, "top_up_below", 0.0),
        top_up_probability=getattr(part, "top_up_probability", 0.0),
        elasticity=0.0 if isinstance(part, OptionBuyers) else part.leverage_elasticity.at(level),
        entry_elasticity=0.0 if isinstance(part, OptionBuyers) else part.entry_margin_elasticity.at(level),
        sensitivity=part.entry_fee_sensitivity.at(level),
        price_elasticity=part.price_elasticity.at(level),
    )
