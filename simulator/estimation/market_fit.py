"""MarketFit: what a fit found, as a report, as the `[market]` block of a scenario and as frames."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from simulator.estimation.asset_fit import AssetFit
from simulator.estimation.asset_notes import asset_notes
from simulator.estimation.comparison import Comparison, comparison_frame
from simulator.estimation.copula_fit import DependenceFit
from simulator.estimation.fine_jumps import FineJumps
from simulator.estimation.market_block import market_block
from simulator.estimation.peg_fit import PegFit
from simulator.estimation.residual_tests import ResidualTest, residual_tests
from simulator.estimation.returns import iso
from simulator.estimation.scaling import Feedback
from simulator.estimation.source import Source
from simulator.estimation.versions import versions
from simulator.market.history import FilteredHistory
from simulator.market.innovations import Normal
from simulator.market.model import ModelMarket

if TYPE_CHECKING:
    import pandas as pd


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
    history: FilteredHistory | None = None  # the market, where a filtered history was asked for
    versions: dict[str, str] = field(default_factory=partial(versions, "numpy", "scipy", "numba", "arch"))

    @property
    def market(self) -> ModelMarket:
        """The fitted law, read back from the block that says it."""
        return ModelMarket.model_validate(tomllib.loads(market_block(replace(self, history=None)))["market"])

    @property
    def simulated(self) -> ModelMarket | FilteredHistory:
        """The market that `toml()` describes."""
        return self.history or self.market

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
