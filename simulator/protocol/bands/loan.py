"""A loan over consecutive bands: opened, arbitraged along a path, valued. Bands are arrays x [debt asset], y [collateral].

Source: Curve's crvUSD white paper and documentation of LLAMMA. Bands hold one loan here; of a band shared by several, each has
its share of x and y.
"""

from __future__ import annotations

import numpy as np

from simulator.kernel import kernel, rule
from simulator.protocol.bands.band import all_collateral, all_debt_asset, arbitrage, upper_price


@rule
def arbitrage_bands(x, y, first, market, oracle, base, amplification, fee):
    """Arbitrage in every band n = `first` + i. Returns what the arbitrageur earned at the `market` price."""
    earned = 0.0
    for i in range(x.size):
        up = upper_price(base, amplification, first + i)
        new_x, new_y = arbitrage(x[i], y[i], market, oracle, up, amplification, fee)
        earned += (x[i] - new_x) + (y[i] - new_y) * market
        x[i], y[i] = new_x, new_y
    return earned


@rule
def debt_asset_down(x, y, first, oracle, base, amplification):
    """x_down of all bands: what the loan is worth if the oracle falls slowly through them."""
    total = 0.0
    for i in range(x.size):
        total += all_debt_asset(x[i], y[i], oracle, upper_price(base, amplification, first + i), amplification)
    return total


@rule
def collateral_up(x, y, first, oracle, base, amplification):
    """y_up of all bands: the collateral there is if the oracle rises slowly through them."""
    total = 0.0
    for i in range(x.size):
        total += all_collateral(x[i], y[i], oracle, upper_price(base, amplification, first + i), amplification)
    return total


@rule
def band_health(x, y, first, oracle, base, amplification, debt, liquidation_discount, full):
    """x_down (1 - liquidation discount) / debt - 1; `full` adds what collateral above the uppermost band is worth more.

    Below 0 the loan may be liquidated whole.
    """
    found = debt_asset_down(x, y, first, oracle, base, amplification) * (1.0 - liquidation_discount) / debt - 1.0
    top = upper_price(base, amplification, first)
    if full and oracle > top:
        held = 0.0
        for i in range(x.size):
            held += y[i]
        found += (oracle - top) * held / debt
    return found


@kernel
def along_path(x, y, first, market, oracle, base, amplification, fee):
    """Arbitrage at every step of the paths `market` and `oracle`; x and y are changed in place.

    Returns float64 [step, 2]: x_down after each step, and what the arbitrageur earned in it.
    """
    told = np.empty((market.size, 2))
    for t in range(market.size):
        told[t, 1] = arbitrage_bands(x, y, first, market[t], oracle[t], base, amplification, fee)
        told[t, 0] = debt_asset_down(x, y, first, oracle[t], base, amplification)
    return told


def deposit(collateral: float, bands: int) -> tuple[np.ndarray, np.ndarray]:
    """(x, y) of a new loan: the collateral in equal parts, in bands below the present price."""
    return np.zeros(bands), np.full(bands, collateral / bands)


def greatest_debt(collateral: float, bands: int, first: int, base: float, amplification: float, loan_discount: float) -> float:
    """The most that may be borrowed: x_down of the deposit less the loan discount."""
    x, y = deposit(collateral, bands)
    top = upper_price(base, amplification, first)
    return float(debt_asset_down(x, y, first, top, base, amplification) * (1.0 - loan_discount))
