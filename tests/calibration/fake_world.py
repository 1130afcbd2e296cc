"""A scenario and an engine in closed form: one ETH perpetual whose loss is what a Student-t shock leaves uncovered by margin.

loss = open interest x max(0, scale x |t_nu| - maintenance margin): every stage can be checked against the law it draws from.
`python fake_world.py FOLDER [PAUSE]` calibrates it and writes the proposal, slowly: what the kill tests kill.
"""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from simulator.calibration_settings import CalibrationSettings, Objective, SearchParameter
from simulator.outcomes import QUANTITIES, WINDOWS, Outcomes
from simulator.parameters import RiskParameters
from simulator.risk.appetite import ProbabilityLimit, RiskAppetite
from simulator.scenario.preamble import Preamble

OPEN_INTEREST = 1e6
PENALTY = "liquidation.penalty"
INITIAL, MAINTENANCE = "perpetuals.ETH.initial_margin_ratio", "perpetuals.ETH.maintenance_margin_ratio"

CURRENT = RiskParameters.model_validate({"perpetuals": {"ETH": {"initial_margin_ratio": 0.10, "maintenance_margin_ratio": 0.08}}})
SEARCH = (
    SearchParameter(parameter=INITIAL, low=0.02, high=0.30, step=0.005),
    SearchParameter(parameter=MAINTENANCE, low=0.01, high=0.30, step=0.005),
)
APPETITE = RiskAppetite(limits=(ProbabilityLimit(window="whole", threshold=0.01, probability=0.01),))
SETTINGS = CalibrationSettings(search=SEARCH, candidates=40, search_paths=200, selection_paths=1000)


@dataclass(frozen=True)
class FakeWorld:
    """A scenario as calibration sees it."""

    name: str = "fake"
    seed: int = 3
    hash: str = "0" * 64
    lineage: str = "1" * 64
    parameters: RiskParameters = CURRENT
    appetite: RiskAppetite | None = APPETITE
    calibration: CalibrationSettings | None = SETTINGS
    assets: tuple[str, ...] = ("ETH",)
    account_count: int = 100
    book: None = None
    has_elasticities: bool = False
    has_sourced_elasticities: bool = True
    has_parameter_law: bool = False
    weight_of_unseen: float = 1.0
    substeps: int = 1
    data_until: str | None = "2025-03-31"
    scale: float = 0.02  # of the shock
    nu: float = 4.0
    drift_with_substeps: float = 0.0  # share of open interest lost by every doubling: an engine that does not converge
    held_out: tuple[tuple[str, str, float], ...] = ()  # (name, role, scale of the shock)
    appetite_held_out: RiskAppetite | None = None  # of every regime, where it is not the scenario's own
    history: tuple[dict[str, str], ...] = ()  # windows of regimes that live in history
    pause: float = 0.0  # [s] per call
    broken: tuple[float, ...] = field(default=())  # initial margins whose outcomes are not finite
    preamble: Preamble = field(default_factory=Preamble)
    backtest: None = None
    depths: dict[str, float] = field(default_factory=dict)
    ledger: frozenset[int] | None = None
    wicks: bool = False  # whether a cushion between the margins spares users, and the liquidation penalty covers losses

    @property
    def vote(self) -> RiskParameters:
        return self.parameters

    def windows(self) -> Sequence[dict[str, str]]:
        return self.history

    def regimes(self) -> Sequence[tuple[str, str, FakeWorld]]:
        return [
            (name, role, replace(self, scale=scale, held_out=(), appetite=self.appetite_held_out or self.appetite))
            for name, role, scale in self.held_out
        ]

    def with_elasticity(self, level: str) -> FakeWorld:
        return replace(self, scale=self.scale * {"low": 0.98, "central": 1.0, "high": 1.02}[level])

    def with_substeps(self, substeps: int) -> FakeWorld:
        return replace(self, substeps=substeps)

    def with_ledger(self, paths: Iterable[int]) -> FakeWorld:
        return replace(self, ledger=frozenset(paths))

    def with_point_parameters(self) -> FakeWorld:
        return replace(self, has_parameter_law=False)


def shocks(world: FakeWorld, purpose: str, first: int, count: int) -> np.ndarray:
    """|t_nu| x scale for every path: a function of (seed, purpose, path) alone."""
    return world.scale * _draws(world.seed, world.nu, purpose, first, count)


@functools.lru_cache(maxsize=64)
def _draws(seed: int, nu: float, purpose: str, first: int, count: int) -> np.ndarray:
    from scipy.special import stdtrit

    from simulator.kernel import stream

    draws = np.random.Generator(np.random.Philox(key=int(stream(seed, purpose))))
    return np.abs(stdtrit(nu, draws.random(first + count)[first:]))


def evaluate(
    scenario: FakeWorld, candidates: Sequence[RiskParameters], purpose: str, first: int, count: int, jobs: int
) -> list[Outcomes]:
    """The engine's signature."""
    if scenario.pause:
        time.sleep(scenario.pause)
    shock = shocks(scenario, purpose, first, count)
    return [_outcomes(scenario, candidate, shock, first) for candidate in candidates]


def _outcomes(world: FakeWorld, candidate: RiskParameters, shock: np.ndarray, first: int) -> Outcomes:
    initial, maintenance = candidate.get(INITIAL), candidate.get(MAINTENANCE)
    interest = OPEN_INTEREST * (0.1 / initial) ** 0.5 * (1 + 0.01 * np.sin(np.arange(first, first + len(shock))))
    penalty = candidate.get(PENALTY) if world.wicks else 0.0
    closed = shock > 0.01 + 0.5 * (initial - maintenance)
    loss = interest * (np.maximum(0.0, shock - maintenance - 0.5 * penalty) + world.drift_with_substeps * np.log2(world.substeps))
    if initial in world.broken:
        loss[0] = np.nan
    rows = {quantity: np.zeros(len(shock)) for quantity in QUANTITIES if not quantity.startswith("margin_")}  # it stands still
    rows |= {"loss": loss, "latent_bad_debt": loss, "open_interest": interest, "collateral": np.full(len(shock), 1e5)}
    rows |= {
        "fees": interest * 1e-3,
        "user_cost": interest * (2e-3 + world.wicks * closed * (0.004 + 0.2 * penalty)),
        "fund_end": np.full(len(shock), 5e4),
    }
    rows |= {"fund_minimum": 5e4 - loss, "capital_efficiency_used": interest / 1e5}
    columns = {f"{name}.{window}": row for name, row in rows.items() for window in WINDOWS if name != "newly_liquidatable"}
    columns["newly_liquidatable.transition"] = np.full(len(shock), 3.0 if maintenance > 0.08 else 0.0)
    if world.ledger is not None:
        known = np.where(np.isin(np.arange(first, first + len(shock)), list(world.ledger)), loss, 0.0)
        columns |= {"loss_by_cause.gap.whole": 0.75 * known, "loss_by_cause.closing.whole": 0.25 * known}
        columns |= {
            "loss_by_asset.ETH.whole": known,
            "loss_by_cohort.traders.whole": known,
            "loss_by_cohort.maker.whole": 0 * known,
        }
    return Outcomes(np.arange(first, first + len(shock)), columns)


def with_settings(**changes: object) -> FakeWorld:
    """A world whose calibration settings differ."""
    return FakeWorld(calibration=SETTINGS.model_copy(update=changes))


__all__ = ["CURRENT", "FakeWorld", "Objective", "evaluate", "shocks", "with_settings"]


if __name__ == "__main__":
    from simulator.calibration.calibrate import calibrate
    from simulator.calibration.files import write_file
    from simulator.calibration.proposal import proposal_bytes

    folder = Path(sys.argv[1])
    world = FakeWorld(pause=float(sys.argv[2]) if len(sys.argv) > 2 else 0.0)
    write_file(folder / "proposal.json", proposal_bytes(calibrate(world, evaluate=evaluate, folder=folder)))
