"""fit --with-feedback: a fit taken back to what happens outside (DESIGN 3.5: each mechanism acts once).

Prices that were observed hold what trading here did to them. Simulated once more under it, a process fitted to them is too
volatile. So every external return is multiplied by a factor s, asset by asset, until the *observable* variance is the
data's: with m(s) = E[observed variance] / E[external variance] under the scenario's parameters, s^2 m(s) = 1. All rounds run on
the same paths. Only variance is reconciled: what feedback does to tails and memory is left in the shape of the fit. A peg to
another asset keeps its law: what is observed of it is mostly the other asset's, which is reconciled.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ValidationError

from simulator.estimation.errors import FitError, NotConverged
from simulator.estimation.scaling import Feedback, scaled
from simulator.market.model import ModelMarket
from simulator.parameters import DAY

if TYPE_CHECKING:
    from simulator.estimation.market_fit import MarketFit
    from simulator.estimation.source import Source
    from simulator.outcomes import Outcomes
    from simulator.scenario import Scenario

PURPOSE = "feedback"
CLOSE = 1e-3  # [1] of observable variance
OF_ERROR = 0.25  # [standard errors] nearer than this no factor is known: one path may move it
MOST_ROUNDS = 25
FLATTEST, STEEPEST = 1.0, 20.0  # d log (observable variance) / d log factor that is believed
KEY = "with-feedback"


def reconcile(
    fit: MarketFit, scenario: Scenario, *, seed: int = 0, paths: int = 100, jobs: int = 1, progress: Callable = lambda _: None
) -> MarketFit:
    """`fit` with external returns such that the prices observable in `scenario` have the variance of the data.

    The scenario's market gets the fitted assets in place of its own of the same names; overlays and regimes are left out.
    Raises FitError for a scenario that cannot take the fit, NotConverged where no factor is found.
    """
    from simulator.model import evaluate

    names = [asset.name for asset in fit.assets if asset.name in scenario.assets and getattr(asset, "base", None) is None]
    place = scenario.model_copy(update={"overlays": (), "regime": (), "seed": seed})
    factors, first, tried = dict.fromkeys(names, 1.0), dict[str, float](), dict[str, tuple[float, float]]()
    for number in range(1, MOST_ROUNDS + 1):
        progress(f"feedback of {scenario.name}: round {number}")
        corrected = _corrected(fit, factors)
        there = place.model_copy(update={"market": market_with(corrected, scenario), "rare_events": None})
        found = evaluate(there, [scenario.parameters], PURPOSE, 0, paths, jobs)[0]
        ratios = {name: amplification(found, name) for name in names}
        first = first or {name: ratio for name, (ratio, _) in ratios.items()}
        gaps = {name: factors[name] ** 2 * ratio for name, (ratio, _) in ratios.items()}
        if all(abs(gap - 1) < max(CLOSE, OF_ERROR * factors[name] ** 2 * ratios[name][1]) for name, gap in gaps.items()):
            rows = [_row(fit, name, first[name], factors[name], ratios[name]) for name in names]
            return replace(corrected, feedback=tuple(rows), source=_source(fit, scenario))
        before, tried = tried, {name: (math.log(factors[name]), math.log(gap)) for name, gap in gaps.items()}
        factors = {name: math.exp(_next(before.get(name), tried[name])) for name in names}
    raise NotConverged(
        f"--{KEY}: after {MOST_ROUNDS} rounds the observable variance is "
        + ", ".join(f"{gap:.3f} of the data's for {name}" for name, gap in gaps.items())
        + f"; trading in {scenario.name} may be too violent at any volatility outside: check its depth"
    )


def amplification(found: Outcomes, asset: str) -> tuple[float, float]:
    """Observed over external variance [1], a ratio of means over paths, and its standard error (delta method)."""
    observed, external = (found.column(f"{side}_variance.{asset}.whole") for side in ("observed", "external"))
    ratio = float(observed.mean() / external.mean())
    spread = float(np.std(observed - ratio * external, ddof=1)) if len(external) > 1 else math.nan
    return ratio, spread / math.sqrt(len(external)) / float(external.mean())


def _next(before: tuple[float, float] | None, now: tuple[float, float]) -> float:
    """The log factor at which the line through the last two (log factor, log gap) crosses 0; variance alone has a slope of 2."""
    slope = 2.0
    if before is not None and before[0] != now[0]:
        slope = min(max((now[1] - before[1]) / (now[0] - before[0]), FLATTEST), STEEPEST)
    return now[0] - now[1] / slope


def market_with(fit: MarketFit, scenario: Scenario) -> ModelMarket:
    """The scenario's market with the assets of `fit`, at a stationary start and point parameters. Raises FitError."""
    try:
        return _market_with(fit, fit.market, scenario)
    except ValidationError as error:
        raise FitError([(f"--{KEY}", f"{scenario.name}: {one['msg']}") for one in error.errors()]) from None


def _market_with(fit: MarketFit, fitted: ModelMarket, scenario: Scenario) -> ModelMarket:
    own = scenario.market if isinstance(scenario.market, ModelMarket) else None
    ours = {asset.name: asset for asset in (*(own.assets if own else ()), *fitted.assets)}
    missing = [name for name in scenario.assets if name not in ours]
    if missing:
        raise FitError([(f"--{KEY}", f"{scenario.name} needs {', '.join(missing)} too; fit all of {', '.join(scenario.assets)}")])
    if not set(scenario.assets) & {asset.name for asset in fitted.assets}:
        raise FitError([(f"--{KEY}", f"{scenario.name} has none of the fitted assets; it has {', '.join(scenario.assets)}")])
    if fit.source.step != scenario.grid.market_step:
        raise FitError(
            [
                (
                    f"--{KEY}",
                    f"{scenario.name} has a market step of {scenario.grid.market_step:g} s, the fit one of {fit.source.step:g} s",
                )
            ]
        )
    changes: dict[str, Any] = {"assets": tuple(ours[name] for name in scenario.assets), "start": "stationary", "provenance": None}
    whole = own is None or set(scenario.assets) <= {asset.name for asset in fitted.assets}
    base = fitted if whole else own
    assert base is not None
    if whole:
        places = [fitted.asset_names.index(name) for name in scenario.assets]
        matrix = fitted.correlation
        changes["correlation"] = None if matrix is None else tuple(tuple(matrix[i][j] for j in places) for i in places)
    return ModelMarket.model_validate({**dict(base), **changes}).with_point_parameters()


def _corrected(fit: MarketFit, factors: Mapping[str, float]) -> MarketFit:
    return replace(fit, assets=tuple(scaled(asset, factors.get(asset.name, 1.0)) for asset in fit.assets))


def _row(fit: MarketFit, name: str, first: float, factor: float, found: tuple[float, float]) -> Feedback:
    ratio, error = found
    reached = factor * math.sqrt(ratio)
    return Feedback(
        name, fit.market.reference_volatility(name), math.sqrt(first), factor, reached, factor * error / (2 * math.sqrt(ratio))
    )


def _source(fit: MarketFit, scenario: Scenario) -> Source:
    days = scenario.grid.horizon_steps * scenario.grid.dt / DAY
    said = f"external returns reconciled with the feedback of {scenario.name} (hash {scenario.hash[:12]}, {days:g} days)"
    return replace(fit.source, method=f"{fit.source.method}; {said}")
