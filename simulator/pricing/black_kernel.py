"""Black's price one number at a time, inside kernels: see black_scholes.py for arrays and greeks."""

from __future__ import annotations

import math

import numpy as np

from simulator.kernel import rule

ROOT_HALF = math.sqrt(0.5)


@rule
def normal_cdf(x):
    """P(Z <= x), Z standard normal."""
    return 0.5 * math.erfc(-x * ROOT_HALF)


@rule
def black_price(forward, strike, total, is_call):
    """Undiscounted price of a European option; `total` = volatility x sqrt(years). Forward, strike and total >= 0.

    The option that is out of the money is computed and the other follows by parity.
    """
    if forward <= 0.0 or strike <= 0.0 or total <= 0.0:
        beyond = 0.0
    else:
        d1 = np.log(forward / strike) / total + 0.5 * total
        d2 = d1 - total
        if forward <= strike:
            beyond = max(forward * normal_cdf(d1) - strike * normal_cdf(d2), 0.0)
        else:
            beyond = max(strike * normal_cdf(-d2) - forward * normal_cdf(-d1), 0.0)
    return beyond + max(forward - strike if is_call else strike - forward, 0.0)
