"""Regimes: the same protocol in another market, or under stress."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from simulator.market import Market, ModelMarket
from simulator.market.gas import Gas
from simulator.market.overlays import Overlays
from simulator.parameters import Part
from simulator.risk.appetite import RiskAppetite


class Regime(Part):
    """The same protocol in another market: how it changes, and whether it must pass or is only reported."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
    role: Literal["confirm", "report"]
    market: Market | None = None  # a whole other market, with the same assets
    volatility_multiplier: Annotated[float, Field(gt=0, le=20)] = 1.0  # [1] on every process of the scenario's own market
    jump_multiplier: Annotated[float, Field(ge=0, le=100)] = 1.0  # [1] on every jump intensity
    correlation: Annotated[float, Field(gt=-1, lt=1)] | None = None  # [1] every pair, instead of the scenario's own
    gas: Gas | None = None  # instead of the scenario's own
    overlays: Overlays = ()  # on top of the scenario's own
    appetite: RiskAppetite | None = None  # what may be borne in this market, instead of the scenario's own

    @model_validator(mode="after")
    def _changes_something(self) -> Regime:
        if self.market is not None and self._changes_market:
            raise ValueError("give either a whole `market` or multipliers and a `correlation`, not both")
        if self.market is None and not self._changes_market and self.gas is None and not self.overlays:
            raise ValueError("changes nothing; give a `market`, a multiplier other than 1, a `correlation`, `gas` or overlays")
        return self

    @property
    def _changes_market(self) -> bool:
        return self.volatility_multiplier != 1 or self.jump_multiplier != 1 or self.correlation is not None

    def market_from(self, own: Market) -> Market:
        """The market of this regime, all its rules checked again. Raises ValueError where `own` cannot be changed like that."""
        if self.market is not None:
            return self.market
        if not self._changes_market:
            return own
        if not isinstance(own, ModelMarket):
            raise ValueError(f"a market of kind {own.kind!r} has no multipliers; give the regime a whole `market`")
        changes: dict[str, Any] = {"assets": [self._asset(asset.model_dump()) for asset in own.assets]}
        if self.correlation is not None:
            n = len(own.assets)
            changes["correlation"] = [[1.0 if i == j else self.correlation for j in range(n)] for i in range(n)]
        changed = ModelMarket.model_validate({**own.model_dump(), **changes})
        if changed == own:
            raise ValueError("changes nothing: [market] has no jumps to multiply, or that correlation already")
        return changed

    def _asset(self, asset: dict[str, Any]) -> dict[str, Any]:
        process = dict(asset["process"])
        for key in ("volatility", "volatility_today", "volatility_of_variance"):  # all scale with the root of the variance
            if key in process:
                process[key] *= self.volatility_multiplier
        jumps = asset["jumps"]
        if jumps is not None:
            jumps = {**jumps, "intensity": jumps["intensity"] * self.jump_multiplier}
        return {**asset, "process": process, "jumps": jumps}
