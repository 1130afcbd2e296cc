"""fit_market: from a table of prices to a market model, with its uncertainty, its source and a comparison with the data."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from simulator.estimation.asset_fit import AssetFit, fit_asset
from simulator.estimation.comparison import compare
from simulator.estimation.copula_fit import fit_dependence
from simulator.estimation.dependence import correlation
from simulator.estimation.dependence_law import Strain
from simulator.estimation.errors import FitError
from simulator.estimation.filtered_fit import filtered_history
from simulator.estimation.fine_jumps import fine_jumps
from simulator.estimation.jump_choice import Parted, parted_by
from simulator.estimation.market_fit import MarketFit
from simulator.estimation.peg_fit import PegFit, fit_peg, peg_problems
from simulator.estimation.returns import Returns, Window, log_returns, long_gaps
from simulator.estimation.settings import FitSettings
from simulator.estimation.source import fine_source, source_of
from simulator.market.history import FilteredHistory
from simulator.market.model import ModelMarket
from simulator.market.price_file import PriceTable

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")  # what the market calls an asset


def fit_market(
    prices: PriceTable,
    *,
    until: datetime,
    since: datetime | None = None,
    exclude: Sequence[tuple[datetime, datetime]] = (),
    step: float | None = None,
    settings: FitSettings | None = None,
    fine: PriceTable | None = None,
    file: str = "",
    fine_file: str = "",
    folder: Path | None = None,
    seed: int = 0,
    paths: int = 100,
    resamples: int = 200,
    progress: Callable[[str], None] = lambda _: None,
) -> MarketFit:
    """Fit a model market to `prices` (a NaN is a gap) from `since` to `until`, both included, outside `exclude`.

    `step` [s] is the market step (default: the file's). `fine`: finer prices of some of the assets, in the same window, from
    which their jumps are taken; their GARCH sees the steps that these prices cover. `folder` of `file`: the market
    is a filtered history of its rows. `paths` simulated paths and `resamples`
    bootstrap samples make the comparison; `paths=0` leaves it out. Raises FitError for data that cannot be fitted, NotConverged.
    """
    settings = settings or FitSettings()
    problems = settings.problems()
    if problems:
        raise FitError(problems)
    problems = [(name, "is no name of an asset; letters, digits, . _ -") for name in prices.assets if not NAME.fullmatch(name)]
    if problems:
        raise FitError(problems)
    window = Window(until, since, tuple(exclude))
    problems = [] if settings.max_gap is None else long_gaps(prices, window, settings.max_gap)
    if problems:
        raise FitError(problems)
    returns = log_returns(prices, window, step)
    problems = peg_problems(settings, returns.assets)
    if problems:
        raise FitError(problems)
    told = {} if fine is None else _fine(fine, fine_file, returns, window, settings)
    pegs, assets = dict(settings.pegs), list[AssetFit | PegFit]()
    for name, price, r in zip(returns.assets, returns.price, returns.returns.T, strict=True):
        progress(f"fitting {name}")
        if name in pegs:
            assets.append(fit_peg(returns, name, settings, pegs[name]))
        else:
            assets.append(fit_asset(name, float(price), np.ascontiguousarray(r), returns.step, settings, told.get(name)))
    matrix, rows = _dependence(assets)
    tied = None
    if len(assets) > 1 and (settings.dependence, settings.copula) != ("constant", "gaussian"):
        progress("fitting the dependence")
        residuals = np.column_stack([asset.residuals for asset in assets])
        strain = strain_of(assets, returns.step)
        tied = fit_dependence(residuals, [a.name for a in assets], settings, max(a.block for a in assets), strain)
        matrix = tied.correlation
    fit = MarketFit(
        assets=tuple(assets),
        correlation=tuple(tuple(float(value) for value in row) for row in matrix),
        correlation_rows=rows,
        source=source_of(returns, window, settings, prices.sha256, file, fine_source(assets, fine, fine_file)),
        block=max(asset.block for asset in assets),
        warnings=prices.warnings,
        dependence=tied,
    )
    market: ModelMarket | FilteredHistory = _checked(fit)
    if folder is not None:
        market = filtered_history(assets, prices, fit.source, folder)
        fit = replace(fit, history=market)
    if paths == 0:
        return fit
    progress(f"comparing {paths} simulated paths with the data")
    found = compare(returns.returns, market, returns.step, block=fit.block, seed=seed, paths=paths, resamples=resamples)
    return replace(fit, comparison=tuple(found))


def _fine(fine: PriceTable, file: str, returns: Returns, window: Window, settings: FitSettings) -> dict[str, Parted]:
    """The jumps of every asset that `fine` has prices of. Raises FitError, NotConverged."""
    if settings.jumps in ("none", "likelihood"):
        raise FitError([("jumps-from", f"`jumps` must be auto, merton or kou with it, but is {settings.jumps}")])
    names = [name for name in returns.assets if name in fine.assets and name not in dict(settings.pegs)]
    if not names:
        raise FitError([("jumps-from", f"{file} has no column {' or '.join(returns.assets)}")])
    found = log_returns(fine, window)
    told = {}
    for name in names:
        jumps = fine_jumps(found, found.assets.index(name), settings.jumps == "kou")
        told[name] = parted_by(jumps, returns, returns.assets.index(name), settings)
    return told


def _checked(fit: MarketFit) -> ModelMarket:
    """The market of `fit`. Raises FitError for numbers no market accepts: a decimals error in the file, most likely."""
    try:
        return fit.market
    except ValidationError as error:
        problems = [(".".join(map(str, e["loc"])), f"{e['msg']}; is there a decimals error in the file?") for e in error.errors()]
        raise FitError(problems) from None


def _dependence(assets: Sequence[AssetFit | PegFit]) -> tuple[np.ndarray, int]:
    if len(assets) == 1:
        return np.eye(1), assets[0].count
    try:
        return correlation(np.column_stack([asset.residuals for asset in assets]))
    except ValueError as problem:
        raise FitError([("assets", f"{problem}; fit them apart, or in a window they share")]) from None


def strain_of(assets: Sequence[AssetFit | PegFit], step: float) -> Strain:
    """Of the assets whose variance moves."""
    each = [asset.relative_variance for asset in assets if isinstance(asset, AssetFit)]
    return Strain(np.mean(each, axis=0) if each else np.empty(0), step)
