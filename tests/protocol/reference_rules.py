"""The rules once more, slowly and one position at a time, from the formulas alone: what the engine's arithmetic is compared with.

Another style on purpose: dictionaries of plain numbers, exact fractions where a formula allows them, sums over slices and
sorted lists where the rules use closed forms and arrays.
"""

from __future__ import annotations

import math
from fractions import Fraction


def margin(rule: dict, size: float, price: float, open_interest: float) -> tuple[float, float]:
    """(initial, maintenance) of one perpetual position under a rule given as the fields of its part."""
    notional = Fraction(size) * Fraction(price)
    notional = -notional if notional < 0 else notional
    if notional == 0:
        return 0.0, 0.0
    initial, maintenance = MARGINS[rule["kind"]](
        {name: Fraction(value) if isinstance(value, float) else value for name, value in rule.items()},
        abs(Fraction(size)), notional, Fraction(open_interest),
    )  # fmt: skip
    return float(initial), float(maintenance)


def _flat(rule, size, notional, interest):
    return notional * rule["initial_margin_ratio"], notional * rule["maintenance_margin_ratio"]


def _open_interest(rule, size, notional, interest):
    low, high, base = rule["lower_open_interest"], rule["upper_open_interest"], rule["initial_margin_ratio"]
    way = Fraction(0)
    if high > 0:
        way = Fraction(1) if interest >= high else Fraction(0)
        if low < interest < high:
            way = (interest - low) / (high - low)
        if interest <= low:
            way = Fraction(0)
    return notional * ((1 - way) * base + way), notional * base * rule["maintenance_fraction"]


def _by_volatility(rule, size, notional, factor):
    return [factor * part for part in _flat(rule, size, notional, factor)]


def _size(rule, size, notional, interest):
    root = Fraction(math.sqrt(size))
    found = []
    for name in ("initial_margin_ratio", "maintenance_margin_ratio"):
        grown = rule[name] - rule[name] / 5 + rule["size_factor"] * root
        found.append(notional * (grown if grown > rule[name] else rule[name]))
    return found


def _skew(rule, size, notional, interest):
    ratio = size * rule["scaled_ratio"] / rule["skew_scale"] + rule["minimum_ratio"]
    return notional * ratio + rule["minimum_margin"], notional * ratio * rule["maintenance_scalar"] + rule["minimum_margin"]


def _factor(rule, size, notional, interest):
    needed = sorted(
        [notional * rule["minimum_factor"], notional * interest * rule["open_interest_factor"], rule["minimum_collateral"]]
    )
    kept = sorted([notional * rule["minimum_factor_liquidation"], rule["minimum_collateral"]])
    return needed[-1], kept[-1]


def _tiered(rule, size, notional, interest):
    tiers = [(Fraction(tier["lower_bound"]), Fraction(tier["greatest_leverage"])) for tier in rule["tiers"]]
    bounds = [low for low, _ in tiers] + [None]
    initial, maintenance = Fraction(0), Fraction(0)
    for (low, leverage), high in zip(tiers, bounds[1:], strict=True):
        if notional < low:
            break
        initial = notional / leverage
        top = notional if high is None or notional < high else high
        maintenance += (top - low) * rule["maintenance_share"] / leverage
    return initial, maintenance


MARGINS = {
    "flat": _flat,
    "open-interest-scaled": _open_interest,
    "size-scaled": _size,
    "skew-scaled": _skew,
    "collateral-factor": _factor,
    "tiered": _tiered,
    "volatility-scaled": _by_volatility,
}


def liquidation_price(rule: dict, size: float, price: float, equity: float) -> float:
    """The price at which equity equals maintenance, by halving."""

    def above(p):
        return equity + size * (p - price) - margin(rule, size, p, 0.0)[1]

    low, high = (1e-9 * price, 1e6 * price) if size > 0 else (1e6 * price, 1e-9 * price)
    if above(low) > 0:
        return 0.0
    for _ in range(200):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if above(middle) < 0 else (low, middle)
    return high


def by_queue(amount: float, sizes, scores) -> list[float]:
    """What each account gives up, greatest score first; of equal scores the first."""
    taken, left = [0.0] * len(sizes), amount
    for n in sorted(range(len(sizes)), key=lambda n: (-scores[n], n)):
        taken[n] = min(sizes[n], left)
        left -= taken[n]
    return taken


def in_proportion(amount: float, sizes, weights) -> list[float]:
    """What each account gives up: min(size, size x weight x lambda) with lambda found by halving."""

    def given_up(scale):
        return [size * min(1.0, weight * scale) for size, weight in zip(sizes, weights, strict=True)]

    able = [size for size, weight in zip(sizes, weights, strict=True) if weight > 0]
    if amount >= math.fsum(able):
        return [size if weight > 0 else 0.0 for size, weight in zip(sizes, weights, strict=True)]
    low, high = 0.0, 1.0
    while math.fsum(given_up(high)) < amount:
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if math.fsum(given_up(middle)) < amount else (low, middle)
    return given_up(high)
