"""One band of LLAMMA: x of the debt asset and y of the collateral between oracle prices `down` and `up`.

Source: Curve's crvUSD white paper and documentation of LLAMMA. With A the amplification, p the oracle price and y0 what the
band would hold as collateral alone at p = up:

    (f + x)(g + y) = p A^2 y0^2,   f = A y0 p^2 / up,   g = (A - 1) y0 up / p,   price = (f + x) / (g + y),

which at a resting oracle runs from p^3 / up^2 (all collateral) to p^3 / down^2 (all debt asset): it moves as the cube of the
oracle, so when the oracle falls through the band the AMM is cheaper than the market and arbitrage buys the collateral.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from simulator.kernel import small_rule


class Curve(NamedTuple):
    """The invariant of one band at one oracle price."""

    f: float
    g: float
    product: float


@small_rule
def upper_price(base, amplification, n):
    """The oracle price at which band `n` is left upwards; band n + 1 lies below it."""
    return base * ((amplification - 1.0) / amplification) ** n


@small_rule
def collateral_alone(x, y, oracle, up, amplification):
    """y0: the positive root of p A y0^2 - y0 ((A - 1) x up / p + A y p^2 / up) - x y = 0."""
    a = oracle * amplification
    b = (amplification - 1.0) * x * up / oracle + amplification * y * oracle * oracle / up
    return (b + np.sqrt(b * b + 4.0 * a * x * y)) / (2.0 * a)


@small_rule
def curve_of(x, y, oracle, up, amplification):
    """f, g and (f + x)(g + y) of a band."""
    y0 = collateral_alone(x, y, oracle, up, amplification)
    f = amplification * y0 * oracle * oracle / up
    g = (amplification - 1.0) * y0 * up / oracle
    return Curve(f, g, (f + x) * (g + y))


@small_rule
def price_of(x, y, oracle, up, amplification):
    """The marginal price of a band that is not empty."""
    c = curve_of(x, y, oracle, up, amplification)
    return (c.f + x) / (c.g + y)


@small_rule
def moved_to(x, y, price, oracle, up, amplification):
    """(x, y) after trading the band, without fee, to a marginal `price`, or to its end on that side."""
    if x == 0.0 and y == 0.0:
        return x, y
    c = curve_of(x, y, oracle, up, amplification)
    most_x = c.product / c.g - c.f
    most_y = c.product / c.f - c.g
    new_x = np.sqrt(c.product * price) - c.f
    if new_x <= 0.0:
        return 0.0, most_y
    if new_x >= most_x:
        return most_x, 0.0
    return new_x, max(c.product / (c.f + new_x) - c.g, 0.0)


@small_rule
def arbitrage(x, y, market, oracle, up, amplification, fee):
    """(x, y) after arbitrage against a `market` price: the band is traded until the last unit, fee included, earns nothing.

    What is paid in is grossed up by 1 / (1 - fee), and the fee stays in the band.
    """
    if x == 0.0 and y == 0.0:
        return x, y
    now = price_of(x, y, oracle, up, amplification)
    if now < market * (1.0 - fee):
        new_x, new_y = moved_to(x, y, market * (1.0 - fee), oracle, up, amplification)
        if new_x > x:
            return x + (new_x - x) / (1.0 - fee), new_y
    elif now * (1.0 - fee) > market:
        new_x, new_y = moved_to(x, y, market / (1.0 - fee), oracle, up, amplification)
        if new_y > y:
            return new_x, y + (new_y - y) / (1.0 - fee)
    return x, y


@small_rule
def settled(x, y, oracle, up, amplification):
    """(x, y, p): the band traded to the oracle price p at that oracle, p held within the band."""
    down = up * (amplification - 1.0) / amplification
    inside = min(max(oracle, down), up)
    new_x, new_y = moved_to(x, y, inside, oracle, up, amplification)
    return new_x, new_y, inside


@small_rule
def all_debt_asset(x, y, oracle, up, amplification):
    """x_down: the debt asset that the band becomes if the oracle falls through it slowly: x + y sqrt(down x p).

    Curve's estimate: along a path of infinitely small steps it moves by less than 1 / A^2 of itself within a band.
    """
    down = up * (amplification - 1.0) / amplification
    x, y, inside = settled(x, y, oracle, up, amplification)
    return x + y * np.sqrt(down * inside)


@small_rule
def all_collateral(x, y, oracle, up, amplification):
    """y_up: the collateral that the band becomes if the oracle rises through it slowly: y + x / sqrt(up x p)."""
    x, y, inside = settled(x, y, oracle, up, amplification)
    return y + x / np.sqrt(up * inside)
