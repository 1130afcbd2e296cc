"""Jumps on fine bars, five minutes say: how much of a day's variance is jumps, on which days, which bars, how large.

Realised variance counts jumps, bipower variation does not (Barndorff-Nielsen and Shephard 2004). Their ratio tests a day (ratio
statistic with its variance bounded from below: Barndorff-Nielsen and Shephard 2006, Huang and Tauchen 2005). A bar is a jump if
it exceeds the local deviation, from bipower variation of the bars before it, by more than the largest of so many normal bars
would in all but 1 % of samples (Lee and Mykland 2008). Bars of a quiet hour are judged by the past day, so that the daily rhythm
of volatility makes some jumps. Products of neighbours never reach across a gap; each sum is scaled to the bars that are there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from simulator.estimation.errors import FitError
from simulator.estimation.jumps import FEWEST_JUMPS, JumpFit, fit_kou, merton_fit, normal_errors
from simulator.estimation.returns import Returns
from simulator.estimation.standard_errors import Estimate, estimated_covariance
from simulator.market.jumps import Merton
from simulator.parameters import DAY, YEAR

MU_1 = math.sqrt(2 / math.pi)  # E|z| of a normal
MU_43 = 0.8308609250  # E|z|^(4/3): 2^(2/3) gamma(7/6) / gamma(1/2)
RATIO_VARIANCE = math.pi**2 / 4 + math.pi - 5
JUMP_DAY = 2.3263478740  # 99 % of a normal, one side
LEVEL = 0.01  # of a false jump in the whole sample
WINDOW_DAYS = 0.9375  # local volatility: 270 bars of five minutes (Lee and Mykland 2008, section 1.3)
FEWEST_BARS = 20  # a day
FEWEST_DAYS = 30
ENOUGH = 0.75  # share of bars that a day, and of products that a local volatility, must have


@dataclass(frozen=True)
class Days:
    """Each day with enough bars: realised variance, bipower variation [1/day], and the test of their ratio."""

    variance: np.ndarray
    bipower: np.ndarray
    ratio: np.ndarray  # standard normal without jumps
    has_enough: np.ndarray  # [day of the grid]

    @property
    def jump_share(self) -> np.ndarray:
        """Share of a day's variance that is jumps, never below 0."""
        return np.maximum(0.0, 1 - self.bipower / self.variance)

    @property
    def is_jump_day(self) -> np.ndarray:
        return self.ratio > JUMP_DAY


def realised_days(returns: np.ndarray) -> Days:
    """Of `returns` [day, bar], NaN where missing; a sum over bars, pairs or triples is scaled up to the bars of a full day."""
    bars = returns.shape[1]
    size = np.abs(returns)
    seen = np.count_nonzero(~np.isnan(returns), axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = bars * _mean(size**2)
        bipower = bars / MU_1**2 * _mean(size[:, 1:] * size[:, :-1])
        tripower = bars**2 / MU_43**3 * _mean((size[:, 2:] * size[:, 1:-1] * size[:, :-2]) ** (4 / 3))
        spread = RATIO_VARIANCE / np.maximum(seen, 1) * np.maximum(1.0, tripower / bipower**2)
        ratio = (1 - bipower / variance) / np.sqrt(spread)
    enough = (seen >= max(ENOUGH * bars, FEWEST_BARS)) & np.isfinite(ratio)
    return Days(variance[enough], bipower[enough], ratio[enough], enough)


def _mean(values: np.ndarray) -> np.ndarray:
    """Mean of what is there, day by day."""
    return np.asarray(np.nansum(values, axis=1) / np.count_nonzero(~np.isnan(values), axis=1))


def local_deviation(returns: np.ndarray, window: int) -> np.ndarray:
    """Deviation of a bar [t] from the `window` bars before it, by bipower; NaN where too few of its pairs are there."""
    size = np.abs(returns)
    pairs = np.concatenate([[np.nan], size[1:] * size[:-1]])
    there = ~np.isnan(pairs)
    total = np.concatenate([[0.0], np.cumsum(np.where(there, pairs, 0.0))])
    count = np.concatenate([[0], np.cumsum(there)])
    last = np.arange(returns.size)  # pairs that end before this bar
    first = np.maximum(last - (window - 2), 0)
    found = count[last] - count[first]
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (total[last] - total[first]) / found
    return np.where(found >= ENOUGH * (window - 2), np.sqrt(np.maximum(mean, 0.0)) / MU_1, np.nan)


def largest_of(n: int) -> float:
    """What the largest of `n` bars exceeds in `LEVEL` of samples without jumps [local deviations], by Gumbel's law of |normal|
    (Lee and Mykland 2008, lemma 1; they keep the constant E|z| of bipower in the denominator)."""
    root = math.sqrt(2 * math.log(n))
    return root - (math.log(math.pi) + math.log(math.log(n))) / (2 * root) - math.log(-math.log1p(-LEVEL)) / root


@dataclass(frozen=True)
class FineJumps:
    """Jumps of one asset on fine bars. Estimates carry errors that know jumps cluster from day to day."""

    fit: JumpFit
    days: int
    jump_days: Estimate  # [1] share of days that the ratio test calls a jump day
    jump_share: Estimate  # [1] of a day's variance, mean over days
    down_share: float  # [1] of the jumps
    threshold: float  # [local deviations]
    smallest: float  # [1] a typical bar's threshold: smaller jumps stay in the diffusion
    below: float  # [1] share of jumps of the fitted law that lie below it
    bar: float  # [s]
    ends: np.ndarray  # [ns] of every bar that is there
    jumps: np.ndarray  # [bar that is there] size where it is a jump, else 0

    def parted(self, returns: Returns, column: int) -> tuple[np.ndarray, np.ndarray]:
        """(returns [t] without their jumps, NaN where the fine bars do not cover the whole step; the jumps [t] taken out).

        Raises FitError if bars do not divide the step.
        """
        bars = returns.step / self.bar
        if abs(bars - round(bars)) > 1e-9 or bars < 1:
            raise FitError([("jumps-from", f"its bars of {self.bar:g} s must divide the market step of {returns.step:g} s")])
        step = round(returns.step * 1e9)
        place = -((returns.origin - self.ends) // step) - 1
        inside = (place >= 0) & (place < len(returns.returns))
        count = np.bincount(place[inside], minlength=len(returns.returns))
        taken = np.bincount(place[inside], self.jumps[inside], minlength=len(returns.returns))
        covered = count == round(bars)
        return np.where(covered, returns.returns[:, column] - taken, np.nan), np.where(covered, taken, 0.0)


def fine_jumps(found: Returns, column: int, is_kou: bool = False, threshold: float | None = None) -> FineJumps:
    """Jumps of one asset of fine returns, beyond `threshold` local deviations (default: Lee and Mykland's).

    Raises FitError for bars that are too coarse, too few days or too few jumps.
    """
    name, bar, r = found.assets[column], found.step, found.returns[:, column]
    a_day = DAY / bar
    if a_day < FEWEST_BARS or a_day != round(a_day):
        raise FitError([("jumps-from", f"its bars of {bar:g} s must be a whole part of a day, {FEWEST_BARS} or more of them")])
    per_day = round(a_day)
    days = len(r) // per_day
    r = r[: days * per_day]
    deviation = local_deviation(r, round(WINDOW_DAYS * per_day))
    judged = (deviation > 0) & ~np.isnan(r)
    most = threshold or largest_of(max(int(np.count_nonzero(judged)), 3))
    is_jump = judged & (np.abs(r) > most * deviation)
    sizes = r[is_jump]
    told = realised_days(r.reshape(days, per_day))
    if told.variance.size < FEWEST_DAYS:
        raise FitError([(f"jumps-from: {name}", f"needs >= {FEWEST_DAYS} days of bars, has {told.variance.size}")])
    if sizes.size < FEWEST_JUMPS:
        raise FitError([(f"jumps-from: {name}", f"has {sizes.size} jumps; a law of sizes needs {FEWEST_JUMPS}")])
    years = int(np.count_nonzero(judged)) * bar / YEAR
    fit = fit_kou(sizes, years) if is_kou else _merton(np.where(is_jump, r, 0.0), judged, per_day)
    seen, smallest = ~np.isnan(r), most * float(np.median(deviation[judged]))
    return FineJumps(
        fit=fit,
        days=told.variance.size,
        jump_days=_mean_of_days(told.is_jump_day.astype(float)),
        jump_share=_mean_of_days(told.jump_share),
        down_share=float(np.mean(sizes < 0)),
        threshold=most,
        smallest=smallest,
        below=_below(fit, smallest),
        bar=bar,
        ends=found.origin + round(bar * 1e9) * (1 + np.flatnonzero(seen)),
        jumps=np.where(is_jump, r, 0.0)[seen],
    )


def _block(days: int) -> float:
    """Mean block [day]: jumps cluster over a week or two."""
    return max(1.0, days ** (1 / 3))


def _mean_of_days(values: np.ndarray) -> Estimate:
    spread = float(estimated_covariance(values[:, np.newaxis], _block(values.size))[0, 0])
    return Estimate(float(values.mean()), math.sqrt(spread / values.size))


def _merton(jumps: np.ndarray, judged: np.ndarray, per_day: int) -> JumpFit:
    """Intensity, mean and deviation as ratios of daily sums, so that their errors know that jumps come together."""
    count, first, second = ((np.abs(jumps) > 0) * jumps**p for p in (0, 1, 2))
    daily = np.column_stack([v.reshape(-1, per_day).sum(axis=1) for v in (judged, count, first, second)])
    daily = daily[daily[:, 0] > 0]
    n = len(daily)
    bars, per, total, squares = daily.mean(axis=0)
    intensity, mean = per / bars * per_day * YEAR / DAY, total / per
    deviation = math.sqrt(squares / per - mean**2)
    slopes = np.array([
        [-1 / bars, 1 / per, 0.0, 0.0],
        [0.0, -mean / per, 1 / per, 0.0],
        [0.0, (mean**2 - deviation**2) / per / (2 * deviation**2), -mean / per / deviation**2, 1 / per / (2 * deviation**2)],
    ])  # of log intensity, mean, log deviation  # fmt: skip
    clustered = np.sqrt(np.diag(slopes @ estimated_covariance(daily, _block(n)) @ slopes.T) / n)
    independent = normal_errors(int(count.sum()), deviation)  # a sandwich of few jumps is often smaller than that by chance
    errors = {name: max(float(own), least) for own, (name, least) in zip(clustered, independent.items(), strict=True)}
    law = Merton(intensity=float(intensity), mean=float(mean), deviation=deviation)
    return merton_fit(law, int(count.sum()), errors)


def _below(fit: JumpFit, size: float) -> float:
    """Share of jumps of the fitted law that are smaller than `size`."""
    from scipy.special import ndtr

    law = fit.jumps
    if isinstance(law, Merton):
        return float(ndtr((size - law.mean) / law.deviation) - ndtr((-size - law.mean) / law.deviation))
    up, down = law.up_probability, 1 - law.up_probability
    return up * -math.expm1(-law.eta_up * size) + down * -math.expm1(-law.eta_down * size)


def facts(name: str, found: FineJumps) -> dict[str, object]:
    """Everything but the bars as plain values, for JSON."""
    plain = ("days", "down_share", "threshold", "smallest", "below", "bar")
    both = {key: vars(getattr(found, key)) for key in ("jump_days", "jump_share")}
    return {"asset": name, **{key: getattr(found, key) for key in plain}, **both, "jumps": found.fit.count}
