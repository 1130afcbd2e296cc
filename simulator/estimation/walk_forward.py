"""How a fit does on rows it has not seen, over and over: refit, score the next stretch, move on.

The rows of the window are cut in two: the first half is the first fit's, the second is cut into stretches. Each fit sees the rows
before its stretch (all of them, or as many as the first fit did) and forecasts every return of the stretch one step ahead, its
filter running on and its parameters still. All stretches together are the out-of-sample rows: no row of them was seen by
the fit that is scored on it. Rows after the window are never looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from simulator.estimation.dependence import standard_error
from simulator.estimation.errors import FitError, NotConverged
from simulator.estimation.fit import fit_market
from simulator.estimation.fold_scores import Stretch, score_asset
from simulator.estimation.market_fit import MarketFit
from simulator.estimation.plan import MOST_FOLDS, Plan
from simulator.estimation.returns import Returns, Window, log_returns
from simulator.estimation.settings import FitSettings
from simulator.estimation.walk import WalkForward
from simulator.parameters import DAY

if TYPE_CHECKING:
    from simulator.market.price_file import PriceTable

FEWEST_SCORED = 100  # returns of a stretch


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
        walks.append(score_asset(found.assets.index(name), stretches, found, whole, seed))
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


def _stretch(prices: PriceTable, start: datetime, end: datetime, last: datetime, step: float, options: dict[str, Any]) -> Stretch:
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
    return Stretch(fit, before, after)


def _correlations(stretches: Sequence[Stretch]) -> Iterator[tuple[datetime, float, float]]:
    for stretch in stretches:
        matrix = np.array(stretch.fit.correlation)
        if len(matrix) > 1:
            mean = float(matrix[np.triu_indices(len(matrix), 1)].mean())
            yield stretch.fit.source.until, mean, standard_error(mean, stretch.fit.correlation_rows)
