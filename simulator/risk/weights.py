"""Estimates from paths that count with a weight: drawn from a tilted law, weighted back to the one that is asked about.

The mean of weight x indicator is unbiased, and its error can be many times smaller than that of plain paths. It can also be
worthless and not look so: where a way to lose was hardly drawn, the weights that would show it are missing. So every path comes
from a mixture in which `PLAIN_SHARE` is plain, no weight is above its inverse, and every bound adds an unseen path to those seen.

What such a bound proves is still less than a plain count of failures does: it takes for granted that what was not seen counts
no more than what was, or than a path with one jump. `exact_bound` does not, and is about as wide as that of plain paths.
"""

from __future__ import annotations

import math

import numpy as np

from simulator.market.rare_events import PLAIN_SHARE

LEAST_EFFECTIVE = 50.0  # paths that all weights together must be worth for anything to be said
MOST_WEIGHT = 1 / PLAIN_SHARE
STANDARD_ERRORS = 4.0  # by which the mean weight may miss 1


def effective_paths(weights: np.ndarray) -> float:
    """How many equal weights are worth as much (Kish 1965)."""
    squares = float(np.sum(weights**2))
    return float(np.sum(weights)) ** 2 / squares if squares > 0 else 0.0


def in_words(weights: np.ndarray) -> str:
    """What a table says of its weighted paths."""
    return f"weighted paths (importance sampling): {len(weights):,} are worth {effective_paths(weights):,.0f} plain ones"


def mean_is_one(weights: np.ndarray) -> bool:
    """Whether the mean of all weights is 1 within its error, as that of exact ratios of densities must be."""
    return abs(float(weights.mean()) - 1) <= STANDARD_ERRORS * float(weights.std(ddof=1)) / math.sqrt(len(weights)) + 1e-12


def frequency(beyond: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """(probability, standard error) of `beyond` [path]. The rarer side is counted: its weights are less noise."""
    counted = np.where(beyond, weight, 0.0)
    if counted.mean() > 0.5:
        value, error = frequency(~beyond, weight)
        return 1.0 - value, error
    return float(counted.mean()), float(counted.std(ddof=1)) / math.sqrt(len(counted))


def frequency_bound(beyond: np.ndarray, weight: np.ndarray, heaviest: float, confidence: float) -> float:
    """One-sided upper bound of the probability of `beyond`: of a weighted sum of Poisson counts (Fay & Feuer 1997).

    One more path is added to those seen, as heavy as the heaviest of them and at least `heaviest`. Equal weights give Garwood's
    exact bound. 1 where all weights together are worth too few paths.
    """
    from scipy.special import gammaincinv

    if effective_paths(weight) < LEAST_EFFECTIVE:
        return 1.0
    if np.where(beyond, weight, 0.0).mean() > 0.5:
        return 1.0 - frequency_floor(~beyond, weight, confidence)
    seen = weight[beyond]
    unseen = max(heaviest, float(seen.max(initial=0.0)))
    total, squares = float(seen.sum()) + unseen, float((seen**2).sum()) + unseen**2
    return min(1.0, squares / total * float(gammaincinv(total**2 / squares, confidence)) / len(beyond))


def frequency_floor(beyond: np.ndarray, weight: np.ndarray, confidence: float) -> float:
    """One-sided lower bound of the probability of `beyond`, by the same law."""
    from scipy.special import gammaincinv

    if effective_paths(weight) < LEAST_EFFECTIVE:
        return 0.0
    if np.where(beyond, weight, 0.0).mean() > 0.5:
        return max(0.0, 1.0 - frequency_bound(~beyond, weight, float(weight.max()), confidence))
    seen = weight[beyond]
    total, squares = float(seen.sum()), float((seen**2).sum())
    return squares / total * float(gammaincinv(total**2 / squares, 1 - confidence)) / len(beyond) if total > 0 else 0.0


def exact_bound(beyond: np.ndarray, weight: np.ndarray, confidence: float) -> float:
    """As `frequency_bound`, but taking nothing for granted: every path beyond might count as much as the heaviest of all."""
    from scipy.special import betaincinv

    n, failures = len(beyond), int(np.count_nonzero(beyond))
    often = 1.0 if failures == n else float(betaincinv(failures + 1, n - failures, confidence))
    return min(1.0, float(weight.max()) * often)


def mean(value: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """(mean, standard error) of the self-normalised estimate sum w x / sum w (Owen 2013, 9.2): exact for a constant."""
    whole, n = math.fsum(weight), len(weight)
    centre = math.fsum(weight * value) / whole
    return centre, math.sqrt(math.fsum((weight * (value - centre)) ** 2) * n / max(1, n - 1)) / whole


def exceeded_by(value: np.ndarray, weight: np.ndarray, rate: float) -> float:
    """The least value that is exceeded with a probability of at most `rate`; minus infinity if it may be all.

    Counted from the rarer side, as `frequency` counts.
    """
    if rate >= 1:
        return -math.inf
    order = np.argsort(value, kind="stable")
    if rate > 0.5:
        place = int(np.searchsorted(np.cumsum(weight[order]) / len(value), (1 - rate) * (1 - 1e-12)))
        return float(value[order[min(place, len(value) - 1)]])
    above = np.cumsum(weight[order[::-1]]) / len(value)
    place = int(np.searchsorted(above, rate * (1 + 1e-12), side="right"))
    return float(value[order[-1 - min(place, len(value) - 1)]])


def quantile(value: np.ndarray, weight: np.ndarray, level: float, reach: float) -> tuple[float, float, float]:
    """(quantile, low, high); the ends stand where the probability of more is `reach` standard errors away (Woodruff 1952)."""
    found = exceeded_by(value, weight, 1 - level)
    error = frequency(value > found, weight)[1]
    rates = (1 - level + reach * error, 1 - level - reach * error)
    low, high = (exceeded_by(value, weight, rate) for rate in rates)
    return found, low, high if rates[1] > 0 else math.inf


def expected_shortfall(value: np.ndarray, weight: np.ndarray, level: float) -> tuple[float, float, float]:
    """(shortfall, standard error, effective paths in the tail): q + E[max(x - q, 0)] / (1 - level) at the quantile q.

    Rockafellar & Uryasev 2000; q minimises it, so its own error counts only to second order.
    """
    q = exceeded_by(value, weight, 1 - level)
    excess, error = mean(np.maximum(value - q, 0.0), weight)
    return q + excess / (1 - level), error / (1 - level), effective_paths(weight[value > q])
