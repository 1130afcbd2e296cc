"""RiskModel: one Mesa step moves every path of a block. `simulate` runs a scenario, `evaluate` many candidates on the same paths.

Mesa names and schedules cohorts, nothing else: who acts, with what draws and in what order is decided by counters and laws,
so results do not depend on blocks, workers or Mesa's own generator.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING

import mesa
import numpy as np

from simulator.agents import Keepers
from simulator.agents.cohort import Cohort, make_cohorts
from simulator.agents.population import Population, make_population
from simulator.kernel import entry, stream
from simulator.market import Grid, MarketPaths
from simulator.market.surface import make_surfaces
from simulator.outcomes import CAUSES, SPECIAL_NAMES, UNSEEN, WEIGHT, Outcomes
from simulator.parameters import DAY, YEAR, RiskParameters
from simulator.protocol import book
from simulator.protocol.conditions import conditions_of
from simulator.protocol.load import load
from simulator.protocol.loss_causes import causes_of_latent, make_sight, sum_up, watch
from simulator.protocol.margin import ratios_now
from simulator.protocol.market_numbers import timers
from simulator.protocol.oracles import remembered
from simulator.protocol.rules import blend, handed_over, make_rules, make_terms
from simulator.protocol.settle import close_window, count_newly_liquidatable, forget, settle, start_step
from simulator.risk.procyclicality import procyclicality
from simulator.scenario.vote import Vote
from simulator.workers import run_all

if TYPE_CHECKING:
    from simulator.scenario import Scenario

BLOCK_CELLS = 100_000  # paths x accounts held at a time: what stays in cache
LEAST_SHARED = 32  # paths a worker is handed at least: of 16, Python's part of a step takes as long as the kernels'
BLOCK_BYTES = 128 * 2**20  # of market paths
STOP = 1e-9  # relative imbalance of the books that stops a run
Progress = Callable[[int], None]


class InvariantBroken(RuntimeError):
    """The books do not balance: a defect of the simulator, never of a scenario."""


def make_populations(scenario: Scenario) -> list[Population]:
    """The accounts of every cohort of account holders, in the scenario's order."""
    holders = (c for c in scenario.cohorts if not isinstance(c, Keepers))
    return [make_population(c, scenario.seed, scenario.folder) for c in holders]


class RiskModel(mesa.Model):
    """A block of paths of one scenario: the market, the book, and its cohorts.

    `market` holds the paths `first .. first + n - 1`; `purpose` keys the draws of the cohorts (market paths were made under
    the same purpose). One `step` moves every path by one substep. `ledger`: the paths of which it is kept who lost, and why.
    """

    def __init__(
        self,
        scenario: Scenario,
        market: MarketPaths,
        *,
        purpose: str = "run",
        first: int = 0,
        populations: Sequence[Population] | None = None,
        watches: bool = True,
        ledger: Collection[int] | None = None,
    ):
        # its generator is unused: randomness is a function of (seed, purpose, step, account, path). The names `scenario`, `time`
        # and `steps` are Mesa's own from 3.5 on
        super().__init__(rng=0)
        self.study, self.market, self.grid, self.first = scenario, market, scenario.grid, first
        keepers = next((c for c in scenario.cohorts if isinstance(c, Keepers)), None)
        holders = [c for c in scenario.cohorts if not isinstance(c, Keepers)]
        if populations is None:
            populations = make_populations(scenario)
        accounts = sum(len(population) for population in populations)
        self._make_rules = partial(
            make_rules,
            parameters=scenario.parameters,
            assets=market.assets,
            reference_volatility=[scenario.market.reference_volatility(name) for name in market.assets],
            dt=self.grid.dt,
            substeps=self.grid.substeps,
            accounts=accounts,
            keeper_key=stream(scenario.seed, purpose, keepers.name if keepers else "", "latency"),
            watches=watches,
            gas=scenario.gas,
        )
        self.before = Vote(parameters=scenario.parameters, protocol=scenario.protocol, keepers=keepers)
        self.usual: np.record = self._make_rules(scenario.protocol, keepers=keepers)
        self.rules: np.record = self.usual
        self.current = _terms_under(scenario.parameters, self.rules)
        self.conditions = conditions_of(market)
        self.known = scenario.protocol.known_volatility(market)
        paths = market.price.shape[2]
        r = self.rules
        self.state = book.make_state(
            paths,
            accounts,
            r.assets,
            r.markets,
            r.currencies,
            r.options,
            r.slots,
            r.underlyings,
            timers(r),
            r.grid,
            bool(r.auctions),
            int(r.band_rows),
            remembered(r),
            ledger is not None,
        )
        self.kept = np.array([first + p in (ledger or ()) for p in range(paths)])
        self.sight: np.ndarray | None = None  # where a ledger is kept, what was seen of each account: protocol/loss_causes.py
        self.surface = self._surfaces(scenario, purpose) if r.options else None
        self.cohorts: list[Cohort] = make_cohorts(self, scenario, purpose, holders, list(populations))
        self._put_in_force(self.current)
        self.candidate = self.force = self.before
        self.voted_at = 0
        self.changes = False
        self._weight = 0.0  # of the candidate in the parameters in force
        self.clock = 0  # substeps since the start of the burn-in
        self.ratios: list[np.ndarray] = []  # [market, path] where margin follows volatility: at the vote, then after every step
        load(
            self.state,
            self.rules,
            self.current,
            scenario.protocol,
            keepers,
            [cohort.holders_and_sides for cohort in self.cohorts],
            market,
            self.known,
            list(scenario.parameters.collateral),
            list(scenario.parameters.perpetuals),
        )
        self._move_surfaces(0)

    def step(self) -> None:
        """Market, oracle and accrual; cohorts ask; the protocol grants, liquidates, takes over and records."""
        t = self.clock
        self._move_surfaces(t + 1)
        market = self.market
        terms, _current, rules = self.handed_over
        self._start(self.state, t, market.price, market.volatility, self.known, self.conditions, terms, rules)
        if self.sight is not None:
            watch(self.state, self.sight, self.kept, terms, rules, False)
        self.agents.do("step")
        last = (t + 1) % self.grid.substeps == 0
        worst = self._settle(self.state, t, self.first, market.volatility, terms, rules, last)
        if not worst <= STOP:
            raise InvariantBroken(
                f"books are out of balance by {worst:.1e} at step {t} (seed {self.study.seed}, "
                f"paths {self.first} to {self.first + self.market.price.shape[2] - 1})"
            )
        if self.sight is not None:
            watch(self.state, self.sight, self.kept, terms, rules, True)
        self.clock = t + 1
        if self._follows:
            self.ratios.append(self._ratios_now())

    @cached_property
    def _start(self):
        terms, _current, rules = self.handed_over
        market = self.market
        return entry(start_step, self.state, 0, market.price, market.volatility, self.known, self.conditions, terms, rules)

    @cached_property
    def _settle(self):
        terms, _current, rules = self.handed_over
        return entry(settle, self.state, 0, self.first, self.market.volatility, terms, rules, True)

    def _ratios_now(self) -> np.ndarray:
        found = np.empty((self.rules.markets, self.market.price.shape[2]))
        terms, _current, rules = self.handed_over
        ratios_now(self.state, found, terms, rules)
        return found

    def _surfaces(self, scenario: Scenario, purpose: str) -> np.ndarray:
        """[market step + 1, underlying, parameter, path] of the underlyings of options, in the order of their parameters."""
        parts = {name: scenario.surfaces[name] for name in scenario.parameters.options}
        for u, part in enumerate(parts.values()):
            book.option_part(self.state, self.rules, "underlyings")[:, u, book.SURFACE_REVERSION] = part.term_reversion
        references = [scenario.market.reference_volatility(name) for name in self.market.assets]
        return make_surfaces(parts, self.market, references, scenario.seed, purpose, self.first)

    def _move_surfaces(self, t: int) -> None:
        """The surfaces known at substep `t` are those on which options are marked."""
        if self.surface is not None:
            now = self.surface[t // self.rules.substeps]  # [underlying, parameter, path]
            book.option_part(self.state, self.rules, "underlyings")[:, :, book.SURFACE_SHORT : book.SURFACE_ETA + 1] = (
                now.transpose(2, 0, 1)
            )

    def run(self, steps: int) -> None:
        """Move `steps` substeps, parameters in force following the vote's notice and phase-in."""
        for _ in range(steps):
            self._phase_in()
            self.step()

    def vote(self, candidate: RiskParameters | Vote) -> None:
        """`candidate` is voted now: it takes effect with the protocol's notice and phase-in."""
        if isinstance(candidate, RiskParameters):
            candidate = self.before.model_copy(update={"parameters": candidate})
        self.candidate = candidate
        self.changes = self.candidate != self.before
        self.voted_at = self.clock

    def _put_in_force(self, terms: np.record) -> None:
        self.terms = terms
        self._follows = bool(self.rules.follows_volatility)
        self.handed_over = tuple(handed_over(numbers) for numbers in (terms, self.current, self.rules))

    def _phase_in(self) -> None:
        if not self.changes:
            return
        weight = self.study.protocol.change.share((self.clock - self.voted_at) * self.grid.dt)
        if weight == self._weight:
            return
        self._weight = weight
        if self.candidate.rules != self.before.rules:
            self._change_rules(blend(self.before, self.candidate, weight))
        self._put_in_force(_terms_under(blend(self.before.parameters, self.candidate.parameters, weight), self.rules))
        forget(self.state)

    def _change_rules(self, force: Vote) -> None:
        """Rules as `force` says; what it adds to the fund comes from the treasury, as far as the fund has what goes back."""
        self.rules = self._rules_of(force)
        fund, treasury = (self.state.accounts[:, self.rules.accounts + who] for who in (book.FUND, book.TREASURY))
        moved = np.maximum(force.protocol.fund.cash - self.force.protocol.fund.cash, -np.maximum(fund[:, book.CASH], 0.0))
        fund[:, book.CASH] += moved
        treasury[:, book.CASH] -= moved
        self.force = force

    def _rules_of(self, vote: Vote) -> np.record:
        """The numbers of its rules; the scenario's own where it changes none."""
        return self.usual if vote.rules == self.before.rules else self._make_rules(vote.protocol, keepers=vote.keepers)

    def snapshot(self) -> list[np.ndarray]:
        """Copies of everything that moves."""
        return [array.copy() for array in self.state[: book.MOVING]]

    def restore(self, snapshot: list[np.ndarray], time: int) -> None:
        """Back to a snapshot taken at `time`, under current parameters."""
        for array, copy in zip(self.state, snapshot, strict=False):
            array[...] = copy
        self.clock, self._weight, self.rules = time, 0.0, self.usual
        self.candidate, self.force, self.changes = self.before, self.before, False
        self._put_in_force(self.current)

    def let_go(self) -> None:
        """Drop everything large. Mesa's models and agents name each other, so they stay until Python looks for such cycles."""
        del self.state, self.market, self.known, self.conditions, self.surface
        del self.terms, self.current, self.rules, self.usual, self.handed_over
        self.ratios = []

    def outcomes_of(self, candidate: RiskParameters | Vote) -> Outcomes:
        """Vote `candidate` now, live to the horizon, and say what happened in each window."""
        paths = self.market.price.shape[2]
        newly = np.zeros(paths)
        self.vote(candidate)
        changed = self._rules_of(self.candidate)
        count_newly_liquidatable(
            self.state, newly, self.current, _terms_under(self.candidate.parameters, changed), self.rules, changed
        )
        self.state.scalar[:, book.STEPS] = 0.0
        if self.state.ledger.size:
            self.state.ledger[...], self.sight = 0.0, make_sight(self.state, self.rules)
        marks = [self._mark()]
        self.ratios = [self._ratios_now()] if self.rules.follows_volatility else []
        self.run(self.grid.transition_steps)
        marks.append(self._mark())
        self.run(self.grid.horizon_steps - self.grid.transition_steps)
        marks.append(self._mark())
        columns: dict[str, np.ndarray] = {}
        for window, start, end in (("transition", 0, 1), ("steady", 1, 2), ("whole", 0, 2)):
            columns |= _window(window, marks[start], marks[end], self.grid)
            if self.ratios:
                between = np.array(self.ratios[marks[start][2] - self.voted_at : marks[end][2] - self.voted_at + 1])
                columns |= {f"{key}.{window}": value for key, value in procyclicality(between, self.grid.dt).items()}
        columns |= _variances(self.market.assets, marks[0], marks[2], self.grid)
        columns["newly_liquidatable.transition"] = newly
        if self.market.weight is not None:
            columns |= {WEIGHT: self.market.weight.copy(), UNSEEN: np.full(paths, self.market.weight_of_unseen)}
        if self.sight is not None:
            columns |= self._losses(self.sight)
        return Outcomes(np.arange(self.first, self.first + paths), columns)

    def _losses(self, sight: np.ndarray) -> dict[str, np.ndarray]:
        """Where the loss of every path came from, by cause, asset and cohort; nothing of paths without a ledger."""
        causes_of_latent(self.state, sight, self.rules)
        names = [*(cohort.part.name for cohort in self.cohorts), *SPECIAL_NAMES[: book.SPECIAL]]
        sizes = [len(cohort.population) for cohort in self.cohorts]
        groups = {"cause": list(CAUSES), "asset": list(self.market.assets), "cohort": names}
        labels = [f"loss_by_{group}.{name}.whole" for group, members in groups.items() for name in members]
        parts = np.zeros((len(self.kept), len(labels)))
        sum_up(self.state, sight, np.repeat(np.arange(len(names)), [*sizes, *[1] * book.SPECIAL]), parts, self.rules)
        parts[~self.kept] = 0.0
        return {label: parts[:, n].copy() for n, label in enumerate(labels)}

    def _mark(self) -> tuple[np.ndarray, np.ndarray, int, np.ndarray]:
        """Counters and (latent, fund, vault) of every path now, the time, and squared returns by asset."""
        ends = np.zeros((self.market.price.shape[2], 3))
        close_window(self.state, ends, self.terms, self.rules)
        if np.isnan(ends).any():
            raise InvariantBroken(f"books are out of balance at step {self.clock} (seed {self.study.seed})")
        squares = self.state.asset[:, :, [book.EXTERNAL_SQUARES, book.OBSERVED_SQUARES]]
        return self.state.scalar.copy(), ends, self.clock, squares


def _terms_under(parameters: RiskParameters, rules: np.record) -> np.record:
    """The numbers of `parameters`, stamped by the numbers of the portfolio margin too: another stamp for another sheet."""
    terms = make_terms(parameters)
    if rules.grid > 0:
        fixed = (rules.grid_number, rules.grid_scenario, rules.grid_underlying, rules.grid_correlation)
        terms.stamp = hash((float(terms.stamp), *(numbers.tobytes() for numbers in fixed))) % 2**52 + 1
    return terms


COUNTERS = {
    "realised_bad_debt": book.REALISED,
    "fund_draw": book.FUND_DRAW,
    "adl_haircut": book.ADL_HAIRCUT,
    "adl_volume": book.ADL_VOLUME,
    "socialised_loss": book.SOCIALISED,
    "uncovered_loss": book.UNCOVERED,
    "liquidations": book.LIQUIDATIONS,
    "liquidated_notional": book.LIQUIDATED,
    "takeovers": book.TAKEOVERS,
    "penalties": book.PENALTIES,
    "fees": book.FEES,
    "gas": book.GAS,
    "refusals": book.REFUSED,
    "user_cost": book.USER_COST,
    "time_under_water": book.UNDER_WATER,
}
BUCKETS = ("realised_bad_debt", "latent_bad_debt", "fund_draw", "adl_haircut", "socialised_loss", "uncovered_loss")
DUST = 1e-6  # [usd] a loss below this is rounding: no path is a losing path because of it
AVERAGES = {
    "open_interest": book.OPEN_INTEREST,
    "borrowed": book.BORROWED,
    "collateral": book.COLLATERAL,
    "utilisation": book.UTILISATION_SUM,
}


def _window(name: str, start, end, grid: Grid) -> dict[str, np.ndarray]:
    """The columns of one window from the marks at its two ends; empty windows have zero length and NaN-free zeros."""
    (before, ends0, t0, squares0), (after, ends, t1, squares) = start, end
    steps = max(t1 - t0, 1)
    columns = {key: after[:, field] - before[:, field] for key, field in COUNTERS.items()}
    columns |= {key: (after[:, field] - before[:, field]) / steps for key, field in AVERAGES.items()}
    columns["latent_bad_debt"] = ends[:, 0].copy()
    for key in BUCKETS:
        columns[key][np.abs(columns[key]) < DUST] = 0.0
    columns["loss"] = columns["realised_bad_debt"] + columns["latent_bad_debt"]
    columns["vault_loss"] = np.maximum(ends0[:, 2] - ends[:, 2], 0.0)
    columns["fund_end"] = ends[:, 1].copy()
    columns["fund_minimum"] = after[:, book.FUND_MINIMUM].copy()
    basis = np.maximum(columns["collateral"], 1e-9)
    columns["capital_efficiency_used"] = (columns["open_interest"] + columns["borrowed"]) / basis
    variance = (squares[:, 0] - squares0[:, 0]) / (steps * grid.dt / YEAR)
    columns["external_variance"], columns["observed_variance"] = variance.T
    return {f"{key}.{name}": np.ascontiguousarray(value) for key, value in columns.items()}


def _variances(assets: Sequence[str], start, end, grid: Grid) -> dict[str, np.ndarray]:
    """Realised variance of every asset [1/year] between two marks, outside and observed."""
    variance = (end[3] - start[3]) / (max(end[2] - start[2], 1) * grid.dt / YEAR)
    sides = ("external_variance", "observed_variance")
    return {f"{side}.{name}.whole": variance[:, a, s].copy() for a, name in enumerate(assets) for s, side in enumerate(sides)}


def block_size(scenario: Scenario, accounts: int) -> int:
    """How many paths a block holds: state that stays in cache, market arrays that stay small. Only speed depends on it."""
    least = 8 if accounts <= 10_000 else 4
    cells = max(BLOCK_CELLS // max(accounts, 1), least)
    columns = len(scenario.market.asset_names) * (1 + 1 / scenario.grid.substeps) + (scenario.gas is not None)
    row = 8 * (scenario.grid.steps + 2) * columns
    return max(1, min(cells, int(BLOCK_BYTES / row), 2048))


def evaluate(
    scenario: Scenario,
    candidates: Sequence[RiskParameters | Vote],
    purpose: str = "run",
    first: int = 0,
    count: int | None = None,
    jobs: int = 1,
    *,
    block: int | None = None,
    progress: Progress | None = None,
    market: MarketPaths | None = None,
    populations: Sequence[Population] | None = None,
) -> list[Outcomes]:
    """Outcomes of every candidate on the same paths `first .. first + count - 1`, in the order of `candidates`.

    The burn-in is lived once per path, under the scenario's current parameters, and shared. Bytes depend on (scenario,
    candidate, purpose, path id) alone: not on `jobs`, `block`, `first` or the other candidates. `progress` is called with the
    number of path-candidates done. Raises InvariantBroken if the books do not balance.
    """
    count = scenario.paths if count is None else count
    if populations is None:
        populations = make_populations(scenario)
    size = block or block_size(scenario, sum(getattr(c, "accounts", 0) for c in scenario.cohorts))
    if block is None and jobs > 1:
        size = min(size, max(LEAST_SHARED, -(-count // (2 * jobs))))  # every worker has something to do
    starts = range(first, first + count, size)
    blocks = [(start, min(size, first + count - start)) for start in starts]
    if jobs == 1 or market is not None or len(blocks) * len(candidates) == 1:
        parts = []
        for start, paths in blocks:
            parts.append(_evaluate_block(scenario, candidates, purpose, start, paths, market, populations, first))
            if progress:
                progress(paths * len(candidates))
    else:
        parts = _in_parallel(scenario, candidates, purpose, blocks, jobs, progress, populations)
    return [Outcomes.concatenate([part[c] for part in parts]) for c in range(len(candidates))]


def _in_parallel(scenario, candidates, purpose, blocks, jobs, progress, populations):
    """Outcomes of all candidates, block by block, from workers. Kernels are compiled here first: local workers find them cached.

    Where there are fewer blocks than workers the candidates are shared out too; each share lives the burn-in again.
    """
    _compile(scenario)
    shares = min(len(candidates), max(1, jobs // len(blocks)))
    groups = [candidates[share::shares] for share in range(shares)]
    tasks = [(scenario, group, purpose, start, paths, None, populations, 0) for start, paths in blocks for group in groups]
    told = (lambda part: progress(len(part[0]) * len(part))) if progress else None
    found = run_all(_evaluate_block, tasks, jobs, told)
    return [[found[b * shares + c % shares][c // shares] for c in range(len(candidates))] for b in range(len(blocks))]


_compiled: set[tuple[str, ...]] = set()  # kinds of parts whose kernels this process has compiled or loaded


def _compile(scenario) -> None:
    """Compile every kernel that `scenario` needs, or load it from the cache: the shortest run there is of one path."""
    gas = scenario.gas.kind if scenario.gas else ""
    ledger = "" if scenario.ledger is None else "ledger"
    kinds = (scenario.market.kind, gas, ledger, *sorted({cohort.kind for cohort in scenario.cohorts}))
    if kinds in _compiled:
        return
    _compiled.add(kinds)
    grid = scenario.grid
    step = grid.market_step / DAY
    short = grid.model_copy(update={"burn_in": 0.0, "transition": step, "horizon": step})
    _evaluate_block(scenario.model_copy(update={"grid": short}), [scenario.parameters], "compile", 0, 1, None, None, 0)


def _evaluate_block(scenario, candidates, purpose, start, paths, market, populations, first) -> list[Outcomes]:
    if market is None:
        part = scenario.market_paths(purpose, start, paths)
    else:
        rows = slice(start - first, start - first + paths)
        part = market.rows(rows)
    model = RiskModel(scenario, part, purpose=purpose, first=start, populations=populations, ledger=scenario.ledger)
    model.run(scenario.grid.burn_in_steps)
    shared = model.snapshot() if len(candidates) > 1 else None
    outcomes = []
    for number, candidate in enumerate(candidates):
        if number:
            assert shared is not None
            model.restore(shared, scenario.grid.burn_in_steps)
        outcomes.append(model.outcomes_of(candidate))
    model.let_go()
    return outcomes


def simulate(
    scenario: Scenario,
    *,
    parameters: RiskParameters | Vote | None = None,
    purpose: str = "run",
    first: int = 0,
    count: int | None = None,
    jobs: int = 1,
    block: int | None = None,
    progress: Progress | None = None,
    market: MarketPaths | None = None,
    populations: Sequence[Population] | None = None,
) -> Outcomes:
    """What happens under `parameters` (default: the scenario's own) on `count` paths. See `evaluate`.

    `market` replaces the scenario's own paths (their order is that of the path ids from `first`); `populations`, one per
    account cohort, replaces its accounts.
    """
    candidate = scenario.parameters if parameters is None else parameters
    return evaluate(
        scenario,
        [candidate],
        purpose,
        first,
        count,
        jobs,
        block=block,
        progress=progress,
        market=market,
        populations=populations,
    )[0]


__all__ = ["InvariantBroken", "RiskModel", "block_size", "evaluate", "simulate"]
