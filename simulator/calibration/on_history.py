"""A proposal on history that neither fit nor search saw: windows of one price file lived under both sets of parameters.

One history has no interval. Paths of a window share its prices; they differ in what accounts and keepers draw.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from simulator.calibration.race import Question
from simulator.calibration.space import Point
from simulator.calibration.trials import Trials
from simulator.calibration.world import Votable
from simulator.market.history import Replay
from simulator.market.price_file import PriceTable, read_prices
from simulator.risk.appetite import ProbabilityLimit
from simulator.risk.backtests import Coverage, coverage
from simulator.risk.judgement import shares

if TYPE_CHECKING:
    from simulator.outcomes import Outcomes
    from simulator.scenario import Scenario, Vote
    from simulator.scenario.backtest import Backtest

PURPOSE = "backtest"
COLUMNS = ("loss", "realised_bad_debt", "liquidated_notional", "adl_volume", "user_cost", "open_interest", "borrowed")


Span = tuple[datetime, datetime, datetime]  # begin of the burn-in, vote, end


class Seen(ValueError):
    """History that was used to make the market."""

    exit_code = 2


@dataclass(frozen=True)
class Lived:
    """One window: means over its paths [usd], under current and under proposed parameters."""

    begin: datetime  # of the burn-in
    vote: datetime
    end: datetime
    worst_fall: float  # [1] of any asset, from the vote's price
    current: dict[str, float]
    proposed: dict[str, float]
    seen: str = ""  # by what its days were seen before; empty by nothing known


@dataclass(frozen=True)
class Past:
    """A proposal on later history; `broken`: (condition, paths beyond its threshold now, and as proposed), over all windows."""

    windows: tuple[Lived, ...]
    broken: tuple[tuple[str, int, int], ...]
    margins: tuple[MarginCoverage, ...]


@dataclass(frozen=True)
class MarginCoverage:
    """Moves over disjoint periods beyond the maintenance margin of one market, against a promised confidence."""

    market: str
    parameters: str  # "current" or "proposed"
    margin: float  # [1] maintenance margin ratio
    falls: Coverage  # what a long may lose
    rises: Coverage  # what a short may lose


def windows(scenario: Scenario, since: datetime, until: datetime) -> list[Span]:
    """(begin, vote, end) of every whole window of burn-in and horizon, one after the other. Raises Seen."""
    burn_in = timedelta(seconds=scenario.grid.burn_in_steps * scenario.grid.dt)
    horizon = timedelta(seconds=scenario.grid.horizon_steps * scenario.grid.dt)
    found, begin = [], since
    while begin + burn_in + horizon <= until:
        found.append((begin, begin + burn_in, begin + burn_in + horizon))
        begin += burn_in + horizon
    _refuse_fitted(scenario, since, found)
    if not found:
        days = (burn_in + horizon).total_seconds() / 86_400
        raise Seen(f"--from, --until: a window of burn-in and horizon is {days:g} days; the history between is shorter")
    return found


def _refuse_fitted(scenario: Scenario, since: datetime, found: Sequence[Span]) -> None:
    """Raises Seen where the market is made of any of these windows; what the fit left out (`--exclude`) is history like any."""
    made_of = [sight for sight in scenario.sights if sight.is_source]
    last = made_of[0].span[1].isoformat() if made_of else scenario.data_until
    seen = any(sight.covers((begin, end)) for sight in made_of for begin, _, end in found)
    if not made_of and last is not None:
        seen = since < datetime.fromisoformat(last).replace(tzinfo=since.tzinfo)
    if seen:
        raise Seen(f"--from {since.isoformat()}: the market was fitted to prices until {last}; write a later moment")


def seen_by(scenario: Scenario, window: tuple[datetime, datetime]) -> str:
    """By what a window was seen already, though the market is not made of it; empty by nothing known."""
    looks = [str(sight) for sight in scenario.sights if sight.covers(window)]
    for one in scenario.windows():
        if datetime.fromisoformat(one["since"]) < window[1] and window[0] < datetime.fromisoformat(one["until"]):
            looks.append(f"{one['world'].replace('-', ' ', 1)} lived {one['since'][:10]} to {one['until'][:10]}")
    return "; ".join(looks)


def live(
    scenario: Scenario,
    proposed: Vote,
    prices: Path,
    since: datetime,
    until: datetime,
    *,
    paths: int = 8,
    jobs: int = 1,
    progress: Callable[[str, int, int], None] | None = None,
) -> Iterator[Lived]:
    """Both sets of parameters in every window. Raises Seen, PriceFileError, ValueError for a file that cannot serve them."""
    from simulator.model import evaluate

    said = {"kind": "replay", "file": prices.name, "from": since, "until": until, "assets": scenario.assets, "blanks": True}
    market = Replay.model_validate(said, context={"folder": prices.parent})
    places = _places(scenario, market)
    for number, (span, place) in enumerate(places):
        current, candidate = evaluate(place, [scenario.vote, proposed], _purpose(span), 0, paths, jobs)
        yield _lived(scenario, place, span, current, candidate)
        if progress:
            progress("windows", number + 1, len(places))


def backtest(scenario: Any, trials: Trials, question: Question, point: Point) -> Past | None:
    """The windows of [backtest] under current parameters and `point`, through the record; None where there is none."""
    asked: Backtest | None = scenario.backtest
    if asked is None:
        return None
    columns = sorted({*question.columns, *(f"{name}.whole" for name in COLUMNS)})
    limits = {one: one.limit.threshold for one in question.conditions if isinstance(one.limit, ProbabilityLimit)}
    lived, broken = [], np.zeros((len(limits), 2), dtype=int)
    for span, place in _places(scenario, asked.market):
        purpose, pair = _purpose(span), [trials.space.current_point, point]
        current, candidate = trials.outcomes(place, purpose, purpose, pair, asked.paths, columns, "back-test")
        lived.append(_lived(scenario, place, span, current, candidate))
        broken += [
            [int((shares(one, side, question.frozen).value > threshold).sum()) for side in (current, candidate)]
            for one, threshold in limits.items()
        ]
    proposed = trials.space.parameters(point)
    assert proposed is not None  # it was confirmed or refused as a candidate
    table = read_prices(asked.market.path, scenario.assets, since=asked.market.since, until=asked.market.until, blanks=True)
    return Past(
        tuple(lived),
        tuple((one.name, int(now), int(then)) for one, (now, then) in zip(limits, broken, strict=True)),
        tuple(margins_covered(table, scenario.vote, proposed, asked.period, asked.confidence)),
    )


def _places(scenario: Scenario, market: Replay) -> list[tuple[Span, Scenario]]:
    """Every window and the scenario in it. Raises Seen."""
    found = []
    for span in windows(scenario, market.since, market.until):
        replay = market.model_copy(update={"since": span[0], "until": span[2]})
        found.append((span, scenario.model_copy(update={"market": replay, "regime": (), "backtest": None})))
    return found


def _purpose(span: Span) -> str:
    return f"{PURPOSE} {span[0].isoformat()}"


def _lived(scenario: Scenario, place: Any, span: Span, current: Outcomes, candidate: Outcomes) -> Lived:
    path = place.market.window(place.grid).prices[scenario.grid.burn_in_steps // scenario.grid.substeps :]
    fall = float(1 - (path.min(axis=0) / path[0]).min())
    now, then = ({name: float(np.mean(side.column(f"{name}.whole"))) for name in COLUMNS} for side in (current, candidate))
    return Lived(*span, fall, now, then, seen_by(scenario, (span[0], span[2])))


def margins_covered(
    table: PriceTable, current: Votable, proposed: Votable, period: float, confidence: float
) -> Iterator[MarginCoverage]:
    """`margin_coverage` of every market that has one number for its maintenance margin, before and after the vote."""
    for market, terms in current.perpetuals.items():
        sides = (("current", terms), ("proposed", proposed.perpetuals[market]))
        ratios = [(name, getattr(side, "maintenance_margin_ratio", None)) for name, side in sides]
        margins = [(name, ratio) for name, ratio in ratios if ratio is not None]
        yield from margin_coverage(table, market, margins, period, confidence)


def margin_coverage(
    table: PriceTable, market: str, margins: Sequence[tuple[str, float]], period: float, confidence: float
) -> list[MarginCoverage]:
    """How often prices moved by more than a margin within `period` [s], over disjoint periods, with exact tests.

    `margins`: (name, maintenance margin ratio). Raises ValueError where the file has no whole period.
    """
    moves = _moves(table, market, period)
    return [
        MarginCoverage(market, name, margin, coverage(moves < -margin, 1 - confidence), coverage(moves > margin, 1 - confidence))
        for name, margin in margins
    ]


def _moves(table: PriceTable, market: str, period: float) -> np.ndarray:
    """Relative moves over disjoint periods whose two ends are rows of the file."""
    every = max(1, math.ceil(period / table.step - 1e-9))
    column, moment = table.prices[::every, table.assets.index(market)], table.timestamps[::every]
    whole = np.abs(np.diff(moment) / 1e9 - every * table.step) < 0.5 * table.step
    moves = (column[1:] / column[:-1] - 1)[whole]
    if moves.size == 0:
        raise ValueError(f"the file has no two rows of {market} that are {period:g} s apart")
    return np.asarray(moves)
