"""Volatility fees: Algebra's grid in integers and floats, the Liquidity Book's presets, and what every fee must obey."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.protocol.integers import volatility_fees as onchain
from simulator.protocol.trading_fees import BinFee, MakerTakerFee, SigmoidFee
from simulator.protocol.trading_fees.rates import (
    bin_fee,
    bin_reference,
    bins_crossed,
    linear_fee,
    maker_taker_fee,
    one_sided_fee,
    sliding_factor,
    two_sigmoid_fee,
)

sys.path.insert(0, str(Path(__file__).parent))
from protocol_vectors import LAW, cases

RULES = (
    ("two-sigmoid volatility fee", "Algebra", "cryptoalgebra/Algebra @357ae6bc", "volatility_fees.json#algebra"),
    (
        "bin-crossing volatility fee",
        "Trader Joe Liquidity Book",
        "traderjoe-xyz/joe-v2 @067c6ccf",
        "volatility_fees.json#liquidity_book",
    ),
)

FILE = "vectors/volatility_fees.json"
SIGMOIDS = {"alpha1": "height_1", "beta1": "middle_1", "gamma1": "width_1", "alpha2": "height_2", "beta2": "middle_2",
            "gamma2": "width_2"}  # fmt: skip
ORDER = ("baseFee", *SIGMOIDS)


@pytest.mark.parametrize("case", cases(FILE, "algebra", "grid", names=("volatility",)))
def test_algebra_adaptive_fee(case, shared_data):
    config = json.loads((shared_data / FILE).read_text())["algebra"]["config"]
    assert onchain.two_sigmoid_fee(case["volatility"], *(config[name] for name in ORDER)) == case["fee_onchain"]
    exact = two_sigmoid_fee(case["volatility"], *(float(config[name]) for name in ORDER))
    assert exact == pytest.approx(case["fee_exact"], rel=1e-12)
    part = SigmoidFee(kind="two-sigmoid")
    heights = part.base, part.height_1, part.middle_1, part.width_1, part.height_2, part.middle_2, part.width_2
    assert two_sigmoid_fee(case["volatility"], *heights) == pytest.approx(case["fee_exact"] * 1e-6, rel=1e-12)


def bin_part(preset):
    """The part of a preset of the Liquidity Book, whose numbers are in 1e-4 and, for the control, in 1e-4 of a fee."""
    return BinFee(
        kind="liquidity-book",
        bin_step=preset["binStep"] * 1e-4,
        base=preset["baseFactor"] * preset["binStep"] * 1e-8,
        control=preset["variableFeeControl"] * 1e-4,
        filter_period=float(preset["filterPeriod"]),
        decay_period=float(preset["decayPeriod"]),
        reduction=preset["reductionFactor"] * 1e-4,
        most_bins=preset["maxVolatilityAccumulated"] * 1e-4,
    )


@pytest.mark.parametrize("case", cases(FILE, "liquidity_book", "worked", names=("binStep", "bins_crossed")))
def test_liquidity_book_fee(case, shared_data):
    preset = json.loads((shared_data / FILE).read_text())["liquidity_book"]["presets"][str(case["binStep"])]
    crossed = onchain.accumulate(0, case["bins_crossed"], preset["maxVolatilityAccumulated"])
    assert crossed == case["vol_acc"]
    fees = {
        "base_fee": onchain.base_fee(preset["baseFactor"], preset["binStep"]),
        "variable_fee": onchain.variable_fee(crossed, preset["binStep"], preset["variableFeeControl"]),
        "total_fee": onchain.total_fee(crossed, preset["binStep"], preset["baseFactor"], preset["variableFeeControl"]),
    }
    for name, fee in fees.items():
        assert fee == round(case[name] * onchain.UNIT), name
    part = bin_part(preset)
    found = bin_fee(bins_crossed(0.0, case["bins_crossed"], part.most_bins), part.bin_step, part.base, part.control, part.cap)
    assert found == pytest.approx(case["total_fee"], rel=1e-12)


@LAW
@given(crossed=st.integers(0, 350_000), step=st.integers(1, 100), control=st.integers(0, 2_000_000))
def test_liquidity_book_float_and_integer_fees_agree_to_the_rounding_unit(crossed, step, control):
    exact = onchain.total_fee(crossed, step, 10_000, control)
    found = bin_fee(crossed * 1e-4, step * 1e-4, 10_000 * step * 1e-8, control * 1e-4, 0.1)
    assert found == pytest.approx(exact / onchain.UNIT, rel=1e-12, abs=2e-18)


def test_what_was_crossed_is_kept_then_reduced_then_forgotten():
    assert bin_reference(20.0, 5.0, 4.0, 30.0, 600.0, 0.5) == (4.0, False)
    assert bin_reference(20.0, 30.0, 4.0, 30.0, 600.0, 0.5) == (10.0, True)
    assert bin_reference(20.0, 600.0, 4.0, 30.0, 600.0, 0.5) == (0.0, True)
    assert bins_crossed(10.0, -3.0, 35.0) == 13.0
    assert bins_crossed(10.0, 60.0, 35.0) == 35.0


POSITIVE = st.floats(0, 1e6)


@LAW
@given(low=POSITIVE, high=POSITIVE)
def test_volatility_never_lowers_a_fee(low, high):
    low, high = sorted((low, high))
    part = SigmoidFee(kind="two-sigmoid")
    numbers = part.base, part.height_1, part.middle_1, part.width_1, part.height_2, part.middle_2, part.width_2
    assert two_sigmoid_fee(low, *numbers) <= two_sigmoid_fee(high, *numbers)
    assert linear_fee(low, 0.001, 0.01, 0.05) <= linear_fee(high, 0.001, 0.01, 0.05) <= 0.05
    assert bin_fee(low, 1e-3, 1e-3, 4.0, 0.1) <= bin_fee(high, 1e-3, 1e-3, 4.0, 0.1) <= 0.1


@LAW
@given(skew=st.floats(-1e6, 1e6), size=st.floats(-1e6, 1e6).filter(lambda x: abs(x) > 1e-6))
def test_a_trade_split_at_the_flip_of_the_skew_pays_the_same(skew, size):
    whole = maker_taker_fee(skew, size, 100.0, 0.0002, 0.0006)
    flip = -skew if skew * size < 0 and abs(size) > abs(skew) else 0.5 * size
    parts = maker_taker_fee(skew, flip, 100.0, 0.0002, 0.0006) + maker_taker_fee(skew + flip, size - flip, 100.0, 0.0002, 0.0006)
    assert whole == pytest.approx(parts, rel=1e-9, abs=1e-12)


@LAW
@given(changes=st.lists(st.floats(-0.5, 0.5), max_size=20))
def test_sliding_factors_stay_within_two_and_return(changes):
    factor = 1.0
    for change in changes:
        factor = sliding_factor(factor, change, 1.0)
        assert 0.0 <= factor <= 2.0
    assert sliding_factor(1.0, 0.1, 1.0) == pytest.approx(0.9)


@LAW
@given(old=st.floats(1, 1e5), new=st.floats(1, 1e5), elapsed=st.floats(0, 200))
def test_the_step_of_an_oracle_cannot_be_traded_at_a_profit(old, new, elapsed):
    fee = one_sided_fee(old, new, elapsed, 120.0, 0.006, 1.0)
    assert 0.006 <= fee <= 1.0
    if elapsed == 0.0:
        assert fee >= 1 - (min(old, new) / max(old, new)) ** 3 - 1e-12
    assert one_sided_fee(old, new, 120.0, 120.0, 0.006, 1.0) == 0.006


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: MakerTakerFee(kind="maker-taker", maker=-0.01, taker=0.001), "-0.01 and 0.001"),
        (lambda: SigmoidFee(kind="two-sigmoid", base=0.9, height_1=0.2), "0.9, 0.2 and 0.012"),
        (lambda: BinFee(kind="liquidity-book", bin_step=0.01, base=0.0, control=1.0, decay_period=1.0), "30 and 1"),
    ],
)
def test_bad_numbers_are_named(make, said):
    with pytest.raises(ValueError, match=said):
        make()
