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
