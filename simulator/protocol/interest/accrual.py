"""What a debt grows by in a period, and who gets it.

The mode matters once periods are long: at 75 % a year, three terms miss e^x by 3e-10 a day and by 0.7 % in one year.
"""

from __future__ import annotations

import numpy as np

from simulator.kernel import small_rule

CONTINUOUS, THREE_TERM, SIMPLE = range(3)
MODES = {"continuous": CONTINUOUS, "three-term": THREE_TERM, "simple": SIMPLE}


@small_rule
def growth(rate, years, mode):
    """Growth factor less 1 of a debt over `years` at `rate`, compounded by `mode`."""
    x = rate * years
    if mode == CONTINUOUS:
        return np.expm1(x)
    if mode == THREE_TERM:
        return x * (1.0 + x * (0.5 + x / 6.0))
    return x


@small_rule
def split_interest(interest, reserve_share):
    """(to suppliers, to the reserve): what borrowers were charged, and nothing else."""
    kept = reserve_share * interest
    return interest - kept, kept


@small_rule
def cover_insolvency(loss, security):
    """Derive: (paid by the security module, left unbacked) of cash printed for an insolvent account."""
    paid = min(loss, security)
    return paid, loss - paid


@small_rule
def backing(supplied, unbacked):
    """Derive: what one unit of cash is worth, the share of supplied cash that is backed."""
    return (supplied - unbacked) / supplied if supplied > 0.0 else 1.0
