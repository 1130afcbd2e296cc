"""European options under any law with a characteristic function, by Fourier-cosine series (Fang and Oosterlee 2008).

The put is priced and the call follows by parity, so that no payoff grows. The interval and the number of terms are found, not
guessed: terms until the characteristic function is below `NEGLIGIBLE`, and a wider interval until no price moves. Where that
takes more than `MOST_TERMS` terms (tails that decay too slowly) Lewis's integral, with its own test of convergence, answers.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from simulator.pricing import lewis
from simulator.pricing.laws import Law
from simulator.pricing.lewis import NotConvergedError

NEGLIGIBLE = 1e-16  # of the characteristic function: what is left out of the series
TOLERANCE = 1e-13  # [1] of the greater of forward and strike: what widening the interval may move
FIRST_WIDTH = 12.0  # [standard deviations] on either side, before it is widened
MOST_TERMS = 2**17
MOST_WIDENINGS = 8


def price(law: Law, forward: float, strike: ArrayLike, years: float, is_call: ArrayLike, discount: float = 1.0) -> np.ndarray:
    """Prices [strike] of one expiry. Raises NotConvergedError, and ValueError where one of them is not above 0."""
    k, call = np.broadcast_arrays(np.asarray(strike, float), np.asarray(is_call, bool))
    if not (years > 0 and forward > 0 and (k > 0).all()):
        raise ValueError("years, forward and every strike must be above 0")
    strikes = k.ravel() / forward
    try:
        put = settled(lambda low, width: _puts(law, strikes, years, low, width), law, years, np.maximum(1.0, strikes))
    except NotConvergedError:
        put = lewis.price(law, 1.0, strikes, years, False)
    put = forward * put.reshape(k.shape)
    return discount * np.where(call, put + forward - k, put)


def settled(value: Callable[[float, float], np.ndarray], law: Law, years: float, scale: np.ndarray) -> np.ndarray:
    """`value(low, width)` on an interval so wide that a wider one gives the same, to `TOLERANCE` of `scale`."""
    half = FIRST_WIDTH * math.sqrt(law.variance(years)) + 0.1 * math.sqrt(years)
    before = value(-half, 2 * half)
    for _ in range(MOST_WIDENINGS):
        half *= 1.6
        now = value(-half, 2 * half)
        if np.max(np.abs(now - before) / scale, initial=0.0) <= TOLERANCE:
            return now
        before = now
    raise NotConvergedError(f"{law} at {years:g} years: the price still moves on an interval of {2 * half:.3g}")


def terms(law: Law, years: float, width: float) -> tuple[np.ndarray, np.ndarray]:
    """(u, characteristic function) at the frequencies of an interval of `width` that matter."""
    count = 128
    while count <= MOST_TERMS:
        u = np.arange(count) * (math.pi / width)
        size = np.exp(law.log_characteristic(u[-8:].astype(complex), years).real)
        if size.max() < NEGLIGIBLE:
            phi = np.exp(law.log_characteristic(u.astype(complex), years))
            kept = int(np.flatnonzero(np.abs(phi) >= NEGLIGIBLE)[-1]) + 1
            return u[:kept], phi[:kept]
        count *= 2
    raise NotConvergedError(f"{law} at {years:g} years: more than {MOST_TERMS} terms")


def _puts(law: Law, strike: np.ndarray, years: float, low: float, width: float) -> np.ndarray:
    """Undiscounted puts at strikes in units of the forward."""
    u, phi = terms(law, years, width)
    return put_payoffs(u, strike, low, width) @ series(phi, u, low)


def series(phi: np.ndarray, u: np.ndarray, low: float) -> np.ndarray:
    """Real coefficients of the cosine series, the first one halved."""
    coefficients = (phi * np.exp(-1j * u * low)).real
    coefficients[0] *= 0.5
    return coefficients


def put_payoffs(u: np.ndarray, strike: np.ndarray, low: float, width: float) -> np.ndarray:
    """[strike, u] cosine coefficients of max(strike - exp(y), 0) over [low, low + width], eqs. 22 and 23 there."""
    top = np.clip(np.log(strike), low, low + width)[:, None]
    angle = u * (top - low)
    sine, cosine = np.sin(angle), np.cos(angle)
    with np.errstate(invalid="ignore", divide="ignore"):
        plain = np.where(u == 0, top - low, sine / u)
    grown = (np.exp(top) * (cosine + u * sine) - math.exp(low)) / (1 + u * u)
    return 2 / width * (strike[:, None] * plain - grown)
