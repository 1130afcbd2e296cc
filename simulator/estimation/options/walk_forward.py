"""How a fit does on quotes it has not seen: each snapshot's surface against the next snapshot's quotes.

A smile is carried over by the same expiry at the same number of deviations from the forward, k / sqrt(years): what a desk
calls sticky delta. Three rulers stand beside the error: the fit's own in sample, that of a fit made on the next snapshot
itself (what no forecast can beat by much), and that of yesterday's quotes joined by straight lines (no model at all).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import pairwise

import numpy as np

from simulator.estimation.errors import FitError
from simulator.estimation.options.chain import Chain
from simulator.estimation.options.cleaning import Rules
from simulator.estimation.options.quotes import Quotes
from simulator.estimation.options.surface_fit import FitOptions, SurfaceFit, fit_surface
from simulator.parameters import DAY

HORIZONS = (("under 12 h", 0.0, 0.5), ("12 h to 2 d", 0.5, 2.0), ("over 2 d", 2.0, math.inf))  # [day]
LATEST = 15.0  # [day] snapshots farther apart are not compared
REFERENCE_YEARS = 30 / 365  # parameters by slice are followed at the expiry nearest to it
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Pair:
    """One snapshot against the next: RMSE of volatility over the quotes both can be compared at."""

    before: datetime
    after: datetime
    quotes: int
    fitted: float
    next: float
    refitted: float
    interpolated: float


@dataclass(frozen=True)
class HorizonRow:
    """Medians over the pairs of one horizon, and the interval of the median of `next` (order statistics, 95 %)."""

    horizon: str
    pairs: int
    fitted: float
    next: float
    refitted: float
    interpolated: float
    low: float
    high: float


@dataclass(frozen=True)
class WalkForward:
    """Errors out of sample, and how parameters move: (name, median, 5 %, 95 %, median absolute move to the next)."""

    model: str
    pairs: tuple[Pair, ...]
    rows: tuple[HorizonRow, ...]
    paths: tuple[tuple[str, float, float, float, float], ...]
    notes: tuple[str, ...]

    def facts(self) -> dict[str, object]:
        """Everything, for JSON."""
        pairs = [{**asdict(pair), "before": pair.before.isoformat(), "after": pair.after.isoformat()} for pair in self.pairs]
        rows = [asdict(row) for row in self.rows]
        return {"model": self.model, "horizons": rows, "pairs": pairs, "paths": self.paths, "notes": self.notes}


def walk_forward(
    chain: Chain, options: FitOptions, rules: Rules, progress: Callable[[str], None] = lambda _: None
) -> WalkForward:
    """Fit every snapshot and compare it with the next. Raises FitError with fewer than three that can be fitted."""
    fits, notes = [], []
    currency = chain.currencies[0] or None
    for moment in chain.moments():
        progress(f"fitting {moment.isoformat()}")
        try:
            fits.append(fit_surface(chain.at(moment), options, rules, currency))
        except FitError as error:
            notes.append(f"{moment.isoformat()}: left out: {error.problems[0][1]}")
    if len(fits) < 3:
        raise FitError([("snapshots", f"{len(fits)} can be fitted; a walk forward needs at least 3")])
    lost = sum(not fit.converged for fit in fits)
    if lost:
        notes.append(f"{lost} of {len(fits)} snapshots did not converge; they are in the figures")
    pairs = [pair for before, after in pairwise(fits) for pair in _compare(before, after)]
    notes.append("intervals take snapshots as independent; those hours apart are not, so true ones are wider")
    return WalkForward(options.model, tuple(pairs), tuple(_rows(pairs)), tuple(_paths(fits)), tuple(notes))


def _compare(before: SurfaceFit, after: SurfaceFit) -> Iterator[Pair]:
    start, end = before.cleaned.quotes.as_of, after.cleaned.quotes.as_of
    if (end - start).total_seconds() > LATEST * DAY:
        return
    earlier = {one.expiry: (one, s.quotes) for one, s in zip(before.slices, before.cleaned.quotes.slices(), strict=True)}
    errors: list[np.ndarray] = []
    for one, s in zip(after.slices, after.cleaned.quotes.slices(), strict=True):
        if one.expiry not in earlier:
            continue
        old, old_quotes = earlier[one.expiry]
        k = s.quotes.log_moneyness
        carried = k * math.sqrt(old.years / one.years)
        models = (
            old.volatility(carried, np.full(len(k), old.years)),
            one.volatility(k, s.quotes.years),
            _joined(old_quotes, carried),
        )
        errors.append(np.array([model - s.quotes.volatility for model in models]))
    if errors:
        carried_over, refitted, joined = np.sqrt(np.mean(np.concatenate(errors, axis=1) ** 2, axis=1))
        count = sum(error.shape[1] for error in errors)
        yield Pair(start, end, count, before.goodness.rmse, float(carried_over), float(refitted), float(joined))


def _joined(quotes: Quotes, k: np.ndarray) -> np.ndarray:
    """Quoted volatilities joined by straight lines, flat beyond the last."""
    at = quotes.log_moneyness
    order = np.argsort(at, kind="stable")
    return np.interp(k, at[order], quotes.volatility[order])


def _rows(pairs: list[Pair]) -> Iterator[HorizonRow]:
    for name, low, high in HORIZONS:
        chosen = [p for p in pairs if low <= (p.after - p.before).total_seconds() / DAY < high]
        if not chosen:
            continue
        columns = np.array([[p.fitted, p.next, p.refitted, p.interpolated] for p in chosen])
        middle = np.median(columns, axis=0)
        fitted, ahead, refitted, joined = (float(value) for value in middle)
        yield HorizonRow(name, len(chosen), fitted, ahead, refitted, joined, *median_interval(columns[:, 1]))


def median_interval(values: np.ndarray) -> tuple[float, float]:
    """The interval of a median by order statistics: at least `CONFIDENCE`, or the whole range where there are too few."""
    ordered, n = np.sort(values), len(values)
    cumulated = np.cumsum([math.comb(n, i) for i in range(n + 1)]) / 2**n
    lowest = int(np.searchsorted(cumulated, (1 - CONFIDENCE) / 2))  # P(fewer than this many lie below) <= 2.5 %
    lowest = min(max(lowest - 1, 0), (n - 1) // 2)
    return float(ordered[lowest]), float(ordered[n - 1 - lowest])


def _paths(fits: list[SurfaceFit]) -> Iterator[tuple[str, float, float, float, float]]:
    series: dict[str, list[float]] = {}
    for fit in fits:
        near = min(fit.slices, key=lambda one: abs(one.years - REFERENCE_YEARS))
        values = {name: estimate.value for name, estimate in {**fit.shared, **near.estimates}.items() if estimate.note != "fixed"}
        values["volatility at the money"] = float(near.volatility(np.zeros(1), np.full(1, near.years))[0])
        for name, value in values.items():
            series.setdefault(name, []).append(value)
    for name, found in series.items():
        low, middle, high = np.quantile(found, [0.05, 0.5, 0.95])
        yield name, float(middle), float(low), float(high), float(np.median(np.abs(np.diff(found))))
