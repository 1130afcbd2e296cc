"""Returns and price files with known parameters."""

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from simulator.estimation.standard_errors import Estimate

START = datetime(2022, 1, 1, tzinfo=UTC)
MANY = 200  # refits from which a share is judged by 93 to 97 %


def garch_t(
    n: int, seed: int, *, alpha: float, beta: float, nu: float, scale: float = 0.01, gamma: float = 0.0, paths: int = 1
) -> np.ndarray:
    """GARCH-t returns [n, paths], a second writing of the recursion that the tests lean on."""
    generator = np.random.default_rng(seed)
    z = generator.standard_t(nu, size=(n + 500, paths)) * math.sqrt((nu - 2) / nu)
    omega = 1 - alpha - gamma / 2 - beta
    h, result = np.ones(paths), np.empty((n + 500, paths))
    for t in range(n + 500):
        e = np.sqrt(h) * z[t]
        result[t] = e
        h = omega + (alpha + gamma * (e < 0)) * e * e + beta * h
    return scale * result[500:]


@pytest.fixture(scope="session")
def make_returns() -> Callable[..., np.ndarray]:
    return garch_t


@pytest.fixture(scope="session")
def write_to() -> Callable[..., Path]:
    """A CSV of hourly prices from returns [t, asset], in a folder."""

    def write(
        folder: Path, returns: np.ndarray, names: tuple[str, ...] = ("AAA", "BBB"), name: str = "prices.csv", step=3600
    ) -> Path:
        log_price = np.vstack([np.zeros(returns.shape[1]), np.cumsum(returns, axis=0)])
        lines = [",".join(("timestamp", *names))]
        for t, row in enumerate(100 * np.exp(log_price)):
            stamp = (START + timedelta(seconds=step * t)).isoformat().replace("+00:00", "Z")
            lines.append(",".join((stamp, *(repr(float(price)) for price in row))))
        path = folder / name
        path.write_text("\n".join(lines) + "\n")
        return path

    return write


@pytest.fixture
def write_prices(tmp_path: Path, write_to) -> Callable[..., Path]:
    """The same in the folder of the test."""
    return partial(write_to, tmp_path)


def shares_outside(refit: Callable[[int], Mapping[str, Estimate]], truth: Mapping[str, float], repeats: int) -> dict[str, float]:
    """Shares of 95 % intervals that cover `truth` as seldom or as often as they should not; `refit` fits a sample by its number.

    Of many refits they should lie in 93 to 97 %, a binomial error and a half allowed, and are printed for the table of
    docs/estimation.md; of few, no more than four errors below 95 %.
    """
    hits = dict.fromkeys(truth, 0)
    for number in range(repeats):
        found = refit(number)
        for name, value in truth.items():
            low, high = found[name].interval
            hits[name] += low <= value <= high
    shares, error = {name: count / repeats for name, count in hits.items()}, math.sqrt(0.95 * 0.05 / repeats)
    if repeats < MANY:
        return {name: share for name, share in shares.items() if share < 0.95 - 4 * error}
    print({name: f"{100 * share:.1f} %" for name, share in shares.items()}, f"of {repeats}")
    return {name: share for name, share in shares.items() if abs(share - 0.95) > 0.02 + 1.5 * error}


@pytest.fixture(scope="session")
def uncovered() -> Callable[..., dict[str, float]]:
    return shares_outside
