"""The law of the next return of a fitted asset, one step ahead: what is expected, at which variance, with what innovations.

Innovations and at most one jump (a second within a step is rarer than what any test sees); with normal innovations the sum of
both is in closed form. A peg forecasts the move of its own distance: a normal around the pull from where it stands, of the
variance of the exact transition, with depegs. None looks at the return it forecasts or at later ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from simulator.estimation.cut_law import CutLaw, cut_law, innovation_numbers
from simulator.estimation.exponential import log_growth, mean_size
from simulator.market.innovations import Normal
from simulator.market.jumps import Kou, Merton
from simulator.market.processes import Egarch, Garch, OrnsteinUhlenbeck
from simulator.parameters import DAY, YEAR

if TYPE_CHECKING:
    from simulator.estimation.returns import Returns
    from simulator.market.model import Asset, ModelMarket

EWMA_HALF_LIFE = DAY  # [s]
NODES = 40  # of the quadrature over the size of a jump


@dataclass(frozen=True)
class Moves:
    """Log moves [t] of an asset and the log price [t] where each begins; of a peg to another asset those of their ratio."""

    move: np.ndarray
    start: np.ndarray

    @classmethod
    def of(cls, asset: Asset, found: Returns) -> Moves:
        column = found.assets.index(asset.name)
        move, price = found.returns[:, column], found.log_price[:-1, column]
        base = getattr(asset.process, "base", None)
        if base is None:
            return cls(move, price)
        below = found.assets.index(base)
        return cls(move - found.returns[:, below], price - found.log_price[:-1, below])

    def surprises(self, asset: Asset, step: float) -> np.ndarray:
        """[t] moves less what `asset` expects of them, known before them: the pull of a peg, else nothing."""
        if not isinstance(asset.process, OrnsteinUhlenbeck):
            return self.move
        pulled = 1 - asset.process.kept(step / YEAR)
        return self.move + pulled * (self.start - math.log(asset.process.peg))


def alone(asset: Asset, market: ModelMarket) -> Asset:
    """A peg to another asset as one of their ratio to a dollar, which `Moves` are of; every other asset as it is."""
    base = getattr(asset.process, "base", None)
    if base is None:
        return asset
    ratio = asset.price / market.assets[market.asset_names.index(base)].price
    return asset.model_copy(update={"price": ratio, "process": asset.process.model_copy(update={"base": None})})


def variances(asset: Asset, r: np.ndarray, step: float, strategy: str, threshold: float) -> np.ndarray:
    """Variance of each step of surprises `r` [t] known at its start. A missing one leaves what the law expects; a jump too."""
    process = asset.process
    if isinstance(process, OrnsteinUhlenbeck):
        level = today = process.transition_variance(step / YEAR)
    else:
        assert isinstance(process, (Garch, Egarch))
        level, today = process.volatility**2 * step / YEAR, process.volatility_today**2 * step / YEAR
    if strategy == "ewma":
        told = asset.jumps is not None and not math.isnan(threshold)  # NaN: depegs by likelihood, which have none
        return _weighted(r, today, step, threshold if told else math.inf)
    if strategy == "still" or isinstance(process, OrnsteinUhlenbeck):
        return np.full(len(r), level)
    if isinstance(process, Egarch):
        return _exponential_variances(asset, process, r, step, threshold)
    h, out = today, np.empty(len(r))
    for t, value in enumerate(r):
        out[t] = h
        jumped = asset.jumps is not None and abs(value) > threshold * math.sqrt(h)
        square = h if math.isnan(value) or jumped else value * value
        answer = process.alpha + (process.gamma / 2 if square == h else process.gamma * (value < 0))
        h = min(level * (1 - process.persistence) + answer * square + process.beta * h, process.ceiling**2 * level)
    return out


def _weighted(r: np.ndarray, h: float, step: float, threshold: float) -> np.ndarray:
    """Exponentially weighted squares, beginning at `h`."""
    kept, out = 2.0 ** (-step / EWMA_HALF_LIFE), np.empty(len(r))
    for t, value in enumerate(r):
        out[t] = h
        told = not math.isnan(value) and abs(value) <= threshold * math.sqrt(h)
        h = kept * h + (1 - kept) * (value * value if told else h)
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
    """The law of the next surprise of an asset at a stated variance: innovations of mean 0, and at most one jump."""

    def __init__(self, asset: Asset, step: float) -> None:
        innovation, jumps = getattr(asset.process, "innovation", Normal()), asset.jumps
        self.law = cut_law(innovation)
        self.chance, self.jumped = 0.0, None
        if jumps is not None and jumps.intensity > 0:
            self.chance = -math.expm1(-jumps.intensity * step / YEAR)
            self.jumped = _with_normal(jumps) if isinstance(innovation, Normal) else _Nodes(self.law, _sizes(jumps))

    def probability(self, r: np.ndarray, h: np.ndarray) -> np.ndarray:
        """P(surprise <= r) at variances h."""
        own = self.law.cdf(r / np.sqrt(h))
        return own if self.jumped is None else (1 - self.chance) * own + self.chance * self.jumped.cdf(r, h)

    def density(self, r: np.ndarray, h: np.ndarray) -> np.ndarray:
        """Density of the surprise at r; never below the smallest that a float holds, for a move beyond every cut."""
        own = self.law.pdf(r / np.sqrt(h)) / np.sqrt(h)
        found = own if self.jumped is None else (1 - self.chance) * own + self.chance * self.jumped.pdf(r, h)
        return np.maximum(found, 1e-300)


class _Jumped(Protocol):
    """An innovation of variance h and one jump."""

    def pdf(self, r: np.ndarray, h: np.ndarray) -> np.ndarray: ...

    def cdf(self, r: np.ndarray, h: np.ndarray) -> np.ndarray: ...


@dataclass(frozen=True)
class _Nodes:
    """Of any innovation, the size in `sizes` of equal chance."""

    law: CutLaw
    sizes: np.ndarray

    def pdf(self, r: np.ndarray, h: np.ndarray) -> np.ndarray:
        return np.mean([self.law.pdf((r - size) / np.sqrt(h)) for size in self.sizes], axis=0) / np.sqrt(h)

    def cdf(self, r: np.ndarray, h: np.ndarray) -> np.ndarray:
        return np.mean([self.law.cdf((r - size) / np.sqrt(h)) for size in self.sizes], axis=0)


def _sizes(jumps: Merton | Kou) -> np.ndarray:
    """Quantiles in the middle of equal shares."""
    from scipy.special import ndtri

    p = (np.arange(NODES) + 0.5) / NODES
    if isinstance(jumps, Merton):
        return jumps.mean + jumps.deviation * ndtri(p)
    down = 1 - jumps.up_probability
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(p < down, np.log(p / down) / jumps.eta_down, -np.log((1 - p) / (1 - down)) / jumps.eta_up)


def _with_normal(jumps: Merton | Kou) -> _Jumped:
    return _NormalAndNormal(jumps) if isinstance(jumps, Merton) else _NormalAndExponential(jumps)


@dataclass(frozen=True)
class _NormalAndNormal:
    jumps: Merton

    def pdf(self, r: np.ndarray, h: np.ndarray) -> np.ndarray:
        deviation = np.sqrt(h + self.jumps.deviation**2)
        z = (r - self.jumps.mean) / deviation
        return np.exp(-0.5 * z * z) / (math.sqrt(2 * math.pi) * deviation)

    def cdf(self, r: np.ndarray, h: np.ndarray) -> np.ndarray:
        from scipy.special import ndtr

        return ndtr((r - self.jumps.mean) / np.sqrt(h + self.jumps.deviation**2))


@dataclass(frozen=True)
class _NormalAndExponential:
    """The exponentially modified normal law (Grushka 1972) on either side."""

    jumps: Kou

    def pdf(self, r: np.ndarray, h: np.ndarray) -> np.ndarray:
        up = self.jumps.up_probability
        return up * _modified(r, h, self.jumps.eta_up) + (1 - up) * _modified(-r, h, self.jumps.eta_down)

    def cdf(self, r: np.ndarray, h: np.ndarray) -> np.ndarray:
        from scipy.special import ndtr

        up, z = self.jumps.up_probability, r / np.sqrt(h)
        rises = ndtr(z) - _modified(r, h, self.jumps.eta_up) / self.jumps.eta_up
        falls = ndtr(z) + _modified(-r, h, self.jumps.eta_down) / self.jumps.eta_down
        return up * rises + (1 - up) * falls


def _modified(r: np.ndarray, h: np.ndarray, eta: float) -> np.ndarray:
    """Density at r of a normal of variance h and an exponential of rate `eta`."""
    from scipy.special import log_ndtr

    return eta * np.exp(eta * (eta * h / 2 - r) + log_ndtr((r - eta * h) / np.sqrt(h)))
