"""The diffusive part of a price: geometric Brownian motion, and GARCH with normal or Student-t innovations."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from simulator.parameters import Part

Volatility = Annotated[float, Field(gt=0, le=1_000)]


class Normal(Part):
    """Standard normal innovations."""

    kind: Literal["normal"] = "normal"


class StudentT(Part):
    """Student-t innovations with unit variance, cut where the exponential of a t would have no mean.

    The law of t (`degrees_of_freedom`) standardised to unit variance is truncated at plus and minus `max_move` of its
    standard deviations, then divided by the standard deviation that is left, so that its variance is one again.
    """

    kind: Literal["student-t"] = "student-t"
    degrees_of_freedom: float  # [1]
    max_move: Annotated[float, Field(ge=3, le=500)] = 50.0  # [standard deviations] of the law before the cut

    @model_validator(mode="after")
    def _has_a_variance(self) -> StudentT:
        if self.degrees_of_freedom <= 2:
            raise ValueError(
                f"`degrees_of_freedom > 2` must hold, but got {self.degrees_of_freedom:g}: the law would have no variance; "
                "hourly crypto returns fit 3.3 to 4.1"
            )
        if self.degrees_of_freedom > 1_000:
            raise ValueError(
                f"`degrees_of_freedom <= 1000` must hold, but got {self.degrees_of_freedom:g}; "
                'write innovation = { kind = "normal" }'
            )
        return self


Innovation = Annotated[Normal | StudentT, Field(discriminator="kind")]


class GeometricBrownian(Part):
    """Constant volatility, normal steps (Samuelson 1965)."""

    kind: Literal["geometric-brownian"] = "geometric-brownian"
    volatility: Volatility  # [1/sqrt(year)]

    @property
    def volatility_today(self) -> float:
        return self.volatility


class Garch(Part):
    """GARCH(1,1) of Bollerslev (1986), GJR with `gamma` (Glosten, Jagannathan, Runkle 1993), at the grid's market step.

    h[t+1] = omega + (alpha + gamma 1[e < 0]) e[t]^2 + beta h[t], e = sqrt(h) z; omega follows from `volatility`, the
    stationary level of the diffusive part: omega = volatility^2 step (1 - alpha - beta - gamma/2).
    """

    kind: Literal["garch"] = "garch"
    volatility: Volatility  # [1/sqrt(year)] stationary, of the diffusive part
    alpha: Annotated[float, Field(ge=0)]  # [1]
    beta: Annotated[float, Field(ge=0)]  # [1]
    gamma: float = 0.0  # [1] added to alpha after a fall
    volatility_today: Volatility  # [1/sqrt(year)] where paths start
    # [1] conditional volatility is held at this many times the stationary one: in March 2020 bitcoin's was about 8 times, and
    # beyond it the exponential of a heavy tail makes prices that no exchange has seen
    ceiling: Annotated[float, Field(gt=1)] = 10.0
    innovation: Innovation = Normal()

    @model_validator(mode="after")
    def _stationary(self) -> Garch:
        if self.alpha + self.gamma < 0:
            raise ValueError(
                f"`alpha + gamma >= 0` must hold, but got {self.alpha:g} and {self.gamma:g}: a fall would make variance negative"
            )
        if self.persistence >= 1:
            terms = "alpha + beta" if self.gamma == 0 else "alpha + gamma/2 + beta"
            raise ValueError(
                f"`{terms} < 1` must hold, but got {self.persistence:.10g}: variance would have no stationary level; "
                "`simulator fit` bounds persistence (0.995 a day)"
            )
        return self

    @property
    def persistence(self) -> float:
        """alpha + gamma/2 + beta: what remains of a shock to variance after one market step."""
        return self.alpha + self.gamma / 2 + self.beta


Process = Annotated[GeometricBrownian | Garch, Field(discriminator="kind")]
