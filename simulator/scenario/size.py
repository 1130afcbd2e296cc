"""How much memory and time a scenario will take, before anything is computed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from simulator.market import Grid, Market
from simulator.parameters import RiskParameters
from simulator.protocol.options import OptionRules
from simulator.protocol.portfolio_margin.covariance import DeltaGammaMargin
from simulator.protocol.portfolio_margin.scenario_grid import ScenarioGrid
from simulator.protocol.portfolio_margin.span import Span
from simulator.scenario.draft import Draft
from simulator.scenario.problems import Problem

MEMORY_LIMIT = 8 * 2**30  # [byte] of one run: what a small machine has
BASE = 600 * 2**20  # [byte] interpreter, libraries and compiled kernels
COLUMNS = 84  # [1] quantities x windows kept of every path
ACCOUNT_STEPS = 2.0e8  # [1/s] of one core, a typical run; DESIGN 6
LARGEST_BLOCK = 131_072  # [account x path] worked on at once
LEAST_PATHS = 4
STEP_OVERHEAD = 100  # [account] what a step of one path costs beside its accounts
BAND_STEP = 1.4e-4  # [s] of a step of one path where loans lie in bands: `crvusd`, 27 s for 300 paths of 576 steps
# [s] of a step of one path, all its rounds: by option listed; by option and scenario of a grid; by account that deals in options,
# by account and option listed, by account and scenario of an underlying, by account and quantile. Made to fit one-core runs of
# `derive-standard` (0.057 s a path), `derive-portfolio` (0.25 s) and `options-var` (0.35 s)
VALUED, SHOCKED = 1.0e-6, 8.0e-8
LOOK, LOOK_OPTION, LOOK_SHOCK, LOOK_QUANTILE = 1.0e-7, 4.0e-9, 1.5e-8, 3.5e-6


@dataclass(frozen=True)
class Size:
    """What one run of `paths` paths takes on one core."""

    paths: int
    accounts: int
    steps: int
    memory: float  # [byte]
    seconds: float  # [s] on one core, compile time apart

    def seconds_of(self, paths: int) -> float:
        """The same for another number of paths [s]."""
        return self.seconds * paths / self.paths

    def __str__(self) -> str:
        counts = f"{self.paths:,} paths x {self.accounts:,} accounts x {self.steps:,} steps"
        return f"{counts}: about {duration(self.seconds)} on one core, {memory(self.memory)}"


def option_seconds(rules: OptionRules | None, dealers: int) -> float:
    """[s] that options and the accounts of `dealers`, who are looked at whatever happens, add to a step of one path."""
    if rules is None:
        return 0.0
    options = sum(market.instruments for market in rules.markets.values())
    margin = rules.margin.grid() if isinstance(rules.margin, Span) else rules.margin
    shocks = len(margin.scenarios) if isinstance(margin, ScenarioGrid) else 0
    quantile = LOOK_QUANTILE if isinstance(margin, DeltaGammaMargin) else 0.0
    looks = dealers * (LOOK + options * LOOK_OPTION + len(rules.markets) * shocks * LOOK_SHOCK + quantile)
    return options * (VALUED + shocks * SHOCKED) + looks


def size_of(paths: int, accounts: int, grid: Grid, market: Market, parameters: RiskParameters, of_options: float = 0.0) -> Size:
    """The estimate for a run: outcomes of all paths, and one block of accounts and prices; `of_options` [s] a step and path."""
    fields = 2 + 2 * len(parameters.collateral) + 2 * len(parameters.perpetuals)
    block = min(paths, max(LEAST_PATHS, LARGEST_BLOCK // max(accounts, 1)))
    outcomes = 8.0 * paths * (COLUMNS + 1)
    book = 8.0 * block * accounts * (fields + 5)
    prices = 8.0 * LEAST_PATHS * len(market.asset_names) * (grid.steps + grid.market_steps + 2)
    loans = parameters.liquidation.loans
    of_bands = BAND_STEP if loans is not None and loans.kind == "bands" else 0.0
    seconds = paths * grid.steps * ((accounts + STEP_OVERHEAD) / ACCOUNT_STEPS + of_options + of_bands)
    return Size(paths, accounts, grid.steps, BASE + outcomes + book + prices, seconds)


def too_large(draft: Draft, accounts: int) -> Iterator[Problem]:
    """Path counts for which the outcomes and one block do not fit in memory."""
    if draft.grid is None or draft.market is None or draft.parameters is None or draft.paths is None:
        return
    size = size_of(draft.paths, accounts, draft.grid, draft.market, draft.parameters)
    if size.memory > MEMORY_LIMIT:
        yield Problem(
            ("paths",),
            f"{size.paths:,} paths of {accounts:,} accounts and {size.steps:,} steps need about {memory(size.memory)}, "
            f"but {memory(MEMORY_LIMIT)} is the limit; lower paths, accounts or steps",
        )


def memory(size: float) -> str:
    """Bytes as people read them."""
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if size < 1024:
            return f"{size:.3g} {unit}"
        size /= 1024
    return f"{size:,.4g} PiB"


def duration(seconds: float) -> str:
    """Seconds as people read them."""
    if seconds < 1:
        return "1 s"
    for unit, length in (("s", 100.0), ("min", 6_000.0), ("h", 360_000.0)):
        if seconds < length:
            return f"{seconds / (length / 100):.0f} {unit}"
    return f"{seconds / 86_400:,.0f} days"
