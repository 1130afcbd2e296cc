"""Jumps by threshold: returns that Student-t innovations cannot explain, and the law of their sizes.

A return is a jump if it lies beyond k conditional standard deviations, k so large that the innovation law would be expected to
exceed it less than once in the sample (`EXPECTED_BEYOND` times). Removing jumps thins the tail and lowers k, so detection and fit
alternate until the set of jumps stays the same. The first set comes from a generous threshold, because jumps left inside
the sample would fatten the fitted tail until it hides them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from simulator.estimation.errors import FitError
from simulator.estimation.standard_errors import NORMAL_95, Estimate
from simulator.market.jumps import Kou, Merton

EXPECTED_BEYOND = 0.5  # returns of the sample expected beyond k if innovations were all there is
FIRST_DEGREES = 8.0  # [degrees of freedom] behind the first, generous threshold
MOST_ROUNDS = 30
FEWEST_JUMPS = 3  # below it a law of sizes is not fitted: one or two returns have no distribution
MOST_CRASHES = 24.0  # [1/year] above it, jumps of ordinary size are the fat tail in another dress
ORDINARY = 3.0  # [daily standard deviations] below which the deviation of a jump is the size of a day
TOO_MANY = 5  # with `EXPECTED_BEYOND` expected, five or more come by chance once in 5,800 samples


@dataclass(frozen=True)
class Split:
    """Returns parted into a diffusive part, NaN where a jump was, and jumps, NaN where none was."""

    diffusive: np.ndarray
    jumps: np.ndarray
    threshold: float  # [conditional standard deviations]
    beyond: int  # returns beyond it

    @property
    def sizes(self) -> np.ndarray:
        """Sizes of the jumps, in order of time [1]."""
        return self.jumps[~np.isnan(self.jumps)]


def threshold(degrees: float, n: int) -> float:
    """k [standard deviations] beyond which `EXPECTED_BEYOND` of `n` unit-variance t innovations (infinite degrees: normal) are
    expected, on both sides."""
    from scipy.special import ndtri, stdtrit

    if math.isinf(degrees):
        return float(-ndtri(EXPECTED_BEYOND / (2 * n)))
    return float(-stdtrit(degrees, EXPECTED_BEYOND / (2 * n)) * math.sqrt((degrees - 2) / degrees))


class Judge(Protocol):
    """A law of diffusive returns: the degrees of freedom of its innovations, and which of `returns` are beyond `k` deviations."""

    @property
    def degrees(self) -> float: ...

    def beyond(self, returns: np.ndarray, diffusive: np.ndarray, k: float) -> np.ndarray: ...


def split(returns: np.ndarray, fit: Callable[[np.ndarray], Judge]) -> Split:
    """Detect jumps and refit what is left until nothing changes; `fit` maps diffusive returns to a `Judge`.

    If sets of jumps return in a cycle instead, the one with the largest threshold (fewest jumps) is taken.
    """
    n = int(np.count_nonzero(~np.isnan(returns)))
    degrees, current, diffusive = FIRST_DEGREES, fit(returns), returns
    last, seen = b"", dict[bytes, Split]()
    for _ in range(MOST_ROUNDS):
        k = threshold(degrees, n)
        is_jump = current.beyond(returns, diffusive, k)
        key = is_jump.tobytes()
        if key == last:
            return seen[key]
        if key in seen:
            break
        diffusive = np.where(is_jump, np.nan, returns)
        current = fit(diffusive)
        seen[key] = Split(diffusive, np.where(is_jump, returns, np.nan), k, int(np.count_nonzero(is_jump)))
        degrees, last = current.degrees, key
    return max(seen.values(), key=lambda found: found.threshold)


@dataclass(frozen=True)
class JumpFit:
    """A law of jumps with the standard error of each number, and its covariance in the parameter law's coordinates."""

    jumps: Merton | Kou
    count: int
    estimates: dict[str, Estimate]
    law: dict[str, float]  # variance of each coordinate; the maximum likelihood estimates are independent of each other


def no_crashes(jumps: Merton | Kou, daily_deviation: float) -> bool:
    """Many jumps, none much larger than a day of diffusion [1]: fat tails taken for jumps, which say nothing of crashes.

    A daily likelihood of bitcoin finds 235 a year with a deviation of 3.8 %, about a day's own.
    """
    size = math.sqrt(jumps.second_moment)
    return jumps.intensity > MOST_CRASHES and size < ORDINARY * daily_deviation


def fit_merton(sizes: np.ndarray, years: float) -> JumpFit:
    """Normal sizes by maximum likelihood. Few jumps allow no sandwich: errors are those of independent normal sizes."""
    jumps = Merton(intensity=sizes.size / years, mean=float(sizes.mean()), deviation=float(sizes.std()))
    return merton_fit(jumps, sizes.size, normal_errors(sizes.size, jumps.deviation))


def normal_errors(count: int, deviation: float) -> dict[str, float]:
    """Of log intensity, mean and log deviation of `count` normal sizes, exact: of the mean by Student's t, and of the log
    deviation the root mean square about the truth, for the maximum of the likelihood lies below it (a tenth at ten jumps)."""
    from scipy.special import digamma, polygamma, stdtrit

    below = 0.5 * (math.log(count / 2) - float(digamma((count - 1) / 2)))
    return {
        "intensity": 1 / math.sqrt(count),
        "mean": deviation / math.sqrt(count - 1) * float(stdtrit(count - 1, 0.975)) / NORMAL_95,
        "deviation": math.hypot(below, 0.5 * math.sqrt(float(polygamma(1, (count - 1) / 2)))),
    }


def merton_fit(jumps: Merton, count: int, errors: Mapping[str, float]) -> JumpFit:
    """`errors` of log intensity, mean and log deviation, in which the laws of the estimates are nearest to normal; 0: none."""
    estimates = {"mean": Estimate(jumps.mean, errors["mean"] or None)}
    for name in ("intensity", "deviation"):
        value = float(getattr(jumps, name))
        estimates[name] = Estimate(value, value * errors[name] or None, scale="log")
    law = {"log_jump_intensity": errors["intensity"] ** 2, "jump_mean": errors["mean"] ** 2}
    law["log_jump_deviation"] = errors["deviation"] ** 2
    return JumpFit(jumps, count, {name: estimates[name] for name in errors}, law)


def fit_kou(sizes: np.ndarray, years: float) -> JumpFit:
    """Double exponential sizes by maximum likelihood; a side without a jump keeps the other side's mean and gets no draws."""
    up, down = sizes[sizes > 0], -sizes[sizes < 0]
    n, share, intensity = sizes.size, up.size / sizes.size, sizes.size / years
    eta_up, eta_down = (1 / float((side if side.size else np.abs(sizes)).mean()) for side in (up, down))
    if eta_up <= 1:
        raise FitError(
            [("jumps", f"the mean up jump is {1 / eta_up:.3g} in logs, at least 1; is there a decimals error in the file?")]
        )
    estimates = {"intensity": Estimate(intensity, intensity / math.sqrt(n))}
    law = {"log_jump_intensity": 1 / n}
    estimates["up_probability"] = Estimate(share, math.sqrt(share * (1 - share) / n) or None)
    if 0 < share < 1:
        law["logit_up_probability"] = 1 / (n * share * (1 - share))
    for name, eta, side in (("eta_up", eta_up, up), ("eta_down", eta_down, down)):
        estimates[name] = Estimate(eta, eta / math.sqrt(side.size) if side.size else None)
    if up.size:
        law["log_eta_up_above_one"] = (eta_up / (eta_up - 1)) ** 2 / up.size
    if down.size:
        law["log_eta_down"] = 1 / down.size
    return JumpFit(Kou(intensity=intensity, up_probability=share, eta_up=eta_up, eta_down=eta_down), n, estimates, law)
