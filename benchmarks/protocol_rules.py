"""Protocol rules: positions margined, rates read and bands arbitraged per second, on one core.

    python -m benchmarks.protocol_rules [--json]

Each speed is the best of five rounds over arrays, after a first call that compiles.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable

import numpy as np
from pydantic import TypeAdapter

from simulator.protocol.bands import loan
from simulator.protocol.interest import AdaptiveCurve, KinkedRate
from simulator.protocol.interest.curves import curve
from simulator.protocol.margin_ratio import MarginRatio
from simulator.protocol.margin_ratio.requirement import requirements
from simulator.protocol.portfolio_margin import PortfolioMargin, presets
from simulator.protocol.portfolio_margin.account import margins as portfolio_margins
from simulator.protocol.portfolio_margin.account import method_of
from simulator.protocol.portfolio_margin.records import Accounts, Instruments, Market, instruments

PART: TypeAdapter[MarginRatio] = TypeAdapter(MarginRatio)
TIERS = [{"lower_bound": 0.0, "greatest_leverage": 40.0}, {"lower_bound": 150e6, "greatest_leverage": 20.0}]
RATIOS = (
    {"kind": "flat", "initial_margin_ratio": 0.1, "maintenance_margin_ratio": 0.05},
    {"kind": "open-interest-scaled", "initial_margin_ratio": 0.1, "maintenance_fraction": 0.5,
     "lower_open_interest": 2e7, "upper_open_interest": 5e7},
    {"kind": "size-scaled", "initial_margin_ratio": 0.1, "maintenance_margin_ratio": 0.05, "size_factor": 1e-4},
    {"kind": "skew-scaled", "skew_scale": 1e5, "scaled_ratio": 2.0, "minimum_ratio": 0.01, "maintenance_scalar": 0.5},
    {"kind": "collateral-factor", "minimum_factor": 0.01, "minimum_factor_liquidation": 0.01, "open_interest_factor": 1e-10},
    {"kind": "tiered", "tiers": TIERS},
)  # fmt: skip


def per_second(work: Callable[[], object], count: int) -> float:
    """`count` over the least time of five calls after a first."""
    work()
    times = []
    for _ in range(5):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return count / min(times)


def margins(count: int) -> dict[str, float]:
    """Positions per second of each margin ratio."""
    rng = np.random.default_rng(0)
    size, price, interest = rng.normal(0, 1_000, count), rng.uniform(10, 5e4, count), rng.uniform(0, 1e8, count)

    def work(fields: dict) -> Callable[[], object]:
        part = PART.validate_python(fields)
        return lambda: requirements(part, size, price, interest)

    return {str(fields["kind"]): per_second(work(fields), count) for fields in RATIOS}


METHOD: TypeAdapter[PortfolioMargin] = TypeAdapter(PortfolioMargin)
RISK = {"ETH": {"long_run_volatility": 0.6, "stressed_volatility": 1.2}}
METHODS: tuple[dict, ...] = (
    {"kind": "span", "price_scan_range": 0.15, "volatility_scan_range": 0.2},
    {"kind": "standard"},
    {"kind": "expected-shortfall", "markets": {"ETH": {"volatility": 0.8}}},
    {"kind": "naked", "bounds": [{"days": 7.0, "share": 0.17}, {"days": 30.0, "share": 0.3}]},
    {"kind": "parametric", "markets": RISK},
    {"kind": "delta-gamma", "markets": RISK},
)
PATHS, EXPIRIES, STRIKES, HELD = 4, 4, 10, 5


def option_book(accounts: int) -> tuple[Instruments, Market, Accounts]:
    """A chain of four expiries of ten strikes on four paths; accounts of a perpetual and five of the eighty options each."""
    rng, each = np.random.default_rng(0), 2 * STRIKES
    expiry, strikes = np.repeat(np.arange(EXPIRIES), each), np.repeat(np.linspace(1_500, 2_500, STRIKES), 2)
    chain = instruments(np.zeros(len(expiry), int), expiry, np.tile(strikes, EXPIRIES), np.tile([1, 0], EXPIRIES * STRIKES), 1)
    one, term, none = np.ones((PATHS, 1)), np.ones((PATHS, EXPIRIES)), np.zeros((PATHS, 0))
    market = Market(
        one * 2_000, one * 2_000, one, one, one * 0.7, term * 2_000, term * 0, term * np.array([0.02, 0.08, 0.25, 0.5]), term * 0,
        term, np.full((PATHS, len(expiry)), 0.7), none, none, one,
    )  # fmt: skip
    options = np.zeros((1, accounts, len(expiry)))
    for n in range(accounts):
        options[0, n, rng.choice(len(expiry), HELD, replace=False)] = rng.normal(0, 10, HELD)
    sizes, nothing = rng.normal(0, 10, (1, accounts, 1)), np.zeros((1, accounts, 1))
    return chain, market, Accounts(np.full((1, accounts), 1e4), options, sizes, nothing, np.zeros((1, accounts, 0)))


def portfolios(accounts: int) -> dict[str, float]:
    """Accounts per second and method, their instruments valued once a path: all in the time."""
    chain, market, book = option_book(accounts)

    def work(fields: dict) -> Callable[[], object]:
        method = method_of(METHOD.validate_python(fields), ("ETH",))
        return lambda: portfolio_margins(method, chain, market, book)

    grid = presets.derive_pmrm2().model_dump()
    return {str(fields["kind"]): per_second(work(fields), PATHS * accounts) for fields in (grid, *METHODS)}


def interest_rates(count: int) -> dict[str, float]:
    """Utilisations per second of two rate curves."""
    used = np.random.default_rng(0).uniform(0, 1, count)
    kinked = KinkedRate(kind="kinked", slope_below=0.04, slope_above=0.6, optimal_utilisation=0.9)
    adaptive = AdaptiveCurve(kind="adaptive-curve")
    return {part.kind: per_second(lambda part=part: curve(part, used), count) for part in (kinked, adaptive)}


def band_steps(steps: int) -> dict[str, float]:
    """Bands arbitraged and valued per second: one loan of ten bands along a path that crosses them."""
    path = 2_000 * np.exp(np.cumsum(np.random.default_rng(0).normal(0, 0.002, steps)))

    def work() -> object:
        x, y = loan.deposit(10.0, 10)
        return loan.along_path(x, y, 0, path, path, 2_000.0, 100.0, 0.006)

    return {"bands": per_second(work, 10 * steps)}


def run(count: int = 1_000_000) -> dict[str, dict[str, float]]:
    """Everything, per second."""
    return {
        "positions margined": margins(count),
        "accounts of options margined": portfolios(max(count // 100, 1)),
        "rates read": interest_rates(count),
        "bands arbitraged and valued": band_steps(max(count // 10, 1)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    found = run()
    if parser.parse_args().json:
        print(json.dumps(found))
        return
    for subject, speeds in found.items():
        for name, speed in speeds.items():
            print(f"{subject:30s} {name:22s} {speed / 1e6:8.1f} M/s")


if __name__ == "__main__":
    main()
