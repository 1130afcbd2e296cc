"""What of a scenario could be read: every section that is sound in itself, so that one wrong key hides no other problem."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from simulator.agents import Cohort, Keepers
from simulator.calibration_settings import CalibrationSettings
from simulator.market import Grid, History, Market
from simulator.market.gas import Gas
from simulator.market.overlays import AnyOverlay
from simulator.market.rare_events import RareEvents
from simulator.market.surface import ImpliedSurface
from simulator.parameters import RiskParameters
from simulator.protocol import Protocol
from simulator.risk.appetite import RiskAppetite
from simulator.scenario.backtest import Backtest
from simulator.scenario.regime import Regime


@dataclass(frozen=True)
class Draft:
    """The sections of a scenario; None where a section is absent or wrong in itself. Numbers are places in the file's lists."""

    folder: Path
    sections: frozenset[str]  # the names that the file has, sound or not
    paths: int | None
    data_until: str  # empty where the file does not say it
    grid: Grid | None
    market: Market | None
    gas: Gas | None
    overlays: dict[int, AnyOverlay]
    protocol: Protocol | None
    parameters: RiskParameters | None
    cohorts: dict[int, Cohort]
    appetite: RiskAppetite | None
    calibration: CalibrationSettings | None
    regimes: dict[int, Regime]
    backtest: Backtest | None
    surfaces: dict[str, ImpliedSurface] | None
    rare_events: RareEvents | None

    @property
    def assets(self) -> tuple[str, ...] | None:
        """The names of the market's assets, if the market could be read."""
        return None if self.market is None else self.market.asset_names

    @property
    def keepers(self) -> Keepers | None:
        """The cohort of keepers, if there is one."""
        return next((cohort for cohort in self.cohorts.values() if isinstance(cohort, Keepers)), None)

    @property
    def all_cohorts_read(self) -> bool:
        """Whether nothing of the cohorts had to be left out."""
        return list(self.cohorts) == list(range(len(self.cohorts)))


def draft_of_parts(scenario: Any) -> Draft:
    """The sections of a scenario that was built in Python; where its files lie is not known yet."""
    return Draft(
        folder=Path(),
        sections=frozenset(key for key, value in scenario if value is not None),
        paths=scenario.paths,
        data_until=scenario.data_until or "",
        grid=scenario.grid,
        market=scenario.market,
        gas=scenario.gas,
        overlays=dict(enumerate(scenario.overlays)),
        protocol=scenario.protocol,
        parameters=scenario.parameters,
        cohorts=dict(enumerate(scenario.cohorts)),
        appetite=scenario.appetite,
        calibration=scenario.calibration,
        regimes=dict(enumerate(scenario.regime)),
        backtest=scenario.backtest,
        surfaces=scenario.surfaces,
        rare_events=scenario.rare_events,
    )


def draft_of(tree: dict[str, Any], folder: Path) -> Draft:
    """Every section of `tree` that is sound in itself."""
    paths = tree.get("paths", 500)
    return Draft(
        folder=folder,
        sections=frozenset(tree),
        paths=paths if type(paths) is int and paths >= 1 else None,
        data_until=str(tree.get("data_until", "")),
        grid=_read(Grid, tree.get("grid")),
        market=in_folder(_read(Market, tree.get("market")), folder),
        gas=_read(Gas, tree.get("gas")),
        overlays=dict(_members(AnyOverlay, tree.get("overlays"))),
        protocol=_read(Protocol, tree.get("protocol")),
        parameters=_read(RiskParameters, tree.get("parameters")),
        cohorts=dict(_members(Cohort, tree.get("cohorts"))),
        appetite=_read(RiskAppetite, tree.get("appetite")),
        calibration=_read(CalibrationSettings, tree.get("calibration")),
        regimes={i: with_market_in(regime, folder) for i, regime in _members(Regime, tree.get("regime"))},
        backtest=with_market_in(_read(Backtest, tree.get("backtest")), folder),
        surfaces=_read(dict[str, ImpliedSurface], tree.get("surfaces", {})),
        rare_events=_read(RareEvents, tree.get("rare_events")),
    )


def in_folder(market: Any, folder: Path) -> Any:
    """A market whose file is looked for in `folder`; unchanged where it has none, or none that may be read."""
    if not isinstance(market, History):
        return market
    try:
        return market.resolve(folder)
    except (ValueError, OSError, RuntimeError):
        return market


def with_market_in(part: Any, folder: Path) -> Any:
    """A regime or back-test with its market's file looked for in `folder`; None stays."""
    return None if part is None else part.model_copy(update={"market": in_folder(part.market, folder)})


def _read(part: Any, value: Any) -> Any:
    if value is None:
        return None
    try:
        return TypeAdapter(part).validate_python(value)
    except (ValidationError, ArithmeticError):
        return None


def overflowing(tree: dict[str, Any]) -> str:
    """The section whose rules cannot even be computed from its numbers; empty if there is none."""
    parts: dict[str, Any] = {
        "grid": Grid,
        "market": Market,
        "gas": Gas,
        "protocol": Protocol,
        "parameters": RiskParameters,
        "calibration": CalibrationSettings,
    }
    for key, part in parts.items():
        try:
            TypeAdapter(part).validate_python(tree.get(key))
        except ValidationError:
            continue
        except ArithmeticError:
            return key
    return ""


def _members(part: Any, values: Any) -> Iterator[tuple[int, Any]]:
    adapter = TypeAdapter(part)
    for i, value in enumerate(values if isinstance(values, tuple) else ()):
        try:
            yield i, adapter.validate_python(value)
        except (ValidationError, ArithmeticError):
            continue
