"""What walking forward found: every stretch, every asset, what a reader must know of them, and all of it as plain values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from simulator.estimation.drift import LEVEL, Drift
from simulator.estimation.returns import iso
from simulator.estimation.rivals import ModelScore
from simulator.estimation.standard_errors import Estimate
from simulator.risk.backtests import Coverage, exact_p
from simulator.risk.shortfall_backtest import ShortfallCoverage

FOLLOWED = ("volatility", "alpha", "persistence", "degrees_of_freedom", "total_volatility", "jump_intensity")
FOLLOWED_OF_A_PEG = ("volatility", "half_life", "peg", "jump_intensity", "jump_deviation")


@dataclass(frozen=True)
class Fold:
    """One fit of one asset and the stretch it is scored on."""

    since: datetime  # the fit's first and last row
    fitted_until: datetime
    until: datetime  # of the stretch
    fitted: int  # returns of the fit
    returns: int  # of the stretch
    in_sample: float  # mean log density of a return
    out_of_sample: float
    error: float  # standard error of in_sample - out_of_sample
    exceeded: dict[tuple[str, float], int]  # by side and probability
    drift: Drift
    estimates: dict[str, Estimate]


@dataclass(frozen=True)
class AssetWalk:
    """One asset over all stretches."""

    asset: str
    folds: tuple[Fold, ...]
    returns: int  # out of sample
    in_sample: float  # mean over stretches, weighted like them
    out_of_sample: float
    difference: float  # in_sample - out_of_sample, different rows
    difference_error: float
    optimism: float  # on the same rows: log density of a fit that has seen them less that of those that had not
    optimism_error: float
    coverage: dict[tuple[str, float], Coverage]
    shortfall: dict[tuple[str, float], ShortfallCoverage]
    models: tuple[ModelScore, ...]
    power: dict[str, float]  # of the drift alarm after the last fit, by change
    probabilities: np.ndarray  # [t] forecast probability of a return at or below the one that came

    @property
    def followed(self) -> list[str]:
        """Parameters worth a path from fit to fit."""
        there = {key for fold in self.folds for key in fold.estimates}
        return [key for key in (FOLLOWED_OF_A_PEG if "half_life" in there else FOLLOWED) if key in there]

    @property
    def alarms(self) -> int:
        """Stretches whose drift alarm rings."""
        return sum(fold.drift.alarm for fold in self.folds)


@dataclass(frozen=True)
class WalkForward:
    """Every asset, and the correlation that each fit found: (end of fit, mean over pairs, standard error)."""

    assets: tuple[AssetWalk, ...]
    rolling: bool
    correlation: tuple[tuple[datetime, float, float], ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know, a sentence each."""
        return tuple(_notes(self))


def _notes(found: WalkForward) -> Iterator[str]:
    for walk in found.assets:
        if walk.alarms:
            when = ", ".join(
                f"{fold.fitted_until.date().isoformat()} ({fold.drift.where})" for fold in walk.folds if fold.drift.alarm
            )
            count = len(walk.folds)
            yield f"{walk.asset}: drift alarm in {walk.alarms} of {count} stretches, by chance {LEVEL * count:.1f}: after {when}"
        better = [m.model for m in walk.models if m.behind < 0 and m.p < 0.05]
        if better:
            yield f"{walk.asset}: out of sample a simpler model is better: {', '.join(better)}"
        rejected = [
            f"{side} at {100 * (1 - p):g} %" for (side, p), c in walk.coverage.items() if min(c.exact_p, c.independence_p) < 0.05
        ]
        if rejected:
            yield f"{walk.asset}: out of sample the VaR is rejected for {', '.join(rejected)} (at 5 %, a test each)"
    yield "the stretches were looked at here: a model chosen by these tables has seen them, and they cannot confirm it"


def facts(found: WalkForward) -> dict[str, Any]:
    """Everything as plain values, for JSON; NaN as None."""
    return {
        "rolling": found.rolling,
        "correlation": [{"until": iso(at), "mean": mean, "standard_error": error} for at, mean, error in found.correlation],
        "assets": [_asset_facts(walk) for walk in found.assets],
        "notes": found.notes,
    }


def _asset_facts(walk: AssetWalk) -> dict[str, Any]:
    plain = ("asset", "returns", "in_sample", "out_of_sample", "difference", "difference_error", "optimism", "optimism_error")
    return {
        **{key: getattr(walk, key) for key in plain},
        "folds": [_fold_facts(fold) for fold in walk.folds],
        "coverage": [{"side": side, **_without_nan(vars(c))} for (side, _), c in walk.coverage.items()],
        "shortfall": [{"side": side, **vars(c)} for (side, _), c in walk.shortfall.items()],
        "models": [vars(model) for model in walk.models],
        "power": walk.power,
    }


def _fold_facts(fold: Fold) -> dict[str, Any]:
    return {
        **{key: iso(getattr(fold, key)) for key in ("since", "fitted_until", "until")},
        **{key: getattr(fold, key) for key in ("fitted", "returns", "in_sample", "out_of_sample", "error")},
        "exceeded": [
            {"side": side, "probability": p, "exceeded": x, "exact_p": exact_p(fold.returns, x, p)}
            for (side, p), x in fold.exceeded.items()
        ],
        "drift": {"p": fold.drift.p, "alarm": fold.drift.alarm, **fold.drift.values},
        "estimates": {key: {"value": e.value, "standard_error": e.standard_error} for key, e in fold.estimates.items()},
    }


def _without_nan(values: dict[str, Any]) -> dict[str, Any]:
    return {key: None if value != value else value for key, value in values.items()}
