"""How many paths a limit needs before it can be confirmed, and what a given number of paths can prove.

A probability limit p is confirmed at `confidence` when the one-sided Clopper-Pearson bound of the observed failures is
at most p, which is the same as: at most `allowed_failures` failures.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from simulator.risk import weights
from simulator.risk.measures import Estimate, PerPath, exceedance_bound, quantile

POWER = 0.8  # chance with which a candidate at half of every limit should pass


def zero_failure_paths(limit: float, confidence: float) -> int:
    """The fewest paths that prove P <= limit when none fails: 299, 598, 2,995, 29,956 for 1, 0.5, 0.1, 0.01 % at 95 %."""
    return math.ceil(math.log1p(-confidence) / math.log1p(-limit) - 1e-9)


def allowed_failures(paths: int, limit: float, confidence: float) -> int:
    """The most failures in `paths` paths that still prove P <= limit; -1 if not even none does."""
    from scipy.special import bdtr

    low, high = -1, paths  # P(at most k | limit) <= 1 - confidence holds at `low` and not at `high`
    while high - low > 1:
        k = (low + high) // 2
        if bdtr(float(k), paths, limit) <= 1 - confidence:
            low = k
        else:
            high = k
    return low


def paths_for_failures(failures: int, limit: float, confidence: float) -> int:
    """The fewest paths that prove P <= limit with `failures` failures (3 failures at 95 %: 773, 1,549, 7,752, 77,535)."""
    from scipy.special import bdtr

    low, high = failures, max(failures + 1, zero_failure_paths(limit, confidence))
    while bdtr(float(failures), high, limit) > 1 - confidence:
        low, high = high, 2 * high
    while high - low > 1:
        n = (low + high) // 2
        if bdtr(float(failures), n, limit) <= 1 - confidence:
            high = n
        else:
            low = n
    return high


def pass_probability(rate: float, paths: int, limit: float, confidence: float) -> float:
    """The chance that a candidate whose true failure rate is `rate` is confirmed."""
    from scipy.special import bdtr

    allowed = allowed_failures(paths, limit, confidence)
    return float(bdtr(float(allowed), paths, rate)) if allowed >= 0 else 0.0


def assurance(failures: float, seen: int, paths: int, limit: float, confidence: float) -> float:
    """The chance that a candidate with `failures` on `seen` paths is confirmed on `paths` fresh ones (O'Hagan et al. 2005).

    Its true rate is not the one seen: it is Beta(failures + 1/2, seen - failures + 1/2) (Jeffreys), so later failures are
    beta-binomial. At the rate seen alone, 0 of 200 would promise 99.9 % where this says 87 % (limit 1 %, 2,470 paths).
    """
    from scipy.special import betaln, gammaln

    k = np.arange(allowed_failures(paths, limit, confidence) + 1.0)
    a, b = failures + 0.5, seen - failures + 0.5
    ways = gammaln(paths + 1) - gammaln(k + 1) - gammaln(paths - k + 1)
    return min(1.0, math.fsum(np.exp(ways + betaln(k + a, paths - k + b) - betaln(a, b)).tolist()))


def power_at_half(paths: int, limit: float, confidence: float) -> float:
    """The chance that a candidate at half of the limit is confirmed."""
    return pass_probability(limit / 2, paths, limit, confidence)


@dataclass(frozen=True)
class Proof:
    """What a confirmation will demand of every limit: `confidence` on `paths` paths; a candidate is worth it from `power` on.

    `weight` is what a failing path counts there, at most: 1 of plain paths.
    """

    paths: int
    confidence: float
    power: float = POWER
    weight: float = 1.0

    def rate(self, limit: float) -> float:
        """The largest true failure rate that is confirmed with `power`; half of the limit if these paths prove nothing."""
        from scipy.special import betaincinv

        allowed = allowed_failures(self.paths, limit / self.weight, self.confidence)
        if allowed < 0:
            return limit / 2
        return self.weight * float(betaincinv(allowed + 1, self.paths - allowed, 1 - self.power))


@dataclass(frozen=True)
class Plan:
    """Paths with which a candidate at half of every limit is confirmed with `power`, and what decides them."""

    paths: int
    power: float
    conditions: int
    tightest_limit: float


def plan_paths(limits: list[float], confidence: float, power: float = POWER) -> Plan:
    """The fewest paths with which a candidate at half of all `limits` passes all of them with at least `power`.

    Conditions may depend on each other in any way, so each gets an equal share of the chance to miss (Bonferroni).
    """
    each = share_of_power(power, len(limits))
    needed = {limit: _paths_for_power(limit, confidence, each) for limit in sorted(set(limits))}
    tightest = max(needed, key=lambda limit: (needed[limit], -limit))
    reached = 1 - math.fsum(1 - power_at_half(needed[tightest], limit, confidence) for limit in limits)
    return Plan(needed[tightest], max(0.0, reached), len(limits), tightest)


def share_of_power(power: float, conditions: int) -> float:
    """The power that each of `conditions` needs so that all of them together have `power` (Bonferroni)."""
    return 1 - (1 - power) / max(1, conditions)


def _paths_for_power(limit: float, confidence: float, power: float) -> int:
    # Power jumps up where one more failure becomes allowed, and falls slowly in between: only the jumps need a look.
    failures = 0
    while True:
        paths = paths_for_failures(failures, limit, confidence)
        if power_at_half(paths, limit, confidence) >= power:
            return paths
        failures += 1


def smallest_margin(losses: PerPath, limit: float, confidence: float) -> tuple[float, Estimate]:
    """The smallest margin m for which P(loss > m) <= limit is confirmed, and the point estimate with its interval.

    `losses` are per unit of notional. The margin is the order statistic with exactly the allowed failures above it, so
    it is at or above the true quantile with at least `confidence`. Infinite if the paths cannot prove the limit.
    """
    return confirmable_threshold(losses, limit, confidence), quantile(losses, 1 - limit, confidence)


def confirmable_threshold(losses: PerPath, limit: float, confidence: float) -> float:
    """The least threshold l for which P(loss > l) <= limit would be confirmed on these paths."""
    if losses.weight is not None:
        return _confirmable_by_weight(losses, limit, confidence)
    allowed = allowed_failures(losses.paths, limit, confidence)
    return math.inf if allowed < 0 else upper_order_statistic(losses, allowed)


def _confirmable_by_weight(losses: PerPath, limit: float, confidence: float) -> float:
    ordered = np.unique(losses.value)
    low, high = -1, len(ordered) - 1  # places in `ordered` that are not confirmed, and perhaps are
    if exceedance_bound(losses, float(ordered[high]), confidence) > limit:
        return math.inf
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if exceedance_bound(losses, float(ordered[middle]), confidence) <= limit else (middle, high)
    return float(ordered[high])


def exceeded_by(losses: PerPath, rate: float) -> float:
    """The least value that at most a share `rate` of paths is above; minus infinity if all may be."""
    if losses.weight is not None:
        return weights.exceeded_by(losses.value, losses.weight, rate)
    return upper_order_statistic(losses, math.floor(rate * losses.paths + 1e-9))


def upper_order_statistic(losses: PerPath, above: int) -> float:
    """The least l with at most `above` losses > l; minus infinity if `above` is all of them."""
    return float(upper_values(losses, above + 1)[0]) if above < losses.paths else -math.inf


def upper_values(losses: PerPath, count: int) -> np.ndarray:
    """The `count` greatest losses, the least of them first, the others in no order."""
    return np.partition(losses.value, losses.paths - count)[losses.paths - count :]
