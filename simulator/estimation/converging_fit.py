"""Converging correlation from normal scores and the strain of every step: the law, how sure, and the correlation it gives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulator.estimation.converging_intervals import intervals
from simulator.estimation.converging_likelihood import NAMES, Strained
from simulator.estimation.errors import NotConverged
from simulator.estimation.standard_errors import Estimate
from simulator.market.dependence import Converging
from simulator.wording import end_of

CLIMBED = 3  # starts


@dataclass(frozen=True)
class ConvergingFit:
    """The law, its numbers, the correlation behind it, and that of every seen step."""

    law: Converging
    correlation: np.ndarray  # S
    estimates: dict[str, Estimate]
    path: np.ndarray  # [t, asset, asset]
    log_likelihood: float


def fit_converging(
    w: np.ndarray, target: np.ndarray, strain: np.ndarray, step: float, with_intervals: bool = True
) -> ConvergingFit:
    """Of normal scores `w` [t, asset], NaN where missing, of correlation `target`, under `strain` [t]. Raises NotConverged.

    Intervals take fifty times as long as the fit.
    """
    seen = ~np.isnan(w).any(axis=1)
    sample = Strained(w[seen], target, strain, seen, step)
    starts = sample.best_starts(CLIMBED)
    if not starts:
        raise NotConverged("converging correlation: no start of the search has a correlation matrix")
    x, loss = sample.top(starts)
    limits: dict[str, tuple[float, float]] = {}
    if with_intervals:
        x, loss, limits = intervals(sample, x, loss)
    law, drawn = sample.law(x), sample.drawn(x)
    calm = sample.calm(drawn)
    path = calm + drawn[:, np.newaxis, np.newaxis] * (1 - calm)
    estimates = {f"converging_{name}": _estimate(float(getattr(law, name)), limits.get(name)) for name in NAMES}
    return ConvergingFit(law, calm, estimates, path, -loss)


def _estimate(value: float, limits: tuple[float, float] | None) -> Estimate:
    if limits is None:
        return Estimate(value)
    return Estimate(value, None, f"95 % by profile: {end_of(limits[0])} to {end_of(limits[1])}", limits=limits)
