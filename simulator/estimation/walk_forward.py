"""How a fit does on rows it has not seen, over and over: refit, score the next stretch, move on.

The rows of the window are cut in two: the first half is the first fit's, the second is cut into stretches. Each fit sees the rows
before its stretch (all of them, or as many as the first fit did) and forecasts every return of the stretch one step ahead, its
filter running on and its parameters still. All stretches together are the out-of-sample rows: no row of them was seen by
the fit that is scored on it. Rows after the window are never looked at.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from simulator.estimation.dependence import standard_error
from simulator.estimation.drift import LEVEL, Drift, from_stationary, make_alarm, path_variances
from simulator.estimation.errors import FitError, NotConverged
from simulator.estimation.fit import fit_market
from simulator.estimation.held_out import LEVELS, NextReturn
from simulator.estimation.market_fit import MarketFit
from simulator.estimation.plan import MOST_FOLDS, Plan
from simulator.estimation.returns import Returns, Window, iso, log_returns
from simulator.estimation.rivals import RIVALS, ModelScore, compare_models, mean_and_error
from simulator.estimation.settings import FitSettings
from simulator.estimation.standard_errors import Estimate
from simulator.market.model import Asset
from simulator.parameters import DAY
from simulator.risk.backtests import Coverage, coverage, exact_p
from simulator.risk.shortfall_backtest import ShortfallCoverage, shortfall_coverage

if TYPE_CHECKING:
    from simulator.market.price_file import PriceTable

FEWEST_SCORED = 100  # returns of a stretch
SIDES = ("falls", "rises")
THE_FIT = "the fit"
BLOCK = 7 * DAY  # [s] of the standard errors of score differences
FOLLOWED = ("volatility", "alpha", "persistence", "degrees_of_freedom", "total_volatility", "jump_intensity")


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


@dataclass(frozen=True)
class _Stretch:
    """One fit with the returns before and after its end."""

    fit: MarketFit
    before: Returns
    after: Returns


def walk_forward(
    prices: PriceTable,
    plan: Plan,
    *,
    until: datetime,
    since: datetime | None = None,
    exclude: Sequence[tuple[datetime, datetime]] = (),
    step: float | None = None,
    settings: FitSettings | None = None,
    fine: PriceTable | None = None,
    fine_file: str = "",
    whole: MarketFit | None = None,
    seed: int = 0,
    progress: Callable[[str], None] = lambda _: None,
) -> WalkForward:
    """Walk over the rows of `prices` from `since` to `until`, outside `exclude`. `whole`: the fit of all of them, if it is there.

    Raises FitError for a window too short to walk over, and NotConverged, saying which stretch.
    """
    problems = plan.problems()
    if problems:
        raise FitError(problems)
    options: dict[str, Any] = {
        "exclude": tuple(exclude),
        "step": step,
        "settings": settings,
        "fine": fine,
        "fine_file": fine_file,
    }
    found = log_returns(prices, Window(until, since, tuple(exclude)), step)
    if whole is None:
        progress("fitting the whole window")
        whole = fit_market(prices, until=until, since=since, paths=0, **options)
    stretches = []
    cuts = _cuts(found, plan)
    for number, (start, end, last) in enumerate(cuts, start=1):
        progress(f"stretch {number} of {len(cuts)}: fitting until {end.date().isoformat()}")
        stretches.append(_stretch(prices, start, end, last, found.step, options))
    walks = []
    for name in (asset.name for asset in whole.assets):
        progress(f"scoring {name}")
        i = found.assets.index(name)
        walks.append(_asset(i, stretches, found.returns[:, i], whole, seed))
    return WalkForward(tuple(walks), plan.rolling, tuple(_correlations(stretches)))


def _cuts(found: Returns, plan: Plan) -> list[tuple[datetime, datetime, datetime]]:
    """(first row of the fit, last row of the fit, last row of the stretch) for each stretch."""
    first, half = found.first, len(found.returns) // 2
    rest = len(found.returns) - half
    length = max(1, rest // plan.folds) if plan.folds else max(1, round((plan.days or 0) * DAY / found.step))
    count = plan.folds or rest // length
    if length < FEWEST_SCORED or count < 1:
        said = f"{found.first.date().isoformat()} to {found.last.date().isoformat()}"
        raise FitError(
            [
                (
                    "walk-forward",
                    f"the second half of {said} has {rest:,} steps: stretches of {length:,} cannot be cut from it; "
                    f"a stretch needs >= {FEWEST_SCORED}",
                )
            ]
        )
    if count > MOST_FOLDS:
        raise FitError([("walk-forward", f"makes {count:,} stretches; at most {MOST_FOLDS}")])
    cuts = []
    for k in range(count):
        end = first + timedelta(seconds=(half + k * length) * found.step)
        steps = rest - k * length if k == count - 1 and plan.folds else length
        start = first + timedelta(seconds=k * length * found.step) if plan.rolling else first
        cuts.append((start, end, end + timedelta(seconds=steps * found.step)))
    return cuts


def _stretch(
    prices: PriceTable, start: datetime, end: datetime, last: datetime, step: float, options: dict[str, Any]
) -> _Stretch:
    where = f"the stretch from {end.date().isoformat()}"
    exclude = options["exclude"]
    try:
        fit = fit_market(prices, until=end, since=start, paths=0, **{**options, "step": step})
        before = log_returns(prices, Window(end, start, exclude), step)
        after = log_returns(prices, Window(last, end, exclude), step, FEWEST_SCORED)
    except NotConverged as problem:
        raise NotConverged(f"{where}: {problem}") from None
    except FitError as error:
        raise FitError([(f"walk-forward: {where}: {key}", what) for key, what in error.problems]) from None
    return _Stretch(fit, before, after)


@dataclass(frozen=True)
class _Scored:
    """One fold with the series behind it: log densities by model, those of the fit with hindsight, probabilities below."""

    fold: Fold
    scores: dict[str, np.ndarray]
    hindsight: np.ndarray
    below: np.ndarray
    power: dict[str, float]


def _asset(i: int, stretches: Sequence[_Stretch], returns: np.ndarray, whole: MarketFit, seed: int) -> AssetWalk:
    scored = [_scored(i, stretch, whole, seed, stretch is stretches[-1]) for stretch in stretches]
    folds = tuple(one.fold for one in scored)
    block = BLOCK / whole.source.step
    pooled = {key: np.concatenate([one.scores[key] for one in scored]) for key in scored[0].scores}
    u, own = np.concatenate([one.below for one in scored]), pooled[THE_FIT]
    optimism, optimism_error = mean_and_error(np.concatenate([one.hindsight for one in scored]) - own, block)
    weights = np.array([fold.returns for fold in folds]) / own.size
    in_sample = float(weights @ [fold.in_sample for fold in folds])
    return AssetWalk(
        asset=whole.assets[i].name,
        folds=folds,
        returns=own.size,
        in_sample=in_sample,
        out_of_sample=float(own.mean()),
        difference=in_sample - float(own.mean()),
        difference_error=_difference_error(stretches, i, returns, whole, weights),
        optimism=optimism,
        optimism_error=optimism_error,
        coverage={(side, p): coverage(_sided(u, side) < p, p, seed) for side in SIDES for p in LEVELS},
        shortfall={(side, p): shortfall_coverage(_sided(u, side), p, seed) for side in SIDES for p in LEVELS},
        models=compare_models(pooled, block, seed),
        power=scored[-1].power,
        probabilities=u,
    )


def _scored(i: int, stretch: _Stretch, whole: MarketFit, seed: int, is_last: bool) -> _Scored:
    asset, found = stretch.fit.market.assets[i], stretch.fit.assets[i]
    before, after = stretch.before.returns[:, i], stretch.after.returns[:, i]
    step, seen = whole.source.step, ~np.isnan(after)
    own, u = _log_density(asset, after, step, found.threshold)
    inside, _ = _log_density(from_stationary(asset), before, step, found.threshold)
    alarm = make_alarm(asset, step, found.threshold, before, np.isnan(after), seed)
    fold = Fold(
        since=stretch.fit.source.since,
        fitted_until=stretch.fit.source.until,
        until=stretch.after.last,
        fitted=found.count,
        returns=int(seen.sum()),
        in_sample=float(inside.mean()),
        out_of_sample=float(own.mean()),
        error=math.hypot(*(mean_and_error(values, BLOCK / step)[1] for values in (inside, own))),
        exceeded={(side, p): int((_sided(u, side) < p).sum()) for side in SIDES for p in LEVELS},
        drift=alarm.of(after),
        estimates=found.estimates,
    )
    rivals = {key: rival(before, after, step)[seen] for key, rival in RIVALS.items()}
    hindsight = _hindsight(whole.market.assets[i], whole.assets[i].threshold, before, after, step)
    power = alarm.power(np.isnan(after)) if is_last else {}
    return _Scored(fold, {THE_FIT: own} | rivals, hindsight, u, power)


def _sided(u: np.ndarray, side: str) -> np.ndarray:
    return u if side == "falls" else 1 - u


def _log_density(asset: Asset, r: np.ndarray, step: float, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Log density and probability below of every return that is there, one step ahead."""
    h = path_variances(asset, r[:, np.newaxis], step, threshold)[:-1, 0]
    law, seen = NextReturn(asset, step), ~np.isnan(r)
    return np.log(law.density(r[seen], h[seen])), law.probability(r[seen], h[seen])


def _hindsight(known: Asset, threshold: float, before: np.ndarray, after: np.ndarray, step: float) -> np.ndarray:
    """Log densities of the returns `after` under the fit that has seen them, its filter run over those `before` too."""
    both = np.concatenate([before, after])
    scores, _ = _log_density(from_stationary(known), both, step, threshold)
    return scores[np.count_nonzero(~np.isnan(before)) :]


def _difference_error(stretches: Sequence[_Stretch], i: int, returns: np.ndarray, whole: MarketFit, weights: np.ndarray) -> float:
    """Standard error of the mean in-sample less the mean out-of-sample score.

    Both are weighted sums of the same rows' scores; the weights are exact, the scores those of the fit of the whole window.
    """
    step = whole.source.step
    seen = ~np.isnan(returns)
    scores, _ = _log_density(from_stationary(whole.market.assets[i]), returns, step, whole.assets[i].threshold)
    influence = np.zeros(returns.size)
    for weight, stretch in zip(weights, stretches, strict=True):
        for part, sign in ((stretch.before, 1.0), (stretch.after, -1.0)):
            at = round((part.first - whole.source.since).total_seconds() / step)
            there = np.zeros(returns.size, dtype=bool)
            there[at : at + len(part.returns)] = True
            there &= seen
            influence[there] += sign * weight / there.sum()
    values = influence[seen] * (scores - scores.mean()) * scores.size
    return mean_and_error(values, BLOCK / step)[1]


def _correlations(stretches: Sequence[_Stretch]) -> Iterator[tuple[datetime, float, float]]:
    for stretch in stretches:
        matrix = np.array(stretch.fit.correlation)
        if len(matrix) > 1:
            mean = float(matrix[np.triu_indices(len(matrix), 1)].mean())
            yield stretch.fit.source.until, mean, standard_error(mean, stretch.fit.correlation_rows)


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
