"""Path generation: our kernel against arch's own simulator and a NumPy loop over steps, in one run on one core.

    python -m benchmarks.paths [--json]

A path-step is one market step of one asset on one path, price and volatility both kept. Compile time stands apart; each
speed is the best of several rounds in which all contestants take turns. arch simulates no jumps.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from collections.abc import Callable

import numpy as np
from arch import arch_model

from simulator.market import Grid, ModelMarket
from simulator.parameters import YEAR

STEP = 3_600.0  # [s]
STEPS = 720
OMEGA_SHARE, ALPHA, BETA, DEGREES = 0.01, 0.06, 0.93, 3.5
VOLATILITY, INTENSITY, MEAN, DEVIATION = 0.7, 25.0, -0.03, 0.05
GARCH = {"kind": "garch", "volatility": VOLATILITY, "alpha": ALPHA, "beta": BETA, "volatility_today": VOLATILITY}
STUDENT = {"kind": "student-t", "degrees_of_freedom": DEGREES}
JUMPS = {"kind": "merton", "intensity": INTENSITY, "mean": MEAN, "deviation": DEVIATION}
BROWNIAN = {"kind": "geometric-brownian", "volatility": VOLATILITY}
MODELS = {
    "garch-t with jumps": {"process": {**GARCH, "innovation": STUDENT}, "jumps": JUMPS},
    "garch-t": {"process": {**GARCH, "innovation": STUDENT}},
    "geometric-brownian": {"process": BROWNIAN},
}


def ours(model: str, paths: int) -> Callable[[], object]:
    """Our kernel, through the public method."""
    market = ModelMarket.model_validate({"assets": [{"name": "ETH", "price": 2_000.0, **MODELS[model]}]})
    grid = Grid(market_step=STEP, transition=1, horizon=STEPS * STEP / 86_400)
    return lambda: market.paths(grid, 1, "benchmark", 0, paths)


def numpy_loop(model: str, paths: int) -> Callable[[], object]:
    """What a careful NumPy user writes: one loop over steps, all paths at once, no compensation of fat tails."""
    years = STEP / YEAR
    level = VOLATILITY**2 * years
    scale = math.sqrt((DEGREES - 2) / DEGREES)

    def simulate() -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(1)
        price, volatility = np.empty((STEPS + 1, paths)), np.empty((STEPS, paths))
        h, x = np.full(paths, level), np.zeros(paths)
        price[0] = 2_000.0
        for t in range(STEPS):
            volatility[t] = np.sqrt(h / years)
            z = rng.standard_normal(paths) if model == "geometric-brownian" else rng.standard_t(DEGREES, paths) * scale
            e = np.sqrt(h) * z
            x += e - h / 2
            if model == "garch-t with jumps":
                n = rng.poisson(INTENSITY * years, paths)
                x += n * MEAN + np.sqrt(n) * DEVIATION * rng.standard_normal(paths)
            price[t + 1] = 2_000.0 * np.exp(x)
            if model != "geometric-brownian":
                h = OMEGA_SHARE * level + ALPHA * e * e + BETA * h
        return price, volatility

    return simulate


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


def arch_simulate(paths: int) -> Callable[[], object]:
    """arch's simulator of one path, `volatility.simulate`, path after path."""
    level = 1e4 * VOLATILITY**2 * STEP / YEAR
    model = arch_model(None, mean="Zero", vol="GARCH", p=1, q=1, dist="t", rescale=False)
    draw = model.distribution.simulate(np.array([DEGREES]))
    parameters = np.array([OMEGA_SHARE * level, ALPHA, BETA])
    return lambda: [model.volatility.simulate(parameters, STEPS, draw, burn=0) for _ in range(paths)]


def measure(paths: int, rounds: int) -> dict[str, dict[str, float]]:
    """Best seconds and path-steps/s of every contestant, and the seconds its first call took."""
    contestants: dict[str, tuple[Callable[[], object], int]] = {}
    for model in MODELS:
        contestants[f"simulator: {model}"] = (ours(model, paths), paths)
        contestants[f"numpy: {model}"] = (numpy_loop(model, paths), paths)
    contestants["arch forecast: garch-t"] = (arch_forecast(paths), paths)
    contestants["arch simulate: garch-t"] = (arch_simulate(20), 20)
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
    arch = max(value for name, value in speed.items() if name.startswith("arch"))
    found = {f"{model} to numpy": speed[f"simulator: {model}"] / speed[f"numpy: {model}"] for model in MODELS}
    return found | {
        "garch-t to arch": speed["simulator: garch-t"] / arch,
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
    print(f"{'':34}{'paths':>8}{'first call s':>14}{'best s':>10}{'M path-steps/s':>17}")
    for name, row in results.items():
        speed = row["path_steps_per_second"] / 1e6
        print(f"{name:34}{row['paths']:8,}{row['first_call_seconds']:14.2f}{row['seconds']:10.3f}{speed:17.2f}")
    for name, ratio in ratios(results).items():
        print(f"{name}: {ratio:.1f} x")


if __name__ == "__main__":
    main()
