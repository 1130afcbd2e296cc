"""Back-tests of a Value at Risk: how often it was exceeded, whether exceedances cluster, and what the test could have seen.

`is_exceeded` is bool [t], in order of time, `probability` what the VaR promised (0.01 for 99 %). Asymptotic p-values have a wrong
size in small samples (Kupiec at 5 %, 250 days, 1 %: 9.5 %), so exact ones stand beside them, and their power: a test
that could not have rejected says nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from simulator.kernel import stream

SIMULATIONS = 4_000
GREEN, YELLOW = 0.95, 0.9999  # cumulative probabilities at which Basel's zones end


@dataclass(frozen=True)
class Coverage:
    """Exceedances against their promise (Kupiec 1995), exactly, and independence (Christoffersen 1998)."""

    count: int
    exceeded: int
    probability: float
    likelihood_ratio: float  # Kupiec's, asymptotically chi-square with one degree of freedom
    asymptotic_p: float
    exact_p: float  # two-sided binomial: all counts no likelier than the one seen
    independence_ratio: float  # Christoffersen's; NaN where there was no exceedance
    independence_p: float  # by simulation under the null
    power: float  # of the exact test at 5 %, were exceedances twice as frequent as promised

    @property
    def rate(self) -> float:
        """Share of steps on which the VaR was exceeded."""
        return self.exceeded / self.count


def coverage(is_exceeded: np.ndarray, probability: float, seed: int = 0) -> Coverage:
    """The back-test of one series. Raises ValueError for an empty one and for a probability outside (0, 1)."""
    hits = np.asarray(is_exceeded, dtype=bool)
    if hits.ndim != 1 or hits.size == 0:
        raise ValueError(f"`is_exceeded` must be one series with entries, but has shape {hits.shape}")
    if not 0 < probability < 1:
        raise ValueError(f"`0 < probability < 1` must hold, but got {probability:g}")
    n, x = hits.size, int(hits.sum())
    ratio = kupiec_ratio(n, x, probability)
    independence = christoffersen_ratio(*transitions(hits))
    return Coverage(
        n,
        x,
        probability,
        ratio,
        chi_square_tail(ratio),
        exact_p(n, x, probability),
        independence,
        _independence_p(independence, n, probability, seed),
        power(n, probability, 2 * probability),
    )


def kupiec_ratio(n: int, x: int, p: float) -> float:
    """-2 log of the likelihood of `x` exceedances in `n` at `p`, over that at x / n."""
    return -2 * (_log_likelihood(n - x, x, p) - _log_likelihood(n - x, x, x / n))


def _log_likelihood(misses: int, hits: int, p: float) -> float:
    return (misses * math.log1p(-p) if misses else 0.0) + (hits * math.log(p) if hits else 0.0)


def chi_square_tail(value: float) -> float:
    """P(chi-square with one degree of freedom > value)."""
    return math.erfc(math.sqrt(max(value, 0.0) / 2))


def transitions(hits: np.ndarray) -> tuple[int, int, int, int]:
    """(n00, n01, n10, n11): how often each state was followed by each; 1 is an exceedance."""
    before, after = hits[:-1], hits[1:]
    return tuple(int(np.sum((before == a) & (after == b))) for a in (False, True) for b in (False, True))  # type: ignore[return-value]


def christoffersen_ratio(n00: int, n01: int, n10: int, n11: int) -> float:
    """-2 log likelihood of one rate, over that of one rate after an exceedance and another after none; NaN without any."""
    total, hits = n00 + n01 + n10 + n11, n01 + n11
    if total == 0 or n10 + n11 == 0:
        return math.nan
    free = _log_likelihood(n00, n01, n01 / (n00 + n01)) if n00 + n01 else 0.0
    free += _log_likelihood(n10, n11, n11 / (n10 + n11))
    return max(0.0, -2 * (_log_likelihood(total - hits, hits, hits / total) - free))


@lru_cache(maxsize=64)
def _null_ratios(n: int, p: float, seed: int) -> np.ndarray:
    """Christoffersen's ratio on independent series, sorted; series without an exceedance count as 0."""
    generator = np.random.default_rng(int(stream(seed, "backtest", "independence")))
    found = [christoffersen_ratio(*transitions(generator.random(n) < p)) for _ in range(SIMULATIONS)]
    return np.sort(np.nan_to_num(np.array(found)))


def _independence_p(ratio: float, n: int, p: float, seed: int) -> float:
    if math.isnan(ratio):
        return math.nan
    null = _null_ratios(n, p, seed)
    return (1 + int(np.sum(null >= ratio - 1e-12))) / (1 + len(null))


def _probabilities(n: int, p: float) -> np.ndarray:
    """Binomial probabilities of 0 .. n."""
    from scipy.stats import binom

    return np.asarray(binom.pmf(np.arange(n + 1), n, p))


def exact_p(n: int, x: int, p: float) -> float:
    """Probability of all counts that are no likelier than `x`."""
    mass = _probabilities(n, p)
    return min(1.0, float(mass[mass <= mass[x] * (1 + 1e-9)].sum()))


def acceptance(n: int, p: float, ratio: float = 3.841458820694124) -> tuple[int, int]:
    """The least and the largest count that Kupiec's test does not reject at 5 %."""
    kept = [x for x in range(n + 1) if kupiec_ratio(n, x, p) <= ratio]
    return kept[0], kept[-1]


@lru_cache(maxsize=256)
def power(n: int, p: float, truth: float, level: float = 0.05) -> float:
    """Probability that the exact test at `level` rejects `p` when exceedances have probability `truth`."""
    if truth >= 1:
        return 1.0
    mass = _probabilities(n, p)
    order = np.argsort(mass, kind="stable")
    tail = np.empty(n + 1)
    tail[order] = np.cumsum(mass[order])
    return float(_probabilities(n, truth)[tail <= level].sum())


def basel_zone(exceeded: int, n: int = 250, p: float = 0.01) -> str:
    """green, yellow or red: the Basel committee's traffic light (1996), by cumulative probability, for any `n` and `p`."""
    below = cumulative(exceeded, n, p)
    return "green" if below < GREEN else "yellow" if below < YELLOW else "red"


def cumulative(exceeded: int, n: int = 250, p: float = 0.01) -> float:
    """P(at most `exceeded`) where every step exceeds with probability `p`."""
    return float(_probabilities(n, p)[: exceeded + 1].sum())


def arch_lm(residuals: np.ndarray, lags: int = 1) -> tuple[float, float]:
    """Engle's test (1982) of squared `residuals` on their own `lags`: (n R^2, its asymptotic p)."""
    from scipy.stats import chi2

    y = np.asarray(residuals, float) ** 2
    target = y[lags:]
    columns = np.column_stack([np.ones(target.size), *(y[lags - i : -i] for i in range(1, lags + 1))])
    fitted = columns @ np.linalg.lstsq(columns, target, rcond=None)[0]
    r2 = 1 - np.sum((target - fitted) ** 2) / np.sum((target - target.mean()) ** 2)
    statistic = float(target.size * r2)
    return statistic, float(chi2.sf(statistic, lags))


def shortfall_z(losses: np.ndarray, var: np.ndarray, shortfall: np.ndarray, probability: float) -> float:
    """Z2 of Acerbi and Szekely (2014): 1 - sum of losses beyond `var` over `shortfall` x their expected number; 0 if both hold.

    Negative where losses beyond the VaR are too many or too large; arrays [t], losses positive.
    """
    beyond = np.where(losses > var, losses / shortfall, 0.0)
    return float(1 - beyond.sum() / (losses.size * probability))
