"""Every rule beside margin against its slow reference: two hundred inputs a rule, each parameter at its least and greatest."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from simulator.protocol.bands import band
from simulator.protocol.funding_rate.rates import adaptive_rate
from simulator.protocol.interest.curves import adapt, jump_rate, kinked_rate
from simulator.protocol.liquidation_shapes import lending
from simulator.protocol.price_impact.fill import power_impact
from simulator.protocol.trading_fees.rates import bin_fee, bin_reference, bins_crossed, two_sigmoid_fee

sys.path.insert(0, str(Path(__file__).parent))
import reference_market_rules as reference

COUNT = 200


def drawn(ranges, seed):
    """`COUNT` draws within (least, greatest, logarithmic), then each parameter once at its least and once at its greatest."""
    rng = np.random.default_rng(seed)

    def one(low, high, logarithmic):
        return float(np.exp(rng.uniform(np.log(low), np.log(high)))) if logarithmic else float(rng.uniform(low, high))

    for _ in range(COUNT):
        yield [one(*bounds) for bounds in ranges]
    for n, (least, greatest, _) in enumerate(ranges):
        for value in (least, greatest):
            inputs = [one(*bounds) for bounds in ranges]
            yield [*inputs[:n], value, *inputs[n + 1 :]]


U, RATE, SKEW = (0.0, 1.0, False), (1e-6, 10.0, True), (-1e8, 1e8, False)


@pytest.mark.parametrize(
    ("fast", "slow", "ranges"),
    [
        (kinked_rate, reference.kinked, [U, RATE, RATE, RATE, (0.01, 0.99, False)]),
        (jump_rate, reference.jump, [U, RATE, RATE, RATE, (0.0, 2.0, False)]),
        (
            power_impact, reference.impact,
            [SKEW, SKEW, (1e-12, 1e-9, True), (1e-9, 1e-7, True), (1.0, 3.0, False), (1.0, 3.0, False)],
        ),
        (
            two_sigmoid_fee, reference.sigmoids,
            [(1e-2, 1e5, True), (0.0, 1e-3, False), (0.0, 1e-2, False), (0.0, 1e3, False), (1.0, 1e3, True), (0.0, 1e-1, False),
             (0.0, 1e5, False), (1.0, 1e4, True)],
        ),
    ],
    ids=["kinked", "jump", "power-impact", "two-sigmoid"],
)  # fmt: skip
def test_a_number_equals_the_slow_reference(fast, slow, ranges):
    for inputs in drawn(ranges, 1):
        scale = 1.0
        if fast is power_impact:  # a difference of two powers: twelve digits of the larger
            scale = max(abs(fast(0.0, inputs[0], *inputs[2:])), abs(fast(0.0, inputs[1], *inputs[2:])), 1.0)
        assert fast(*inputs) == pytest.approx(slow(*inputs), rel=1e-12, abs=1e-12 * scale), inputs


def test_the_adaptive_curve_equals_fifty_digits():
    ranges = [U, (0.001, 2.0, True), (0.0, 1.0, False), (0.1, 0.95, False), (1.0, 20.0, False), (0.0, 100.0, False)]
    for inputs in drawn(ranges, 2):
        found = adapt(*inputs, 0.001, 2.0)
        assert found == pytest.approx(reference.adapted(*inputs, 0.001, 2.0), rel=1e-12), inputs


def test_adaptive_funding_equals_the_slow_reference():
    ranges = [
        (-1e-4, 1e-4, False), (1.0, 1e8, True), (1.0, 1e8, True), (0.0, 1e5, False), (1e-9, 1e-6, True), (1e-9, 1e-6, True),
        (0.05, 0.5, False), (0.0, 0.05, False), (0.5, 1.5, False), (0.0, 1e-6, False), (1e-5, 1e-2, True),
    ]  # fmt: skip
    for inputs in drawn(ranges, 3):
        found = adaptive_rate(*inputs)
        assert found == pytest.approx(reference.adaptive_funding(*inputs), rel=1e-12, abs=1e-15), inputs


def test_bin_fees_along_sequences_equal_the_slow_reference():
    """The accumulator is state: two hundred sequences of twenty trades."""
    rng = np.random.default_rng(4)
    for _ in range(COUNT):
        part = {
            "bin_step": float(rng.uniform(1e-4, 1e-2)), "base": float(rng.uniform(0, 0.01)),
            "control": float(rng.uniform(0, 200)),
            "filter_period": 30.0, "decay_period": 600.0, "reduction": float(rng.uniform(0, 1)),
            "most_bins": float(rng.uniform(1, 60)), "cap": 0.1,
        }  # fmt: skip
        moves = [(float(rng.choice([0, 29.9, 30, 200, 599.9, 600, 5_000])), int(rng.integers(-15, 16))) for _ in range(20)]
        place, origin, counted, crossed, fees = 0, 0, 0.0, 0.0, []
        for seconds, moved in moves:
            counted, moves_reference = bin_reference(
                crossed, seconds, counted, part["filter_period"], part["decay_period"], part["reduction"]
            )
            origin = place if moves_reference else origin
            place += moved
            crossed = bins_crossed(counted, float(place - origin), part["most_bins"])
            fees.append(bin_fee(crossed, part["bin_step"], part["base"], part["control"], part["cap"]))
        assert fees == pytest.approx(reference.bin_fees(moves, part), rel=1e-12)


def test_aave_liquidation_equals_the_largest_size_that_is_accepted():
    rule = {"close_factor": 0.5, "full_below_health": 0.95, "full_below_value": 2_000.0, "least_leftover": 1_000.0}
    ranges = [(100.0, 1e5, True), (0.05, 1.0, False), (100.0, 1e5, True), (0.5, 1.0, False), (0.0, 0.2, False)]
    for debts, share, collateral, health, bonus in drawn(ranges, 5):
        debt = share * debts
        most = lending.repayable(debts, debt, collateral, health, *list(rule.values())[:3])
        found = lending.repay_and_seize(most, debt, collateral, bonus, rule["least_leftover"])
        assert found == pytest.approx(reference.aave(debts, debt, collateral, health, bonus, rule), rel=1e-12), debts


def test_a_band_equals_the_slow_reference():
    """Differences of nearly equal numbers: twelve digits of what the band holds, times the amplification."""
    ranges = [(1e-3, 1e5, True), (1e-3, 1e2, True), (0.9, 1.1, False), (2.0, 1_000.0, True), (0.9, 1.1, False)]
    for x, y, oracle, amplification, target in drawn(ranges, 6):
        up, held = 2_000.0, x + y * 2_000.0
        inputs = x, y, oracle * up, up, amplification
        found = band.moved_to(x, y, target * up, oracle * up, up, amplification)
        slow = reference.band_balance(*inputs, target * up)
        assert found[0] == pytest.approx(slow[0], abs=1e-12 * amplification * held), inputs
        assert found[1] == pytest.approx(slow[1], abs=1e-12 * amplification * held / up), inputs
