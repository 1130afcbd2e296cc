"""How far margin moves with the market (Murphy, Vasios and Vause 2014, Bank of England Financial Stability Paper 29).

*Peak to trough*: the greatest ratio of a time over the least. *Rise within n days*: the greatest relative rise from any ratio to
a later one at most n days after it: what holders of a position are called for in that time, over what they had posted. Of
several markets the one that moves most. A margin that never moves has 1 and 0.
"""

from __future__ import annotations

import numpy as np

from simulator.parameters import DAY

DAYS = {"margin_rise_1_day": 1, "margin_rise_5_days": 5}


def procyclicality(ratio: np.ndarray, dt: float) -> dict[str, np.ndarray]:
    """By quantity of `simulator.outcomes`, float64 [path], of an initial `ratio` [time, market, path] at times `dt` [s] apart."""
    total = ratio.cumsum(axis=0)[-1].cumsum(axis=0)[-1]  # one after the other: the same bytes for any number of paths
    found = {"margin_ratio": total / (ratio.shape[0] * ratio.shape[1]), "margin_peak_to_trough": peak_to_trough(ratio)}
    return found | {name: greatest_rise(ratio, max(1, round(days * DAY / dt))) for name, days in DAYS.items()}


def peak_to_trough(ratio: np.ndarray) -> np.ndarray:
    """Greatest over least in time, of the market in which that is most, [path]."""
    return (ratio.max(axis=0) / ratio.min(axis=0)).max(axis=0)


def greatest_rise(ratio: np.ndarray, steps: int) -> np.ndarray:
    """The greatest relative rise within `steps` times, of the market in which that is most, [path]; at least 0."""
    least, width = ratio.copy(), 1  # of the last `width` times, now included
    while width < min(steps + 1, len(ratio)):
        further = min(width, steps + 1 - width)
        least[further:] = np.minimum(least[further:], least[:-further])
        width += further
    return (ratio / least).max(axis=0).max(axis=0) - 1.0
