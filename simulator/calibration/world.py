"""What calibration asks of a scenario and of the engine: the seam between this room and the ones below it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

if TYPE_CHECKING:
    from simulator.calibration_settings import CalibrationSettings
    from simulator.outcomes import Outcomes
    from simulator.risk.appetite import RiskAppetite
    from simulator.scenario.backtest import Backtest
    from simulator.scenario.book import Book
    from simulator.scenario.preamble import Preamble

HEADLINE = "headline"  # the scenario itself, market parameters drawn where it has a law for them


class Votable(Protocol):
    """Everything that one vote may change, by dotted names: RiskParameters alone, or with rules beside them (scenario.Vote)."""

    @property
    def perpetuals(self) -> Mapping[str, Any]: ...

    @property
    def collateral(self) -> Mapping[str, Any]: ...

    @property
    def borrowing(self) -> Mapping[str, Any]: ...

    def borrowing_power(self, asset: str) -> float: ...

    def get(self, name: str) -> float: ...

    def items(self) -> Iterator[tuple[str, float]]: ...

    def replace(self, changes: Mapping[str, float]) -> Self: ...


class World(Protocol):
    """A scenario, as far as calibration looks at it."""

    @property
    def name(self) -> str: ...

    @property
    def seed(self) -> int: ...

    @property
    def hash(self) -> str:
        """Of everything that can move a result."""

    @property
    def lineage(self) -> str:
        """A hash of protocol, cohorts, data and appetite: what makes two confirmations looks at the same question."""

    @property
    def vote(self) -> Votable:
        """What a vote may change, as it is now."""

    @property
    def appetite(self) -> RiskAppetite | None: ...

    @property
    def calibration(self) -> CalibrationSettings | None: ...

    @property
    def assets(self) -> tuple[str, ...]:
        """Names of the assets of the market, in its order."""

    @property
    def account_count(self) -> int:
        """Accounts of all cohorts: the denominator of limits that are shares of accounts."""

    @property
    def book(self) -> Book | None:
        """What accounts hold at load by their own wish, if it is known: what available efficiency is weighed by."""

    @property
    def has_elasticities(self) -> bool:
        """Whether any response of demand differs between its levels."""

    @property
    def has_sourced_elasticities(self) -> bool:
        """Whether every response of demand names its source: only then may *used* capital efficiency be claimed."""

    @property
    def has_parameter_law(self) -> bool:
        """Whether market parameters are drawn for each path."""

    @property
    def weight_of_unseen(self) -> float:
        """What a losing path that was not seen counts at most: 1 of plain paths, less where rare events are drawn more often."""

    @property
    def substeps(self) -> int: ...

    @property
    def data_until(self) -> str | None:
        """ISO date of the last observation behind the market model, if the scenario says it."""

    @property
    def preamble(self) -> Preamble:
        """Who proposes, and why; every field may be empty."""

    @property
    def backtest(self) -> Backtest | None:
        """Later history that the proposal is lived through; only the engine's own scenarios have some."""

    @property
    def depths(self) -> Mapping[str, float]:
        """Traded value [usd] that moves the log price of each venue by 1."""

    def windows(self) -> Sequence[dict[str, str]]:
        """`world`, `role`, `since`, `until` of every regime in history, and by what it was `seen`, empty if by nothing."""

    def regimes(self) -> Sequence[tuple[str, str, World]]:
        """(name, role "confirm" or "report", scenario) of every held-out regime."""

    def with_elasticity(self, level: Literal["low", "central", "high"]) -> World: ...

    def with_substeps(self, substeps: int) -> World:
        """The same market seeds watched `substeps` times in a market step."""

    def with_ledger(self, paths: Iterable[int]) -> World:
        """The same, with outcomes `loss_by_GROUP.NAME.whole` that say where the loss of these `paths` came from."""

    def with_point_parameters(self) -> World:
        """Every path at the point estimate of the market's parameters."""


class Evaluate(Protocol):
    """Run all candidates on the same paths `first` .. `first + count - 1` of `purpose`: simulator.model.evaluate."""

    def __call__(
        self, scenario: Any, candidates: Sequence[Any], purpose: str, first: int, count: int, jobs: int
    ) -> list[Outcomes]: ...
