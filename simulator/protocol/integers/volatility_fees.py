"""Volatility fees as the chain computes them: Algebra's two sigmoids (1e-6) and the Liquidity Book's accumulator (1e-18).

Sources: cryptoalgebra/Algebra @357ae6bc, traderjoe-xyz/joe-v2 @067c6ccf.
"""

from __future__ import annotations

UNIT = 10**18
CAP = UNIT // 10
CLOSEST = 10**20
POWERS_OF_E = tuple(int(digits) for digits in (  # 1e20
    "100000000000000000000", "271828182845904523536", "738905609893065022723",
    "2008553692318766774092", "5459815003314423907811", "14841315910257660342111",
))  # fmt: skip
ROOT_OF_E = 164872127070012814684  # 1e20


def _exponential(x: int, width: int) -> int:
    """e^(x / width) x width^4 for 0 <= x < 6 widths: the power of e next below, in halves, times a fourth-order series.

    A half width is rounded down, which is where the on-chain fee leaves the exact one by up to 1 %.
    """
    whole, rest = divmod(x, width)
    power = POWERS_OF_E[min(whole, 5)]
    if rest >= width // 2:
        rest -= width // 2
        power = power * ROOT_OF_E // CLOSEST
    series = width**4 + rest * width**3 + rest**2 * width**2 // 2 + rest**3 * (4 * width + rest) // 24
    return series * power // CLOSEST


def sigmoid(x: int, height: int, middle: int, width: int) -> int:
    """height / (1 + e^((middle - x) / width)), rounded down; 0 and `height` from six widths on."""
    distance = abs(x - middle)
    if distance >= 6 * width:
        return height if x > middle else 0
    grown, unit = _exponential(distance, width), width**4
    return height * (grown if x > middle else unit) // (unit + grown)


def two_sigmoid_fee(
    deviation: int, base: int, height_1: int, middle_1: int, width_1: int, height_2: int, middle_2: int, width_2: int
) -> int:
    """Algebra's adaptive fee [1e-6] at a mean squared tick deviation per 15 s."""
    return base + sigmoid(deviation, height_1, middle_1, width_1) + sigmoid(deviation, height_2, middle_2, width_2)


def base_fee(base_factor: int, bin_step: int) -> int:
    """Liquidity Book [1e-18]: base factor [1e-4] x bin step [1e-4]."""
    return base_factor * bin_step * 10**10


def variable_fee(accumulated: int, bin_step: int, control: int) -> int:
    """Liquidity Book [1e-18]: (accumulated [1e-4 bins] x bin step [1e-4])^2 x control / 100, rounded up."""
    return -(-((accumulated * bin_step) ** 2 * control) // 100)


def total_fee(accumulated: int, bin_step: int, base_factor: int, control: int) -> int:
    """Liquidity Book [1e-18]: base + variable, at most 10 %."""
    return min(base_fee(base_factor, bin_step) + variable_fee(accumulated, bin_step, control), CAP)


def accumulate(reference: int, bins: int, greatest: int) -> int:
    """Liquidity Book: accumulated [1e-4 bins] after moving `bins` away from the reference bin."""
    return min(greatest, reference + 10**4 * abs(bins))
