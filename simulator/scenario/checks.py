"""All checks between the sections of a scenario, and what is accepted but suspicious."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from simulator.agents import Keepers
from simulator.protocol.backstop import Maker
from simulator.scenario.draft import Draft
from simulator.scenario.goals import unanswerable
from simulator.scenario.loans import broken_loans
from simulator.scenario.option_problems import wrong_options
from simulator.scenario.pressure import impossible_pressure
from simulator.scenario.problems import Problem
from simulator.scenario.references import unknown_names
from simulator.scenario.relations import broken_relations
from simulator.scenario.seen import seen_windows
from simulator.scenario.size import too_large


def problems_between(draft: Draft, accounts: int) -> Iterator[Problem]:
    """Every problem that no section has by itself."""
    for check in (
        unknown_names,
        wrong_options,
        broken_relations,
        broken_loans,
        impossible_pressure,
        unanswerable,
        seen_windows,
        partial(too_large, accounts=accounts),
    ):
        try:
            yield from check(draft)
        except ArithmeticError:
            yield Problem((), "numbers of different sections are too large or too small to work with together")


def notices(draft: Draft) -> Iterator[str]:
    """What is accepted but suspicious, numbered by kind, as `key.path: W01 ...`."""
    if draft.market is not None:
        for line in draft.market.notices():
            place, _, message = line.partition(": ")
            yield f"market.{place}: W01 {message}"
    if not any(isinstance(cohort, Keepers) for cohort in draft.cohorts.values()):
        yield "cohorts: W02 no keepers: nobody liquidates, and every loss stays latent"
    if draft.protocol is not None and draft.parameters is not None and draft.parameters.perpetuals:
        counterparty = draft.protocol.counterparty
        if isinstance(counterparty, Maker) and counterparty.capital == 0:
            yield "protocol.counterparty.capital: W03 the maker has no capital: its first loss is bad debt"
    yield from _unused(draft)


def _unused(draft: Draft) -> Iterator[str]:
    if draft.parameters is None or draft.protocol is None:
        return
    used = {*draft.parameters.perpetuals, *draft.parameters.collateral, *draft.parameters.options}
    for name in draft.assets or ():
        if name not in used:
            yield f"market: W04 {name} is neither a market nor a currency; it only costs time"
    for name, venues in draft.protocol.venues.items():
        if venues.perpetual is not None and name not in draft.parameters.perpetuals:
            yield f"protocol.venues.{name}.perpetual: W05 no market of [parameters.perpetuals] trades there"
