"""Rates from utilisation. Sources: aave-v3-origin @fd1fbd9, compound-protocol @a3214f67, comet @d5a30b0a, morpho-blue-irm
@a1a87fd5, derivexyz/v2-core @7736900.

A part is laid out as a row of numbers (`row_of`); `rates` gives the borrow and the supply rate of a row.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from simulator.kernel import kernel, small_rule
from simulator.protocol.interest import (
    AdaptiveCurve,
    CashPool,
    FlatRate,
    IndependentCurves,
    JumpLine,
    JumpRate,
    KinkedRate,
    RateModel,
)

JUMP, KINKED, INDEPENDENT, ADAPTIVE = range(4)
ROW = 9


@small_rule
def utilisation(borrowed, supplied):
    """Borrowed over supplied, within [0, 1]; an empty pool is not used."""
    return min(max(borrowed / supplied, 0.0), 1.0) if supplied > 0.0 else 0.0


@small_rule
def kinked_rate(u, base, below, above, kink):
    """Aave v3: each slope is the whole rise of its side of the kink."""
    if u <= kink:
        return base + below * u / kink
    return base + below + above * (u - kink) / (1.0 - kink)


@small_rule
def jump_rate(u, base, slope, jump, kink):
    """Compound and Comet: each slope is per unit of utilisation."""
    return base + slope * min(u, kink) + jump * max(u - kink, 0.0)


@small_rule
def distance_from_target(u, target):
    """Morpho: -1 at no use, 0 at the target, 1 at full use."""
    return (u - target) / (1.0 - target if u > target else target)


@small_rule
def adaptive_rate(distance, at_target, steepness):
    """Morpho: the rate at a distance, given the rate at the target."""
    coefficient = steepness - 1.0 if distance > 0.0 else 1.0 - 1.0 / steepness
    return (coefficient * distance + 1.0) * at_target


@small_rule
def drifted_rate(at_target, distance, speed, years, least, greatest):
    """Morpho: the rate at the target after `years` at a distance."""
    return min(max(at_target * np.exp(speed * distance * years), least), greatest)


@small_rule
def adapt(u, at_target, years, target, steepness, speed, least, greatest):
    """(mean borrow rate over the period, rate at the target after it): a trapezoid over the start, middle and end."""
    distance = distance_from_target(u, target)
    end = drifted_rate(at_target, distance, speed, years, least, greatest)
    middle = drifted_rate(at_target, distance, speed, 0.5 * years, least, greatest)
    return adaptive_rate(distance, 0.25 * (at_target + end + 2.0 * middle), steepness), end


@small_rule
def rates(row, u, reserve_factor, at_target):
    """(borrow, supply) rate [1/year] of the model in `row` at utilisation `u`.

    Suppliers share what borrowers pay less the reserve's part, except with a curve of their own. `at_target` is the moving
    rate of an adaptive curve, read by no other.
    """
    kind = row[0]
    if kind == KINKED:
        borrow = kinked_rate(u, row[1], row[2], row[3], row[4])
    elif kind == ADAPTIVE:
        borrow = adaptive_rate(distance_from_target(u, row[1]), at_target, row[2])
    else:
        borrow = jump_rate(u, row[1], row[2], row[3], row[4])
    if kind == INDEPENDENT:
        return borrow, jump_rate(u, row[5], row[6], row[7], row[8])
    return borrow, borrow * u * (1.0 - reserve_factor)


def row_of(part: RateModel) -> np.ndarray:
    """The numbers of `part` as `rates` reads them: float64 [ROW]. A flat rate and a cash pool are jump rates."""
    row = np.zeros(ROW)
    if isinstance(part, KinkedRate):
        row[:5] = KINKED, part.base_rate, part.slope_below, part.slope_above, part.optimal_utilisation
    elif isinstance(part, FlatRate):
        row[:5] = JUMP, part.rate, 0.0, 0.0, 1.0
    elif isinstance(part, JumpRate):
        row[:5] = JUMP, *_jump(part)
    elif isinstance(part, IndependentCurves):
        row[:] = INDEPENDENT, *_jump(part.borrow), *_jump(part.supply)
    elif isinstance(part, CashPool):
        row[:5] = JUMP, part.least_rate, part.slope, part.high_slope, part.optimal_utilisation
    else:
        bounds = part.least_rate, part.greatest_rate
        row[:6] = ADAPTIVE, part.target_utilisation, part.steepness, part.adjustment_speed, *bounds
    return row


def _jump(part: JumpRate | JumpLine) -> tuple[float, float, float, float]:
    return part.base_rate, part.slope, part.jump, part.kink


class Rates(NamedTuple):
    """Rates [1/year] of a pool."""

    borrow: np.ndarray
    supply: np.ndarray


@kernel
def _each(row, u, reserve_factor, at_target, borrow, supply):
    for i in range(u.size):
        borrow[i], supply[i] = rates(row, u[i], reserve_factor, at_target)


def curve(part: RateModel, u, reserve_factor: float = 0.0, at_target: float | None = None) -> Rates:
    """Borrow and supply rate of `part` at every utilisation; an adaptive curve stands at `at_target` (its initial rate)."""
    u = np.asarray(u, float)
    found = Rates(np.empty(u.shape), np.empty(u.shape))
    start = at_target if at_target is not None else part.initial_rate if isinstance(part, AdaptiveCurve) else 0.0
    u = np.ascontiguousarray(u)
    _each(row_of(part), u.ravel(), reserve_factor, start, found.borrow.reshape(-1), found.supply.reshape(-1))
    return found
