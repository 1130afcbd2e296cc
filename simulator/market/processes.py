"""The diffusive part of a price: geometric Brownian motion, the GARCH family, Heston's variance, and pegs."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, model_validator

from simulator.market.innovations import Innovation, Normal
from simulator.parameters import YEAR, Part

Volatility = Annotated[float, Field(gt=0, le=1_000)]


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


class Egarch(Part):
    """EGARCH(1,1) of Nelson (1991) at the grid's market step, in arch's form: no parameter but `beta` has a bound.

    log h[t+1] = omega + alpha (|z[t]| - E|z|) + gamma z[t] + beta log h[t]; omega follows from `volatility`, with
    E[h] = volatility^2 step: E[h] = exp(omega / (1 - beta)) x product over i of E[exp(beta^i (alpha (|z| - E|z|) + gamma z))].
    With heavy tails and an alpha above about 0.2 that level is made by moves near `max_move`, which most samples never see.
    """

    kind: Literal["egarch"] = "egarch"
    volatility: Volatility  # [1/sqrt(year)] stationary: the root of E[h], of the diffusive part
    alpha: Annotated[float, Field(ge=-1, le=1)]  # [1] answer to the size of a move
    gamma: Annotated[float, Field(ge=-1, le=1)] = 0.0  # [1] answer to its sign: below 0 falls raise variance
    beta: Annotated[float, Field(gt=-1, lt=1)]  # [1] what remains of the log variance after one market step
    volatility_today: Volatility  # [1/sqrt(year)] where paths start
    ceiling: Annotated[float, Field(gt=1)] = 10.0  # [1] conditional volatility is held at this many times the stationary one
    innovation: Innovation = Normal()

    @property
    def persistence(self) -> float:
        """|beta|: what remains of a shock to the log variance after one market step."""
        return abs(self.beta)


class Heston(Part):
    """Stochastic variance of Heston (1993): dv = mean_reversion (volatility^2 - v) dt + volatility_of_variance sqrt(v) dW.

    With Merton jumps it is the model of Bates (1996). `leverage` is the correlation of price and variance. Variance by Andersen's
    quadratic-exponential scheme (2008): its first two conditional moments are exact at any step, below Feller's condition too.
    """

    kind: Literal["heston"] = "heston"
    volatility: Volatility  # [1/sqrt(year)] root of the long-run variance
    volatility_today: Volatility  # [1/sqrt(year)] where paths start
    mean_reversion: Annotated[float, Field(gt=0, le=10_000)]  # [1/year]
    volatility_of_variance: Annotated[float, Field(ge=1e-4, le=10_000)]  # [1/year]
    leverage: Annotated[float, Field(gt=-1, lt=1)] = 0.0  # [1]

    @property
    def feller(self) -> float:
        """2 mean_reversion volatility^2 / volatility_of_variance^2: below 1 the variance touches zero."""
        return 2 * self.mean_reversion * self.volatility**2 / self.volatility_of_variance**2

    def explosion(self, years: float) -> float:
        """Below 1 a step of `years` is sure to have an expected price, whatever the variance (Andersen 2008, section 4.4)."""
        kappa, xi, rho = self.mean_reversion * years, self.volatility_of_variance * years, self.leverage
        growth = 0.5 * (kappa * rho / xi - 0.5) + rho / xi + 0.25 * (1 - rho**2)
        return growth * xi**2 * -math.expm1(-kappa) / kappa


class OrnsteinUhlenbeck(Part):
    """A price held near a peg: x = log(price / (peg x price of `base`)) reverts to 0 (Uhlenbeck, Ornstein 1930).

    x[t+1] = x[t] 2^(-step / half_life) + normal + jumps: a depeg is a jump, whole when it lands, and reverts like all the rest.
    Expected price: log E[S] = log(peg) + E[x] + Var[x] / 2 without jumps; the asset's `drift` must be 0.
    """

    kind: Literal["ornstein-uhlenbeck"] = "ornstein-uhlenbeck"
    volatility: (
        Volatility  # [1/sqrt(year)] of the diffusion; the stationary deviation of x is volatility sqrt(half_life / (2 ln 2))
    )
    half_life: Annotated[float, Field(gt=0)]  # [s] in which a distance from the peg halves
    peg: Annotated[float, Field(gt=0)] = 1.0  # [usd], or [1] in units of `base`
    base: str | None = None  # the asset it is pegged to, as staked ether to ether; absent: the dollar

    @property
    def volatility_today(self) -> float:
        return self.volatility

    def kept(self, years: float) -> float:
        """Share of a log distance that is left after `years`."""
        return 2.0 ** (-years * YEAR / self.half_life)

    def transition_variance(self, years: float) -> float:
        """Of the log distance after `years`, exact, jumps apart."""
        rate = math.log(2) * YEAR / self.half_life
        return self.volatility**2 * -math.expm1(-2 * rate * years) / (2 * rate)


Process = Annotated[GeometricBrownian | Garch | Egarch | Heston | OrnsteinUhlenbeck, Field(discriminator="kind")]
