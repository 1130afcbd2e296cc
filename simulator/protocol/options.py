"""Options as positions: what is listed, where it trades, who writes it. docs/model.md section 8. The parts of a scenario."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from simulator.parameters import DAY, VOTABLE, Fraction, Part, tupled
from simulator.protocol.liquidation_shapes import DutchAuction
from simulator.protocol.portfolio_margin.covariance import DeltaGammaMargin, ParametricMargin
from simulator.protocol.portfolio_margin.expected_shortfall import ExpectedShortfallMargin
from simulator.protocol.portfolio_margin.naked import NakedMargin
from simulator.protocol.portfolio_margin.scenario_grid import ScenarioGrid
from simulator.protocol.portfolio_margin.span import Span
from simulator.terms.part import require_order

MOST_SLOTS = 32  # expiries of all underlyings at a time
MOST_INSTRUMENTS = 256

Moneyness = Annotated[float, Field(ge=0.05, le=20)]


class ListedExpiries(Part):
    """Expiries every `interval` days, `listed` of them at a time: as one expires the next is listed."""

    interval: Annotated[float, Field(gt=0, le=366)]  # [day]
    listed: Annotated[int, Field(ge=1, le=12)]


class OptionMarket(Part):
    """European calls and puts on one asset, in cash, on every strike of the grid and every expiry listed."""

    expiries: Annotated[tuple[ListedExpiries, ...], BeforeValidator(tupled), Field(min_length=1, max_length=4)]
    strikes: Annotated[
        tuple[Moneyness, ...], BeforeValidator(tupled), Field(min_length=1, max_length=25)
    ]  # [1] of the index at listing
    settlement_window: Annotated[float, Field(ge=0, le=7 * DAY)] = 1800.0  # [s] mean of the index that settles; 0: the index

    @model_validator(mode="after")
    def _rising(self) -> OptionMarket:
        if any(low >= high for low, high in zip(self.strikes, self.strikes[1:], strict=False)):
            raise ValueError(f"`strikes` must rise, but are {', '.join(f'{k:g}' for k in self.strikes)}")
        return self

    def slots(self) -> Iterator[tuple[float, float]]:
        """(first expiry, time from one listing to the next) [s] of every place for an expiry."""
        for schedule in self.expiries:
            for n in range(1, schedule.listed + 1):
                yield n * schedule.interval * DAY, schedule.listed * schedule.interval * DAY

    @property
    def instruments(self) -> int:
        """How many options are listed at a time."""
        return 2 * len(self.strikes) * sum(schedule.listed for schedule in self.expiries)


class VolatilityVenue(Part):
    """An options venue, in volatility points: what a trade costs and how far it moves the volatility of its expiry.

    z = |log(strike / forward)| / sqrt(theta), at most 4; days to expiry at least 1. The defaults of spread, by least squares on
    logs: 12,443 two-sided quotes of Deribit's bitcoin chains, January to March 2026, 2 to 183 days, z < 2.5; residuals 0.43
    (ether: 0.0112, 0.30, 0.44). `depth` and `depth_wing` are yours.
    """

    depth: Annotated[float, Field(gt=0)]  # [usd of vega per 1.00 of volatility] at the money: this much moves volatility by 1.00
    depth_wing: Annotated[float, Field(ge=0, le=10)] = 0.43  # [1] depth ~ exp(-this z)
    half_life: Annotated[float, Field(gt=0)] = 3600.0  # [s] of what trades moved
    spread: Annotated[float, Field(ge=0, le=5)] = 0.0073  # [volatility] bid to ask, at the money, 30 days
    spread_expiry: Annotated[float, Field(ge=0, le=3)] = 0.35  # [1] spread ~ (30 / days)^this
    spread_wing: Annotated[float, Field(ge=0, le=5)] = 0.43  # [1] spread ~ exp(this z)


class OptionWriter(Part):
    """The other side of every option: a maker or a vault with its own capital, that hedges a share of its delta outside."""

    capital: Annotated[float, Field(ge=0)]  # [usd]
    hedge_ratio: Fraction = 1.0  # [1] of delta, rebalanced every substep at the external price


class StandardMargin(Part):
    """Every option by itself, by the numbers of `[parameters.options]`.

    With `offsets` an expiry needs no more than the most it can lose at settlement, and for every call that is short net of all
    its calls a share of the index, because there its loss has no end (Derive's standard manager).
    """

    kind: Literal["standard"] = "standard"
    offsets: bool = False
    initial_unpaired: Annotated[float, Field(ge=0, le=10), VOTABLE] = 1.2  # [1] of the index
    maintenance_unpaired: Annotated[float, Field(ge=0, le=10), VOTABLE] = 1.1  # [1] of the index

    @model_validator(mode="after")
    def _relations(self) -> StandardMargin:
        require_order(self, "maintenance_unpaired", "initial_unpaired")
        return self


class VenueClose(Part):
    """Keepers close it in the venues, whole or in part, as `[protocol.liquidation]` says."""

    kind: Literal["venue"] = "venue"


OptionLiquidation = Annotated[VenueClose | DutchAuction, Field(discriminator="kind")]
PortfolioMethod = ScenarioGrid | Span | ExpectedShortfallMargin | NakedMargin | ParametricMargin | DeltaGammaMargin
OptionMargin = Annotated[StandardMargin | PortfolioMethod, Field(discriminator="kind")]


class OptionRules(Part):
    """Options of a protocol, by underlying; marks from the surface of the underlying in `[surfaces]`."""

    markets: Annotated[dict[str, OptionMarket], Field(min_length=1)]
    venue: VolatilityVenue
    writer: OptionWriter
    margin: OptionMargin = StandardMargin()  # of accounts that hold options
    liquidation: OptionLiquidation = VenueClose()  # of accounts that hold options

    @model_validator(mode="after")
    def _bounded(self) -> OptionRules:
        slots = sum(1 for market in self.markets.values() for _ in market.slots())
        if slots > MOST_SLOTS:
            raise ValueError(f"at most {MOST_SLOTS} expiries may be listed at a time, but there are {slots}")
        count = sum(market.instruments for market in self.markets.values())
        if count > MOST_INSTRUMENTS:
            raise ValueError(
                f"at most {MOST_INSTRUMENTS} options may be listed at a time, but there are {count}; list fewer strikes"
            )
        return self
