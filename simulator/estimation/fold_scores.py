"""One asset over all stretches of a walk: each fit scored on the rows after it, beside simpler models and the fit with hindsight.

Scored are surprises (`next_return`): returns, or of a peg its moves less what its pull explains. Simpler models are given the
moves themselves, so that a pull must earn its place.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simulator.estimation.drift import from_stationary, make_alarm, path_variances
from simulator.estimation.held_out import BLOCK, LEVELS, SIDES, sided
from simulator.estimation.market_fit import MarketFit
from simulator.estimation.next_return import Moves, NextReturn, alone
from simulator.estimation.returns import Returns
from simulator.estimation.rivals import RIVALS, compare_models, mean_and_error
from simulator.estimation.walk import AssetWalk, Fold
from simulator.market.model import Asset
from simulator.risk.backtests import coverage
from simulator.risk.shortfall_backtest import shortfall_coverage

THE_FIT = "the fit"


@dataclass(frozen=True)
class Stretch:
    """One fit with the returns before and after its end."""

    fit: MarketFit
    before: Returns
    after: Returns


@dataclass(frozen=True)
class _Scored:
    """One fold with the series behind it: log densities by model, those of the fit with hindsight, probabilities below."""

    fold: Fold
    scores: dict[str, np.ndarray]
    hindsight: np.ndarray
    below: np.ndarray
    power: dict[str, float]


def score_asset(i: int, stretches: Sequence[Stretch], returns: Returns, whole: MarketFit, seed: int) -> AssetWalk:
    """Asset `i` of `whole`, the fit of all the rows that `returns` are of."""
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
        coverage={(side, p): coverage(sided(u, side) < p, p, seed) for side in SIDES for p in LEVELS},
        shortfall={(side, p): shortfall_coverage(sided(u, side), p, seed) for side in SIDES for p in LEVELS},
        models=compare_models(pooled, block, seed),
        power=scored[-1].power,
        probabilities=u,
    )


def _scored(i: int, stretch: Stretch, whole: MarketFit, seed: int, is_last: bool) -> _Scored:
    market, found = stretch.fit.market, stretch.fit.assets[i]
    asset = alone(market.assets[i], market)
    moves = [Moves.of(market.assets[i], part) for part in (stretch.before, stretch.after)]
    before, after = (part.surprises(asset, whole.source.step) for part in moves)
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
        exceeded={(side, p): int((sided(u, side) < p).sum()) for side in SIDES for p in LEVELS},
        drift=alarm.of(after),
        estimates=found.estimates,
    )
    rivals = {key: rival(moves[0].move, moves[1].move, step)[seen] for key, rival in RIVALS.items()}
    known = whole.market.assets[i]
    later = [part.surprises(known, step) for part in moves]
    hindsight = _hindsight(known, whole.assets[i].threshold, later[0], later[1], step)
    power = alarm.power(np.isnan(after)) if is_last else {}
    return _Scored(fold, {THE_FIT: own} | rivals, hindsight, u, power)


def _log_density(asset: Asset, r: np.ndarray, step: float, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Log density and probability below of every surprise that is there."""
    h = path_variances(asset, r[:, np.newaxis], step, threshold)[:-1, 0]
    law, seen = NextReturn(asset, step), ~np.isnan(r)
    return np.log(law.density(r[seen], h[seen])), law.probability(r[seen], h[seen])


def _hindsight(known: Asset, threshold: float, before: np.ndarray, after: np.ndarray, step: float) -> np.ndarray:
    """Log densities of the surprises `after` of the fit that has seen them, its filter run over those `before` too."""
    both = np.concatenate([before, after])
    scores, _ = _log_density(from_stationary(known), both, step, threshold)
    return scores[np.count_nonzero(~np.isnan(before)) :]


def _difference_error(stretches: Sequence[Stretch], i: int, returns: Returns, whole: MarketFit, weights: np.ndarray) -> float:
    """Standard error of the mean in-sample less the mean out-of-sample score.

    Both are weighted sums of the same rows' scores; the weights are exact, the scores those of the fit of the whole window.
    """
    step, known = whole.source.step, whole.market.assets[i]
    surprises = Moves.of(known, returns).surprises(known, step)
    seen = ~np.isnan(surprises)
    scores, _ = _log_density(from_stationary(known), surprises, step, whole.assets[i].threshold)
    influence = np.zeros(surprises.size)
    for weight, stretch in zip(weights, stretches, strict=True):
        for part, sign in ((stretch.before, 1.0), (stretch.after, -1.0)):
            at = round((part.first - whole.source.since).total_seconds() / step)
            there = np.zeros(surprises.size, dtype=bool)
            there[at : at + len(part.returns)] = True
            there &= seen
            influence[there] += sign * weight / there.sum()
    values = influence[seen] * (scores - scores.mean()) * scores.size
    return mean_and_error(values, BLOCK / step)[1]
