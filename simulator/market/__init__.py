"""Prices no agent can move: process families, jumps, dependence, history."""

from typing import Annotated

from pydantic import Field

from simulator.market.grid import Grid
from simulator.market.history import Bootstrap, Replay
from simulator.market.model import Asset, ModelMarket
from simulator.market.paths import MarketPaths

Market = Annotated[ModelMarket | Replay | Bootstrap, Field(discriminator="kind")]

__all__ = ["Asset", "Bootstrap", "Grid", "Market", "MarketPaths", "ModelMarket", "Replay"]
