"""Coordinates in which a GARCH law is searched for and is uncertain: no bound can be crossed, none has a unit.

The level is the stationary variance over the sample's mean square (or omega itself, in a fit without variance targeting).
`asymmetry` is gamma/2 over the ARCH part alpha + gamma/2; at zero a GJR is a GARCH. The others are those of the
market's parameter law.
"""

from __future__ import annotations

import math

import numpy as np

from simulator.estimation.likelihood import Natural

NAMES = ("log_level", "logit_persistence", "logit_alpha_share", "asymmetry", "log_degrees_above_two")
LEVEL, PERSISTENCE, SHARE, ASYMMETRY, DEGREES = range(5)
LARGEST_DEGREES = 200.0  # a t with more is normal for every purpose here, and its likelihood flat
SMALLEST_SHARE, LARGEST_SHARE = -9.2, 8.0  # logit; alpha below 1e-4 is none
LOW = np.array([-25.0, -5.0, SMALLEST_SHARE, -1.0, math.log(0.05)])
HIGH = np.array([15.0, math.inf, LARGEST_SHARE, 1.0, math.log(LARGEST_DEGREES - 2)])


def natural(x: np.ndarray, targeted: bool) -> Natural:
    """The recursion at coordinates `x`, in units of the mean square."""
    persistence, share = logistic(x[PERSISTENCE]), logistic(x[SHARE])
    arch_part = persistence * share
    return Natural(
        omega=math.exp(x[LEVEL]) * (logistic(-x[PERSISTENCE]) if targeted else 1.0),
        alpha=arch_part * (1 - float(x[ASYMMETRY])),
        gamma=2 * arch_part * float(x[ASYMMETRY]),
        beta=persistence * (1 - share),
        degrees_of_freedom=2 + math.exp(x[DEGREES]),
    )


def jacobian(x: np.ndarray, targeted: bool) -> np.ndarray:
    """Derivatives of omega, alpha, gamma, beta, degrees of freedom [row] by the coordinates [column]."""
    p, w, d = logistic(x[PERSISTENCE]), logistic(x[SHARE]), x[ASYMMETRY]
    dp, dw = p * logistic(-x[PERSISTENCE]), w * logistic(-x[SHARE])
    level = math.exp(x[LEVEL])
    by_level, by_persistence = (level * logistic(-x[PERSISTENCE]), -level * dp) if targeted else (level, 0.0)
    return np.array(
        [
            [by_level, by_persistence, 0.0, 0.0, 0.0],
            [0.0, dp * w * (1 - d), p * dw * (1 - d), -p * w, 0.0],
            [0.0, 2 * dp * w * d, 2 * p * dw * d, 2 * p * w, 0.0],
            [0.0, dp * (1 - w), -p * dw, 0.0, 0.0],
            [0.0, 0.0, 0.0, 0.0, math.exp(x[DEGREES])],
        ]
    )


def logit(p: float) -> float:
    return math.log(p / (1 - p))


def logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))
