"""Path generation: our kernel against arch's own simulator and a NumPy loop over steps, in one run on one core.

    python -m benchmarks.paths [--json]

Every process alone, then three GARCH-t assets under every dependence.

A path-step is one market step of one asset on one path, price and volatility both kept. Compile time stands apart; each
speed is the best of several rounds in which all contestants take turns. arch simulates no jumps.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from arch import arch_model

from benchmarks import numpy_paths
from simulator.market import FilteredHistory, Grid, ModelMarket
from simulator.parameters import YEAR

STEP = 3_600.0  # [s]
STEPS = 720
OMEGA_SHARE, ALPHA, BETA, DEGREES = 0.01, 0.06, 0.93, 3.5
VOLATILITY, RHO = 0.7, 0.7
GARCH = {"kind": "garch", "volatility": VOLATILITY, "alpha": ALPHA, "beta": BETA, "volatility_today": VOLATILITY}
STUDENT = {"kind": "student-t", "degrees_of_freedom": DEGREES}
SKEWED = {"kind": "skewed-t", "degrees_of_freedom": DEGREES, "skew": -0.05}
JUMPS = {"kind": "merton", "intensity": 25.0, "mean": -0.03, "deviation": 0.05}
BROWNIAN = {"kind": "geometric-brownian", "volatility": VOLATILITY}
EGARCH = {**GARCH, "kind": "egarch", "alpha": 0.1, "gamma": -0.03, "beta": 0.98}
HESTON = {
    "kind": "heston",
    "volatility": VOLATILITY,
    "volatility_today": VOLATILITY,
    "mean_reversion": 6.0,
    "volatility_of_variance": 2.0,
    "leverage": -0.3,
}
PEG = {"kind": "ornstein-uhlenbeck", "volatility": 0.05, "half_life": 21_600.0}
MODELS = {
    "garch-t with jumps": {"process": {**GARCH, "innovation": STUDENT}, "jumps": JUMPS},
    "garch-t": {"process": {**GARCH, "innovation": STUDENT}},
    "garch-skewed-t": {"process": {**GARCH, "innovation": SKEWED}},
    "egarch-t": {"process": {**EGARCH, "innovation": STUDENT}},
    "geometric-brownian": {"process": BROWNIAN},
    "heston": {"process": HESTON},
    "bates": {"process": HESTON, "jumps": JUMPS},
    "peg": {"process": PEG},
}
COPULA = {"kind": "student-t", "degrees_of_freedom": 4.0}
DEPENDENCE: dict[str, dict] = {
    "3 garch-t, correlated": {},
    "3 garch-t, student-t copula": {"copula": COPULA},
    "3 garch-t, skewed copula": {"copula": {**COPULA, "asymmetry": -0.5}},
    "3 garch-t, dcc": {"correlation_dynamics": {"kind": "dcc", "alpha": 0.05, "beta": 0.9}},
    "3 garch-t, converging": {
        "correlation_dynamics": {"kind": "converging", "starts_at": 1.0, "full_at": 4.0, "level": 0.8, "half_life": 86_400.0}
    },
}
NUMPY_NAMES = {"3 garch-t, correlated": "gaussian", "3 garch-t, student-t copula": "student-t", "3 garch-t, dcc": "dcc"}


def market(model: str) -> ModelMarket:
    """The market of a row of the table."""
    if model in MODELS:
        return ModelMarket.model_validate({"assets": [{"name": "ETH", "price": 2_000.0, **MODELS[model]}]})
    assets = [{"name": name, "price": 2_000.0, **MODELS["garch-t"]} for name in ("BTC", "ETH", "SOL")]
    rows = [[1.0 if i == j else RHO for j in range(3)] for i in range(3)]
    return ModelMarket.model_validate({"assets": assets, "correlation": rows, **DEPENDENCE[model]})


def ours(model: str, paths: int) -> Callable[[], object]:
    """Our kernel, through the public method."""
    grid = Grid(market_step=STEP, transition=1, horizon=STEPS * STEP / 86_400)
    return lambda: market(model).paths(grid, 1, "benchmark", 0, paths)


def filtered_history(folder: Path, paths: int) -> Callable[[], object]:
    """Filtered historical simulation of one asset from a file of 5,000 hours in `folder`."""
    draw = np.random.default_rng(1)
    prices = 2_000.0 * np.exp(np.cumsum(0.005 * draw.standard_t(DEGREES, 5_000)))
    begin = datetime(2021, 1, 1, tzinfo=UTC)
    rows = [f"{(begin + timedelta(hours=i)).isoformat()},{float(price)!r}" for i, price in enumerate(prices)]
    (folder / "prices.csv").write_text("\n".join(["timestamp,ETH", *rows]) + "\n")
    fields = {"file": "prices.csv", "from": begin, "until": begin + timedelta(days=365), "assets": ["ETH"], "mean_block": 6.0}
    own = FilteredHistory.model_validate({**fields, "filters": [{"alpha": ALPHA, "beta": BETA}]}, context={"folder": folder})
    grid = Grid(market_step=STEP, transition=1, horizon=STEPS * STEP / 86_400)
    return lambda: own.paths(grid, 1, "benchmark", 0, paths)


def numpy_loop(model: str, paths: int) -> Callable[[], object] | None:
    """The same law in NumPy; None where nobody would write it so."""
    if model in DEPENDENCE:
        if model not in NUMPY_NAMES:
            return None
        draw = numpy_paths.joined(NUMPY_NAMES[model], RHO, DEGREES, 3)
        return lambda: numpy_paths.garch(GARCH, None, 3, STEP, STEPS, paths, draw)
    process, jumps = MODELS[model]["process"], MODELS[model].get("jumps")
    if process["kind"] == "heston":
        return lambda: numpy_paths.heston(process, jumps, STEP, STEPS, paths)
    if process["kind"] == "ornstein-uhlenbeck":
        return lambda: numpy_paths.peg(process, STEP, STEPS, paths)
    return lambda: numpy_paths.garch(process, jumps, 1, STEP, STEPS, paths)


def arch_forecast(paths: int) -> Callable[[], object]:
    """arch's simulation forecast of GARCH(1,1)-t from the end of a short series, in percent as arch wants it."""
    level = 1e4 * VOLATILITY**2 * STEP / YEAR
    series = np.random.default_rng(1).standard_normal(200) * math.sqrt(level)
    model = arch_model(series, mean="Zero", vol="GARCH", p=1, q=1, dist="t", rescale=False)
    fixed = model.fix([OMEGA_SHARE * level, ALPHA, BETA, DEGREES])
    state = np.random.RandomState(1)

    def simulate() -> object:
        scale = math.sqrt((DEGREES - 2) / DEGREES)
        draw = lambda size: state.standard_t(DEGREES, size) * scale  # noqa: E731
        found = fixed.forecast(horizon=STEPS, method="simulation", simulations=paths, rng=draw, reindex=False).simulations
        return 2_000.0 * np.exp(np.cumsum(found.values[0] / 100, axis=1))

    return simulate


def arch_simulate(paths: int, volatility: str = "GARCH") -> Callable[[], object]:
    """arch's simulator of one path, `volatility.simulate`, path after path."""
    level = 1e4 * VOLATILITY**2 * STEP / YEAR
    o = 1 if volatility == "EGARCH" else 0
    model = arch_model(None, mean="Zero", vol=volatility, p=1, o=o, q=1, dist="t", rescale=False)
    draw = model.distribution.simulate(np.array([DEGREES]))
    garch = [OMEGA_SHARE * level, ALPHA, BETA]
    egarch = [(1 - EGARCH["beta"]) * math.log(level), EGARCH["alpha"], EGARCH["gamma"], EGARCH["beta"]]
    parameters = np.array(egarch if o else garch)
    return lambda: [model.volatility.simulate(parameters, STEPS, draw, burn=0) for _ in range(paths)]


def measure(paths: int, rounds: int) -> dict[str, dict[str, float]]:
    """Best seconds and path-steps/s of every contestant, and the seconds its first call took."""
    with tempfile.TemporaryDirectory() as folder:
        return _measure(Path(folder), paths, rounds)


def _measure(folder: Path, paths: int, rounds: int) -> dict[str, dict[str, float]]:
    contestants: dict[str, tuple[Callable[[], object], int]] = {}
    for model in (*MODELS, *DEPENDENCE):
        assets = 3 if model in DEPENDENCE else 1
        contestants[f"simulator: {model}"] = (ours(model, paths), paths * assets)
        other = numpy_loop(model, paths)
        if other is not None:
            contestants[f"numpy: {model}"] = (other, paths * assets)
    contestants["simulator: filtered history"] = (filtered_history(folder, paths), paths)
    contestants["arch forecast: garch-t"] = (arch_forecast(paths), paths)
    contestants["arch simulate: garch-t"] = (arch_simulate(20), 20)
    contestants["arch simulate: egarch-t"] = (arch_simulate(20, "EGARCH"), 20)
    first = {name: _seconds(run) for name, (run, _) in contestants.items()}
    best = dict.fromkeys(contestants, math.inf)
    for _ in range(rounds):
        for name, (run, _) in contestants.items():
            best[name] = min(best[name], _seconds(run))
    return {
        name: {
            "paths": count,
            "first_call_seconds": first[name],
            "seconds": best[name],
            "path_steps_per_second": count * STEPS / best[name],
        }
        for name, (_, count) in contestants.items()
    }


def _seconds(run: Callable[[], object]) -> float:
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def ratios(results: dict[str, dict[str, float]]) -> dict[str, float]:
    """How many times faster our kernel is than the fastest way of each other that does the same model."""
    speed = {name: row["path_steps_per_second"] for name, row in results.items()}
    arch = max(value for name, value in speed.items() if name.startswith("arch") and name.endswith(": garch-t"))
    found = {
        f"{model} to numpy": speed[f"simulator: {model}"] / speed[f"numpy: {model}"]
        for model in (*MODELS, *DEPENDENCE)
        if f"numpy: {model}" in speed
    }
    return found | {
        "garch-t to arch": speed["simulator: garch-t"] / arch,
        "egarch-t to arch": speed["simulator: egarch-t"] / speed["arch simulate: egarch-t"],
        "garch-t with jumps to arch without": speed["simulator: garch-t with jumps"] / arch,
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.paths", description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    parser.add_argument("--paths", type=int, default=4_096)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    results = measure(options.paths, options.rounds)
    if options.json:
        print(json.dumps({"steps": STEPS, "results": results, "ratios": ratios(results)}, indent=2))
        return
    print(f"{'':40}{'paths':>8}{'first call s':>14}{'best s':>10}{'M path-steps/s':>17}")
    for name, row in results.items():
        speed = row["path_steps_per_second"] / 1e6
        print(f"{name:40}{row['paths']:8,}{row['first_call_seconds']:14.2f}{row['seconds']:10.3f}{speed:17.2f}")
    for name, ratio in ratios(results).items():
        print(f"{name}: {ratio:.1f} x")


if __name__ == "__main__":
    main()
