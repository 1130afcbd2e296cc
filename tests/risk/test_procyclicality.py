"""Measures of procyclicality: against plain loops over every pair of times, and by hand."""

from __future__ import annotations

import numpy as np
import pytest

from simulator.parameters import DAY
from simulator.risk.procyclicality import greatest_rise, peak_to_trough, procyclicality

HOUR = 3600.0


@pytest.fixture
def ratios():
    return 0.05 * np.exp(np.cumsum(np.random.default_rng(3).normal(0, 0.1, (40, 2, 5)), axis=0))


@pytest.mark.parametrize("steps", [1, 2, 7, 8, 23, 39, 100])
def test_a_rise_is_the_greatest_over_pairs_of_times_no_further_apart(ratios, steps):
    for path in range(5):
        found = 0.0
        for market in range(2):
            for end in range(40):
                for start in range(max(0, end - steps), end + 1):
                    found = max(found, ratios[end, market, path] / ratios[start, market, path] - 1)
        assert greatest_rise(ratios, steps)[path] == pytest.approx(found, abs=1e-15)


def test_a_margin_that_never_moves_has_one_and_nothing():
    found = procyclicality(np.full((30, 2, 3), 0.05), HOUR)
    assert (found["margin_peak_to_trough"] == 1).all()
    assert (found["margin_rise_1_day"] == 0).all()
    assert (found["margin_rise_5_days"] == 0).all()
    assert found["margin_ratio"] == pytest.approx(0.05)


def test_measures_by_hand():
    """A margin of 4 % that doubles over two days in a straight line, then halves at once."""
    line = np.concatenate([np.linspace(0.04, 0.08, 49), [0.04]])[:, None, None]
    found = procyclicality(line, HOUR)
    assert found["margin_peak_to_trough"] == pytest.approx(2.0)
    assert found["margin_rise_1_day"] == pytest.approx(0.5)  # from 4 to 6 %: later days start higher
    assert found["margin_rise_5_days"] == pytest.approx(1.0)
    falling = procyclicality(line[:49][::-1], HOUR)
    assert falling["margin_peak_to_trough"] == pytest.approx(2.0)
    assert falling["margin_rise_1_day"] == 0.0


def test_the_market_that_moves_most_counts(ratios):
    assert (peak_to_trough(ratios) == np.maximum(peak_to_trough(ratios[:, :1]), peak_to_trough(ratios[:, 1:]))).all()
    assert (greatest_rise(ratios, round(DAY / HOUR)) >= greatest_rise(ratios[:, :1], 24)).all()
