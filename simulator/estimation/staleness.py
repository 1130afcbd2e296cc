"""What a volatility costs that is not looked at often enough: estimators of a protocol's feed on rows after a fit.

Every estimator of `market.online` follows the rows after the fit's window; its estimate is in use until the next one is made, up
to a month later or never (`VolatilityFeed`). Scored is the fitted law of the next return at the variance in use: the log
density lost against the fit's own filter looked at every step, and how often the 99 % VaR of either side is passed. Of a peg the
fit has one variance, and the estimators follow what its pull does not explain.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from simulator.estimation.held_out import BLOCK, later_returns
from simulator.estimation.next_return import Moves, NextReturn, variances
from simulator.estimation.rivals import mean_and_error
from simulator.market.model import Asset
from simulator.market.online import Ewma, Rolling, in_use
from simulator.market.processes import OrnsteinUhlenbeck
from simulator.parameters import DAY
from simulator.risk.backtests import exact_p

if TYPE_CHECKING:
    from simulator.estimation.market_fit import MarketFit
    from simulator.market.price_file import PriceTable

PROBABILITY = 0.01  # of passing the VaR, on either side
REFRESH = {"every step": 0.0, "a day": DAY, "a week": 7 * DAY, "a month": 30 * DAY, "never": math.inf}
THE_FILTER, OF_A_PEG = "the fit's filter", "the peg's own"


@dataclass(frozen=True)
class Staleness:
    """One estimator looked at every so often, on the rows after a fit of one asset."""

    asset: str
    estimator: str
    refresh: str
    returns: int
    lost: float  # mean log density less than that of the fit's filter at every step
    error: float  # its standard error, autocorrelation kept
    falls: int  # returns beyond the VaR
    rises: int
    due: float  # on either side, were the VaR right
    falls_p: float  # Kupiec's test, exact
    rises_p: float


def staleness(prices: PriceTable, fit: MarketFit) -> tuple[Staleness, ...]:
    """Every asset of `fit` on the rows of `prices` after its window. Raises FitError for too few."""
    found, rows = later_returns(prices, fit), list[Staleness]()
    for asset, one in zip(fit.market.assets, fit.assets, strict=True):
        rows += _asset(asset, Moves.of(asset, found).surprises(asset, found.step), found.step, one.threshold)
    return tuple(rows)


def _estimates(asset: Asset, r: np.ndarray, step: float, threshold: float) -> Iterator[tuple[str, np.ndarray]]:
    """Variance of every step of `r` [t] known at its start."""
    own = OF_A_PEG if isinstance(asset.process, OrnsteinUhlenbeck) else THE_FILTER
    yield own, variances(asset, r, step, "filter", threshold)
    today = getattr(asset.process, "volatility_today", 0.0)
    for name, estimator in (
        ("EWMA of a day", Ewma(volatility_today=today, half_life=DAY)),
        ("EWMA of a week", Ewma(volatility_today=today, half_life=7 * DAY)),
        ("30 days", Rolling(volatility_today=today, window=30 * DAY)),
    ):
        yield name, estimator.variances(r[:, np.newaxis], step)[:-1, 0]


def _asset(asset: Asset, r: np.ndarray, step: float, threshold: float) -> Iterator[Staleness]:
    law, seen = NextReturn(asset, step), ~np.isnan(r)
    best: np.ndarray | None = None
    for name, fresh in _estimates(asset, r, step, threshold):
        for how_often, refresh in {"never": math.inf}.items() if name == OF_A_PEG else REFRESH.items():
            h = fresh[in_use(len(r), step, refresh, 0.0)][seen]
            scores, below = np.log(law.density(r[seen], h)), law.probability(r[seen], h)
            best = scores if best is None else best
            lost, error = mean_and_error(best - scores, BLOCK / step)
            falls, rises = int((below < PROBABILITY).sum()), int((below > 1 - PROBABILITY).sum())
            p = [exact_p(scores.size, count, PROBABILITY) for count in (falls, rises)]
            due = scores.size * PROBABILITY
            yield Staleness(asset.name, name, how_often, scores.size, lost, error, falls, rises, due, *p)


def facts(found: Sequence[Staleness]) -> list[dict[str, Any]]:
    """Everything as plain values, for JSON."""
    return [vars(one) for one in found]
