"""Monitoring: does what is observed now still lie in what a proposal studied? Its triggers, its expiry, its range."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterator, Mapping
from typing import Any

from simulator.calibration.world import World
from simulator.outcomes import QUANTITIES
from simulator.wording import did_you_mean

LOSSES = {"probability": "threshold", "expected-shortfall": "limit", "mean": "limit"}  # of each kind of limit: its amount
BOOK = tuple(name for name, (unit, _) in QUANTITIES.items() if unit in ("usd", "1", "hour", "count"))


def problems(observed: Mapping[str, Any], assets: tuple[str, ...]) -> list[str]:
    """What is wrong with a table of observations, one line each."""
    return list(_problems(observed, assets))


def _problems(observed: Mapping[str, Any], assets: tuple[str, ...]) -> Iterator[str]:
    for key, value in observed.items():
        if key == "date":
            if not isinstance(value, datetime.date):
                yield f"date: expected a day such as 2026-01-31, but got {value!r}"
        elif key == "volatility":
            if not isinstance(value, Mapping):
                yield "volatility: expected a table by asset, as in volatility.ETH = 0.8"
                continue
            for asset, number in value.items():
                if asset not in assets:
                    yield f"volatility.{asset}: there is no such asset; {did_you_mean(asset, assets)}"
                elif not _is_number(number):
                    yield f"volatility.{asset}: expected a finite number [1/sqrt(year)], but got {number!r}"
        elif key not in BOOK:
            yield f"{key}: is not monitored; {did_you_mean(key, (*BOOK, 'date', 'volatility'))}"
        elif not _is_number(value):
            yield f"{key}: expected a finite number [{QUANTITIES[key][0]}], but got {value!r}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0


def alarms(proposal: Mapping[str, Any], world: World, observed: Mapping[str, Any]) -> list[str]:
    """Why the proposal no longer speaks for the protocol, one line each; empty while it does.

    `observed`: `date`, any quantity of simulator.outcomes since the vote (or now), and `volatility` [1/sqrt(year)] by asset.
    """
    return [
        *_expired(proposal, observed),
        *_breached(proposal, world, observed),
        *_outside(proposal["rollback"]["studied_range"], observed, ""),
        *_outside(proposal["rollback"]["studied_volatility"], observed.get("volatility", {}), "volatility of "),
    ]


def _expired(proposal: Mapping[str, Any], observed: Mapping[str, Any]) -> Iterator[str]:
    last, now = proposal["expiry"]["date"], observed.get("date")
    if last is not None and now is not None and now > datetime.date.fromisoformat(last):
        yield f"expired on {last}: {proposal['expiry']['why']}"


def _breached(proposal: Mapping[str, Any], world: World, observed: Mapping[str, Any]) -> Iterator[str]:
    """Limits whose amount the observed quantity has passed, in the dollars that the proposal froze."""
    frozen = {"usd": 1.0, "one": 1.0, **proposal["appetite"]["denominators_usd"]}
    for limit in world.appetite.limits if world.appetite else ():
        value = observed.get(limit.quantity)
        allowed = getattr(limit, LOSSES[limit.kind]) * frozen.get(limit.of, math.nan)
        if value is not None and value > allowed:
            yield f"{limit.words} of {value:,.6g} is above {allowed:,.6g}: {limit.describe()}"


def _outside(studied: list[dict[str, Any]], observed: Mapping[str, Any], what: str) -> Iterator[str]:
    for one in studied:
        value = observed.get(one["quantity"])
        if value is not None and not one["low"] <= value <= one["high"]:
            name = what + one["quantity"].replace("_", " ")
            between = f"{one['low']:,.6g} to {one['high']:,.6g}"
            yield f"{name} of {value:,.6g} is outside {between}, the central 99 % of the paths studied"
