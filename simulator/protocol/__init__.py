"""The contracts: accounts, and the only rules that may change them. docs/model.md is the law in words."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from simulator.market.online import VolatilityFeed
from simulator.parameters import VOTABLE, Fraction, Part
from simulator.protocol.backstop import Backstop, Counterparty, InsuranceFund, Maker, NoBackstop
from simulator.protocol.funding_rate import Funding, IntervalFunding
from simulator.protocol.lending import Lending
from simulator.protocol.liquidation import Liquidation, WholeLiquidation
from simulator.protocol.options import OptionRules
from simulator.protocol.venue import AssetVenues

if TYPE_CHECKING:
    import numpy as np

    from simulator.market.paths import MarketPaths


class Gains(Part):
    """How unrealised profit counts in health; losses count in full."""

    weight: Annotated[Fraction, VOTABLE] = 1.0  # [1]
    cap: Annotated[float, Field(ge=0), VOTABLE] = 1e18  # [usd] per account


class Change(Part):
    """How a vote takes effect."""

    notice: Annotated[float, Field(ge=0)] = 0.0  # [s] between the vote and the first effect
    phase_in: Annotated[float, Field(ge=0)] = 0.0  # [s] over which parameters move to their new values
    steps: Annotated[int, Field(ge=1)] = 12  # [1] of equal size, in which they do: the last at the end

    def share(self, since: float) -> float:
        """How much of the way [1] has been gone `since` seconds after the vote."""
        since -= self.notice
        if since < 0.0:
            return 0.0
        gone = 1.0 if since >= self.phase_in else since / self.phase_in
        return math.floor(self.steps * gone + 1e-9) / self.steps


class Protocol(Part):
    """The rules that a vote on numbers does not change."""

    venues: dict[str, AssetVenues]
    valuation_price: Literal["mark", "index"] = "index"  # values positions, their notional and their triggers
    gains: Gains = Gains()
    funding: Funding = IntervalFunding()
    liquidation: Liquidation = WholeLiquidation(kind="whole")
    lending: Lending = Lending()
    counterparty: Counterparty = Maker(capital=0.0)
    fund: InsuranceFund = InsuranceFund()
    backstop: Backstop = NoBackstop(kind="none")
    options: OptionRules | None = None
    residual: Literal["socialised", "funding-index", "opposite-side", "uncovered"] = "socialised"  # who bears what nobody pays
    volatility_half_life: Annotated[float, Field(gt=0), VOTABLE] = 86_400.0  # [s] of the EWMA that fees and margins read
    volatility_source: Literal["observed", "conditional"] = "observed"  # what is read: that EWMA, or the market's own volatility
    volatility_feed: VolatilityFeed | None = None  # an estimate from outside is read instead
    max_rounds: Annotated[int, Field(ge=1, le=100)] = 16  # of liquidation and impact within a substep
    change: Change = Change()

    @model_validator(mode="after")
    def _one_source(self) -> Protocol:
        if self.volatility_feed is not None and self.volatility_source != "observed":
            raise ValueError(
                f'`volatility_source` must be absent beside [protocol.volatility_feed], but is "{self.volatility_source}"; '
                "an asset without an estimator has its conditional volatility in the feed"
            )
        return self

    @property
    def knows_observed(self) -> bool:
        """Whether volatility is learned from what the oracle shows, step by step."""
        return self.volatility_source == "observed" and self.volatility_feed is None

    def known_volatility(self, market: MarketPaths) -> np.ndarray:
        """[1/sqrt(year)] what is known in every market step where it is not observed, [market step, asset, path]."""
        return market.volatility if self.volatility_feed is None else self.volatility_feed.known(market)


__all__ = ["Protocol"]
