"""Where trades are filled: how deep a venue is, how it moves when it is hit, and how it recovers. docs/model.md section 2."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from simulator.parameters import VOTABLE, Fraction, Part
from simulator.protocol.price_impact import PowerImpact, SkewFill


class LinearVenue(Part):
    """Log price moves by value / depth; the fill is the exact average along the way; what is not permanent decays."""

    kind: Literal["linear"] = "linear"
    depth: Annotated[float, Field(gt=0)]  # [usd] traded value that moves the log price by 1 (1 % costs depth / 100)
    permanent_share: Fraction = 0.0  # [1] of every impact
    half_life: Annotated[float, Field(gt=0)] = 3600.0  # [s] of the transient rest
    depth_elasticity: Annotated[float, Field(ge=0, le=5)] = 0.0  # [1] depth ~ (volatility / stationary volatility)^-this
    depth_floor: Annotated[float, Field(gt=0, le=1)] = 0.05  # [1] least share of depth that stays


class LinearPermanentVenue(Part):
    """Fills at the price of the step; the step's net flow then moves it for good by `coefficient` x flow / depth."""

    kind: Literal["linear-permanent"]
    depth: Annotated[float, Field(gt=0)]  # [usd]
    coefficient: Annotated[float, Field(ge=0)]  # [1]


Venue = Annotated[LinearVenue | LinearPermanentVenue, Field(discriminator="kind")]
PerpetualVenue = Annotated[LinearVenue | LinearPermanentVenue | SkewFill | PowerImpact, Field(discriminator="kind")]


class Oracle(Part):
    """What the protocol believes: Chainlink's rule over `oracle_weight` x external + (1 - oracle_weight) x own spot venue."""

    oracle_weight: Fraction = 1.0  # [1] w; 1: the venue's own moves never reach the oracle
    source: str = ""  # where the weight comes from
    deviation: Annotated[float, Field(ge=0, lt=1), VOTABLE] = 0.0  # [1] publish on a move of at least this; 0: at every substep
    heartbeat: Annotated[float, Field(gt=0), VOTABLE] = 3600.0  # [s] publish at least this often
    stale_after: Annotated[Annotated[float, Field(gt=0)] | None, VOTABLE] = (
        None  # [s] older than this, what it prices is frozen; absent: never
    )

    window: Annotated[float, Field(gt=0)] | None = None  # [s] it believes the mean of so long; absent: the last value
    most_growth: Annotated[float, Field(ge=0)] | None = None  # [1/year] above the price at load: Aave's capped ratios
    most_move: Annotated[float, Field(gt=0)] | None = None  # [1] of the index in one substep (crvUSD: 0.25); absent: any
    width: Annotated[float, Field(ge=0)] = 0.0  # [sqrt(year)] confidence interval over price, per unit of volatility
    widest: Annotated[float, Field(gt=0)] = 0.02  # [1] a wider interval is not published (Drift: 2 %)
    caution: Annotated[float, Field(ge=0), VOTABLE] = 0.0  # [1] intervals off what health counts, and onto what is owed

    @model_validator(mode="after")
    def _cautious_of_something(self) -> Oracle:
        if self.caution > 0 and self.width == 0:
            raise ValueError(f"`width > 0` must hold where there is `caution`, but got {self.width:g} and {self.caution:g}")
        return self

    @model_validator(mode="after")
    def _beats_before_it_is_stale(self) -> Oracle:
        if self.stale_after is not None and self.stale_after < self.heartbeat:
            raise ValueError(
                f"`heartbeat <= stale_after` must hold, but got {self.heartbeat:g} and {self.stale_after:g} s; "
                "a quiet oracle would freeze its asset between two beats"
            )
        return self


class Breaker(Part):
    """A circuit breaker: an index that moves by `move` within `window` halts what the asset backs, as a stale oracle would."""

    move: Annotated[float, Field(gt=0)]  # [1]
    window: Annotated[float, Field(gt=0)] = 300.0  # [s]
    halt: Annotated[float, Field(gt=0)] = 300.0  # [s] users may only reduce, nobody is liquidated


class FillBand(Part):
    """No fill of the perpetual venue is further on the wrong side of the index than `width`."""

    width: Annotated[float, Field(gt=0, lt=1)]  # [1]
    beyond: Literal["refused", "cut"] = "refused"  # what is asked for beyond it: all of it is refused, or it is cut to fit
    liquidations: bool = False  # whether keepers' closes are cut to fit as well


class AssetVenues(Part):
    """The venues and the oracle of one asset."""

    spot: Venue
    perpetual: PerpetualVenue | None = None
    oracle: Oracle = Oracle()
    breaker: Breaker | None = None
    fill_band: FillBand | None = None

    @model_validator(mode="after")
    def _band_of_something(self) -> AssetVenues:
        if self.fill_band is not None and self.perpetual is None:
            raise ValueError("`fill_band` must be absent where there is no `perpetual` venue; it bounds nothing else")
        return self
