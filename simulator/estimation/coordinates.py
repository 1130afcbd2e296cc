"""Coordinates in which a law of the GARCH family is searched for and is uncertain: no bound can be crossed, none has a unit.

The level is the stationary variance over the sample's mean square; in a fit without variance targeting log omega, of an EGARCH
omega itself. GARCH and GJR: persistence, the share of its ARCH part alpha + gamma/2, and `asymmetry`, gamma/2 over that part;
at zero a GJR is a GARCH. EGARCH: atanh beta, alpha and gamma as they are. Innovations: log(degrees of freedom - 2), atanh skew.
Names are those of the market's parameter law where it has them.
"""

from __future__ import annotations

import math

import numpy as np

from simulator.estimation.exponential import DIFFERENCE, NORMAL_SIZE, log_growth, mean_size
from simulator.estimation.likelihood import Natural
from simulator.estimation.specification import GARCH_T, Specification

NAMES = ("log_level", "logit_persistence", "logit_alpha_share", "asymmetry", "log_degrees_above_two", "atanh_skew")
EXPONENTIAL_NAMES = ("log_level", "atanh_beta", "egarch_alpha", "egarch_gamma", "log_degrees_above_two", "atanh_skew")
LEVEL, PERSISTENCE, SHARE, ASYMMETRY, DEGREES, SKEW = range(6)
LARGEST_DEGREES = 200.0  # a t with more is normal for every purpose here, and its likelihood flat
SMALLEST_SHARE, LARGEST_SHARE = -9.2, 8.0  # logit; alpha below 1e-4 is none
DEGREES_RANGE = (math.log(0.05), math.log(LARGEST_DEGREES - 2))
LOW = np.array([-25.0, -5.0, SMALLEST_SHARE, -1.0, DEGREES_RANGE[0], -3.0])
HIGH = np.array([15.0, math.inf, LARGEST_SHARE, 1.0, DEGREES_RANGE[1], 3.0])
EXPONENTIAL_LOW = np.array([-25.0, -2.0, -1.0, -1.0, DEGREES_RANGE[0], -3.0])
EXPONENTIAL_HIGH = np.array([15.0, math.inf, 1.0, 1.0, DEGREES_RANGE[1], 3.0])
FIRST_MAX_MOVE = 40.0  # [standard deviations] where innovations are cut until the fit has residuals


def bounds(specification: Specification, largest_persistence: float) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest coordinates."""
    low, high = (EXPONENTIAL_LOW, EXPONENTIAL_HIGH) if specification.is_exponential else (LOW, HIGH)
    high = high.copy()
    high[PERSISTENCE] = math.atanh(largest_persistence) if specification.is_exponential else logit(largest_persistence)
    return low, high


def natural(x: np.ndarray, targeted: bool, specification: Specification = GARCH_T, max_move: float = FIRST_MAX_MOVE) -> Natural:
    """The recursion at coordinates `x`, in units of the mean square. The level of an EGARCH is that of innovations cut at
    `max_move`, which is what the market simulates."""
    degrees = math.inf if specification.is_normal else 2 + math.exp(x[DEGREES])
    skew = math.tanh(x[SKEW])
    if specification.is_exponential:
        return _exponential(x, targeted, degrees, skew, max_move)
    persistence, share = logistic(x[PERSISTENCE]), logistic(x[SHARE])
    arch_part = persistence * share
    return Natural(
        omega=math.exp(x[LEVEL]) * (logistic(-x[PERSISTENCE]) if targeted else 1.0),
        alpha=arch_part * (1 - float(x[ASYMMETRY])),
        gamma=2 * arch_part * float(x[ASYMMETRY]),
        beta=persistence * (1 - share),
        degrees_of_freedom=degrees,
        skew=skew,
    )


def _exponential(x: np.ndarray, targeted: bool, degrees: float, skew: float, max_move: float) -> Natural:
    alpha, gamma, beta = float(x[SHARE]), float(x[ASYMMETRY]), math.tanh(x[PERSISTENCE])
    omega, size = float(x[LEVEL]), mean_size(degrees, skew, max_move)
    if targeted:
        growth = log_growth(alpha, gamma, beta, degrees, skew, max_move)
        omega = (1 - beta) * (omega - growth) - alpha * (size - NORMAL_SIZE)
    return Natural(omega, alpha, gamma, beta, degrees, skew, True, size)


def jacobian(
    x: np.ndarray, targeted: bool, specification: Specification = GARCH_T, max_move: float = FIRST_MAX_MOVE
) -> np.ndarray:
    """Derivatives of the natural parameters [row] by the coordinates [column]; of an EGARCH, of `mean_size` too."""
    if specification.is_exponential:
        return _exponential_jacobian(x, targeted, specification, max_move)
    p, w, d = logistic(x[PERSISTENCE]), logistic(x[SHARE]), x[ASYMMETRY]
    dp, dw = p * logistic(-x[PERSISTENCE]), w * logistic(-x[SHARE])
    level = math.exp(x[LEVEL])
    by_level, by_persistence = (level * logistic(-x[PERSISTENCE]), -level * dp) if targeted else (level, 0.0)
    return np.array(
        [
            [by_level, by_persistence, 0.0, 0.0, 0.0, 0.0],
            [0.0, dp * w * (1 - d), p * dw * (1 - d), -p * w, 0.0, 0.0],
            [0.0, 2 * dp * w * d, 2 * p * dw * d, 2 * p * w, 0.0, 0.0],
            [0.0, dp * (1 - w), -p * dw, 0.0, 0.0, 0.0],
            [0.0, 0.0, 0.0, 0.0, math.exp(x[DEGREES]), 0.0],
            [0.0, 0.0, 0.0, 0.0, 0.0, 1 - math.tanh(x[SKEW]) ** 2],
        ]
    )


def _exponential_jacobian(x: np.ndarray, targeted: bool, specification: Specification, max_move: float) -> np.ndarray:
    """omega and E|z| by central differences: both are quadratures."""
    result = np.zeros((7, 6))
    for c in range(6):
        if c in (DEGREES, SKEW) and specification.is_normal:
            continue
        step = np.zeros(6)
        step[c] = DIFFERENCE
        up, down = (natural(x + sign * step, targeted, specification, max_move) for sign in (1, -1))
        result[0, c] = (up.omega - down.omega) / (2 * DIFFERENCE)
        result[6, c] = (up.mean_size - down.mean_size) / (2 * DIFFERENCE)
    result[1, SHARE] = result[2, ASYMMETRY] = 1.0
    result[3, PERSISTENCE] = 1 - math.tanh(x[PERSISTENCE]) ** 2
    result[4, DEGREES] = math.exp(x[DEGREES])
    result[5, SKEW] = 1 - math.tanh(x[SKEW]) ** 2
    return result


def logit(p: float) -> float:
    return math.log(p / (1 - p))


def logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))
