"""European options under any law with a characteristic function, by Lewis's integral (2001, eq. 3.11) less Black's.

With k = log(strike / forward) and z = u - i/2, the price of either kind is Black's at a deviation s of one's choice, less

    discount sqrt(forward strike) / pi x the integral over u > 0 of Re[exp(-i u k) (phi(z) - phi_Black(z))] / (u^2 + 1/4).

Both characteristic functions are 1 at u = +-i/2, so the difference has no pole there. It is summed at the middles of equal steps
of t, u = 2 sinh(t) / s: what is analytic in a strip around u > 0 converges geometrically, and one set of nodes serves laws whose
characteristic functions decay at very different speeds (Boyarchenko and Levendorskii 2019 bend the path as well).

The nodes do not depend on the law. `Quadrature` keeps what does not, so that pricing a surface again under other parameters
is one characteristic function and one small product an expiry: what a fit does a hundred times.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from simulator.pricing import black_scholes as black
from simulator.pricing.laws import Law

NEAR, REACH = 2.0, 4.5  # of the map u = NEAR sinh(t) / s, 0 < t < REACH: found by trial over six laws and seven expiries
FIRST_NODES, MOST_NODES = 128, 8_192
TOLERANCE = 1e-13  # [1] of the greater of forward and strike: what twice the nodes may move


class NotConvergedError(ArithmeticError):
    """A price whose sum does not settle: parameters at the edge of what double precision holds."""


class Quadrature:
    """Quotes of several expiries, ready to be priced under law after law.

    `expiry` [quote] says which of `years` and `deviation` (total standard deviation s of the Black price taken out), both
    [expiry], a quote belongs to; the rest is [quote]. `count` nodes an expiry, the last at u = NEAR sinh(reach) / s.
    """

    def __init__(
        self,
        expiry: np.ndarray,
        strike: np.ndarray,
        is_call: np.ndarray,
        forward: np.ndarray,
        discount: np.ndarray,
        years: np.ndarray,
        deviation: np.ndarray,
        count: int,
        reach: float = REACH,
    ) -> None:
        t = (np.arange(count) + 0.5) * (reach / count)
        self.years = np.asarray(years, float)[:, None]
        u = NEAR * np.sinh(t) / np.asarray(deviation, float)[:, None]
        step = NEAR * np.cosh(t) / np.asarray(deviation, float)[:, None] * (reach / count)
        self.z = u - 0.5j
        self._black = np.exp(-0.5 * np.asarray(deviation)[:, None] ** 2 * (u * u + 0.25))
        self._rows = [np.flatnonzero(expiry == e) for e in range(len(self.years))]
        self.base = black.price(forward, strike, 1.0, np.asarray(deviation, float)[expiry], is_call, discount)
        k = np.log(strike / forward)
        size = discount * np.sqrt(forward * strike) / math.pi
        self._waves = []
        for e, rows in enumerate(self._rows):
            angle, share = k[rows, None] * u[e], size[rows, None] * (step[e] / (u[e] ** 2 + 0.25))
            self._waves.append(np.hstack([share * np.cos(angle), share * np.sin(angle)]))

    def prices(self, law: Law) -> np.ndarray:
        """Premium [quote]."""
        return self.base - self._sums((np.exp(law.log_characteristic(self.z, self.years)) - self._black)[None])[:, 0]

    def prices_and_gradient(self, law: Law) -> tuple[np.ndarray, np.ndarray]:
        """Premium [quote] and its derivatives [quote, parameter] by the law's parameters, in the order of its `names`."""
        logarithm, by_parameter = law.with_gradient(self.z, self.years)
        phi = np.exp(logarithm)
        sums = self._sums(np.concatenate([(phi - self._black)[None], phi * by_parameter]))
        return self.base - sums[:, 0], -sums[:, 1:]

    def _sums(self, values: np.ndarray) -> np.ndarray:
        """[quote, row] sums of `values` [row, expiry, node] times waves and steps."""
        parts = np.concatenate([values.real, values.imag], axis=2)
        result = np.empty((len(self.base), len(values)))
        for e, (rows, waves) in enumerate(zip(self._rows, self._waves, strict=True)):
            result[rows] = waves @ parts[:, e].T
        return result


def price(law: Law, forward: float, strike: ArrayLike, years: float, is_call: ArrayLike, discount: float = 1.0) -> np.ndarray:
    """Prices [strike] of one expiry, with twice the nodes and a longer reach until none moves. Raises NotConvergedError."""
    k, call = np.broadcast_arrays(np.asarray(strike, float), np.asarray(is_call, bool))
    if not (years > 0 and forward > 0 and (k > 0).all()):
        raise ValueError("years, forward and every strike must be above 0")
    s = 1 / half_life(law, years)

    def value(count: int, reach: float) -> np.ndarray:
        place, one = np.zeros(k.size, dtype=np.int64), np.ones(k.size)
        expiry = np.array([years]), np.array([s])
        return Quadrature(place, k.ravel() / forward, call.ravel(), one, one, *expiry, count, reach).prices(law)

    count, before = FIRST_NODES, value(FIRST_NODES, REACH)
    scale = np.maximum(1.0, k.ravel() / forward)
    while count < MOST_NODES:
        count *= 2
        now = value(count, REACH + math.log2(count / FIRST_NODES))
        if np.max(np.abs(now - before) / scale, initial=0.0) <= TOLERANCE:
            return discount * forward * now.reshape(k.shape)
        before = now
    raise NotConvergedError(f"{law} at {years:g} years: the price still moves at {MOST_NODES} nodes")


def half_life(law: Law, years: float) -> float:
    """The frequency at which |characteristic function at u - i/2| has fallen to exp(-1/2) of its size at 0."""
    u = np.geomspace(1e-3, 1e5, 161)
    fallen = law.log_characteristic(u - 0.5j, years).real - law.log_characteristic(np.array([-0.5j]), years).real < -0.5
    return float(u[np.argmax(fallen)]) if fallen.any() else float(u[-1])
