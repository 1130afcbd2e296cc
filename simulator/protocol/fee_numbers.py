"""A fee rule as the numbers that kernels read."""

from __future__ import annotations

import numpy as np

from simulator.protocol.trading_fees import BinFee, FeeRule, LinearFee, MakerTakerFee, OneSidedFee, SigmoidFee, SlidingFee

FEE_KINDS = ("linear-in-volatility", "maker-taker", "two-sigmoid", "liquidity-book", "sliding", "one-sided")
FEE_LINEAR, MAKER_TAKER, TWO_SIGMOID, LIQUIDITY_BOOK, SLIDING, ONE_SIDED = range(6)
FEE_NUMBERS = 8


def fee_numbers(fees: FeeRule) -> np.ndarray:
    """float64 [FEE_NUMBERS]: the fields of the rule in the order in which its arithmetic takes them, padded with zeros."""
    match fees:
        case LinearFee():
            numbers: tuple[float, ...] = ()
        case MakerTakerFee():
            numbers = (fees.maker, fees.taker)
        case SigmoidFee():
            first, second = (fees.height_1, fees.middle_1, fees.width_1), (fees.height_2, fees.middle_2, fees.width_2)
            numbers = (fees.base, *first, *second)
        case BinFee():
            decay = fees.filter_period, fees.decay_period, fees.reduction, fees.most_bins
            numbers = (fees.bin_step, fees.base, fees.control, fees.cap, *decay)
        case SlidingFee():
            numbers = (fees.base, fees.sensitivity)
        case OneSidedFee():
            numbers = (fees.delay, fees.base, fees.cap)
    return np.array([*numbers, *[0.0] * (FEE_NUMBERS - len(numbers))])
