"""What options need elsewhere in a scenario: a surface, parameters, a venue to hedge in, and whole substeps."""

from __future__ import annotations

from collections.abc import Iterator

from simulator.agents import OptionHedgers, OptionWriters
from simulator.agents.options import OPTION_COHORTS
from simulator.market import Grid
from simulator.protocol.options import OptionRules, StandardMargin
from simulator.protocol.portfolio_margin.naked import NakedMargin
from simulator.protocol.portfolio_margin.scenario_grid import ScenarioGrid
from simulator.scenario.draft import Draft
from simulator.scenario.problems import Problem
from simulator.wording import did_you_mean, quoted


def wrong_options(draft: Draft) -> Iterator[Problem]:
    """Every name and number of the options of a scenario that nothing else of it fits."""
    if draft.protocol is None or draft.parameters is None:
        return
    rules, named = draft.protocol.options, draft.parameters.options
    listed = rules.markets if rules is not None else {}
    for name in draft.surfaces or ():
        if draft.assets is not None and name not in draft.assets:
            yield Problem(("surfaces", name), f"is not an asset of [market]; {did_you_mean(name, draft.assets)}")
    for name in named:
        if name not in listed:
            yield Problem(("parameters", "options", name), f"is not listed; add [protocol.options.markets.{name}]")
    for name in listed:
        if name not in named:
            yield Problem(("protocol", "options", "markets", name), f"has no parameters; add [parameters.options.{name}]")
        if draft.surfaces is not None and name not in draft.surfaces:
            yield Problem(("surfaces", name), f"is missing; options on {name} are marked on its surface")
        if name not in draft.protocol.venues:
            yield Problem(("protocol", "venues", name), f"is missing; options on {name} settle at its oracle")
    if rules is not None and draft.grid is not None:
        yield from _times(rules, draft.grid)
    yield from _portfolio(draft, rules)
    yield from _cohorts(draft, listed)


def _portfolio(draft: Draft, rules: OptionRules | None) -> Iterator[Problem]:
    """A grid has its numbers of the vote; a portfolio margin takes in every perpetual there is, and names every underlying."""
    assert draft.parameters is not None
    margin = rules.margin if rules is not None else StandardMargin()
    grid = isinstance(margin, ScenarioGrid)
    whole = not isinstance(margin, StandardMargin | NakedMargin)
    if grid and draft.parameters.portfolio is None:
        yield Problem(("parameters", "portfolio"), "is missing; the grid of [protocol.options.margin] takes its factors from it")
    if not grid and draft.parameters.portfolio is not None:
        yield Problem(("parameters", "portfolio"), 'needs [protocol.options.margin] with kind = "scenario-grid"; remove one')
    for name in draft.parameters.perpetuals if whole else ():
        if name not in draft.parameters.options:
            yield Problem(
                ("parameters", "perpetuals", name),
                f"a portfolio margin needs options on {name} too; add [parameters.options.{name}]",
            )
    markets = getattr(margin, "markets", None)
    if markets is not None:
        where = ("protocol", "options", "margin", "markets")
        for name in draft.parameters.options:
            if name not in markets:
                yield Problem((*where, name), f"is missing; [parameters.options.{name}] is margined by its risk")
        for name in markets:
            if name not in draft.parameters.options:
                yield Problem((*where, name), f"has no options; {did_you_mean(name, draft.parameters.options)}")


def _times(rules: OptionRules, grid: Grid) -> Iterator[Problem]:
    for name, market in rules.markets.items():
        for i, schedule in enumerate(market.expiries):
            steps = schedule.interval * 86_400.0 / grid.dt
            if steps < 1 or abs(steps - round(steps)) > 1e-9 * max(1.0, steps):
                yield Problem(
                    ("protocol", "options", "markets", name, "expiries", i, "interval"),
                    f"must be whole substeps, but {schedule.interval:g} days are {steps:.6g} substeps of {grid.dt:g} s",
                )
    if grid.dt > rules.venue.half_life / 2:
        yield Problem(
            ("protocol", "options", "venue", "half_life"),
            f"a substep of {grid.dt:g} s is longer than half of it, {rules.venue.half_life:g} s; raise grid.substeps",
        )


def _cohorts(draft: Draft, listed: dict) -> Iterator[Problem]:
    assert draft.parameters is not None
    for i, cohort in draft.cohorts.items():
        if not isinstance(cohort, OPTION_COHORTS):
            continue
        if cohort.underlying not in listed:
            message = (
                f"{quoted(cohort.underlying)} is not in [protocol.options.markets]; {did_you_mean(cohort.underlying, listed)}"
            )
            yield Problem(("cohorts", i, "underlying"), message)
            continue
        if not any(cohort.choice.lowest <= k <= cohort.choice.highest for k in listed[cohort.underlying].strikes):
            yield Problem(("cohorts", i, "choice"), f"no strike of {cohort.underlying} lies between `lowest` and `highest`")
        if isinstance(cohort, OptionHedgers) and cohort.underlying not in draft.parameters.perpetuals:
            yield Problem(
                ("cohorts", i, "underlying"), f"hedgers need a perpetual; add [parameters.perpetuals.{cohort.underlying}]"
            )
        currencies = draft.parameters.collateral
        if isinstance(cohort, OptionWriters) and cohort.collateral is not None and cohort.collateral not in currencies:
            message = (
                f"{quoted(cohort.collateral)} is not in [parameters.collateral]; {did_you_mean(cohort.collateral, currencies)}"
            )
            yield Problem(("cohorts", i, "collateral"), message)
        yield from _too_frequent(i, cohort)


def _too_frequent(i: int, cohort) -> Iterator[Problem]:
    looks = cohort.holding_days * cohort.activity
    entry = cohort.open_share / (1 - cohort.open_share) / looks if looks else 0.0
    if cohort.activity and (looks < 1 or entry > 1):
        least = max(1.0, cohort.open_share / (1 - cohort.open_share)) / cohort.holding_days
        yield Problem(
            ("cohorts", i, "activity"),
            f"chances at one look must be at most 1, but it is {looks:g} looks a holding; write activity = {least:.4g} or more",
        )
