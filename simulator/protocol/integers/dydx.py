"""dYdX v4 (dydxprotocol/v4-chain @84d4664) in parts per million and quote quantums (1e-6 USDC).

Margin is rounded up, ratios and caps down; the price at which a position is bankrupt is rounded against the account.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

MILLION = 1_000_000
EIGHT_HOURS = 28_800  # [s]


class Holding(NamedTuple):
    """One perpetual position: notional [quote quantums, signed], size [base quantums, signed], margin ratios [ppm]."""

    notional: int
    size: int
    initial_ppm: int
    maintenance_fraction_ppm: int


def _rounded_up(value: int, ppm: int) -> int:
    return -(-value * ppm // MILLION)


def scaled_initial_ppm(base: int, lower: int, upper: int, open_interest: int) -> int:
    """The initial ratio at `open_interest`: base, plus the share of the way to 1 between the caps, rounded down."""
    if upper == 0 or open_interest <= lower:
        return base
    if open_interest >= upper:
        return MILLION
    return (MILLION - base) * (open_interest - lower) // (upper - lower) + base


def initial_margin(notional: int, ratio_ppm: int) -> int:
    """|notional| x ratio, rounded up."""
    return _rounded_up(abs(notional), ratio_ppm)


def maintenance_ppm(initial_ppm: int, fraction_ppm: int) -> int:
    """Initial ratio x maintenance fraction, rounded down."""
    return initial_ppm * fraction_ppm // MILLION


def maintenance_margin(holding: Holding) -> int:
    """The initial margin at the base ratio, rounded up, x the maintenance fraction, rounded up."""
    return _rounded_up(initial_margin(holding.notional, holding.initial_ppm), holding.maintenance_fraction_ppm)


def _collateral_and_margin(cash: int, holdings: Sequence[Holding]) -> tuple[int, int]:
    return cash + sum(h.notional for h in holdings), sum(maintenance_margin(h) for h in holdings)


def bankruptcy_value(cash: int, holdings: Sequence[Holding], closed: int, size: int) -> int:
    """Quote quantums that the account must receive for changing holding `closed` by `size` to be no worse off in share.

    -change of notional - floor(collateral x |change of margin| / margin): at this value the position's part of what the
    account is worth is used up. Negative: the account pays.
    """
    collateral, margin = _collateral_and_margin(cash, holdings)
    before = holdings[closed]
    price = Fraction(before.notional, before.size)
    left = before._replace(size=before.size + size, notional=_toward_zero(price * (before.size + size)))
    change = left.notional - before.notional
    freed = abs(maintenance_margin(left) - maintenance_margin(before))
    return -change - collateral * freed // margin


def _toward_zero(value: Fraction) -> int:
    return abs(value.numerator) // value.denominator * (1 if value >= 0 else -1)


def fillable_price(
    cash: int, holdings: Sequence[Holding], closed: int, bankruptcy_adjustment_ppm: int, spread_ppm: int
) -> Fraction:
    """Quote quantums per base quantum at which a liquidation order is placed; exact.

    (notional - clip(adjustment x (1 - collateral / margin), 0, 1) x spread x margin of the position) / size.
    """
    collateral, margin = _collateral_and_margin(cash, holdings)
    position = holdings[closed]
    urgency = Fraction(bankruptcy_adjustment_ppm, MILLION) * (1 - Fraction(collateral, margin))
    urgency = min(max(urgency, Fraction(0)), Fraction(1))
    given = urgency * Fraction(spread_ppm, MILLION) * maintenance_margin(position)
    return (position.notional - given) / position.size


def insurance_delta(fill: int, bankruptcy: int, fee_ppm: int) -> int:
    """What the fund receives (negative: pays) for a fill of `fill` quote quantums received by the account.

    Everything above the bankruptcy value, at most `fee` of the fill, rounded down; everything missing below it.
    """
    above = fill - bankruptcy
    return min(above, abs(fill) * fee_ppm // MILLION) if above > 0 else above


def funding_clamp_ppm(clamp_factor_ppm: int, initial_ppm: int, fraction_ppm: int) -> int:
    """The greatest 8-hour funding rate: factor x (initial - maintenance ratio), rounded down."""
    return clamp_factor_ppm * (initial_ppm - maintenance_ppm(initial_ppm, fraction_ppm)) // MILLION


def funding_index_delta(rate_ppm: int, seconds: int, price: int, exponent: int) -> int:
    """Quote quantums x 1e6 per base quantum accrued in `seconds` at the 8-hour `rate_ppm`; rounded toward zero.

    The oracle price of one base quantum is `price` x 10^`exponent` quote quantums.
    """
    return _toward_zero(Fraction(rate_ppm * seconds * price, EIGHT_HOURS) * Fraction(10) ** exponent)
