"""Scenario: a market, a protocol, its accounts and the question asked of them, as one frozen record."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field, PrivateAttr, ValidationError, ValidationInfo, model_validator

from simulator.agents import Cohort, Keepers
from simulator.agents.demand import Elasticity, Level
from simulator.agents.options import OPTION_COHORTS
from simulator.calibration_settings import CalibrationSettings
from simulator.market import Grid, History, Market, MarketPaths, ModelMarket
from simulator.market.gas import Gas
from simulator.market.overlays import Overlays
from simulator.market.rare_events import RareEvents
from simulator.market.stress import stressed_paths
from simulator.market.surface import ImpliedSurface
from simulator.parameters import Part, RiskParameters
from simulator.protocol import Protocol
from simulator.protocol.venue import LinearPermanentVenue, LinearVenue
from simulator.risk.appetite import RiskAppetite
from simulator.scenario.accounts import count_accounts
from simulator.scenario.backtest import Backtest
from simulator.scenario.checks import notices, problems_between
from simulator.scenario.draft import Draft, draft_of, draft_of_parts, overflowing
from simulator.scenario.files import file_hash, named_files, reachable, unreachable_files
from simulator.scenario.messages import problems_of
from simulator.scenario.preamble import Preamble
from simulator.scenario.problems import Place, Problem, ScenarioError
from simulator.scenario.reading import override, parse, read, tupled
from simulator.scenario.regime import Regime
from simulator.scenario.seen import Sight, last_day, sights_of
from simulator.scenario.size import Size, option_seconds, size_of
from simulator.scenario.vote import Vote
from simulator.wording import shown

if TYPE_CHECKING:
    from simulator.scenario.book import Book


def _iso(value: Any) -> Any:
    return value.isoformat() if type(value) is date else value


Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]

SIDES = ("spot", "perpetual")  # of an asset's venues

Day = Annotated[str, BeforeValidator(_iso), Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]


class Scenario(Part):
    """A market, a protocol, its accounts and the question asked of them."""

    name: Name
    description: str = ""
    seed: Annotated[int, Field(ge=0, lt=2**63)]
    paths: Annotated[int, Field(ge=1, le=10**15)] = 500  # [1] of a plain run; memory sets a lower limit
    elasticity: Level = "central"  # at which demand answers
    data_until: Day | None = None  # the last day of data behind the market; absent: what the market says
    grid: Grid
    market: Market
    gas: Gas | None = None
    overlays: Overlays = ()
    surfaces: dict[str, ImpliedSurface] = Field(default_factory=dict)  # by underlying of options
    rare_events: RareEvents | None = None  # how paths are drawn, not what is asked of them: absent, plainly
    protocol: Protocol
    parameters: RiskParameters
    cohorts: Annotated[tuple[Cohort, ...], BeforeValidator(tupled), Field(min_length=1, max_length=100)]
    appetite: RiskAppetite | None = None
    calibration: CalibrationSettings | None = None
    regime: Annotated[tuple[Regime, ...], BeforeValidator(tupled), Field(max_length=40)] = ()
    backtest: Backtest | None = None
    proposal: Preamble | None = None

    _folder: Path = PrivateAttr(default_factory=Path)
    _text: str = PrivateAttr(default="")
    _warnings: tuple[str, ...] = PrivateAttr(default=())
    _files: dict[str, str] = PrivateAttr(default_factory=dict)
    _shown: frozenset[str] = PrivateAttr(default=frozenset())  # files that are no part of the question
    _account_count: int | None = PrivateAttr(default=None)
    _ledger: frozenset[int] | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _fits_together(self, info: ValidationInfo) -> Scenario:
        """For scenarios built in Python; those of a file are checked as a whole, all problems at once, by `load`."""
        if not (info.context or {}).get("is_checked"):
            problems = [problem.text() for problem in problems_between(draft_of_parts(self), self.account_count)]
            if problems:
                raise ValueError("\n".join(problems))
        return self

    @classmethod
    def load(cls, path: Path | str, changes: Mapping[str, int] | None = None) -> Scenario:
        """The scenario in a file, with other whole numbers under some top-level keys (`seed`, `paths`) if `changes` names them.

        Raises ScenarioError with every problem of the file, at most 20.
        """
        path = Path(path)
        return cls._read(read(path), path.parent, path, changes or {})

    @classmethod
    def from_text(cls, text: str, folder: Path | str, name: str = "scenario") -> Scenario:
        """The scenario in a text whose files lie in `folder`; `name` stands before every problem. Raises ScenarioError."""
        return cls._read(text, Path(folder), name, {})

    @classmethod
    def _read(cls, text: str, folder: Path, name: Path | str, changes: Mapping[str, int]) -> Scenario:
        tree = parse(text, name)
        if changes:
            try:
                text = override(text, changes)
            except ValueError as problem:
                raise ScenarioError(name, [Problem((), str(problem))]) from None
            tree = parse(text, name)
        tree = _in_order_of_assets(tree)
        draft = draft_of(tree, folder)
        scenario, accounts = _checked(cls, tree, draft, name)
        assert draft.market is not None  # or it would have been a problem
        known = {"data_until": scenario.data_until or last_day(draft.market)}
        placed = {"market": draft.market, "regime": tuple(draft.regimes.values()), "backtest": draft.backtest}
        scenario = scenario.model_copy(update={**placed, **known})
        scenario._folder, scenario._text, scenario._account_count = folder, text, accounts
        places: dict[str, list[Place]] = {}
        for place, file in named_files(draft):
            places.setdefault(file, []).append(place)
        scenario._files = {file: file_hash(reachable(folder, file)) for file in places}
        scenario._shown = frozenset(file for file, where in places.items() if all(place[0] == "backtest" for place in where))
        scenario._warnings = tuple(shown(f"{name}: {line}") for line in notices(draft))
        return scenario

    @property
    def folder(self) -> Path:
        """Where the files that the scenario names lie."""
        return self._folder

    @property
    def text(self) -> str:
        """The TOML that this scenario was read from; empty for one built in Python."""
        return self._text

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is accepted but suspicious, one numbered line each."""
        return self._warnings

    @property
    def files(self) -> dict[str, str]:
        """SHA-256 of every file that the scenario names."""
        return dict(self._files)

    @property
    def hash(self) -> str:
        """SHA-256 of all that can move a result: not of comments, order of keys, spelling of numbers, nor of [proposal]."""
        idle = {"proposal"} | ({"backtest"} if self.backtest is None else set())
        return _hash([self.model_dump(mode="json", exclude=idle), self._files])

    @property
    def lineage(self) -> str:
        """A hash of protocol, cohorts, market and appetite: what makes two confirmations looks at the same question."""
        parts = {"market", "gas", "overlays", "surfaces", "protocol", "parameters", "cohorts", "appetite", "regime"}
        files = {file: digest for file, digest in self._files.items() if file not in self._shown}
        return _hash([self.model_dump(mode="json", include=parts), files])

    @property
    def vote(self) -> Vote:
        """What a vote may change, as it is now."""
        keepers = next((cohort for cohort in self.cohorts if isinstance(cohort, Keepers)), None)
        return Vote(parameters=self.parameters, protocol=self.protocol, keepers=keepers)

    @property
    def assets(self) -> tuple[str, ...]:
        """Names of the assets of the market, in its order."""
        return self.market.asset_names

    @property
    def account_count(self) -> int:
        """Accounts of all cohorts."""
        if self._account_count is None:
            return sum(getattr(cohort, "accounts", 0) for cohort in self.cohorts)
        return self._account_count

    @property
    def substeps(self) -> int:
        """Steps of the model in one market step."""
        return self.grid.substeps

    @property
    def size(self) -> Size:
        """What a plain run of `paths` paths takes."""
        dealers = sum(cohort.accounts for cohort in self.cohorts if isinstance(cohort, OPTION_COHORTS))
        of_options = option_seconds(self.protocol.options, dealers)
        return size_of(self.paths, self.account_count, self.grid, self.market, self.parameters, of_options)

    @property
    def book(self) -> Book:
        """What accounts hold at load by their own wish, at the first prices of the market."""
        from simulator.scenario.book import book_of

        market = self.market_paths("book", 0, 1)
        prices = dict(zip(market.assets, market.price[0, :, 0].tolist(), strict=True))
        return book_of(self.cohorts, self.seed, self.folder, prices)

    @property
    def preamble(self) -> Preamble:
        """What [proposal] says, empty where there is none."""
        return self.proposal or Preamble()

    @property
    def depths(self) -> dict[str, float]:
        """Traded value [usd] that moves the log price of each venue by 1, in a usual market; venues of other rules have none."""
        places = {f"{name}, {side}": getattr(venues, side) for name, venues in self.protocol.venues.items() for side in SIDES}
        return {place: venue.depth for place, venue in places.items() if isinstance(venue, LinearVenue | LinearPermanentVenue)}

    @property
    def has_elasticities(self) -> bool:
        """Whether any response of demand differs between its levels."""
        return any(response.low != response.high for response in self._responses())

    @property
    def has_sourced_elasticities(self) -> bool:
        """Whether every response of demand names its source: only then may *used* capital efficiency be claimed."""
        return all(response.source for response in self._responses())

    @property
    def has_parameter_law(self) -> bool:
        """Whether market parameters are drawn for each path."""
        market = self.market
        if not isinstance(market, ModelMarket) or market.parameter_law_off:
            return False
        return any(asset.parameter_law is not None for asset in market.assets)

    @property
    def sights(self) -> tuple[Sight, ...]:
        """Stretches of history that the market's numbers come from, or on which they were chosen."""
        return tuple(sights_of(self.market))

    def windows(self) -> list[dict[str, str]]:
        """Every regime that lives in history: its window, its role, and by what it was seen (empty: by nothing known)."""
        return [
            {
                "world": f"regime-{regime.name}",
                "role": regime.role,
                "since": regime.market.since.isoformat(),
                "until": regime.market.until.isoformat(),
                "seen": next(
                    (str(sight) for sight in self.sights if sight.covers((regime.market.since, regime.market.until))), ""
                ),
            }
            for regime in self.regime
            if isinstance(regime.market, History)
        ]

    def market_paths(self, purpose: str, first: int, count: int) -> MarketPaths:
        """Market paths `first` .. `first + count - 1` under this scenario's overlays, with its gas. Raises ValueError."""
        rare = self.rare_events if isinstance(self.market, ModelMarket) else None  # regimes may live in history
        return stressed_paths(self.market, self.overlays, self.gas, self.grid, self.seed, purpose, first, count, rare)

    @property
    def weight_of_unseen(self) -> float:
        """What a losing path that was not seen is taken to count when paths are planned."""
        if self.rare_events is None or not isinstance(self.market, ModelMarket):
            return 1.0
        return self.rare_events.heaviest(self.market, self.grid)

    @property
    def ledger(self) -> frozenset[int] | None:
        """The paths of which it is kept who lost, and why; None where nobody asks."""
        return self._ledger

    def with_ledger(self, paths: Iterable[int]) -> Scenario:
        """The same scenario, its outcomes with columns that say where the loss of these `paths` came from."""
        copy = self.model_copy()
        copy._ledger = frozenset(paths)
        return copy

    def with_elasticity(self, level: Level) -> Scenario:
        """The same scenario with demand answering at one of the three levels."""
        return self.model_copy(update={"elasticity": level})

    def with_substeps(self, substeps: int) -> Scenario:
        """The same market watched `substeps` times in a market step. Raises ValidationError."""
        grid = Grid.model_validate({**self.grid.model_dump(), "substeps": substeps})
        return self.model_copy(update={"grid": grid})

    def with_point_parameters(self) -> Scenario:
        """Every path at the point estimate of the market's parameters."""
        if not isinstance(self.market, ModelMarket):
            return self
        return self.model_copy(update={"market": self.market.with_point_parameters()})

    def regimes(self) -> list[tuple[str, str, Scenario]]:
        """(name, role, scenario) of every [[regime]]: this one in another market, and under its own limits if it has some."""
        return [(regime.name, regime.role, self._in(regime)) for regime in self.regime]

    def _in(self, regime: Regime) -> Scenario:
        appetite = regime.appetite or self.appetite
        changes = {"gas": regime.gas or self.gas, "overlays": (*self.overlays, *regime.overlays), "appetite": appetite}
        return self.model_copy(update={"market": regime.market_from(self.market), **changes, "regime": ()})

    def _responses(self) -> Iterator[Elasticity]:
        for cohort in self.cohorts:
            yield from (value for _, value in cohort if isinstance(value, Elasticity))


def _checked(model: type[Scenario], tree: dict[str, Any], draft: Draft, name: Path | str) -> tuple[Scenario, int]:
    """A scenario without problems and the number of its accounts. Raises ScenarioError with all problems."""
    scenario, problems = None, list[Problem]()
    try:
        scenario = model.model_validate(tree, context={"is_checked": True})
    except ValidationError as error:
        problems = problems_of(error, model, tree)
    except ArithmeticError:
        place = overflowing(tree) or "cohorts"
        problems = [Problem((place,), "a number is too large or too small to work with; write one that can be meant")]
    accounts, wrong_files = count_accounts(draft)
    problems += [*wrong_files, *unreachable_files(draft), *problems_between(draft, accounts)]
    if scenario is None or problems:
        raise ScenarioError(name, problems)
    return scenario, accounts


def _hash(content: Any) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _in_order_of_assets(tree: dict[str, Any]) -> dict[str, Any]:
    """Tables by asset in the order of the market's assets, so that the order of keys in a file moves no digit of a result."""
    order = {name: i for i, name in enumerate(_asset_names(tree.get("market")))}
    protocol = tree.get("protocol")
    options = protocol.get("options") if isinstance(protocol, dict) else None
    for place in (tree, tree.get("parameters"), protocol, options, protocol.get("fund") if isinstance(protocol, dict) else None):
        for key in ("perpetuals", "options", "collateral", "borrowing", "venues", "tokens", "surfaces", "markets"):
            if isinstance(place, dict) and isinstance(place.get(key), dict):
                place[key] = dict(sorted(place[key].items(), key=lambda entry: order.get(entry[0], len(order))))
    return tree


def _asset_names(market: Any) -> list[str]:
    """The names of the assets of a market that may be wrong in any way, each once."""
    assets = market.get("assets") if isinstance(market, dict) else None
    names = [asset.get("name") if isinstance(asset, dict) else asset for asset in assets] if isinstance(assets, tuple) else []
    return list(dict.fromkeys(name for name in names if isinstance(name, str)))
