"""Edges of a profile likelihood: a parabola's are 1.96 deviations; several hills, and likelihoods that never reject."""

import math

import pytest
from scipy import stats

from simulator.estimation.profile import CHI_SQUARE, edge


@pytest.mark.parametrize("deviation", [0.3, 1.0, 7.0])
def test_of_a_parabola_it_is_1_96_deviations(deviation):
    assert pytest.approx(stats.chi2(1).ppf(0.95) / 2, abs=1e-4) == CHI_SQUARE
    found = edge(lambda reach: reach**2 / (2 * deviation**2), 0.05, 100.0)
    assert found == pytest.approx(stats.norm.ppf(0.975) * deviation, rel=1e-3)
    twice = edge(lambda reach: reach**2 / (2 * deviation**2), 0.05, 100.0, 4 * CHI_SQUARE)
    assert twice == pytest.approx(2 * found, rel=1e-3)


def test_it_is_beyond_a_second_hill():
    def lost(reach: float) -> float:
        return 3.0 if 0.3 < reach < 0.5 else 0.0 if reach < 1.0 else 100.0

    assert 0.94 < edge(lost, 0.05, 6.4) < 1.05


def test_what_is_never_rejected_is_open():
    assert edge(lambda reach: 1.0, 0.1, 6.4) == math.inf
    assert edge(lambda reach: 0.0 if reach <= 0.01 else math.inf, 0.1, 0.01) == math.inf  # nobody looks beyond
    assert edge(lambda reach: math.inf, 0.1, 6.4) == pytest.approx(0.0, abs=1e-3)
