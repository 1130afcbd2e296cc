"""Windows of history that a fit or a search has seen cannot confirm (DESIGN 3.11)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from simulator.market import History, Market
from simulator.scenario.draft import Draft
from simulator.scenario.problems import Problem

Span = tuple[datetime, datetime]


def seen_windows(draft: Draft) -> Iterator[Problem]:
    """Every confirming regime whose history overlaps what the scenario's own market was made from."""
    if draft.market is None:
        return
    try:
        span, excluded = _seen(draft.market)
    except ValueError:
        message = (
            "`since`, `until` and both ends of `exclude` must be moments such as 2026-06-30T00:00:00Z, as `simulator fit` writes"
        )
        yield Problem(("market", "provenance"), message)
        return
    for i, regime in draft.regimes.items():
        if span is None or regime.role != "confirm" or not isinstance(regime.market, History):
            continue
        window = (regime.market.since, regime.market.until)
        if _overlap(window, span) and not any(start <= window[0] and window[1] <= end for start, end in excluded):
            yield Problem(
                ("regime", i, "role"),
                f"its window, {_words(window)}, was seen: [market] comes from {_words(span)}; "
                'write role = "report", or fit with `--exclude` or an earlier `--until`',
            )


def last_day(market: Market) -> str | None:
    """The last day of data behind a market, if it says so."""
    span, _ = _seen(market)
    return None if span is None else span[1].date().isoformat()


def _seen(market: Market) -> tuple[Span | None, list[Span]]:
    if isinstance(market, History):
        return (market.since, market.until), []
    if market.provenance is None:
        return None, []
    span = (_moment(market.provenance.since), _moment(market.provenance.until))
    return span, [(_moment(a), _moment(b)) for a, _, b in (text.partition("..") for text in market.provenance.exclude)]


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _overlap(one: Span, other: Span) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def _words(span: Span) -> str:
    return f"{span[0].date().isoformat()} to {span[1].date().isoformat()}"
