"""Prices no agent can move: process families, jumps, dependence, history, stress overlays, gas."""

from typing import Annotated

from pydantic import Field

from simulator.market.grid import Grid
from simulator.market.history import Bootstrap, FilteredHistory, History, Replay
from simulator.market.model import Asset, ModelMarket
from simulator.market.paths import MarketPaths

Market = Annotated[ModelMarket | Replay | Bootstrap | FilteredHistory, Field(discriminator="kind")]

__all__ = ["Asset", "Bootstrap", "FilteredHistory", "Grid", "History", "Market", "MarketPaths", "ModelMarket", "Replay"]
