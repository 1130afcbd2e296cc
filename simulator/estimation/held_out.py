"""How a fit does on rows it never saw: the law of the next return, step by step, against what came.

At each step the forecast is the fitted law at a conditional variance known before the return: innovations and at most one jump (a
second within a step is rarer than what any test sees). Three ways to that variance show what filtering is worth and what stale
parameters cost: `filter` runs the fitted recursion on the new returns, `ewma` forgets the fit's recursion for a weighted mean of
squares, `still` keeps the stationary variance. None looks at the return it forecasts or at later ones.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from simulator.estimation.cut_law import cut_law, innovation_numbers
from simulator.estimation.exponential import log_growth, mean_size
from simulator.estimation.returns import Window, iso, log_returns, moment
from simulator.market.innovations import Normal
from simulator.market.jumps import Kou, Merton
from simulator.market.model import Asset
from simulator.market.processes import Egarch, Garch
from simulator.parameters import DAY, YEAR
from simulator.risk.backtests import Coverage, coverage

if TYPE_CHECKING:
    from simulator.estimation.market_fit import MarketFit
    from simulator.market.price_file import PriceTable

LEVELS = (0.05, 0.01, 0.005)  # probabilities of exceeding the VaR, on either side
STRATEGIES = ("filter", "ewma", "still")
EWMA_HALF_LIFE = DAY  # [s]
NODES = 40  # of the quadrature over the size of a jump
BLOCK = 7 * DAY  # [s] mean length of bootstrap blocks of score differences
RESAMPLES = 1_000
SEEN = "rows after the window were looked at here: a model chosen by these tables has seen them, and they cannot confirm it"


@dataclass(frozen=True)
class Score:
    """One way to the variance: mean log density of a return, and how much better the fitted filter does, with a 95 % interval."""

    strategy: str
    log_score: float
    behind: float  # mean log density that `filter` has more
    behind_low: float
    behind_high: float
    coverage: dict[tuple[str, float], Coverage]  # by side ("falls", "rises") and probability


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
        """Of the fitted filter."""
        return self.scores[0].coverage


def held_out(prices: PriceTable, fit: MarketFit, seed: int = 0) -> tuple[HeldOut, ...]:
    """Every asset of `fit` on the rows of `prices` after its window, exclusions respected. Raises FitError for too few."""
    names = [asset.name for asset in fit.market.assets]
    later = Window(moment(prices.timestamps[-1]), fit.source.until, fit.source.exclude)
    returns = log_returns(prices, later, fit.source.step)
    columns = [returns.assets.index(name) for name in names]
    return tuple(
        _asset(asset, returns.returns[:, column], fit.source.step, fit.assets[i].threshold, (returns.first, returns.last), seed)
        for i, (asset, column) in enumerate(zip(fit.market.assets, columns, strict=True))
    )


def _asset(asset: Asset, r: np.ndarray, step: float, threshold: float, window: tuple[datetime, datetime], seed: int) -> HeldOut:
    law = NextReturn(asset, step)
    scores, seen = [], ~np.isnan(r)
    densities = {}
    for strategy in STRATEGIES:
        h = variances(asset, r, step, strategy, threshold)
        density, below = law.density(r[seen], h[seen]), law.probability(r[seen], h[seen])
        densities[strategy] = np.log(density)
        sides = {("falls", p): coverage(below < p, p, seed) for p in LEVELS}
        sides |= {("rises", p): coverage(below > 1 - p, p, seed) for p in LEVELS}
        gap = densities["filter"] - densities[strategy]
        low, high = _interval(gap, BLOCK / step, seed) if strategy != "filter" else (0.0, 0.0)
        scores.append(Score(strategy, float(densities[strategy].mean()), float(gap.mean()), low, high, sides))
    return HeldOut(asset.name, *window, int(seen.sum()), tuple(scores))


def variances(asset: Asset, r: np.ndarray, step: float, strategy: str, threshold: float) -> np.ndarray:
    """Variance of each step of `r` [t] known at its start. A missing return leaves what the law expects; a jump too."""
    process = asset.process
    if isinstance(process, Egarch) and strategy == "filter":
        return _exponential_variances(asset, process, r, step, threshold)
    assert isinstance(process, (Garch, Egarch))
    level, h = process.volatility**2 * step / YEAR, process.volatility_today**2 * step / YEAR
    kept = 2.0 ** (-step / EWMA_HALF_LIFE)
    out = np.empty(len(r))
    for t, value in enumerate(r):
        out[t] = level if strategy == "still" else h
        jumped = asset.jumps is not None and abs(value) > threshold * math.sqrt(h)
        square = h if math.isnan(value) or jumped else value * value
        if strategy == "ewma":
            h = kept * h + (1 - kept) * square
            continue
        if isinstance(process, Egarch):
            continue
        answer = process.alpha + (process.gamma / 2 if square == h else process.gamma * (value < 0))
        h = min(level * (1 - process.persistence) + answer * square + process.beta * h, process.ceiling**2 * level)
    return out


def _exponential_variances(asset: Asset, process: Egarch, r: np.ndarray, step: float, threshold: float) -> np.ndarray:
    """As `variances`, by an EGARCH's own recursion around E[h] = volatility^2 step."""
    level = process.volatility**2 * step / YEAR
    law = innovation_numbers(process.innovation)
    growth = log_growth(process.alpha, process.gamma, process.beta, *law)
    size, mean = mean_size(*law), math.log(level) - growth
    log_h, ceiling = math.log(process.volatility_today**2 * step / YEAR), math.log(process.ceiling**2 * level)
    out = np.empty(len(r))
    for t, value in enumerate(r):
        out[t] = math.exp(log_h)
        z = value / math.sqrt(out[t])
        jumped = asset.jumps is not None and abs(z) > threshold
        news = 0.0 if math.isnan(z) or jumped else process.alpha * (abs(z) - size) + process.gamma * z
        log_h = min(mean + process.beta * (log_h - mean) + news, ceiling)
    return out


class NextReturn:
    """The law of the next log return of an asset at a stated variance: innovations of mean 0, and at most one jump."""

    def __init__(self, asset: Asset, step: float) -> None:
        self.law = cut_law(getattr(asset.process, "innovation", Normal()))
        self.chance, self.sizes, self.weights = _jump_nodes(asset.jumps, step)

    def probability(self, r: np.ndarray, h: np.ndarray) -> np.ndarray:
        """P(return <= r) at variances h."""
        return self._mixed(r, h, self.law.cdf)

    def density(self, r: np.ndarray, h: np.ndarray) -> np.ndarray:
        """Density of the return at r; never below the smallest that a float holds, for a return beyond every cut."""
        return np.maximum(self._mixed(r, h, self.law.pdf) / np.sqrt(h), 1e-300)

    def _mixed(self, r, h, value):
        per_unit = 1 / np.sqrt(h)
        total = (1 - self.chance) * value(r * per_unit)
        for size, weight in zip(self.sizes, self.weights, strict=True):
            total = total + self.chance * weight * value((r - size) * per_unit)
        return total


def _jump_nodes(jumps: Merton | Kou | None, step: float) -> tuple[float, np.ndarray, np.ndarray]:
    """(chance of a jump in a step, sizes, their probabilities): quantiles in the middle of equal shares."""
    from scipy.stats import norm

    if jumps is None or jumps.intensity == 0:
        return 0.0, np.zeros(0), np.zeros(0)
    p = (np.arange(NODES) + 0.5) / NODES
    if isinstance(jumps, Merton):
        sizes = jumps.mean + jumps.deviation * norm.ppf(p)
    else:
        down = 1 - jumps.up_probability
        with np.errstate(divide="ignore", invalid="ignore"):
            sizes = np.where(p < down, np.log(p / down) / jumps.eta_down, -np.log((1 - p) / (1 - down)) / jumps.eta_up)
    return -math.expm1(-jumps.intensity * step / YEAR), sizes, np.full(NODES, 1 / NODES)


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
