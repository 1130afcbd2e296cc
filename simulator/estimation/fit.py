"""fit_market: from a table of prices to a market model, with its uncertainty, its source and a comparison with the data."""

from __future__ import annotations

import math
import platform
import re
import tomllib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ValidationError

from simulator.estimation.asset_fit import AssetFit, fit_asset
from simulator.estimation.comparison import Comparison, compare, comparison_frame
from simulator.estimation.copula_fit import DependenceFit, fit_dependence
from simulator.estimation.dependence import correlation
from simulator.estimation.errors import FitError
from simulator.estimation.fine_jumps import FineJumps, fine_jumps
from simulator.estimation.jump_choice import Parted, parted_by
from simulator.estimation.jumps import EXPECTED_BEYOND, no_crashes
from simulator.estimation.market_block import market_block
from simulator.estimation.merton_likelihood import no_crashes_note
from simulator.estimation.peg_fit import PegFit, fit_peg, peg_problems, pegged
from simulator.estimation.residual_tests import ResidualTest, residual_tests
from simulator.estimation.returns import Returns, Window, iso, log_returns
from simulator.estimation.scaling import Feedback
from simulator.estimation.settings import FitSettings
from simulator.estimation.specification import specifications
from simulator.market.innovations import Normal
from simulator.market.model import ModelMarket
from simulator.market.price_file import PriceTable
from simulator.parameters import DAY, YEAR

if TYPE_CHECKING:
    import pandas as pd

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")  # what the market calls an asset
LIBRARIES = ("simulator", "numpy", "scipy", "numba", "arch")


@dataclass(frozen=True)
class Source:
    """Where a market's numbers come from."""

    file: str  # name, without a folder
    sha256: str
    since: datetime  # the first and the last row used
    until: datetime
    exclude: tuple[tuple[datetime, datetime], ...]
    rows: int
    step: float  # [s]
    method: str
    looked_at: tuple[tuple[datetime, datetime], ...] = ()  # later rows on which the fit was back-tested

    def facts(self) -> dict[str, Any]:
        """As the `[market.provenance]` table holds them."""
        return {
            "prices": self.file,
            "sha256": self.sha256,
            "since": iso(self.since),
            "until": iso(self.until),
            "exclude": [f"{iso(a)}..{iso(b)}" for a, b in self.exclude],
            **({"looked_at": [f"{iso(a)}..{iso(b)}" for a, b in self.looked_at]} if self.looked_at else {}),
            "rows": self.rows,
            "step": self.step,
            "method": self.method,
        }


@dataclass(frozen=True)
class MarketFit:
    """A fitted market. `print` is a short report; `toml()` the block of a scenario; frames hold the numbers."""

    assets: tuple[AssetFit | PegFit, ...]
    correlation: tuple[tuple[float, ...], ...]
    correlation_rows: int
    source: Source
    block: float  # [step] mean length of bootstrap blocks, the longest that an asset needs
    warnings: tuple[str, ...] = ()
    comparison: tuple[Comparison, ...] = ()
    dependence: DependenceFit | None = None
    feedback: tuple[Feedback, ...] = ()  # taken out of the numbers, where it was asked
    versions: dict[str, str] = field(default_factory=lambda: _versions())

    @property
    def market(self) -> ModelMarket:
        """The market that `toml()` describes, read back from it."""
        return ModelMarket.model_validate(tomllib.loads(self.toml())["market"])

    def after_looking_at(self, windows: tuple[tuple[datetime, datetime], ...]) -> MarketFit:
        """This fit, its source saying which later windows were looked at: they cannot confirm what was chosen by them."""
        return replace(self, source=replace(self.source, looked_at=windows))

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know of this fit, a sentence each; warnings of the file last."""
        own = (note for a in self.assets for note in (a.notes if isinstance(a, PegFit) else asset_notes(a)))
        return (*own, *(row.note for row in self.feedback), *self.warnings)

    @property
    def fine_jumps(self) -> list[tuple[str, FineJumps]]:
        """(asset, what finer bars say) of the assets whose jumps were taken from them."""
        return [(a.name, a.parted.fine) for a in self.assets if a.parted is not None and a.parted.fine is not None]

    def toml(self, substeps: int = 1) -> str:
        """The `[market]` block of a scenario, with comments; `substeps` only completes the [grid] line it names."""
        return market_block(self, substeps)

    def frame(self) -> pd.DataFrame:
        """One row an estimate: asset, parameter, value, standard_error and its 95 % interval (NaN where there is none), note."""
        import pandas as pd

        estimates = [(a.name, key, e) for a in self.assets for key, e in a.estimates.items()]
        rows = [(name, key, e.value, e.standard_error, *e.interval, e.note) for name, key, e in estimates]
        names = ["asset", "parameter", "value", "standard_error", "low", "high", "note"]
        return pd.DataFrame(rows, columns=names).astype({"standard_error": float})

    def residual_tests(self) -> list[ResidualTest]:
        """What each asset's residuals still hold; see `residual_tests`."""
        innovations = [getattr(asset.process, "innovation", Normal()) for asset in self.market.assets]
        return [
            row
            for asset, innovation in zip(self.assets, innovations, strict=True)
            for row in residual_tests(asset.name, asset.residuals, innovation)
        ]

    def candidates_frame(self) -> pd.DataFrame:
        """One row a law tried: asset, process, innovation, log_likelihood, aic, bic, persistence, converged, note, taken."""
        import pandas as pd

        names = ["log_likelihood", "aic", "bic", "persistence", "converged", "note"]
        rows = [
            (a.name, *vars(c.specification).values(), *(getattr(c, n) for n in names), c.specification == a.specification)
            for a in self.assets
            for c in a.candidates
        ]
        return pd.DataFrame(rows, columns=["asset", "process", "innovation", *names, "taken"])

    @property
    def agreement(self) -> dict[str, str]:
        """Of each asset in how many statistics simulated paths lie inside the data's interval: `9 of 12`; empty without paths."""
        rows = {name: [row.inside for row in self.comparison if row.asset == name] for name in (a.name for a in self.assets)}
        return {name: f"{sum(found)} of {len(found)}" for name, found in rows.items() if found}

    def comparison_frame(self) -> pd.DataFrame:
        """Fitted / simulated / interval; see `comparison.comparison_frame`."""
        return comparison_frame(self.comparison)

    def __str__(self) -> str:
        lines = [f"market of {', '.join(a.name for a in self.assets)}, {iso(self.source.since)} to {iso(self.source.until)}"]
        for asset in self.assets:
            lines.append(f"  {asset.name}: {asset.headline}")
            if asset.name in self.agreement:
                lines.append(f"    simulated inside the data's interval: {self.agreement[asset.name]}")
        return "\n".join(lines)


def asset_notes(asset: AssetFit) -> list[str]:
    """What was decided for one asset, and what it cost."""
    tail = f"{asset.cost_of_tail:.1f} for the tail bound" if asset.tail_binds else "the tail bound does not bind"
    notes = [
        f"{asset.name}: log-likelihood {asset.log_likelihood:.1f} (percent returns); the unrestricted fit has "
        f"{asset.cost_of_bounds + asset.cost_of_tail:.1f} more: {asset.cost_of_bounds:.1f} for variance targeting and bounded "
        f"persistence, {tail if asset.tail_index else 'the tail is not bounded'}"
    ]
    if asset.candidates:
        notes.append(f"{asset.name}: {asset.specification} chosen of {len(asset.candidates)} candidates (`candidates`)")
    gamma = f"gamma has |t| = {abs(asset.asymmetry_t):.1f}"
    if asset.specification.is_exponential:
        notes.append(f"{asset.name}: {gamma}: below 0, falls raise variance more than rises do")
    else:
        kept = "kept" if asset.specification.is_asymmetric else "left out"
        notes.append(f"{asset.name}: {gamma} in the GJR: {kept} (2 is needed)")
    found = f"returns beyond {asset.threshold:.1f} conditional deviations: {asset.beyond}, expected {EXPECTED_BEYOND:g}"
    fine = asset.parted.fine if asset.parted else None
    likelihood = asset.parted.likelihood if asset.parted else None
    if fine is not None:
        notes.append(
            f"{asset.name}: jumps from {fine.days:,} days of {fine.bar:g} s bars; the GARCH sees the {asset.count:,} steps that "
            f"they cover, jumps taken out. Jumps below {100 * fine.smallest:.2g} % (a typical bar's threshold) stay in the "
            f"diffusion: by the fitted law {100 * fine.below:.0f} % of all"
        )
    elif asset.jumps is None:
        notes.append(f"{asset.name}: no jumps; {found}: the innovations explain the tails")
    elif likelihood is not None and likelihood.describes_crashes:
        notes.append(
            f"{asset.name}: jumps by Merton's likelihood; {asset.jumps.count} returns probably held one, and are left out"
        )
    else:
        notes.append(f"{asset.name}: {asset.jumps.jumps.kind} jumps; {found}: they are the jumps, and left out of the GARCH")
    if likelihood is not None and not likelihood.describes_crashes:
        notes.append(f"{asset.name}: {no_crashes_note(likelihood)} (--jumps-from takes them from finer bars)")
    if (
        asset.jumps is not None
        and fine is None
        and no_crashes(asset.jumps.jumps, asset.estimates["volatility"].value * math.sqrt(DAY / YEAR))
    ):
        notes.append(
            f"{asset.name}: {asset.jumps.jumps.intensity:.0f} jumps a year of ordinary size (a root mean square of "
            f"{math.sqrt(asset.jumps.jumps.second_moment):.3g}) are fat tails, not crashes; take --jumps none with --innovation "
            "student-t, and put crashes into stress overlays or replays"
        )
    if {"logit_persistence", "atanh_beta"} & set(asset.at_bound):
        notes.append(f"{asset.name}: persistence is at its bound: no standard error, and no variance in the parameter law")
    if abs(asset.residual_variance - 1) > 0.1:
        notes.append(
            f"{asset.name}: residuals have mean square {asset.residual_variance:.2f}, simulated innovations 1: "
            "the fit follows the data more closely than its law can"
        )
    return notes


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
    seed: int = 0,
    paths: int = 100,
    resamples: int = 200,
    progress: Callable[[str], None] = lambda _: None,
) -> MarketFit:
    """Fit a model market to `prices` (a NaN is a gap) from `since` to `until`, both included, outside `exclude`.

    `step` [s] is the market step (default: the file's). `fine`: finer prices of some of the assets, in the same window, from
    which their jumps are taken; their GARCH sees the steps that these prices cover. `paths` simulated paths and `resamples`
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
        tied = fit_dependence(residuals, [asset.name for asset in assets], settings, max(asset.block for asset in assets))
        matrix = tied.correlation
    fit = MarketFit(
        assets=tuple(assets),
        correlation=tuple(tuple(float(value) for value in row) for row in matrix),
        correlation_rows=rows,
        source=_source(returns, window, settings, prices.sha256, file, _fine_source(assets, fine, fine_file)),
        block=max(asset.block for asset in assets),
        warnings=prices.warnings,
        dependence=tied,
    )
    market = _checked(fit)
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


def _fine_source(assets: Sequence[AssetFit | PegFit], fine: PriceTable | None, file: str) -> str:
    if fine is None:
        return ""
    names = [asset.name for asset in assets if asset.parted is not None and asset.parted.fine is not None]
    where = f"{fine.step:g} s prices of {file}, SHA-256 {fine.sha256}"
    return f"; jumps of {', '.join(names)} by Lee and Mykland's test (1 %) on {where}"


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


def _source(returns: Returns, window: Window, settings: FitSettings, sha256: str, file: str, fine: str) -> Source:
    tail = f"tail index of the stationary law >= {settings.tail_index:g}" if settings.tail_index else "tail not bounded"
    method = (
        f"{_family(settings)} by maximum likelihood on zero-mean log returns; variance targeted; "
        f"persistence <= {settings.persistence_per_day:g} a day; {tail}; jumps: {settings.jumps}; "
        f"returns across gaps and exclusions dropped; correlation of normal scores{fine}{pegged(settings)}"
    )
    return Source(file, sha256, returns.first, returns.last, window.exclude, returns.rows, returns.step, method)


def _family(settings: FitSettings) -> str:
    names = {"garch": "GARCH(1,1)", "gjr": "GJR(1,1)", "egarch": "EGARCH(1,1)"}
    found = specifications(settings.process, settings.innovation)
    processes = " or ".join(names[p] for p in dict.fromkeys(s.process for s in found))
    innovations = " or ".join(dict.fromkeys(s.innovation for s in found))
    chosen = f", chosen by {settings.criterion.upper()}," if len(found) > 1 else ""
    return f"{processes} with {innovations} innovations{chosen}"


def _versions() -> dict[str, str]:
    """What made the numbers; a checkout that runs uninstalled has no version of its own."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
