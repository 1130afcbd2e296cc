"""The [backtest] section: later history that a proposal is lived through. It is shown and decides nothing."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from simulator.market import Replay
from simulator.parameters import Part


class Backtest(Part):
    """Windows of burn-in and horizon, one after the other, under current and proposed parameters."""

    market: Replay  # its `from` and `until` hold all windows
    paths: Annotated[int, Field(ge=1, le=10_000)] = 8  # a window; they share its prices
    period: Annotated[float, Field(gt=0)] = 3_600.0  # [s] in which a margin must cover a move
    confidence: Annotated[float, Field(ge=0.5, lt=1)] = 0.99  # [1] that a margin is said to have
