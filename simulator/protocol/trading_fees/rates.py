"""Fee rates. Sources: cryptoalgebra/Algebra @357ae6bc (adaptive and sliding fee), traderjoe-xyz/joe-v2 @067c6ccf (pair
parameters), Synthetix v3 @23585f7 (maker and taker), Curve's documentation of LLAMMA (dynamic fee).
"""

from __future__ import annotations

import numpy as np

from simulator.kernel import small_rule
from simulator.protocol.price_impact.fill import balancing_share


@small_rule
def maker_taker_fee(skew, size, price, maker, taker):
    """[usd] for trading `size` at `price`: the part that balances the `skew` pays `maker`, the rest `taker`."""
    share = balancing_share(skew, size)
    return abs(size) * price * (share * maker + (1.0 - share) * taker)


@small_rule
def linear_fee(volatility, flat, slope, cap):
    """min(cap, flat + slope x volatility)."""
    return min(cap, flat + slope * volatility)


@small_rule
def sigmoid(x, height, middle, width):
    """height / (1 + e^((middle - x) / width)); 0 and `height` beyond six widths of the middle."""
    distance = (x - middle) / width
    if distance >= 6.0:
        return height
    if distance <= -6.0:
        return 0.0
    return height / (1.0 + np.exp(-distance))


@small_rule
def two_sigmoid_fee(deviation, base, height_1, middle_1, width_1, height_2, middle_2, width_2):
    """Algebra: `deviation` is the mean squared tick deviation per 15 s."""
    return base + sigmoid(deviation, height_1, middle_1, width_1) + sigmoid(deviation, height_2, middle_2, width_2)


@small_rule
def bin_reference(crossed, since, reference, filter_period, decay_period, reduction):
    """Liquidity Book: (bins counted from before, whether the reference bin moves here), `since` seconds after the last trade.

    Trades closer than the filter period belong together; then a share of what was crossed is kept; then nothing.
    """
    if since < filter_period:
        return reference, False
    if since < decay_period:
        return crossed * reduction, True
    return 0.0, True


@small_rule
def bins_crossed(reference, distance, most):
    """Liquidity Book: bins from before + distance [bins] to the reference bin, at most `most`."""
    return min(most, reference + abs(distance))


@small_rule
def bin_fee(crossed, bin_step, base, control, cap):
    """Liquidity Book: min(cap, base + control x (crossed x bin_step)^2)."""
    move = crossed * bin_step
    return min(cap, base + control * move * move)


@small_rule
def sliding_factor(factor, change, sensitivity):
    """Algebra: the factor of selling after a relative price `change`; buying has 2 less it. Within [0, 2]."""
    return min(max(factor - sensitivity * change, 0.0), 2.0)


@small_rule
def one_sided_fee(old, new, elapsed, delay, base, cap):
    """LLAMMA: the step of the oracle from `old` to `new`, fading over `delay`: 1 - (smaller / larger)^3, at least `base`."""
    left = max(1.0 - elapsed / delay, 0.0)
    ratio = min(old, new) / max(old, new)
    return min(max((1.0 - ratio * ratio * ratio) * left, base), cap)
