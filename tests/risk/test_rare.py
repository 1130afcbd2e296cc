"""Rare events: weighted paths against closed forms and plain paths, and the refusals."""

import math

import numpy as np
import pytest
from scipy import stats

from simulator.risk.measures import PerPath
from simulator.risk.rare import WeightsDegenerate, agrees, effective_paths, rare_probability, ruin_probability

LOADING, CLAIM = 0.25, 1.0


def tilted(shift, paths=20_000, seed=3):
    """Normal values drawn around `shift`, weighted back to the standard normal law."""
    value = np.random.default_rng(seed).normal(shift, 1.0, size=paths)
    return PerPath(np.arange(paths), value), np.exp(shift**2 / 2 - shift * value)


@pytest.mark.parametrize("threshold", [2.0, 3.0, 4.0])
def test_a_tail_of_the_normal_law_is_found_where_plain_paths_see_little_or_nothing(threshold):
    found = rare_probability(*tilted(threshold), threshold)
    truth = stats.norm.sf(threshold)
    assert abs(found.estimate.value - truth) <= 4 * found.estimate.standard_error
    plain = math.sqrt(truth * (1 - truth) / 20_000)
    assert found.estimate.standard_error < plain / (2 if threshold == 2 else 5)
    assert found.effective_paths >= 50


def test_intervals_cover_as_often_as_they_say():
    truth = stats.norm.sf(3.0)
    hits = 0
    for seed in range(400):
        found = rare_probability(*tilted(3.0, 2000, seed), 3.0).estimate
        hits += found.low <= truth <= found.high
    assert abs(hits / 400 - 0.95) <= 4 * math.sqrt(0.95 * 0.05 / 400)


def test_weights_that_cannot_carry_an_estimate_are_refused():
    sample, weights = tilted(3.0)
    mild, ratio = tilted(1.0)
    with pytest.raises(WeightsDegenerate, match="mean 1"):
        rare_probability(mild, 2 * ratio, 2.0)
    with pytest.raises(WeightsDegenerate, match="effective paths"):
        rare_probability(*tilted(0.0), 4.5)  # no tilt: nothing, or one path, beyond the threshold
    with pytest.raises(WeightsDegenerate, match="not negative"):
        rare_probability(sample, -weights, 3.0)


def test_a_tilt_too_far_is_refused():
    """Drawn around 8, the paths that matter for 3 are the few near it, with weights of thousands."""
    with pytest.raises(WeightsDegenerate):
        rare_probability(*tilted(8.0), 3.0)


def test_plain_paths_confirm_an_estimate_and_contradict_a_wrong_one():
    found = rare_probability(*tilted(2.0), 2.0)
    plain = int((np.random.default_rng(9).normal(size=50_000) > 2.0).sum())
    assert agrees(found, plain, 50_000)
    assert not agrees(found, 2 * plain, 50_000)
    assert not agrees(found, plain // 2, 50_000)
    assert agrees(rare_probability(*tilted(4.0), 4.0), 0, 1000)


@pytest.mark.parametrize("capital", [0.0, 2.0, 5.0, 10.0, 40.0])
def test_ruin_of_a_fund_is_cramer_and_lundbergs(capital):
    """L08: psi(u) = exp(-th u / ((1 + th) m)) / (1 + th)."""
    found = ruin_probability(capital, LOADING, CLAIM, 20_000, 4)
    truth = math.exp(-LOADING * capital / ((1 + LOADING) * CLAIM)) / (1 + LOADING)
    assert abs(found.estimate.value - truth) <= 4 * found.estimate.standard_error
    assert found.estimate.standard_error < 3e-3 * truth  # relative, whatever the capital
    assert found.effective_paths > 10_000


def test_the_fund_for_one_percent_of_ruin_is_21_9_claims():
    """L42, by bisection on weighted paths that are the same at every capital."""
    low, high = 0.0, 100.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if ruin_probability(middle, LOADING, CLAIM, 4000, 5).estimate.value > 0.01 else (low, middle)
    # one relative standard error of psi (below 0.6 %) moves the capital by (1 + th) m / th times it
    assert high == pytest.approx(21.9, abs=0.05 + 4 * 5 * 0.006)


def test_equal_weights_are_worth_their_number():
    assert effective_paths(np.ones(7)) == pytest.approx(7)
    assert effective_paths(np.array([1.0, 0.0, 0.0])) == pytest.approx(1)
