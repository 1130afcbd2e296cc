"""Rare events: ruin of a fund against its closed form, and estimates against plain paths."""

import math
import sys
from pathlib import Path

import numpy as np
import pytest

from simulator.risk.measures import probability
from simulator.risk.rare import agrees, ruin_probability

sys.path.insert(0, str(Path(__file__).parent))
from test_weights import tilted

LOADING, CLAIM = 0.25, 1.0


def test_plain_paths_confirm_an_estimate_and_contradict_a_wrong_one():
    found = probability(tilted(20_000), 2.0)
    plain = int((np.random.default_rng(9).normal(size=50_000) > 2.0).sum())
    assert agrees(found, plain, 50_000)
    assert not agrees(found, 2 * plain, 50_000)
    assert not agrees(found, plain // 2, 50_000)
    assert agrees(probability(tilted(20_000), 4.0), 0, 1000)


@pytest.mark.parametrize("capital", [0.0, 2.0, 5.0, 10.0, 40.0])
def test_ruin_of_a_fund_is_cramer_and_lundbergs(capital):
    """L08: psi(u) = exp(-th u / ((1 + th) m)) / (1 + th)."""
    found = ruin_probability(capital, LOADING, CLAIM, 20_000, 4)
    truth = math.exp(-LOADING * capital / ((1 + LOADING) * CLAIM)) / (1 + LOADING)
    assert abs(found.value - truth) <= 4 * found.standard_error
    assert found.standard_error < 3e-3 * truth  # relative, whatever the capital


def test_the_fund_for_one_percent_of_ruin_is_21_9_claims():
    """L42, by bisection on weighted paths that are the same at every capital."""
    low, high = 0.0, 100.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if ruin_probability(middle, LOADING, CLAIM, 4000, 5).value > 0.01 else (low, middle)
    # one relative standard error of psi (below 0.6 %) moves the capital by (1 + th) m / th times it
    assert high == pytest.approx(21.9, abs=0.05 + 4 * 5 * 0.006)
