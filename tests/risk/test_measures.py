"""Measures against exact enumeration, closed forms and published values; every interval is over paths."""

import math

import numpy as np
import pytest
from scipy import stats

from simulator.outcomes import Outcomes
from simulator.risk.measures import (
    PerPath,
    TooFewPaths,
    expected_shortfall,
    failure_bound,
    failure_floor,
    mean,
    paired_difference,
    probability,
    quantile,
)


def sample(values, seed=None):
    values = np.asarray(values, dtype=float)
    return PerPath(np.arange(values.size), values)


def student(nu, size, seed):
    return np.random.default_rng(seed).standard_t(nu, size)


@pytest.mark.parametrize(("failures", "paths"), [(0, 10), (1, 299), (3, 773), (17, 1000), (999, 1000), (1000, 1000)])
def test_the_clopper_pearson_bounds_are_beta_quantiles(failures, paths):
    upper = 1.0 if failures == paths else stats.beta.ppf(0.95, failures + 1, paths - failures)
    lower = 0.0 if failures == 0 else stats.beta.ppf(0.05, failures, paths - failures + 1)
    assert failure_bound(failures, paths, 0.95) == pytest.approx(upper, rel=1e-12)
    assert failure_floor(failures, paths, 0.95) == pytest.approx(lower, rel=1e-12)


@pytest.mark.parametrize(("paths", "truth"), [(50, 0.01), (300, 0.001), (1000, 0.001), (1000, 0.01), (500, 0.2)])
def test_the_upper_bound_covers_its_confidence_exactly_counted(paths, truth):
    failures = np.arange(paths + 1)
    covers = np.array([failure_bound(int(k), paths, 0.95) >= truth for k in failures])
    assert stats.binom.pmf(failures, paths, truth)[covers].sum() >= 0.95


def test_an_interval_over_accounts_is_impossible():
    accounts = np.random.default_rng(0).normal(size=100)
    with pytest.raises(ValueError, match="sampling unit is the path"):
        PerPath(np.repeat(np.arange(10), 10), accounts)
    with pytest.raises(ValueError, match="one value a path"):
        PerPath(np.arange(10), accounts)


def test_a_value_that_is_not_finite_is_refused():
    with pytest.raises(ValueError, match="finite"):
        sample([1.0, math.nan])


def test_the_probability_interval_is_clopper_pearson_on_both_sides():
    found = probability(sample([0.0] * 990 + [2.0] * 10), 1.0)
    exact = stats.binomtest(10, 1000).proportion_ci(0.95, "exact")
    assert (found.value, found.low, found.high) == pytest.approx((0.01, exact.low, exact.high), rel=1e-10)


def test_a_loss_at_the_threshold_does_not_exceed_it():
    assert probability(sample([1.0, 1.0, 2.0, 0.0]), 1.0).value == 0.25


def test_the_mean_interval_is_students():
    values = student(5, 40, 1)
    found = mean(sample(values))
    low, high = stats.t.interval(0.95, 39, loc=values.mean(), scale=stats.sem(values))
    assert (found.value, found.low, found.high) == pytest.approx((values.mean(), low, high), rel=1e-12)
    with pytest.raises(TooFewPaths):
        mean(sample([1.0]))


def test_the_paired_difference_cancels_what_both_sides_share():
    shared = student(3, 500, 2) * 100
    candidate, current = sample(shared + 1.0 + 0.1 * student(8, 500, 3)), sample(shared)
    paired = paired_difference(candidate, current)
    assert paired.low <= 1.0 <= paired.high
    assert paired.standard_error < mean(candidate).standard_error / 100
    with pytest.raises(ValueError, match="same paths"):
        paired_difference(candidate, PerPath(np.arange(500) + 1, shared))


@pytest.mark.parametrize(("paths", "level"), [(100, 0.5), (299, 0.95), (1000, 0.99), (5000, 0.99), (2000, 0.9)])
def test_the_quantile_interval_covers_its_confidence_exactly_counted(paths, level):
    # The ranks show in a sample 1 .. n, and P(rank r lies at or below the quantile < rank s) is binomial.
    found = quantile(sample(np.arange(1.0, paths + 1)), level)
    r = 0 if math.isinf(found.low) else int(found.low)
    s = paths + 1 if math.isinf(found.high) else int(found.high)
    coverage = stats.binom.cdf(s - 1, paths, level) - (stats.binom.cdf(r - 1, paths, level) if r else 0.0)
    assert 0.95 <= coverage <= (0.97 if s <= paths else 1.0)
    assert found.low <= found.value <= found.high


def test_a_sample_too_short_for_an_upper_rank_has_no_upper_end():
    found = quantile(sample(np.arange(100.0)), 0.99)
    assert math.isinf(found.high)
    assert found.low > 90


def test_value_at_risk_and_expected_shortfall_of_student_t():
    """L24: unit-variance Student-t with nu = 4 at 99 %: VaR 2.6495, ES 3.6915."""
    values = sample(student(4, 400_000, 4) * math.sqrt(2 / 4))
    at_risk, shortfall = quantile(values, 0.99), expected_shortfall(values, 0.99)
    assert at_risk.low <= 2.6495 <= at_risk.high
    assert abs(shortfall.value - 3.6915) <= 4 * shortfall.standard_error


def test_the_standard_error_of_expected_shortfall_is_the_spread_over_repeats():
    """L25: the ratio of observed to asymptotic error is 1 (measured 1.015)."""
    found = [expected_shortfall(sample(np.random.default_rng(k).normal(size=2000)), 0.95) for k in range(400)]
    observed = np.std([one.value for one in found], ddof=1)
    ratio = observed / np.mean([one.standard_error for one in found])
    assert abs(ratio - 1) <= 4 / math.sqrt(2 * 400)


def test_expected_shortfall_is_refused_below_fifty_tail_paths():
    with pytest.raises(TooFewPaths, match="needs 50 tail paths, so 5,000 paths; there are 4,900"):
        expected_shortfall(sample(student(4, 4900, 5)), 0.99)
    assert expected_shortfall(sample(student(4, 5000, 5)), 0.99).paths == 5000


def test_measures_scale_and_do_not_depend_on_the_order_of_paths():
    values = student(4, 2000, 6)
    shuffled = sample(np.random.default_rng(7).permutation(values))
    for measure in (lambda s: mean(s), lambda s: quantile(s, 0.95), lambda s: expected_shortfall(s, 0.95)):
        one, other, tripled = measure(sample(values)), measure(shuffled), measure(sample(values).scaled(3.0))
        assert (one.value, one.high) == pytest.approx((other.value, other.high), rel=1e-12)
        assert (3 * one.value, 3 * one.high) == pytest.approx((tripled.value, tripled.high), rel=1e-12)


def test_a_column_of_outcomes_is_one_value_a_path():
    outcomes = Outcomes(np.arange(3), {"loss.whole": np.array([0.0, 1.0, 2.0])})
    assert PerPath.of(outcomes, "loss.whole").value.tolist() == [0.0, 1.0, 2.0]
