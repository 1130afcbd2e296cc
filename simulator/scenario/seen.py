"""Windows of history that a fit or a search has seen cannot confirm (DESIGN 3.11)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from simulator.market import History, Market
from simulator.scenario.draft import Draft
from simulator.scenario.problems import Problem

Span = tuple[datetime, datetime]


@dataclass(frozen=True)
class Sight:
    """A stretch of history that somebody has looked at, less what was left out."""

    span: Span
    excluded: tuple[Span, ...]
    words: str  # what was done with it, before its days
    way_out: str
    is_source: bool = False  # the market is made of it

    def covers(self, window: Span) -> bool:
        """Whether any of `window` was looked at."""
        return _overlap(window, self.span) and not any(a <= window[0] and window[1] <= b for a, b in self.excluded)

    def __str__(self) -> str:
        return f"{self.words} {_words(self.span)}"


def seen_windows(draft: Draft) -> Iterator[Problem]:
    """Every confirming regime whose history overlaps what the scenario's own market was made from, or what was looked at."""
    if draft.market is None:
        return
    try:
        sights = sights_of(draft.market)
    except ValueError:
        message = (
            "`since`, `until` and both ends of `exclude` and `looked_at` must be moments such as 2026-06-30T00:00:00Z, "
            "as `simulator fit` writes"
        )
        yield Problem(("market", "provenance"), message)
        return
    yield from _tested_on_its_own(draft, sights)
    for i, regime in draft.regimes.items():
        if regime.role != "confirm" or not isinstance(regime.market, History):
            continue
        window = (regime.market.since, regime.market.until)
        for sight in [one for one in sights if one.covers(window)][:1]:
            yield Problem(
                ("regime", i, "role"), f'its window, {_words(window)}, was seen: {sight}; write role = "report"{sight.way_out}'
            )


def _tested_on_its_own(draft: Draft, sights: list[Sight]) -> Iterator[Problem]:
    """A back-test on what the market is made of."""
    if draft.backtest is None:
        return
    window = (draft.backtest.market.since, draft.backtest.market.until)
    made_of = [sight for sight in sights if sight.is_source]
    reasons = [str(sight) for sight in made_of if sight.covers(window)]
    if not made_of and window[0].isoformat() < draft.data_until:
        reasons.append(f"data_until is {draft.data_until}")
    if reasons:
        yield Problem(("backtest", "market"), f"its window, {_words(window)}, is no later history: {reasons[0]}; take later days")


def sights_of(market: Market) -> list[Sight]:
    """What the numbers of a market have seen. Raises ValueError for moments that are none."""
    if isinstance(market, History):
        return [Sight((market.since, market.until), (), "[market] comes from", ", or take other days", True)]
    if market.provenance is None:
        return []
    found = market.provenance
    earlier = ", or fit with `--exclude` or an earlier `--until`"
    fit = Sight((_moment(found.since), _moment(found.until)), _spans(found.exclude), "[market] comes from", earlier, True)
    looked = [Sight(span, (), "`fit --held-out` looked at", "") for span in _spans(found.looked_at)]
    return [fit, *looked]


def last_day(market: Market) -> str | None:
    """The last day of data behind a market, if it says so."""
    sights = sights_of(market)
    return sights[0].span[1].date().isoformat() if sights else None


def _spans(texts: tuple[str, ...]) -> tuple[Span, ...]:
    return tuple((_moment(a), _moment(b)) for a, _, b in (text.partition("..") for text in texts))


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _overlap(one: Span, other: Span) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def _words(span: Span) -> str:
    return f"{span[0].date().isoformat()} to {span[1].date().isoformat()}"
