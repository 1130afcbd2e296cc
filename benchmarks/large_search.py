"""How long a large calibration takes: 5 parameters, 200 candidates, books of 10,000 accounts, 288 steps of five minutes.

    python -m benchmarks.large_search [--accounts 10000] [--candidates 200] [--paths 256] [--jobs 2] [--weather calm|stress]

The race starts every candidate on `--paths` paths and ends with 16 times as many for the last; 256 give the second quarter of
them 1,024. First the price of a path evaluation is measured on four candidates of the screen; that price times all candidates on
1,000 paths each stands beside what the search took. Then come selection, and confirmation in the world as it is (no regimes, no
parameter law), to a verdict.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter

from benchmarks.cross_margin import scenario_text
from simulator.calibration.calibrate import calibrate
from simulator.model import evaluate
from simulator.scenario import Scenario

APPETITE = """
[appetite]
confidence = 0.95
[[appetite.limits]]
kind = "probability"
quantity = "loss"
of = "collateral"
threshold = 0.001
probability = 0.02
[calibration.objective]
capital_efficiency = 1.0
user_cost = 0.5
"""
SEARCHED = {  # low, high, step
    "perpetuals.BTC.initial_margin_ratio": (0.03, 0.1, 0.005),
    "perpetuals.BTC.maintenance_margin_ratio": (0.01, 0.03, 0.0025),
    "perpetuals.ETH.initial_margin_ratio": (0.03, 0.1, 0.005),
    "perpetuals.ETH.maintenance_margin_ratio": (0.01, 0.03, 0.0025),
    "collateral.ETH.haircut": (0.0, 0.2, 0.025),
}
GRID_PATHS = 1_000
WEATHER = {"calm": (0.6, 0.001), "stress": (2.2, 0.01)}  # volatility; share of accounts that look in a step


def large(weather: str, accounts: int, candidates: int, paths: int) -> Scenario:
    """The benchmark's cross-margin world with an appetite and a search."""
    volatility, activity = WEATHER[weather]
    budget = f"[calibration]\ncandidates = {candidates}\nsearch_paths = {paths}\nselection_paths = {GRID_PATHS}\n"
    rows = "".join(
        f'[[calibration.search]]\nparameter = "{name}"\nlow = {low}\nhigh = {high}\nstep = {step}\n'
        for name, (low, high, step) in SEARCHED.items()
    )
    return Scenario.from_text(scenario_text(volatility, activity, accounts, 288) + budget + APPETITE + rows, ".", "cross-margin")


def price(scenario: Scenario, jobs: int) -> float:
    """Seconds a path evaluation, kernels compiled."""
    votes = [scenario.parameters.replace({"collateral.ETH.haircut": share}) for share in (0.0, 0.025, 0.1, 0.2)]
    evaluate(scenario, votes[:1], "compile", count=1)
    began, count = time.perf_counter(), 128
    evaluate(scenario, votes, "price", count=count, jobs=jobs)
    return (time.perf_counter() - began) / (count * len(votes))


class Stages:
    """Path evaluations and seconds by stage, as progress tells them."""

    def __init__(self) -> None:
        self.began, self.evaluations, self.seconds = time.perf_counter(), Counter[str](), Counter[str]()

    def told(self, stage: str, done: int, _total: int) -> None:
        """One report of progress: `done` path evaluations of `stage` so far."""
        now, name = time.perf_counter(), stage.split(",")[0]
        self.seconds[name] += now - self.began
        self.began = now
        self.evaluations[stage] = max(self.evaluations[stage], done)


def main() -> None:
    """Measure, and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("accounts", 10_000), ("candidates", 200), ("paths", 256), ("jobs", 2)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--weather", choices=tuple(WEATHER), default="calm")
    options = parser.parse_args()
    scenario = large(options.weather, options.accounts, options.candidates, options.paths)
    each, stages = price(scenario, options.jobs), Stages()
    began = time.perf_counter()
    found = calibrate(scenario, jobs=options.jobs, progress=stages.told)
    facts = {
        "ms a path evaluation": 1e3 * each,
        "all candidates on 1,000 paths [s]": each * options.candidates * GRID_PATHS,
        "calibration [s]": time.perf_counter() - began,
        "stages [s]": dict(stages.seconds),
        "path evaluations": stages.evaluations.total(),
        "verdict": found.verdict,
    }
    print(json.dumps(vars(options) | facts, indent=1))


if __name__ == "__main__":
    main()
