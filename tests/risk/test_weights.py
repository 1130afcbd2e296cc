"""Weighted measures: exact cases, closed forms of a tilted normal law, coverage, and equal weights."""

import math

import numpy as np
import pytest
from scipy import stats

from simulator.risk import measures, weights
from simulator.risk.appetite import ExpectedShortfallLimit, MeanLimit, ProbabilityLimit
from simulator.risk.judgement import Condition, judge
from simulator.risk.measures import PerPath, TooFewPaths
from simulator.risk.outlook import pass_chance, violation
from simulator.risk.planner import Proof, confirmable_threshold, exceeded_by

SHIFT = 3.0
SHARE = weights.PLAIN_SHARE


def tilted(paths, seed=3, shift=SHIFT, unseen=0.05):
    """Standard normal values, a fifth of them plain and the others drawn around `shift`."""
    draws = np.random.default_rng(seed)
    value = draws.normal(size=paths) + shift * (draws.random(paths) >= SHARE)
    weight = 1 / (SHARE + (1 - SHARE) * np.exp(shift * value - shift**2 / 2))
    return PerPath(np.arange(paths), value, weight, unseen)


def plain(value):
    return PerPath(np.arange(len(value)), np.asarray(value, float))


@pytest.mark.parametrize("threshold", [2.0, 3.0, 4.0])
def test_a_tail_of_the_normal_law_is_found_where_plain_paths_see_little_or_nothing(threshold):
    found, truth = measures.probability(tilted(20_000), threshold), stats.norm.sf(threshold)
    assert abs(found.value - truth) <= 4 * found.standard_error
    assert found.low <= truth <= found.high
    assert found.standard_error < math.sqrt(truth / 20_000) / (2 if threshold == 2 else 5)


def test_bounds_cover_at_least_as_often_as_they_say():
    """400 samples of few effective paths: upper and lower bounds at 95 % each, and both at once for what is not rare."""
    for threshold in (3.0, -1.0):
        truth, upper, lower = stats.norm.sf(threshold), 0, 0
        for seed in range(400):
            sample = tilted(300, seed)
            beyond = sample.value > threshold
            upper += weights.frequency_bound(beyond, sample.weight, 0.05, 0.95) >= truth
            lower += weights.frequency_floor(beyond, sample.weight, 0.95) <= truth
        least = 0.95 - 4 * math.sqrt(0.95 * 0.05 / 400)
        assert upper / 400 >= least
        assert lower / 400 >= least


def test_equal_weights_give_garwood_s_bounds_and_plain_figures():
    beyond, ones = np.arange(1000) < 7, np.ones(1000)
    assert weights.frequency_bound(beyond, ones, 1.0, 0.95) == pytest.approx(stats.chi2.ppf(0.95, 16) / 2 / 1000)
    assert weights.frequency_floor(beyond, ones, 0.95) == pytest.approx(stats.chi2.ppf(0.05, 14) / 2 / 1000)
    assert weights.frequency_bound(~np.ones(1000, bool), ones, 1.0, 0.95) == pytest.approx(-math.log(0.05) / 1000)
    value = np.random.default_rng(5).gamma(2.0, size=1000)
    same, bare = PerPath(np.arange(1000), value, ones), plain(value)
    for ask in (lambda s: measures.mean(s), lambda s: measures.expected_shortfall(s, 0.9)):
        assert (ask(same).value, ask(same).standard_error) == pytest.approx((ask(bare).value, ask(bare).standard_error), rel=0.03)
    assert measures.quantile(same, 0.95).value == measures.quantile(bare, 0.95).value
    assert exceeded_by(same, 0.05) == exceeded_by(bare, 0.05)
    assert weights.effective_paths(np.ones(7)) == pytest.approx(7)
    assert weights.effective_paths(np.array([1.0, 0.0, 0.0])) == pytest.approx(1)


def test_exact_ratios_have_mean_one_and_a_tilt_that_is_not_theirs_shows():
    weight = tilted(20_000).weight
    assert weights.mean_is_one(weight)
    assert not weights.mean_is_one(2 * weight)
    assert not weights.mean_is_one(0.9 * weight)


def test_the_gamma_bound_is_fay_and_feuer_s():
    """Their equation by hand: two kinds of paths that count 0.5 and 0.1, three and forty of them beyond."""
    weight = np.where(np.arange(4000) < 2000, 0.5, 0.1)
    beyond = np.zeros(4000, bool)
    beyond[[0, 1, 2, *range(3000, 3040)]] = True
    y, v, w = (1.5 + 4.0) / 4000, (0.75 + 0.4) / 4000**2, 0.5 / 4000
    upper = (v + w**2) / (2 * (y + w)) * stats.chi2.ppf(0.975, 2 * (y + w) ** 2 / (v + w**2))
    assert weights.frequency_bound(beyond, weight, 0.2, 0.975) == pytest.approx(upper)
    assert weights.frequency_floor(beyond, weight, 0.975) == pytest.approx(v / (2 * y) * stats.chi2.ppf(0.025, 2 * y**2 / v))


def test_an_unseen_path_counts_what_is_said_of_it_and_exactly_as_much_as_any():
    weight, none = np.r_[np.full(900, 0.3), np.full(100, 2.0)], np.zeros(1000, bool)
    assert weights.frequency_bound(none, weight, 0.3, 0.95) == pytest.approx(0.3 * -math.log(0.05) / 1000)
    assert weights.exact_bound(none, weight, 0.95) == pytest.approx(2 * (1 - 0.05 ** (1 / 1000)))
    few = np.r_[np.full(1000, 1e-6), 3.0]  # all of them together are worth one path: nothing is said
    assert weights.frequency_bound(np.zeros(1001, bool), few, 0.3, 0.95) == 1.0


def test_what_is_not_rare_is_counted_from_its_other_side():
    sample = tilted(20_000)
    found, truth = measures.probability(sample, -2.0, 0.9999), stats.norm.sf(-2.0)
    assert abs(found.value - truth) <= 4 * found.standard_error
    assert found.low <= truth <= found.high <= 1.0


def test_means_quantiles_and_shortfalls_are_those_of_the_normal_law():
    sample = tilted(40_000)
    found = measures.mean(sample)
    assert abs(found.value) <= 4 * found.standard_error
    assert measures.mean(sample.having(np.full(40_000, 3.5))).value == pytest.approx(3.5)
    assert measures.mean(sample.having(np.full(40_000, 3.5))).standard_error < 1e-12
    for level in (0.99, 0.9999):
        q, shortfall = stats.norm.ppf(level), stats.norm.pdf(stats.norm.ppf(level)) / (1 - level)
        asked = measures.quantile(sample, level, 0.999)
        assert asked.low <= q <= asked.high
        assert asked.high - asked.low < 0.2
        told = measures.expected_shortfall(sample, level)
        assert abs(told.value - shortfall) <= 4 * told.standard_error
        assert told.standard_error < 0.02
    with pytest.raises(TooFewPaths, match="effective tail paths"):
        measures.expected_shortfall(tilted(2_000, shift=0.5), 0.9999)


class Losing:
    """Outcomes of one column."""

    def __init__(self, sample):
        self.path, self.weight, self.unseen, self._value = sample.path, sample.weight, sample.unseen, sample.value

    def column(self, _):
        return self._value


def test_a_limit_that_plain_paths_cannot_prove_is_judged_by_weighted_ones():
    """P(x > 3.9) = 4.8e-5 on 4,000 paths, of which none plain would be expected to show it."""
    sample = tilted(4_000, shift=4.0)
    for allowed, passes in ((1e-4, True), (4e-5, False)):
        condition = Condition(0, ProbabilityLimit(window="whole", of="usd", threshold=3.9, probability=allowed), "whole")
        found = judge(condition, Losing(sample), {"usd": 1.0}, 0.95)
        assert found.passes is passes
        assert found.method == "weighted paths, gamma bound"
        assert "effective paths beyond, of 4,000 weighted ones" in found.note
        proof = Proof(4_000, 0.95, 0.8, 0.05)
        assert (pass_chance(condition, Losing(sample), {"usd": 1.0}, proof) > 0.8) is passes
        assert (violation(condition, Losing(sample), {"usd": 1.0}, Proof(4_000, 0.95, 0.8, 0.005)) <= 0) is passes
    least = confirmable_threshold(sample, 1e-4, 0.95)
    assert measures.exceedance_bound(sample, least, 0.95) <= 1e-4 < measures.exceedance_bound(sample, least - 1e-9, 0.95)
    assert stats.norm.isf(1e-4) < least < 3.9


def test_means_and_shortfalls_of_weighted_paths_pass_and_fail_at_their_limits():
    sample = tilted(20_000, shift=3.0)
    losses = sample.having(np.maximum(0.0, sample.value - 2.0))
    mean = stats.norm.pdf(2) - 2 * stats.norm.sf(2)
    for times, passes in ((1.2, True), (0.9, False)):
        condition = Condition(0, MeanLimit(window="whole", limit=times * mean), "whole")
        found = judge(condition, Losing(losses), {"open-interest": 1.0}, 0.95)
        assert found.passes is passes
        assert found.method == "weighted paths, Student-t"
    for limit, passes in ((8.5, True), (4.5, False)):  # of the normal values: a ladder asks more than their 3.37
        condition = Condition(0, ExpectedShortfallLimit(window="whole", level=0.999, limit=limit), "whole")
        found = judge(condition, Losing(sample), {"open-interest": 1.0}, 0.95)
        assert found.passes is passes
        assert found.method == "weighted paths, ladder of probabilities"
