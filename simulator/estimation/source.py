"""Where a fitted market's numbers come from: the file, the window, the method, the versions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from simulator.estimation.peg_fit import PegFit, pegged
from simulator.estimation.returns import Returns, Window, iso
from simulator.estimation.settings import FitSettings
from simulator.estimation.specification import specifications

if TYPE_CHECKING:
    from simulator.estimation.asset_fit import AssetFit
    from simulator.market.price_file import PriceTable


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


def source_of(returns: Returns, window: Window, settings: FitSettings, sha256: str, file: str, fine: str) -> Source:
    tail = f"tail index of the stationary law >= {settings.tail_index:g}" if settings.tail_index else "tail not bounded"
    method = (
        f"{_family(settings)} by maximum likelihood on zero-mean log returns; variance targeted; "
        f"persistence <= {settings.persistence_per_day:g} a day; {tail}; jumps: {settings.jumps}; "
        f"returns across gaps and exclusions dropped; correlation of normal scores{fine}{pegged(settings)}"
    )
    return Source(file, sha256, returns.first, returns.last, window.exclude, returns.rows, returns.step, method)


def fine_source(assets: Sequence[AssetFit | PegFit], fine: PriceTable | None, file: str) -> str:
    if fine is None:
        return ""
    names = [asset.name for asset in assets if asset.parted is not None and asset.parted.fine is not None]
    where = f"{fine.step:g} s prices of {file}, SHA-256 {fine.sha256}"
    return f"; jumps of {', '.join(names)} by Lee and Mykland's test (1 %) on {where}"


def _family(settings: FitSettings) -> str:
    names = {"garch": "GARCH(1,1)", "gjr": "GJR(1,1)", "egarch": "EGARCH(1,1)"}
    found = specifications(settings.process, settings.innovation)
    processes = " or ".join(names[p] for p in dict.fromkeys(s.process for s in found))
    innovations = " or ".join(dict.fromkeys(s.innovation for s in found))
    chosen = f", chosen by {settings.criterion.upper()}," if len(found) > 1 else ""
    return f"{processes} with {innovations} innovations{chosen}"
