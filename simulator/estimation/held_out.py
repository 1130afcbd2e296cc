"""How a fit does on rows it never saw: the law of the next return, step by step, against what came.

At each step the forecast is the fitted law (`next_return`) at a conditional variance known before the return. Three ways to that
variance show what filtering is worth and what stale parameters cost: `filter` runs the fitted recursion on the new returns,
`ewma` forgets the fit's recursion for a weighted mean of squares, `still` keeps the stationary variance. A peg has one variance,
that of its `transition`; beside it stand an `ewma` of its surprises, and its moves with `no-pull`, as if it came back to nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from simulator.estimation.next_return import Moves, NextReturn, variances
from simulator.estimation.returns import Window, iso, log_returns, moment
from simulator.market.processes import OrnsteinUhlenbeck
from simulator.parameters import DAY
from simulator.risk.backtests import Coverage, coverage

if TYPE_CHECKING:
    from simulator.estimation.market_fit import MarketFit
    from simulator.estimation.returns import Returns
    from simulator.market.model import Asset
    from simulator.market.price_file import PriceTable

LEVELS = (0.05, 0.01, 0.005)  # probabilities of exceeding the VaR, on either side
STRATEGIES, OF_A_PEG = ("filter", "ewma", "still"), ("transition", "ewma", "no-pull")  # the first is the fit
SIDES = ("falls", "rises")
BLOCK = 7 * DAY  # [s] mean length of blocks, of bootstraps and of standard errors of score differences
RESAMPLES = 1_000
SEEN = "rows after the window were looked at here: a model chosen by these tables has seen them, and they cannot confirm it"


@dataclass(frozen=True)
class Score:
    """One way to forecast: mean log density of a return, and how much better the fit does, with a 95 % interval."""

    strategy: str
    log_score: float
    behind: float  # mean log density that the fit has more
    behind_low: float
    behind_high: float
    coverage: dict[tuple[str, float], Coverage]  # by side and probability


@dataclass(frozen=True)
class HeldOut:
    """One asset on rows after its fit."""

    asset: str
    since: datetime
    until: datetime
    returns: int
    scores: tuple[Score, ...]

    @property
    def coverage(self) -> dict[tuple[str, float], Coverage]:
        """Of the fit."""
        return self.scores[0].coverage


def held_out(prices: PriceTable, fit: MarketFit, seed: int = 0) -> tuple[HeldOut, ...]:
    """Every asset of `fit` on the rows of `prices` after its window. Raises FitError for too few."""
    returns = later_returns(prices, fit)
    return tuple(_asset(asset, returns, one.threshold, seed) for asset, one in zip(fit.market.assets, fit.assets, strict=True))


def later_returns(prices: PriceTable, fit: MarketFit) -> Returns:
    """Of the rows of `prices` after the window of `fit`, exclusions respected. Raises FitError for too few."""
    return log_returns(prices, Window(moment(prices.timestamps[-1]), fit.source.until, fit.source.exclude), fit.source.step)


def _asset(asset: Asset, later: Returns, threshold: float, seed: int) -> HeldOut:
    law, moves, step = NextReturn(asset, later.step), Moves.of(asset, later), later.step
    surprises = moves.surprises(asset, step)
    seen, scores, best = ~np.isnan(surprises), list[Score](), None
    for strategy in OF_A_PEG if isinstance(asset.process, OrnsteinUhlenbeck) else STRATEGIES:
        h = variances(asset, surprises, step, strategy, threshold)[seen]
        r = (moves.move if strategy == "no-pull" else surprises)[seen]
        density, below = np.log(law.density(r, h)), law.probability(r, h)
        sides = {(side, p): coverage(sided(below, side) < p, p, seed) for side in SIDES for p in LEVELS}
        best = density if best is None else best
        gap = best - density
        low, high = _interval(gap, BLOCK / step, seed) if scores else (0.0, 0.0)
        scores.append(Score(strategy, float(density.mean()), float(gap.mean()), low, high, sides))
    return HeldOut(asset.name, later.first, later.last, int(seen.sum()), tuple(scores))


def sided(below: np.ndarray, side: str) -> np.ndarray:
    """The chance of a move as far to this side, `below` that of one below."""
    return below if side == "falls" else 1 - below


def _interval(values: np.ndarray, block: float, seed: int) -> tuple[float, float]:
    """95 % interval of the mean by a stationary bootstrap."""
    from arch.bootstrap import StationaryBootstrap

    from simulator.kernel import stream

    generator = np.random.default_rng(int(stream(seed, "held out", "bootstrap")))
    drawn = [float(np.mean(x)) for (x,), _ in StationaryBootstrap(block, values, seed=generator).bootstrap(RESAMPLES)]
    low, high = np.quantile(drawn, (0.025, 0.975))
    return float(low), float(high)


def facts(one: HeldOut) -> dict[str, Any]:
    """Everything as plain values, for JSON; NaN as None."""
    return {
        "asset": one.asset,
        "since": iso(one.since),
        "until": iso(one.until),
        "returns": one.returns,
        "scores": [
            {
                **{key: getattr(score, key) for key in ("strategy", "log_score", "behind", "behind_low", "behind_high")},
                "coverage": [
                    {"side": side, **{key: None if value != value else value for key, value in vars(c).items()}}
                    for (side, _), c in score.coverage.items()
                ],
            }
            for score in one.scores
        ],
    }


def notes(found: Sequence[HeldOut]) -> list[str]:
    """What a reader must know, a sentence each."""
    lines = []
    for one in found:
        rejected = [key for key, c in one.coverage.items() if c.exact_p < 0.05 or c.independence_p < 0.05]
        failed = [f"{side} at {100 * (1 - p):g} %" for side, p in rejected]
        if failed:
            lines.append(f"{one.asset}: later rows reject the fit's VaR of {', '.join(failed)} (at 5 %, a test each)")
    return [*lines, SEEN]
