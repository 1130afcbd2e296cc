"""Compound interest in rays (1e27), as Aave v3 (aave-v3-origin @fd1fbd9) states it: 1 + x + x^2/2 + x^3/6, rounded down.

Every product is rounded down once, so the factor is never above the polynomial and at most 3 rays below it.
"""

from __future__ import annotations

RAY = 10**27
SECONDS_PER_YEAR = 31_536_000


def compounded(rate: int, seconds: int) -> int:
    """Growth factor [ray] over `seconds` at `rate` [ray per year]."""
    x = rate * seconds  # in ray x SECONDS_PER_YEAR
    unit = RAY * SECONDS_PER_YEAR
    return RAY + x // SECONDS_PER_YEAR + x * x // (2 * unit * SECONDS_PER_YEAR) + x**3 // (6 * unit**2 * SECONDS_PER_YEAR)
