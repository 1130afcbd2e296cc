"""Interest, impact, funding, fees, liquidation and bands once more, slowly: exact fractions, fifty digits, and halving.

Beside `reference_rules.py` (margin, allocation), and in the same style: nothing here shares a line with the engine's arithmetic.
"""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction


def exact(*numbers):
    return [Fraction(number) for number in numbers]


def kinked(u, base, below, above, kink):
    u, base, below, above, kink = exact(u, base, below, above, kink)
    share_below = u / kink if u < kink else Fraction(1)
    share_above = (u - kink) / (1 - kink) if u > kink else Fraction(0)
    return float(base + share_below * below + share_above * above)


def jump(u, base, slope, steep, kink):
    u, base, slope, steep, kink = exact(u, base, slope, steep, kink)
    return float(base + slope * u) if u <= kink else float(base + slope * kink + steep * (u - kink))


def adapted(u, start, years, target, steepness, speed, least, greatest):
    """(mean rate, rate at the target afterwards), by the exponential of fifty digits."""
    u, start_, target, steepness, speed = exact(u, start, target, steepness, speed)
    error = (u - target) / (1 - target) if u > target else (u - target) / target
    slope = steepness - 1 if error > 0 else 1 - 1 / steepness

    def later(part):
        with localcontext() as context:
            context.prec = 50
            power = Fraction((_decimal(speed * error * Fraction(years) * part)).exp())
        return sorted([Fraction(least), start_ * power, Fraction(greatest)])[1]

    mean = (start_ + 2 * later(Fraction(1, 2)) + later(Fraction(1))) / 4
    return float(mean * (1 + slope * error)), float(later(Fraction(1)))


def _decimal(value: Fraction) -> Decimal:
    return Decimal(value.numerator) / Decimal(value.denominator)


def powered(value, exponent) -> Fraction:
    """value^exponent to fifty digits, value >= 0."""
    with localcontext() as context:
        context.prec = 50
        return Fraction(Decimal(value) ** Decimal(exponent)) if value else Fraction(0)


def impact(before, after, positive, negative, positive_exponent, negative_exponent):
    def priced(skew, factor, exponent):
        return Fraction(factor) * powered(abs(skew), exponent) if abs(skew) >= 1 else Fraction(0)

    crosses = before * after < 0
    gains = priced(before, positive, positive_exponent)
    if crosses:
        return float(gains - priced(after, negative, negative_exponent))
    if abs(after) < abs(before):
        return float(gains - priced(after, positive, positive_exponent))
    return float(priced(before, negative, negative_exponent) - priced(after, negative, negative_exponent))


def adaptive_funding(rate, longs, shorts, seconds, increase, decrease, stable, falls_below, exponent, least, greatest):
    """Magnitude and direction apart, as a state machine: toward longs paying is +1."""
    heavier = (longs > shorts) - (longs < shorts)
    payer = (rate > 0) - (rate < 0)
    difference = abs(Fraction(longs) - Fraction(shorts))
    share = powered(float(difference), exponent) / (Fraction(longs) + Fraction(shorts))
    moved = Fraction(rate)
    if (heavier and payer != heavier) or (heavier and share > Fraction(stable)):
        moved += heavier * share * Fraction(increase) * Fraction(seconds)
    elif heavier and share < Fraction(falls_below):
        left = abs(moved) - Fraction(decrease) * Fraction(seconds)
        moved = payer * (left if left > 0 else Fraction(1, 10**30))
    size = sorted([Fraction(least), abs(moved), Fraction(greatest)])[1]
    return float(size) if moved > 0 else float(-size) if moved < 0 else 0.0


def sigmoids(deviation, base, *pairs):
    """Base + height / (1 + e^((middle - v) / width)) for each (height, middle, width), cut off at six widths."""
    total = Decimal(base)
    for n in range(0, len(pairs), 3):
        height, middle, width = map(Decimal, pairs[n : n + 3])
        distance = (Decimal(middle) - Decimal(deviation)) / width
        if distance <= -6:
            total += height
        elif distance < 6:
            total += height / (1 + distance.exp())
    return float(total)


def bin_fees(moves, part):
    """Fees of a sequence of (seconds since the last trade, bins moved), all bins counted from the reference bin."""
    fees, place, reference_bin, counted, crossed = [], 0, 0, Fraction(0), Fraction(0)
    for seconds, moved in moves:
        if seconds >= part["filter_period"]:
            reference_bin = place
            counted = Fraction(part["reduction"]) * crossed if seconds < part["decay_period"] else Fraction(0)
        place += moved
        crossed = min(Fraction(part["most_bins"]), counted + abs(place - reference_bin))
        variable = Fraction(part["control"]) * (crossed * Fraction(part["bin_step"])) ** 2
        fees.append(float(min(Fraction(part["cap"]), Fraction(part["base"]) + variable)))
    return fees


def aave(debts, debt, collateral, health, bonus, rule):
    """(repaid, seized): the largest size that the contract would accept, by asking it about sizes from large to small."""
    debts, debt, collateral, incentive = exact(debts, debt, collateral, 1 + Fraction(bonus))
    small = debt < rule["full_below_value"] or collateral < rule["full_below_value"]
    most = debt if small or health <= rule["full_below_health"] else min(debt, Fraction(rule["close_factor"]) * debts)
    most = min(most, collateral / incentive)
    least = Fraction(rule["least_leftover"])

    def accepted(repaid):
        left, kept = debt - repaid, collateral - repaid * incentive
        return left == 0 or kept == 0 or (left >= least and kept >= least)

    for repaid in sorted([most, debt - least, (collateral - least) / incentive], reverse=True):
        if 0 < repaid <= most and accepted(repaid):
            return float(repaid), float(repaid * incentive)
    return 0.0, 0.0


def band_balance(x, y, oracle, up, amplification, price):
    """(x, y) of one band traded to a marginal price, everything by halving and fifty digits' fractions."""
    x, y, p, up, a, price = exact(x, y, oracle, up, amplification, price)
    down = up * (a - 1) / a

    def excess(y0):
        return p * a * y0 * y0 - y0 * (up / p * (a - 1) * x + p * p / up * a * y) - x * y

    y0 = _halved(excess, 2 * (x / p + y) * a)
    f, g = a * y0 * p * p / up, (a - 1) * y0 * up / p
    product = (f + x) * (g + y)
    if price <= p**3 / up**2:
        return 0.0, float(product / f - g)
    if price >= p**3 / down**2:
        return float(product / g - f), 0.0
    new_x = _halved(lambda z: (f + z) * (f + z) / product - price, product / g)
    return float(new_x), float(product / (f + new_x) - g)


def _halved(function, most) -> Fraction:
    """The root of a function that rises through zero in [0, most], to 140 bits."""
    low, high = Fraction(0), Fraction(most)
    for _ in range(140):
        middle = (low + high) / 2
        middle = Fraction(int(middle * 2**200), 2**200)
        low, high = (middle, high) if function(middle) < 0 else (low, middle)
    return high
