"""Rare events beside the engine's own weighted paths (simulator.risk.weights): ruin of a fund, and the check against plain paths.

`agrees` compares an estimate from weighted paths with plain ones where these see the event at all.
"""

from __future__ import annotations

import math

import numpy as np

from simulator.risk.measures import Estimate


def agrees(rare: Estimate, failures: int, paths: int) -> bool:
    """Whether `failures` of `paths` plain paths fit the estimate: an exact two-sided test at 0.1 %, with the estimate's error.

    True also where plain paths are too few to see the event; `paths` times the estimate says how many were to be expected.
    """
    from scipy.special import bdtr

    low = max(0.0, rare.value - 3.3 * rare.standard_error)
    high = min(1.0, rare.value + 3.3 * rare.standard_error)
    too_many = failures > 0 and 1 - float(bdtr(failures - 1.0, paths, high)) < 0.0005
    too_few = float(bdtr(float(failures), paths, low)) < 0.0005
    return not too_many and not too_few


def ruin_probability(capital: float, loading: float, claim: float, paths: int, seed: int) -> Estimate:
    """P(a fund of `capital` is ever ruined) by exponential tilting of its claims (Esscher; Asmussen & Glynn 2007, VI.2).

    Fees come steadily at (1 + loading) times the mean of claims, which arrive as a Poisson process with exponential sizes of
    mean `claim` [usd]. Under the tilt with R = loading / ((1 + loading) claim) ruin is certain, claims have mean (1 +
    loading) claim, and a ruined path counts exp(-R (capital + deficit at ruin)): every path counts, however rare ruin is.
    The closed form is Cramer and Lundberg's.
    """
    rate = loading / ((1 + loading) * claim)
    draws = np.random.Generator(np.random.Philox(key=seed))
    debt, ruined = np.zeros(paths), np.zeros(paths, dtype=bool)
    while not ruined.all():
        open_paths = np.flatnonzero(~ruined)
        # waiting times under the tilt have rate (1 + loading) x that of claims, in which fees of `claim` each flow in
        fees = claim * draws.exponential(size=open_paths.size)
        debt[open_paths] += (1 + loading) * claim * draws.exponential(size=open_paths.size) - fees
        ruined[open_paths] = debt[open_paths] > capital
    counted = np.exp(-rate * debt)
    value, error = float(counted.mean()), float(counted.std(ddof=1)) / math.sqrt(paths)
    return Estimate(value, value - 1.96 * error, value + 1.96 * error, 0.95, paths, error)
