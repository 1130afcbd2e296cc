"""Keepers: who liquidates, how fast, with what capital, and only at a profit. docs/model.md sections 4.7, 5.2 and 5.3."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from simulator.parameters import VOTABLE, Part


class Keepers(Part):
    """Memoryless: an account is served within `latency` seconds on average, if it pays and capital is free."""

    kind: Literal["keepers"]
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}$")] = "keepers"
    acts: Literal["at-a-profit", "always"] = "at-a-profit"
    latency: Annotated[float, Field(ge=0)] = 0.0  # [s] mean; 0: before everybody else
    capital: Annotated[float, Field(gt=0)] = 1e9  # [usd] for loans that they repay
    turnover: Annotated[float, Field(gt=0)] = 600.0  # [s] until capital comes back
    gas: Annotated[float, Field(ge=0)] = 0.0  # [usd] per liquidation
    gas_limit: Annotated[float, Field(ge=0), VOTABLE] = 1e18  # [usd] for one liquidation; while gas costs more, nobody acts
    minimum_profit: float = 0.0  # [usd]
