"""Rules of funding and of impact by skew as the numbers that kernels read."""

from __future__ import annotations

import numpy as np

from simulator.protocol.funding_rate import AdaptiveFunding, Funding, PremiumFunding, VelocityFunding
from simulator.protocol.liquidation import (
    FillableLiquidation,
    GrowingFeeLiquidation,
    Liquidation,
    StagedLiquidation,
    WindowLiquidation,
)
from simulator.protocol.price_impact import PowerImpact, SkewFill

FUNDING_KINDS = ("interval", "premium", "velocity", "adaptive")
BY_INTERVAL, PREMIUM, VELOCITY, ADAPTIVE = range(4)
CLOSE_RULES = ("whole", "partial", "staged-close", "window-cap", "fillable-price", "growing-fee")
PARTIAL, STAGED, WINDOW, FILLABLE, GROWING = range(1, 6)
CLOSE_NUMBERS = 9
FUNDING_NUMBERS = 7
IMPACT_NUMBERS = 7


def _padded(numbers, length: int) -> np.ndarray:
    return np.array([*numbers, *[0.0] * (length - len(numbers))])


def funding_numbers(part: Funding) -> np.ndarray:
    """float64 [FUNDING_NUMBERS]: the fields of the rule in the order in which its arithmetic takes them; -1: no such number."""
    if isinstance(part, PremiumFunding):
        band = -1.0 if part.hourly_band is None else part.hourly_band
        multiple = -1.0 if part.margin_multiple is None else part.margin_multiple
        pool = -1.0 if part.most_of_fees is None else part.most_of_fees
        rate = part.convergence_hours, part.hourly_interest, part.hourly_cap
        return np.array([*rate, band, multiple, pool, part.fees_at_load])
    if isinstance(part, VelocityFunding):
        return _padded((part.greatest_velocity,), FUNDING_NUMBERS)
    if isinstance(part, AdaptiveFunding):
        shape = part.increase, part.decrease, part.threshold_stable, part.threshold_decrease
        return _padded((*shape, part.exponent, part.least, part.greatest), FUNDING_NUMBERS)
    return np.zeros(FUNDING_NUMBERS)


def funding_scale(part: Funding, venue: object) -> float:
    """[asset] the skew scale that velocity funding reads in a market; 0 for any other rule."""
    if not isinstance(part, VelocityFunding):
        return 0.0
    if part.skew_scale is not None:
        return part.skew_scale
    assert isinstance(venue, SkewFill)
    return venue.skew_scale


def impact_numbers(venue: object) -> np.ndarray:
    """float64 [IMPACT_NUMBERS]: of a skew fill its scale; of a power impact what its arithmetic takes, then both bounds."""
    if isinstance(venue, SkewFill):
        return _padded((venue.skew_scale,), IMPACT_NUMBERS)
    if isinstance(venue, PowerImpact):
        powers = venue.positive_factor, venue.negative_factor, venue.positive_exponent, venue.negative_exponent
        return _padded((*powers, venue.greatest_gain, venue.greatest_cost), IMPACT_NUMBERS)
    return np.zeros(IMPACT_NUMBERS)


def close_numbers(part: Liquidation, dt: float) -> np.ndarray:
    """float64 [CLOSE_NUMBERS]: of a liquidation by stages, windows or blocks; limits a block become limits a substep of `dt`."""
    if isinstance(part, StagedLiquidation):
        return _padded((part.large, part.first_share, part.cooldown), CLOSE_NUMBERS)
    if isinstance(part, WindowLiquidation):
        return _padded((part.multiplier * dt, part.calm_skew), CLOSE_NUMBERS)
    if isinstance(part, FillableLiquidation):
        blocks = max(dt / part.block, 1.0)
        prices = part.bankruptcy_adjustment, part.spread, part.most_fee
        share = 1.0 - (1.0 - part.most_of_position) ** blocks
        limits = blocks * part.least_notional, blocks * part.most_notional, blocks * part.most_insurance_lost
        return _padded((*prices, share, *limits), CLOSE_NUMBERS)
    if isinstance(part, GrowingFeeLiquidation):
        fees = part.liquidator_fee, part.most_fee_multiple, part.growth, part.grace, part.fund_fee
        return np.array([*fees, part.buffer, part.first_share, part.duration, part.small])
    return np.zeros(CLOSE_NUMBERS)


def timers(rules) -> int:
    """How many numbers of a liquidation an account's record keeps at its end: the time of its last partial close; or since
    when it is up, when it was seen last, and the margin freed since."""
    return {STAGED: 1, FILLABLE: 1, GROWING: 3}.get(int(rules.close_rule), 0)
