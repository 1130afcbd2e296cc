"""Numbers of different sections that must fit each other: leverage and margin, time steps and latencies, rates of action."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from simulator.agents import Borrowers, Keepers, PerpTraders
from simulator.market import Grid, History, Market
from simulator.market.online import GarchRefit
from simulator.parameters import DAY, PerpetualParameters, RiskParameters
from simulator.protocol import Protocol
from simulator.protocol.backstop import VaultBackstop
from simulator.protocol.liquidation import FillableLiquidation, WindowLiquidation
from simulator.protocol.venue import LinearVenue, PerpetualVenue, Venue
from simulator.scenario.draft import Draft
from simulator.scenario.problems import Place, Problem, dotted

MOST_SUBSTEPS = 100_000
FEWEST_REFITTED = 100  # returns: with fewer a GARCH cannot be told from none


def broken_relations(draft: Draft) -> Iterator[Problem]:
    """Every pair of numbers in different sections that cannot both hold."""
    yield from unresolved(draft)
    if draft.grid is not None and draft.market is not None:
        yield from market_problems(draft.market, draft.grid, ("market",))
    yield from _unpaid_keepers(draft)
    if draft.parameters is not None:
        yield from _double_credit(draft.parameters)
    for i, cohort in draft.cohorts.items():
        if isinstance(cohort, PerpTraders) and draft.parameters is not None:
            yield from _too_much_leverage(i, cohort, draft.parameters)
        if isinstance(cohort, (PerpTraders, Borrowers)):
            yield from _too_frequent(i, cohort, draft)


def unresolved(draft: Draft) -> Iterator[Problem]:
    """Times of rules and agents that the steps of the grid cannot tell apart."""
    if draft.grid is not None:
        yield from _slow_substep(draft, draft.grid)
        yield from _short_window(draft, draft.grid)
        yield from _refits(draft, draft.grid)


def _refits(draft: Draft, grid: Grid) -> Iterator[Problem]:
    """A fit needs some returns, and a run that is longer than they take."""
    feed = draft.protocol.volatility_feed if draft.protocol is not None else None
    for name, own in feed.estimator.items() if feed else ():
        if not isinstance(own, GarchRefit):
            continue
        place, count = ("protocol", "volatility_feed", "estimator", name, "window"), own.steps(grid.market_step)
        if count < FEWEST_REFITTED:
            yield Problem(place, f"holds {count} market steps of {grid.market_step:g} s; a fit needs >= {FEWEST_REFITTED}")
        elif count >= grid.market_steps:
            days = grid.market_steps * grid.market_step / DAY
            yield Problem(place, f"{own.window / DAY:g} days never pass in a run of {days:g}: nothing is fitted; shorten it")


def market_problems(market: Market, grid: Grid, place: Place) -> Iterator[Problem]:
    """Why no paths can be made on `grid`, at `place`; nothing about a file that may not be read, which is said elsewhere."""
    if isinstance(market, History) and not market._folder:
        return
    for line in market.problems(grid):
        key, _, message = line.partition(": ")
        if re.fullmatch(r"[a-z_]+(\.[a-z_0-9]+)*", key):
            inner = tuple(int(part) if part.isdigit() else part for part in key.split("."))
            yield Problem((*place, *inner), message)
        else:
            yield Problem(place, line)


def _slow_substep(draft: Draft, grid: Grid) -> Iterator[Problem]:
    times = list(_times(draft))
    if not times:
        return
    shortest, place = min(times, key=lambda entry: entry[0])
    if grid.dt > shortest / 2:
        needed = 2 * grid.market_step / shortest
        way_out = f"write at least {math.ceil(needed - 1e-9)}" if needed <= MOST_SUBSTEPS else "write a longer time there"
        yield Problem(
            ("grid", "substeps"),
            f"a substep of {grid.dt:g} s is longer than half of {dotted(place)}, {shortest:g} s; {way_out}",
        )


def _short_window(draft: Draft, grid: Grid) -> Iterator[Problem]:
    """What a window of liquidations holds is counted by substep, so a window may not be longer than one."""
    liquidation = draft.protocol.liquidation if draft.protocol is not None else None
    if isinstance(liquidation, WindowLiquidation) and liquidation.window > grid.dt:
        yield Problem(
            ("protocol", "liquidation", "window"),
            f"must be at most a substep, {grid.dt:g} s, but is {liquidation.window:g} s; write fewer substeps",
        )


def _unpaid_keepers(draft: Draft) -> Iterator[Problem]:
    """Nobody earns by a liquidation at a fillable price."""
    if draft.protocol is None or not isinstance(draft.protocol.liquidation, FillableLiquidation):
        return
    for i, cohort in draft.cohorts.items():
        if isinstance(cohort, Keepers) and cohort.acts == "at-a-profit" and -cohort.gas < cohort.minimum_profit:
            message = 'must be "always" where [protocol.liquidation] is fillable-price, which pays keepers nothing'
            yield Problem(("cohorts", i, "acts"), message)


def _times(draft: Draft) -> Iterator[tuple[float, Place]]:
    """Every latency and half-life [s] that a substep must resolve, with its place."""
    if draft.parameters is not None:
        for name, market in draft.parameters.perpetuals.items():
            if market.kind == "volatility-scaled" and market.half_life > 0:
                yield market.half_life, ("parameters", "perpetuals", name, "half_life")
    if draft.protocol is not None:
        yield from _protocol_times(draft.protocol)
    for i, cohort in draft.cohorts.items():
        if isinstance(cohort, Keepers) and cohort.latency > 0:
            yield cohort.latency, ("cohorts", i, "latency")


def _protocol_times(protocol: Protocol) -> Iterator[tuple[float, Place]]:
    for name, venues in protocol.venues.items():
        for key, venue in (("spot", venues.spot), ("perpetual", venues.perpetual)):
            yield from _venue_time(venue, ("protocol", "venues", name, key, "half_life"))
    if isinstance(protocol.backstop, VaultBackstop):
        yield protocol.backstop.unwind_half_life, ("protocol", "backstop", "unwind_half_life")
    if protocol.change.phase_in > 0:
        yield protocol.change.phase_in, ("protocol", "change", "phase_in")
    yield protocol.volatility_half_life, ("protocol", "volatility_half_life")


def _venue_time(venue: Venue | PerpetualVenue | None, place: Place) -> Iterator[tuple[float, Place]]:
    if isinstance(venue, LinearVenue) and venue.permanent_share < 1:
        yield venue.half_life, place


def _double_credit(parameters: RiskParameters) -> Iterator[Problem]:
    """Where one number says it all, a second that only multiplies it is refused (DESIGN 3.2)."""
    for name, part in parameters.collateral.items():
        if not parameters.borrowing:
            for key in ("collateral_factor", "liquidation_threshold"):
                if getattr(part, key) != 1:
                    yield Problem(
                        ("parameters", "collateral", name, key),
                        f"`{key} = 1` must hold in a book without [parameters.borrowing], but got {getattr(part, key):g}; "
                        "state the discount as `haircut`",
                    )
        elif not parameters.perpetuals and part.haircut != 0:
            yield Problem(
                ("parameters", "collateral", name, "haircut"),
                f"`haircut = 0` must hold in a pool without [parameters.perpetuals], but got {part.haircut:g}; "
                "state the discount in `collateral_factor` and `liquidation_threshold`",
            )


def _too_much_leverage(i: int, cohort: PerpTraders, parameters: RiskParameters) -> Iterator[Problem]:
    market = parameters.perpetuals.get(cohort.market)
    if market is None or cohort.leverage is None:
        return
    most = 1 / market.least_initial_ratio
    if cohort.leverage.high > most * (1 + 1e-12):
        ratio = "initial_margin_ratio" if market.kind == "flat" else "the initial ratio of a small position"
        yield Problem(
            ("cohorts", i, "leverage", "high"),
            f"`leverage.high <= 1 / {ratio}` must hold, but got {cohort.leverage.high:g} and {most:g} "
            f"(1 / {market.least_initial_ratio:g}); lower one of them",
        )


def _too_frequent(i: int, cohort: PerpTraders | Borrowers, draft: Draft) -> Iterator[Problem]:
    """Chances of one look must be chances (docs/model.md section 6)."""
    looks = cohort.holding_days * cohort.activity
    if cohort.activity == 0:
        return
    if looks < 1:
        yield Problem(
            ("cohorts", i, "activity"),
            f"`holding_days x activity >= 1` must hold, but got {cohort.holding_days:g} x {cohort.activity:g} = {looks:g}; "
            "an account must look at least once in the time it holds",
        )
        return
    response = _greatest_response(cohort, draft) if isinstance(cohort, PerpTraders) else 1.0
    entry = cohort.open_share / (1 - cohort.open_share) * response / looks
    if entry > 1:
        yield Problem(
            ("cohorts", i, "activity"),
            f"the chance to enter at one look must be at most 1, but is {entry:.4g} = open_share / (1 - open_share) "
            f"x response / (holding_days x activity) with response {response:.4g}; "
            f"write activity = {cohort.activity * entry:.4g} or more",
        )


def _greatest_response(cohort: PerpTraders, draft: Draft) -> float:
    """The largest answer of entry to any parameters that the search may try."""
    if draft.calibration is None or draft.parameters is None:
        return 1.0
    current = dict(draft.parameters.items())
    searched = [search for search in draft.calibration.search if search.parameter in current]
    lows = {search.parameter: search.lowest(current[search.parameter]) for search in searched}
    highs = {search.parameter: search.highest(current[search.parameter]) for search in searched}
    market = draft.parameters.perpetuals.get(cohort.market)
    fall = 1.0 if market is None else _greatest_fall(f"perpetuals.{cohort.market}.", market, current, lows, highs)
    response = min(fall, 1.0) ** -cohort.entry_margin_elasticity.high if fall > 0 else math.inf
    return response * math.exp(cohort.entry_fee_sensitivity.high * _greatest_fee_cut(current, lows))


def _greatest_fall(
    prefix: str, market: PerpetualParameters, current: dict[str, float], lows: dict[str, float], highs: dict[str, float]
) -> float:
    """A share of the present initial requirement below which no searched parameters can bring that of any position."""
    fall = 1.0
    if market.kind == "volatility-scaled" and any(name.startswith(prefix) for name in lows):
        fall = lows.get(f"{prefix}floor", market.floor) / market.cap  # any factor may become any other
        lows = {name: low for name, low in lows.items() if name == f"{prefix}initial_margin_ratio"}
    for name in lows:
        if name.startswith(prefix):
            key = name.rpartition(".")[2]
            if key.endswith("open_interest") or key == "lower_bound":
                fall *= market.least_initial_ratio  # the ratio may have been 1
            elif key in ("greatest_leverage", "skew_scale"):
                fall *= current[name] / highs[name]
            elif not key.startswith("maintenance") and current[name] > 0:
                fall *= min(lows[name] / current[name], 1.0)
    return fall


def _greatest_fee_cut(current: dict[str, float], lows: dict[str, float]) -> float:
    """The largest fall of the fee at any volatility: both fees are straight lines with one kink, so a kink or an end has it."""
    if "fees.volatility_slope" not in current:
        return _greatest_cut_of_others(current, lows)
    names = ("fees.flat", "fees.volatility_slope", "fees.cap")
    now = tuple(current[name] for name in names)
    low = tuple(lows.get(name, current[name]) for name in names)
    kinks = [(cap - flat) / slope for flat, slope, cap in (now, low) if slope > 0 and cap > flat]
    return max(0.0, *(_fee(now, volatility) - _fee(low, volatility) for volatility in [0.0, *kinks, 1e9]))


def _greatest_cut_of_others(current: dict[str, float], lows: dict[str, float]) -> float:
    """A bound on the fall of a fee of another kind: no fee falls by more than the sum of the falls of its levels, or than all."""
    levels = ("taker", "base", "height_1", "height_2", "cap")
    falls = [current[f"fees.{key}"] - lows[f"fees.{key}"] for key in levels if f"fees.{key}" in lows]
    others = any(name.startswith("fees.") and name.rpartition(".")[2] not in (*levels, "maker") for name in lows)
    greatest = math.fsum(current.get(f"fees.{key}", 0.0) for key in ("taker", "base", "height_1", "height_2", "cap"))
    return greatest if others else max(math.fsum(falls), 0.0)


def _fee(terms: tuple[float, ...], volatility: float) -> float:
    flat, slope, cap = terms
    return min(cap, flat + slope * volatility)
