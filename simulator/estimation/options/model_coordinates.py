"""Where a search for the parameters of a law runs: logarithms, artanh and logit, so that every step is relative.

Bounds are wide enough that a fit at one says something about the quotes, not about the bound.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from simulator.estimation.options.quotes import Quotes
from simulator.pricing.laws import Bates, Heston, Kou, Law, Merton


class Map(NamedTuple):
    """A parameter as a function of its coordinate, the inverse, and its slope as a function of the parameter."""

    natural: Callable[[float], float]
    coordinate: Callable[[float], float]
    slope: Callable[[float], float]


PLAIN = Map(float, float, lambda p: 1.0)
LOG = Map(math.exp, math.log, lambda p: p)
ARTANH = Map(math.tanh, math.atanh, lambda p: 1 - p * p)
LOGIT = Map(lambda x: 1 / (1 + math.exp(-x)), lambda p: math.log(p / (1 - p)), lambda p: p * (1 - p))
LOG_ABOVE_ONE = Map(lambda x: 1 + math.exp(x), lambda p: math.log(p - 1), lambda p: p - 1)

BOUNDS: dict[str, tuple[Map, float, float]] = {
    "volatility": (LOG, 1e-2, 10.0),
    "variance_now": (LOG, 1e-5, 25.0),
    "mean_reversion": (LOG, 1e-3, 200.0),
    "long_run_variance": (LOG, 1e-5, 25.0),
    "volatility_of_variance": (LOG, 1e-3, 50.0),
    "correlation": (ARTANH, -0.9999, 0.9999),
    "intensity": (LOG, 1e-4, 1_000.0),
    "jump_mean": (PLAIN, -2.0, 2.0),
    "jump_deviation": (LOG, 1e-4, 2.0),
    "up_probability": (LOGIT, 1e-4, 1 - 1e-4),
    "eta_up": (LOG_ABOVE_ONE, 1.01, 1_000.0),
    "eta_down": (LOG, 0.1, 1_000.0),
}
LAWS: dict[str, type[Law]] = {"heston": Heston, "bates": Bates, "merton": Merton, "kou": Kou}
NAMES = Heston.names()
FELLER = 3  # the place of the volatility of variance, after mean reversion and long-run variance


def check(what: str, name: str, value: float) -> None:
    """Raises ValueError where a parameter lies beyond what a search may reach."""
    _, low, high = BOUNDS[name]
    if not low <= value <= high:
        raise ValueError(f"{what}: {name} = {value:g}; must be {low:g} to {high:g}")


@dataclass(frozen=True)
class Coordinates:
    """Of one law. `feller`: the volatility of variance is sqrt(2 mean_reversion long_run_variance) times a share of at most 1."""

    law: type[Law]
    feller: bool = False

    def __post_init__(self) -> None:
        if self.feller and "volatility_of_variance" not in self.law.names():
            raise ValueError(f"feller is a condition on a square-root variance, and {self.law.__name__} has none")

    @property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Least and greatest coordinates."""
        limits = [BOUNDS[name] for name in self.law.names()]
        low = np.array([kind.coordinate(least) for kind, least, _ in limits])
        high = np.array([kind.coordinate(greatest) for kind, _, greatest in limits])
        if self.feller:
            high[FELLER] = 0.0
        return low, high

    def natural(self, x: np.ndarray) -> Law:
        """The law at these coordinates."""
        values = [BOUNDS[name][0].natural(c) for name, c in zip(self.law.names(), x.tolist(), strict=True)]
        if self.feller:
            values[FELLER] *= math.sqrt(2 * values[1] * values[2])
        return self.law(*values)

    def coordinates(self, law: Law, what: str = "law") -> np.ndarray:
        """The coordinates of a law. Raises ValueError, naming `what`, for another law or a parameter beyond its bounds.

        Where Feller's condition is asked for and the law breaks it, its volatility of variance is the greatest allowed.
        """
        if type(law) is not self.law:
            raise ValueError(f"{what} must be {self.law.__name__}, but got {law}")
        values = law.values.tolist()
        for name, value in zip(self.law.names(), values, strict=True):
            check(what, name, value)
        if self.feller:
            values[FELLER] = max(min(values[FELLER] / math.sqrt(2 * values[1] * values[2]), 1.0), BOUNDS[NAMES[FELLER]][1])
        return np.array([BOUNDS[name][0].coordinate(value) for name, value in zip(self.law.names(), values, strict=True)])

    def slopes(self, law: Law) -> np.ndarray:
        """[parameter, coordinate] derivatives of the law's values."""
        diagonal = [BOUNDS[name][0].slope(v) for name, v in zip(self.law.names(), law.values.tolist(), strict=True)]
        result = np.diag(diagonal)
        if self.feller:
            result[FELLER, 1:3] = 0.5 * law.values[FELLER]
        return result


def starts(law: type[Law], quotes: Quotes, count: int) -> list[Law]:
    """`count` (at most 4) laws at the level and with the lean of the quotes, of different speeds and jump sizes."""
    slices = list(quotes.slices())
    middle = [float(s.quotes.volatility[np.argmin(np.abs(s.quotes.log_moneyness))]) for s in slices]
    near, far = middle[0] ** 2, middle[-1] ** 2
    lean = -1.0 if _skew(quotes) < 0 else 1.0
    hestons = [
        Heston(near, speed, far, math.sqrt(2 * speed * far * ratio), 0.5 * lean)
        for speed, ratio in ((2.0, 1.0), (10.0, 2.0), (1.0, 4.0), (5.0, 0.3))
    ]
    jumps = [(0.5, 0.3 * lean * middle[0], 0.4 * middle[0]), (4.0, 0.1 * lean * middle[0], 0.2 * middle[0])] * 2
    if law is Heston:
        found: list[Law] = list(hestons)
    elif law is Bates:
        found = [Bates(*[*h.values.tolist(), *j]) for h, j in zip(hestons, jumps, strict=True)]
    elif law is Merton:
        found = [Merton(0.8 * middle[0], scale * j[0], *j[1:]) for scale, j in zip((1, 1, 5, 5), jumps, strict=True)]
    else:
        up = 0.5 + 0.2 * lean
        found = [Kou(0.8 * middle[0], n, up, 1 + 1 / (size * middle[0]), 1 / (size * middle[0])) for n, size in KOU_STARTS]
    return found[:count]


KOU_STARTS = ((1.0, 0.3), (10.0, 0.1), (50.0, 0.05), (0.3, 0.6))


def _skew(quotes: Quotes) -> float:
    k = quotes.log_moneyness / np.sqrt(quotes.total_variance)
    return float(np.sum(k * (quotes.volatility - np.mean(quotes.volatility))))
