"""Which dependence describes rows that no fit has seen: every candidate's copula, one step ahead, on the rows after the window.

Margins are those of the fit: each later return becomes its own forecast probability (`next_return`), the same for every
candidate, so that candidates differ by the copula alone, and by what they differ the joint density of the rows differs too.
Correlations run on from the window with parameters that stand still. Leads over the candidate that the fit took are judged as
leads of models of one asset are: blocks of a week, Diebold and Mariano's test, the model confidence set.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from simulator.estimation.copula_fit import ranks
from simulator.estimation.dependence_law import DependenceLaw, Strain
from simulator.estimation.errors import FitError
from simulator.estimation.fit import strain_of
from simulator.estimation.held_out import BLOCK, later_returns
from simulator.estimation.next_return import Moves, NextReturn, variances
from simulator.estimation.returns import FEWEST_RETURNS, Returns, iso
from simulator.estimation.rivals import ModelScore, compare_models
from simulator.market.processes import OrnsteinUhlenbeck
from simulator.parameters import YEAR

if TYPE_CHECKING:
    from simulator.estimation.market_fit import MarketFit
    from simulator.market.price_file import PriceTable

FARTHEST = 1e-12  # from 0 and 1: a return beyond every cut has a probability that no quantile has


@dataclass(frozen=True)
class HeldOutDependence:
    """Candidates on rows after the fit that have every asset, the one that was taken first."""

    since: datetime
    until: datetime
    rows: int
    candidates: tuple[ModelScore, ...]


def held_out_dependence(prices: PriceTable, fit: MarketFit, seed: int = 0) -> HeldOutDependence | None:
    """None where the fit had no choice. Raises FitError for too few rows that have every asset."""
    tied = fit.dependence
    if tied is None or len(tied.laws) < 2:
        return None
    later = later_returns(prices, fit)
    u, strain = _margins(fit, later)
    seen = ~np.isnan(u).any(axis=1)
    if seen.sum() < FEWEST_RETURNS:
        raise FitError([("held-out", f"only {seen.sum()} later rows have every asset; >= {FEWEST_RETURNS}")])
    laws = sorted(tied.laws, key=lambda law: (law.dynamics, law.copula) != (tied.dynamics, tied.copula))
    scores = {law.name: _densities(law, u, seen, fit, strain) for law in laws}
    return HeldOutDependence(later.first, later.last, int(seen.sum()), compare_models(scores, BLOCK / later.step, seed))


def _margins(fit: MarketFit, later: Returns) -> tuple[np.ndarray, Strain]:
    """Forecast probabilities [t, asset] of later surprises, and the strain of the window and of later steps."""
    columns, ratios = [], []
    for asset, one in zip(fit.market.assets, fit.assets, strict=True):
        surprises = Moves.of(asset, later).surprises(asset, later.step)
        h = variances(asset, surprises, later.step, "filter", one.threshold)
        columns.append(np.clip(NextReturn(asset, later.step).probability(surprises, h), FARTHEST, 1 - FARTHEST))
        if not isinstance(asset.process, OrnsteinUhlenbeck):
            ratios.append(h / (asset.process.volatility**2 * later.step / YEAR))
    before = strain_of(fit.assets, later.step)
    after = np.mean(ratios, axis=0) if ratios else np.empty(0)
    return np.column_stack(columns), Strain(np.concatenate([before.values, after]), later.step)


def _densities(law: DependenceLaw, u: np.ndarray, seen: np.ndarray, fit: MarketFit, strain: Strain) -> np.ndarray:
    """Log densities of the later rows that have every asset."""
    from scipy.special import ndtri

    path = law.path(np.concatenate([_scores(fit), ndtri(u)]), strain)[-len(u) :]
    return law.densities(u[seen], path[seen])


def _scores(fit: MarketFit) -> np.ndarray:
    """Normal scores [t, asset] of the residuals of the window, as the fit saw them."""
    from scipy.special import ndtri

    return ndtri(ranks(np.column_stack([asset.residuals for asset in fit.assets])))


def facts(one: HeldOutDependence | None) -> dict[str, Any] | None:
    """Everything as plain values, for JSON."""
    if one is None:
        return None
    candidates = [vars(row) for row in one.candidates]
    return {"since": iso(one.since), "until": iso(one.until), "rows": one.rows, "candidates": candidates}
