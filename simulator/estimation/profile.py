"""Intervals by profile likelihood: every value that the likelihood, all other coordinates climbed anew, does not reject.

Twice what is lost by holding a coordinate is chi-square of one degree where the likelihood is smooth and the sample large (Wilks
1938); no parabola is asked for, and an interval may be open. Where profiles have more than one hill an interval holds all that is
not rejected.
"""

from __future__ import annotations

import math
from collections.abc import Callable

CHI_SQUARE = 1.9207  # log-likelihood lost at the edge: half the 95 % point of one degree
HOPELESS = 8.0  # times the cut: nobody looks farther
STEPS = 4  # into the last stretch: to the crossing of a line through roots of what is lost, which are nearly straight
NEAREST = 0.1  # of a stretch: no step lands nearer to its ends
STEEP = 4.0  # times the cut: beyond it no line is trusted, and stretches are halved
CLOSE = 1e-3  # of the cut


def edge(lost: Callable[[float], float], first: float, longest: float, cut: float = CHI_SQUARE) -> float:
    """The farthest distance from the top at which no more than `cut` is `lost`; infinite where `longest` is not rejected.

    Looks at `first`, twice as far, and so on; never beyond `longest`.
    """
    inside, low, reach = 0.0, 0.0, min(first, longest)
    outside, high = math.nan, math.nan
    while True:
        value = lost(reach)
        if value <= cut:
            inside, low, outside = reach, value, math.nan
        elif math.isnan(outside):
            outside, high = reach, value
        if reach >= longest or value > HOPELESS * cut:
            break
        reach = min(2 * reach, longest)
    if math.isnan(outside):
        return math.inf
    for _ in range(STEPS):
        share = 0.5 if high > STEEP * cut else min(max(_crossing(low, high, cut), NEAREST), 1 - NEAREST)
        middle = inside + share * (outside - inside)
        value = lost(middle)
        if abs(value - cut) < CLOSE * cut:
            return middle
        if value <= cut:
            inside, low = middle, value
        else:
            outside, high = middle, value
    return inside + _crossing(low, high, cut) * (outside - inside)


def _crossing(low: float, high: float, cut: float) -> float:
    """Share of a stretch at which the root of what is lost, a straight line from `low` to `high`, passes that of `cut`."""
    a, b = math.sqrt(max(low, 0.0)), math.sqrt(high)
    return (math.sqrt(cut) - a) / (b - a)
