"""A fit as a filtered history: shocks are the residuals of the fit's own rows, variance follows its recursion."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from simulator.estimation.asset_fit import AssetFit
from simulator.estimation.errors import FitError
from simulator.estimation.peg_fit import PegFit
from simulator.estimation.returns import nanoseconds
from simulator.estimation.source import Source
from simulator.market.grid import Grid
from simulator.market.history import FilteredHistory
from simulator.market.price_file import PriceTable
from simulator.parameters import DAY

DIGITS = 8  # significant; persistence near one needs them
LONGEST_GAP = 21_600.0  # [s] what a history accepts unless told


def filtered_history(assets: Sequence[AssetFit | PegFit], prices: PriceTable, source: Source, folder: Path) -> FilteredHistory:
    """The market whose rows are those of `source`, its file in `folder`. Raises FitError if it cannot be made of them."""
    blanks, gap = _gaps(prices, source)
    market = FilteredHistory.model_validate(
        {
            "file": source.file,
            "from": source.since,
            "until": source.until,
            "assets": tuple(asset.name for asset in assets),
            "blanks": blanks,
            "max_gap": max(gap, LONGEST_GAP),
            "filters": tuple(_filter(asset) for asset in _without_pegs(assets)),
        },
        context={"folder": folder},
    )
    problems = market.problems(Grid(market_step=source.step, transition=1.0, horizon=max(1.0, 2 * source.step / DAY)))
    if problems:
        raise FitError([("kind", problem) for problem in problems])
    return market


def _gaps(prices: PriceTable, source: Source) -> tuple[bool, float]:
    """Whether rows of the window lack a price, and the longest stretch [s] between two that have all."""
    inside = (prices.timestamps >= nanoseconds(source.since)) & (prices.timestamps <= nanoseconds(source.until))
    whole = ~np.isnan(prices.prices[inside]).any(axis=1)
    moments = prices.timestamps[inside][whole]
    return not whole.all(), float(np.diff(moments).max(initial=0)) / 1e9


def _without_pegs(assets: Sequence[AssetFit | PegFit]) -> list[AssetFit]:
    pegs = [asset.name for asset in assets if isinstance(asset, PegFit)]
    if pegs:
        raise FitError([("kind", f"a filtered history divides shocks by a volatility, but {', '.join(pegs)} is held near a peg")])
    return [asset for asset in assets if isinstance(asset, AssetFit)]


def _filter(asset: AssetFit) -> dict[str, object]:
    """Its level is the sample's, stated: the root mean square of the returns that the fit saw."""
    keys = ("alpha", "gamma", "beta", "volatility") if asset.specification.is_asymmetric else ("alpha", "beta", "volatility")
    numbers = {key: float(f"{asset.estimates[key].value:.{DIGITS}g}") for key in keys}
    return {"kind": "egarch" if asset.specification.is_exponential else "garch", **numbers}
