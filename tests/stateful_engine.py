"""Sequences of operations on the engine's own rules, drawn by Hypothesis: run by test_stateful_engine.py, without compiling."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

sys.path.insert(0, str(Path(__file__).parent))
import reference_lending_worlds
import reference_margin_worlds
import reference_worlds
from test_engine_equals_reference import engine_of

from simulator.protocol import book
from simulator.protocol.audit import audit
from simulator.protocol.health import find_liquidatable, maintenance
from simulator.protocol.liquidate import serve
from simulator.protocol.prices import begin, observe, value
from simulator.protocol.requests import grant
from simulator.protocol.settle import refresh_cut
from simulator.protocol.waterfall import settle_deficits, take_over, unwind_vault

WORLDS = [(reference_worlds.mixed_world, 1), (reference_worlds.mixed_world, 2), (reference_margin_worlds.guarded_world, 0)]
WORLDS += [(reference_margin_worlds.guarded_world, 1), (reference_margin_worlds.liquidation_world, 0)]
WORLDS += [(reference_lending_worlds.cross_world, 1)]  # negative cash bears interest
ACCOUNTS = st.integers(0, 10**6)
MOVES = st.floats(-0.3, 0.3)


class Engine(RuleBasedStateMachine):
    """Trade, deposit, borrow, leave, liquidate, take over, accrue and settle, in any order: docs/model.md sections 4 and 5."""

    def __init__(self):
        super().__init__()
        self.model = None

    @precondition(lambda self: self.model is None)
    @rule(which=st.sampled_from(range(len(WORLDS))))
    def load(self, which):
        make, seed = WORLDS[which]
        self.world = make(seed)
        self.model = engine_of(self.world)
        self.b, self.rules, self.terms = book.path_of(self.model.state, 0), self.model.rules, self.model.terms
        self.price = np.array(self.world.prices[0], float)
        self.volatility = np.array(self.world.volatility[0], float)

    @precondition(lambda self: self.model is not None)
    @rule(move=MOVES, common=MOVES)
    def time_passes(self, move, common):
        previous, self.price = self.price, self.price * np.exp(common)
        self.price[0] *= np.exp(move)
        begin(self.b, self.price, previous, self.volatility, self.volatility, self.terms, self.rules)
        if self.rules.has_vault:
            unwind_vault(self.b, self.rules)

    @precondition(lambda self: self.model is not None)
    @rule(i=ACCOUNTS, market=st.integers(-1, 1), size=st.floats(-3, 3), cash=st.floats(0, 1000), leaves=st.booleans())
    def trades(self, i, market, size, cash, leaves):
        request = self.request(i)
        request[book.R_MARKET] = min(market, self.rules.markets - 1)
        price = self.b.market[max(int(request[book.R_MARKET]), 0), book.MARGIN_PRICE]
        request[book.QUANTITY] = size * 1000.0 / price if market >= 0 else 0.0
        request[book.R_CASH], request[book.EXIT] = cash, float(leaves)
        self.alone(i, lambda: grant(self.b, request, self.terms, self.rules))

    @precondition(lambda self: self.model is not None and self.rules.currencies > 0)
    @rule(i=ACCOUNTS, k=st.integers(0, 2), d=st.integers(0, 2), tokens=st.floats(-20, 20), borrow=st.floats(-500, 500))
    def deposits_and_borrows(self, i, k, d, tokens, borrow):
        request = self.request(i)
        request[book.R_CURRENCY], request[book.TOKENS] = k % self.rules.currencies, tokens
        d %= self.rules.currencies
        if self.rules.borrowable[d]:
            request[book.R_DEBT] = d
            request[book.BORROW] = borrow / self.b.asset[self.rules.currency_asset[d], book.INDEX]
        self.alone(i, lambda: grant(self.b, request, self.terms, self.rules))

    @precondition(lambda self: self.model is not None and self.rules.has_keepers)
    @rule(i=ACCOUNTS)
    def is_liquidated(self, i):
        i %= self.rules.accounts
        before = maintenance(self.b, self.b.accounts[i], self.terms, self.rules)
        if not self.alone(i, lambda: serve(self.b, i, self.terms, self.rules)):
            return
        after = maintenance(self.b, self.b.accounts[i], self.terms, self.rules)
        assert before[0] < 0.0, "only who is liquidatable is liquidated"
        assert after[2] <= before[2] * (1 + 1e-12), "a liquidation asks for no more margin"

    @precondition(lambda self: self.model is not None and self.rules.has_vault)
    @rule()
    def vault_takes_over(self):
        self.refresh()
        take_over(self.b, self.terms, self.rules)

    @precondition(lambda self: self.model is not None)
    @rule()
    def deficits_are_settled(self):
        settle_deficits(self.b, self.terms, self.rules)

    def request(self, i):
        request = np.zeros(book.REQUEST_FIELDS)
        request[book.ACCOUNT] = i % self.rules.accounts
        request[[book.R_MARKET, book.R_CURRENCY, book.R_DEBT, book.R_OPTION]] = -1.0
        return request

    def alone(self, i, act):
        """Do `act`, which may change account `i` and special records and no other account."""
        i %= self.rules.accounts
        before = self.b.accounts[: self.rules.accounts].copy()
        done = act()
        changed = (self.b.accounts[: self.rules.accounts] != before).any(axis=1)
        changed[i] = False
        assert not changed.any(), f"what account {i} did changed {np.flatnonzero(changed)}"
        return done

    def refresh(self):
        observe(self.b, self.rules, 0.0)
        value(self.b, self.rules)
        if self.b.scalar[book.CUT] < 0.0:
            refresh_cut(self.b, self.volatility[None, :, None], 0, 0, self.terms, self.rules)

    @invariant()
    def books_balance_and_the_watch_list_misses_nobody(self):
        if self.model is None:
            return
        if self.b.scalar[book.DEFICIT_CASH] + self.b.scalar[book.DEFICIT_OUTSIDE] == 0.0:  # else: not yet in a bucket
            assert audit(self.b, self.rules) < 1e-9
        assert self.b.accounts[self.rules.accounts + book.FUND, book.CASH] >= 0.0
        self.refresh()
        found = find_liquidatable(self.b, self.terms, self.rules)
        rows = self.b.accounts[: self.rules.accounts]
        bad = [i for i, row in enumerate(rows) if maintenance(self.b, row, self.terms, self.rules)[0] < 0.0]
        assert sorted(self.b.found[:found]) == bad


if __name__ == "__main__":
    checks = list(HealthCheck)
    run_state_machine_as_test(
        Engine,
        settings=settings(
            max_examples=int(sys.argv[1]),
            stateful_step_count=int(sys.argv[2]),
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=checks,
        ),
    )
