"""Overlays and gas against the market, the grid and the keepers they act on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from simulator.agents import Keepers
from simulator.market import Market
from simulator.market.gas import Gas
from simulator.market.overlays import AnyOverlay
from simulator.market.stress import gas_problems, overlay_problems
from simulator.scenario.draft import Draft
from simulator.scenario.problems import Place, Problem


def impossible_pressure(draft: Draft) -> Iterator[Problem]:
    """Every overlay and every [gas] that cannot act, of the scenario and of its regimes."""
    if draft.market is None:
        return
    yield from _wrong_gas(draft.gas, draft.market, ())
    yield from _wrong_overlays(draft, draft.market, draft.gas, draft.overlays, ())
    for i, regime in draft.regimes.items():
        market = regime.market or draft.market
        yield from _wrong_gas(regime.gas, market, ("regime", i))
        yield from _wrong_overlays(draft, market, regime.gas or draft.gas, dict(enumerate(regime.overlays)), ("regime", i))
    if draft.gas is not None or any(regime.gas is not None for regime in draft.regimes.values()):
        yield from _gas_twice(draft)


def _wrong_gas(gas: Gas | None, market: Market, place: Place) -> Iterator[Problem]:
    for key, message in () if gas is None else gas_problems(gas, market):
        yield Problem((*place, "gas", key), message)


def _wrong_overlays(
    draft: Draft, market: Market, gas: Gas | None, overlays: Mapping[int, AnyOverlay], place: Place
) -> Iterator[Problem]:
    if draft.grid is None or ("gas" in draft.sections and draft.gas is None):
        return
    numbers = list(overlays)
    for n, key, message in overlay_problems(tuple(overlays.values()), market, gas, draft.grid):
        yield Problem((*place, "overlays", numbers[n], key), message)


def _gas_twice(draft: Draft) -> Iterator[Problem]:
    """Each mechanism acts once (DESIGN 3.5)."""
    for i, cohort in draft.cohorts.items():
        if isinstance(cohort, Keepers) and cohort.gas > 0:
            yield Problem(("cohorts", i, "gas"), "gas is paid by the section [gas]; leave it out here, each mechanism acts once")
