"""Rare events: paths drawn where losses are, and weighted back to the law that is asked about.

A path drawn from a tilted law counts with the ratio of the two densities at it (its *weight*, whose mean is 1). The mean of
weight x indicator is then unbiased, and its error can be thousands of times smaller than that of plain paths. It can also be
worthless and not look so: where a region that matters was hardly drawn, the weights that would show it are missing. So
nothing is said unless the weights keep what can be checked of them: their mean is not above 1 by more than its error, no
single path carries the estimate, and enough of the paths that exceed the threshold count.

What this proves is less than a plain count of failures does: its bound is normal, not exact, and rests on the tilt reaching
every way to lose. `agrees` compares it with plain paths where these see the event at all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from simulator.risk.measures import Estimate, PerPath

LEAST_EFFECTIVE = 50.0  # effective paths beyond the threshold
MOST_OF_ONE = 0.1  # of an estimate that one path may carry
STANDARD_ERRORS = 4.0  # by which the mean weight may miss 1


class WeightsDegenerate(ValueError):
    """Weights that cannot carry an estimate."""


@dataclass(frozen=True)
class RareEstimate:
    """A probability from weighted paths, and what it rests on."""

    estimate: Estimate
    effective_paths: float  # of those beyond the threshold: (sum w)^2 / sum w^2
    largest_share: float  # of the estimate, by one path


def effective_paths(weights: np.ndarray) -> float:
    """How many equal weights are worth as much (Kish 1965)."""
    squares = float(np.sum(weights**2))
    return float(np.sum(weights)) ** 2 / squares if squares > 0 else 0.0


def rare_probability(sample: PerPath, weights: np.ndarray, threshold: float, confidence: float = 0.95) -> RareEstimate:
    """P(value > threshold) from paths with `weights` [path], with its normal interval.

    Raises WeightsDegenerate where the weights fail a check.
    """
    from scipy.special import ndtri

    n = sample.paths
    if weights.shape != sample.value.shape or not np.all(np.isfinite(weights)) or weights.min(initial=0.0) < 0:
        raise WeightsDegenerate("every path needs one finite weight that is not negative")
    spread = float(weights.std(ddof=1)) / math.sqrt(n)
    if float(weights.mean()) - 1 > STANDARD_ERRORS * spread + 1e-12:  # below 1, the paths not drawn may make up for it
        raise WeightsDegenerate(f"weights must have mean 1, but got {weights.mean():.4g} with standard error {spread:.2g}")
    counted = weights * (sample.value > threshold)
    effective, whole = effective_paths(counted), float(counted.sum())
    largest = float(counted.max()) / whole if whole > 0 else 1.0
    if effective < LEAST_EFFECTIVE or largest > MOST_OF_ONE:
        raise WeightsDegenerate(
            f"an estimate needs {LEAST_EFFECTIVE:g} effective paths beyond the threshold and none that carries more than "
            f"{MOST_OF_ONE:.0%} of it; there are {effective:.1f}, and one carries {largest:.0%}; draw more paths or tilt less"
        )
    value, error = float(counted.mean()), float(counted.std(ddof=1)) / math.sqrt(n)
    reach = float(ndtri((1 + confidence) / 2)) * error
    return RareEstimate(Estimate(value, max(0.0, value - reach), value + reach, confidence, n, error), effective, largest)


def agrees(rare: RareEstimate, failures: int, paths: int) -> bool:
    """Whether `failures` of `paths` plain paths fit the estimate: an exact two-sided test at 0.1 %, with the estimate's error.

    True also where plain paths are too few to see the event; `paths` times the estimate says how many were to be expected.
    """
    from scipy.special import bdtr

    low = max(0.0, rare.estimate.value - 3.3 * rare.estimate.standard_error)
    high = min(1.0, rare.estimate.value + 3.3 * rare.estimate.standard_error)
    too_many = failures > 0 and 1 - float(bdtr(failures - 1.0, paths, high)) < 0.0005
    too_few = float(bdtr(float(failures), paths, low)) < 0.0005
    return not too_many and not too_few


def ruin_probability(capital: float, loading: float, claim: float, paths: int, seed: int) -> RareEstimate:
    """P(a fund of `capital` is ever ruined) by exponential tilting of its claims (Esscher; Asmussen & Glynn 2007, VI.2).

    Fees come steadily at (1 + loading) times the mean of claims, which arrive as a Poisson process with exponential sizes of
    mean `claim` [usd]. Under the tilt with R = loading / ((1 + loading) claim) ruin is certain, claims have mean (1 +
    loading) claim, and a ruined path counts exp(-R (capital + deficit at ruin)): every path counts, however rare ruin is.
    Weights of the whole path are not kept, so their mean cannot be checked here; the closed form can (Cramer-Lundberg).
    """
    rate = loading / ((1 + loading) * claim)
    draws = np.random.Generator(np.random.Philox(key=seed))
    debt, ruined = np.zeros(paths), np.zeros(paths, dtype=bool)
    while not ruined.all():
        open_paths = np.flatnonzero(~ruined)
        # waiting times under the tilt have rate (1 + loading) x that of claims, in which fees of `claim` each flow in
        fees = claim * draws.exponential(size=open_paths.size)
        debt[open_paths] += (1 + loading) * claim * draws.exponential(size=open_paths.size) - fees
        ruined[open_paths] = debt[open_paths] > capital
    counted = np.exp(-rate * debt)
    value, error = float(counted.mean()), float(counted.std(ddof=1)) / math.sqrt(paths)
    estimate = Estimate(value, value - 1.96 * error, value + 1.96 * error, 0.95, paths, error)
    return RareEstimate(estimate, effective_paths(counted), float(counted.max() / counted.sum()))
