"""The reference world: the same liquidations by plain Mesa and by the engine, in one run.

A published definition (paths, accounts and rules below) with published totals: at 20 paths, 288 steps and 1,000 accounts,
bad debt per path is 70,642.4392 and liquidations per path 393.900. The engine runs it from ordinary parts: whole
liquidation with a guaranteed penalty, keepers who always act, a `linear-permanent` venue, residual counterparty OUTSIDE.

    python -m benchmarks.reference_world [--json]
"""

from __future__ import annotations

import argparse
import json
import time

import mesa
import numpy as np

from simulator.agents.population import Population
from simulator.market import MarketPaths
from simulator.model import RiskModel, block_size, simulate
from simulator.scenario import Scenario

PRICE, MAINTENANCE, PENALTY, IMPACT = 100.0, 0.03, 0.005, 0.5
DEPTH_PER_ACCOUNT, FUND_PER_ACCOUNT = 5e4, 2.0
PUBLISHED = {"bad_debt": 70642.4392, "liquidations": 393.900}


def world(paths: int, steps: int, accounts: int, seed: int = 1):
    """Log returns [path, step], sizes, sides and collateral [account]: normal diffusion and Merton jumps in five minutes."""
    draw = np.random.default_rng(seed)
    dt = 1 / 288
    returns = 0.06 * np.sqrt(dt) * draw.standard_normal((paths, steps))
    jumps = draw.poisson(2.0 * dt, (paths, steps))
    returns += np.where(jumps > 0, jumps * -0.05 + np.sqrt(jumps) * 0.06 * draw.standard_normal((paths, steps)), 0.0)
    notional = np.exp(draw.normal(9.0, 1.2, accounts))
    leverage = np.exp(draw.uniform(np.log(2), np.log(25), accounts))
    side = np.where(draw.random(accounts) < 0.55, 1.0, -1.0)
    return returns, notional, leverage, side


class Trader(mesa.Agent):
    """One account, written as a Mesa tutorial would."""

    def __init__(self, model, size, collateral):
        super().__init__(model)
        self.size, self.entry, self.cash, self.live = size, PRICE, collateral, True

    def step(self):
        if self.live:
            notional = abs(self.size) * self.model.price
            equity = self.cash + self.size * (self.model.price - self.entry)
            if equity < MAINTENANCE * notional:
                self.model.liquidate(self, equity, notional)


class Market(mesa.Model):
    """One path, one agent an account."""

    def __init__(self, returns, sizes, collateral):
        super().__init__(rng=0)
        self.returns, self.price, self.net, self.short, self.bad, self.liquidations = returns, PRICE, 0.0, 0.0, 0.0, 0
        self.depth, self.fund = DEPTH_PER_ACCOUNT * len(sizes), FUND_PER_ACCOUNT * len(sizes)
        for size, cash in zip(sizes.tolist(), collateral.tolist(), strict=True):
            Trader(self, size, cash)

    def liquidate(self, trader, equity, notional):
        self.next_net += trader.size * self.price
        rest = equity - PENALTY * notional
        if rest < 0:
            self.short -= rest
        else:
            self.fund += PENALTY * notional
        trader.size, trader.live = 0.0, False
        self.liquidations += 1

    def step(self):
        self.price *= np.exp(self.returns[self.steps - 1]) * (1 - IMPACT * self.net / self.depth)
        self.next_net = self.short = 0.0
        self.agents.do("step")
        paid = min(self.fund, self.short)
        self.fund -= paid
        self.bad += self.short - paid
        self.net = self.next_net


def scenario_of(steps: int, accounts: int) -> Scenario:
    """The reference world in ordinary parts."""
    return Scenario.from_text(
        f"""
name = "reference-world"
seed = 1
paths = 1
[grid]
market_step = 300.0
burn_in = 0.0
transition = {300 * steps / 86400!r}
horizon = {300 * steps / 86400!r}
[market]
kind = "model"
assets = [{{ name = "X", price = 100.0, process = {{ kind = "geometric-brownian", volatility = 1.146 }} }}]
[protocol]
valuation_price = "mark"
residual = "uncovered"
[protocol.funding]
cap = 0.0
[protocol.venues.X]
spot = {{ kind = "linear", depth = 1e12 }}
perpetual = {{ kind = "linear-permanent", depth = {DEPTH_PER_ACCOUNT * accounts!r}, coefficient = {IMPACT!r} }}
[protocol.liquidation]
kind = "whole"
keeper_share = 0.0
guaranteed = true
[protocol.counterparty]
kind = "outside"
[protocol.fund]
cash = {FUND_PER_ACCOUNT * accounts!r}
[parameters.perpetuals.X]
initial_margin_ratio = {MAINTENANCE!r}
maintenance_margin_ratio = {MAINTENANCE!r}
[parameters.liquidation]
penalty = {PENALTY!r}
[[cohorts]]
kind = "perp-traders"
name = "traders"
market = "X"
accounts = {accounts}
wealth = {{ median = 1.0 }}
leverage = {{ low = 2.0, high = 25.0 }}
activity = 0.0
margin_buffer = 0.0
[[cohorts]]
kind = "keepers"
acts = "always"
""",
        ".",
        "reference-world",
    )


def mesa_row(paths: int, steps: int, accounts: int) -> dict:
    """Plain Mesa: bare `agents.do`, no collector."""
    returns, notional, leverage, side = world(paths, steps, accounts)
    sizes, collateral = side * notional / PRICE, notional / leverage
    start = time.perf_counter()
    models = []
    for path in range(paths):
        model = Market(returns[path], sizes, collateral)
        for _ in range(steps):
            model.step()
        models.append(model)
    seconds = time.perf_counter() - start
    bad, liquidations = [m.bad for m in models], [m.liquidations for m in models]
    return _row("mesa", paths, steps, accounts, seconds, bad, liquidations)


def engine_row(paths: int, steps: int, accounts: int) -> dict:
    """The engine on one core, checks on; compiled before the clock starts."""
    scenario = scenario_of(steps, accounts)
    returns, notional, leverage, side = world(paths, steps, accounts)
    price = PRICE * np.exp(np.vstack([np.zeros((1, paths)), np.cumsum(returns.T, axis=0)]))[:, None, :]
    market = MarketPaths.from_prices(("X",), price, 300.0)
    population = Population(notional / leverage, leverage, side[:, None].copy())
    block = block_size(scenario, accounts)
    RiskModel(scenario, _first(market, 2), populations=[population]).run(2)
    simulate(scenario, count=2, market=_first(market, 2), populations=[population])
    start = time.perf_counter()
    outcomes = simulate(scenario, count=paths, block=block, market=market, populations=[population])
    seconds = time.perf_counter() - start
    bad, liquidations = outcomes.column("uncovered_loss.whole"), outcomes.column("liquidations.whole")
    return _row("simulator", paths, steps, accounts, seconds, bad, liquidations) | {"block": block}


def _first(market: MarketPaths, paths: int) -> MarketPaths:
    return MarketPaths.from_prices(market.assets, market.price[:, :, :paths], market.dt)


def _row(name, paths, steps, accounts, seconds, bad, liquidations) -> dict:
    return {
        "implementation": name,
        "paths": paths,
        "steps": steps,
        "accounts": accounts,
        "seconds": seconds,
        "account_steps_per_s": paths * steps * accounts / seconds,
        "bad_debt_per_path": float(np.mean(bad)),
        "liquidations_per_path": float(np.mean(liquidations)),
    }


def cross_margin_rows() -> list[dict]:
    """A cross-margin world with agents on both sides, all mechanics and checks on, at 1 % and 0.1 % activity, stress and calm."""
    rows = []
    for weather, volatility in (("stress", 2.2), ("calm", 0.6)):
        for activity in (0.01, 0.001):
            for paths, accounts in ((1000, 1000), (200, 10_000)):
                rows.append(cross_margin_row(weather, volatility, activity, paths, accounts))
    return rows


def cross_margin_row(weather: str, volatility: float, activity: float, paths: int, accounts: int, steps: int = 288) -> dict:
    """`activity`: the share of accounts that look at their position in a step of five minutes."""
    from benchmarks.cross_margin import scenario_text

    scenario = Scenario.from_text(scenario_text(volatility, activity, accounts, steps), ".", "cross-margin")
    block = block_size(scenario, accounts)
    simulate(scenario, count=1)
    market = scenario.market.paths(scenario.grid, scenario.seed, "run", 0, paths)
    start = time.perf_counter()
    outcomes = simulate(scenario, count=paths, block=block, market=market)
    seconds = time.perf_counter() - start
    name = f"simulator cross-margin, {weather}, {activity:.1%} trade a step"
    row = _row(name, paths, steps, accounts, seconds, outcomes.column("loss.whole"), outcomes.column("liquidations.whole"))
    fees = outcomes.column("fees.whole").mean()
    return row | {"block": block, "fees_per_path": float(fees)}


def main() -> None:
    """Print both worlds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    parser.add_argument("--quick", action="store_true", help="a tenth of the paths, and no cross-margin rows")
    options = parser.parse_args()
    large = 100 if options.quick else 1000
    rows = [mesa_row(20, 288, 1000), engine_row(20, 288, 1000), engine_row(large, 288, 10_000)]
    result = {
        "ratio_to_mesa": rows[2]["account_steps_per_s"] / rows[0]["account_steps_per_s"],
        "published": PUBLISHED,
        "rows": rows if options.quick else rows + cross_margin_rows(),
    }
    if options.json:
        print(json.dumps(result, indent=1))
        return
    for row in result["rows"]:
        print(
            f"{row['implementation']:<55} P={row['paths']:<5} N={row['accounts']:<6} {row['seconds']:7.2f} s "
            f"{row['account_steps_per_s'] / 1e6:8.1f} M/s  bad debt {row['bad_debt_per_path']:.4f}  "
            f"liquidations {row['liquidations_per_path']:.3f}"
        )
    print(f"ratio_to_mesa {result['ratio_to_mesa']:.0f}")


if __name__ == "__main__":
    main()
