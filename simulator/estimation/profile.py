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
HALVINGS = 4  # of the last stretch, before a straight line


def edge(lost: Callable[[float], float], first: float, longest: float, cut: float = CHI_SQUARE) -> float:
    """The farthest distance from the top at which no more than `cut` is `lost`; infinite where `longest` is not rejected.

    Looks at `first`, twice as far, and so on.
    """
    inside, low, reach = 0.0, -cut, first
    outside, high = math.nan, math.nan
    while True:
        value = lost(reach) - cut
        if value <= 0:
            inside, low, outside = reach, value, math.nan
        elif math.isnan(outside):
            outside, high = reach, value
        if reach >= longest or value > HOPELESS * cut:
            break
        reach = min(2 * reach, longest)
    if math.isnan(outside):
        return math.inf
    for _ in range(HALVINGS):
        middle = (inside + outside) / 2
        value = lost(middle) - cut
        if value <= 0:
            inside, low = middle, value
        else:
            outside, high = middle, value
    share = -low / (high - low) if math.isfinite(high) else 0.0
    return inside + share * (outside - inside)
