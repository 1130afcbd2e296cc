"""Model-based margin of perpetuals: expected shortfall of a lognormal price over a margin period, by side (Vega)."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Annotated, Literal

from pydantic import Field

from simulator.parameters import VOTABLE, YEAR, Part


class LognormalRisk(Part):
    """One market: log(S' / S) is normal with mean (drift - volatility^2 / 2) tau and deviation volatility sqrt(tau)."""

    volatility: Annotated[float, Field(gt=0, le=20), VOTABLE]  # [1/sqrt(year)]
    drift: Annotated[float, Field(ge=-10, le=10)] = 0.0  # [1/year]
    slippage: Annotated[float, Field(ge=0, le=1), VOTABLE] = 0.0  # [1] of notional, to close the position

    def factors(self, tail: float, period: float) -> tuple[float, float]:
        """(long, short) [1] of mark price: expected shortfall at level `tail` over `period` [s]."""
        years = period / YEAR
        return forward_factors((self.drift - 0.5 * self.volatility**2) * years, self.volatility * math.sqrt(years), tail)


class ExpectedShortfallMargin(Part):
    """maintenance = max over sides of |position| x mark x slippage + |position with its orders| x mark x factor.

    Only perpetuals are margined so; an option that is held counts nothing, one that is short what it could cost at most.
    """

    kind: Literal["expected-shortfall"]
    markets: dict[str, LognormalRisk] = Field(min_length=1)  # by underlying
    tail: Annotated[float, Field(gt=0, lt=0.5), VOTABLE] = 0.01  # [1] probability: 1 - confidence
    margin_period: Annotated[float, Field(gt=0, le=YEAR), VOTABLE] = 3600.0  # [s]
    initial_scale: Annotated[float, Field(ge=1, le=10), VOTABLE] = 1.2  # [1] initial over maintenance


def lognormal_tail(mean: float, deviation: float, tail: float, upper: bool = False) -> tuple[float, float]:
    """(VaR, ES) of X = exp(N(mean, deviation^2)) at level `tail`: signed so that a low price is a loss of -X, or a high one of X.

    Lower: VaR = -exp(mean + deviation z), ES = -exp(mean + deviation^2 / 2) Phi(z - deviation) / tail, z = Phi^-1(tail).
    Upper: exp(mean - deviation z) and exp(mean + deviation^2 / 2) Phi(deviation - z) / tail, z = Phi^-1(1 - tail).
    """
    z = NormalDist().inv_cdf(tail)
    expected = math.exp(mean + 0.5 * deviation**2) / tail
    if upper:
        return math.exp(mean - deviation * z), expected * _below(deviation + z)
    return -math.exp(mean + deviation * z), -expected * _below(z - deviation)


def forward_factors(mean: float, deviation: float, tail: float) -> tuple[float, float]:
    """(long, short) risk factors of a forward [1] of its price: what the expected price in the tail is away from today's."""
    low = lognormal_tail(mean, deviation, tail)[1]
    high = lognormal_tail(mean, deviation, tail, upper=True)[1]
    return 1.0 + low, high - 1.0


def _below(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2.0))
