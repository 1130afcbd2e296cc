"""How many paths a limit needs: the published table, brute force, and the known answers L41 to L44."""

import math

import numpy as np
import pytest
from scipy import stats

from simulator.risk.measures import PerPath, failure_bound, quantile
from simulator.risk.planner import (
    allowed_failures,
    assurance,
    pass_probability,
    paths_for_failures,
    plan_paths,
    power_at_half,
    smallest_margin,
    zero_failure_paths,
)


def sample(values):
    return PerPath(np.arange(len(values)), np.asarray(values, dtype=float))


def test_paths_without_failure_and_with_three_are_those_of_the_table():
    """VERIFICATION S05."""
    limits = (0.01, 0.005, 0.001, 0.0001)
    assert [zero_failure_paths(limit, 0.95) for limit in limits] == [299, 598, 2_995, 29_956]
    assert [paths_for_failures(3, limit, 0.95) for limit in limits] == [773, 1_549, 7_752, 77_535]


@pytest.mark.parametrize(
    ("limit", "paths", "power"), [(0.01, 1000, 0.44), (0.01, 5000, 0.994), (0.005, 5000, 0.87), (0.001, 20000, 0.79)]
)
def test_the_power_at_half_of_the_limit_is_that_of_the_table(limit, paths, power):
    """VERIFICATION S06."""
    assert power_at_half(paths, limit, 0.95) == pytest.approx(power, abs=0.006)
    assert pass_probability(0.8 * 0.01, 5000, 0.01, 0.95) == pytest.approx(0.42, abs=0.006)


@pytest.mark.parametrize(("failures", "seen"), [(0, 200), (1, 200), (3, 712), (40, 3000), (2.5, 300)])
def test_the_chance_to_be_confirmed_is_that_of_beta_binomial_failures(failures, seen):
    """The same law from scipy, and no more than at the rate seen where nothing failed: what a few paths saw is not known."""
    for paths, limit, confidence in ((2470, 0.01, 0.975), (2427, 0.02, 0.95), (29956, 1e-4, 0.95)):
        allowed = allowed_failures(paths, limit, confidence)
        law = stats.betabinom(paths, failures + 0.5, seen - failures + 0.5)
        assert assurance(failures, seen, paths, limit, confidence) == pytest.approx(law.cdf(allowed), abs=1e-9)
    assert assurance(0, 200, 298, 0.01, 0.95) == 0.0
    assert assurance(4, 10**9, 2470, 0.01, 0.975) == pytest.approx(pass_probability(4.5e-9, 2470, 0.01, 0.975), abs=1e-9)
    assert assurance(0, 200, 2470, 0.01, 0.975) < 0.9 < 0.999 < pass_probability(0.5 / 201, 2470, 0.01, 0.975)


@pytest.mark.parametrize("confidence", [0.95, 0.975, 0.99])
def test_the_allowed_failures_are_those_whose_clopper_pearson_bound_passes(confidence):
    for paths in (100, 298, 299, 300, 1000, 3333):
        allowed = allowed_failures(paths, 0.01, confidence)
        assert allowed < 0 or failure_bound(allowed, paths, confidence) <= 0.01
        assert failure_bound(allowed + 1, paths, confidence) > 0.01


def test_the_plan_is_the_smallest_number_of_paths_with_the_power():
    plan = plan_paths([0.01], 0.95)
    assert power_at_half(plan.paths, 0.01, 0.95) >= 0.8
    assert all(power_at_half(n, 0.01, 0.95) < 0.8 for n in range(200, plan.paths))


@pytest.mark.parametrize("limit", [0.0005, 0.01, 0.2, 0.6, 0.95])
def test_the_fewest_paths_for_a_count_of_failures_are_those_of_brute_force(limit):
    for failures in (0, 1, 5, 40):
        paths = paths_for_failures(failures, limit, 0.975)
        assert stats.binom.cdf(failures, paths, limit) <= 0.025 < stats.binom.cdf(failures, paths - 1, limit)
        assert allowed_failures(paths, limit, 0.975) == failures
    assert power_at_half(plan_paths([limit], 0.975).paths, limit, 0.975) >= 0.8


def test_a_candidate_at_half_of_all_limits_passes_all_of_them_with_the_power():
    limits = [0.01, 0.01, 0.005, 0.02]
    plan = plan_paths(limits, 0.95)
    assert math.fsum(1 - power_at_half(plan.paths, limit, 0.95) for limit in limits) <= 0.2
    assert plan.tightest_limit == 0.005
    assert plan.paths > plan_paths([0.005], 0.95).paths
    # Simulated with limits that depend on each other in the worst common way we know, disjoint failures:
    rng = np.random.default_rng(1)
    passes = np.ones(4000, dtype=bool)
    for limit in limits:
        passes &= rng.binomial(plan.paths, limit / 2, size=4000) <= allowed_failures(plan.paths, limit, 0.95)
    assert passes.mean() >= 0.8


# L41: smallest initial margin with P(L > IM) <= 1 %, L = s t_nu, so IM* = s t_nu^-1(0.99).


@pytest.mark.parametrize(("nu", "paths"), [(3.0, 1000), (3.5, 1000), (4.0, 1000), (3.5, 5000)])
def test_l41_the_interval_covers_the_closed_form_margin_and_the_proposal_is_above_it(nu, paths):
    scale, repeats = 0.02, 500
    truth = scale * stats.t(nu).ppf(0.99)
    rng = np.random.default_rng([int(nu * 10), paths])
    found = [smallest_margin(sample(scale * rng.standard_t(nu, paths)), 0.01, 0.95) for _ in range(repeats)]
    covered = np.mean([estimate.low <= truth <= estimate.high for _, estimate in found])
    assert 0.93 <= covered <= 0.97
    assert np.mean([margin >= truth for margin, _ in found]) >= 0.95
    excess = float(np.median([margin / truth - 1 for margin, _ in found]))
    assert excess == pytest.approx(_predicted_excess(nu, paths), abs=0.02)


def _predicted_excess(nu, paths):
    """The median of the order statistic with the allowed failures above it, at the limit of 1 %."""
    allowed = allowed_failures(paths, 0.01, 0.95)
    return stats.t(nu).ppf(1 - stats.beta.ppf(0.5, allowed + 1, paths - allowed)) / stats.t(nu).ppf(0.99) - 1


def test_l41_the_excess_of_28_and_9_percent_belongs_to_a_limit_of_one_percent():
    """Between nu = 3 and nu = 4: 31.8 to 25.3 % at 1,000 paths, 9.9 to 8.1 % at 5,000; at nu = 3.5 it is 28.0 and 8.9 %."""
    assert _predicted_excess(3.5, 1000) == pytest.approx(0.28, abs=0.002)
    assert _predicted_excess(3.5, 5000) == pytest.approx(0.09, abs=0.002)
    assert _predicted_excess(4.0, 1000) < 0.28 < _predicted_excess(3.0, 1000)
    assert _predicted_excess(4.0, 5000) < 0.09 < _predicted_excess(3.0, 5000)


def test_l42_the_insurance_fund_that_survives():
    """Ruin of a fund with income (1 + theta) lambda m against Poisson exponential bad debts: u* = 21.9 claims."""
    theta, limit, paths, claims = 0.25, 0.01, 2000, 500
    truth = (1 + theta) / theta * math.log(1 / ((1 + theta) * limit))
    assert truth == pytest.approx(21.9, abs=0.02)
    rng = np.random.default_rng(42)
    needed = np.zeros(paths)
    fund = np.zeros(paths)
    for _ in range(claims):  # income between two claims, then the claim
        fund += (1 + theta) * rng.exponential(size=paths) - rng.exponential(size=paths)
        needed = np.maximum(needed, -fund)
    margin, estimate = smallest_margin(sample(needed), limit, 0.95)
    assert estimate.low <= truth <= estimate.high
    assert truth <= margin <= 1.5 * truth


def test_l43_the_maintenance_margin_against_jumps_through_it():
    """Kou: the overshoot below the liquidation price is Exp(eta2) whatever the diffusion, so MM* = 1 - e^(1 / eta2)."""
    eta, limit, paths = 12.0, 0.1, 5000
    truth = 1 - limit ** (1 / eta)
    assert truth == pytest.approx(0.175, abs=5e-4)
    rng = np.random.default_rng(43)
    distance, overshoot = rng.uniform(0.02, 0.3, size=paths), np.full(paths, np.nan)
    while np.isnan(overshoot).any():  # diffusion between jumps of both signs; restarted where diffusion crosses
        going = np.isnan(overshoot)
        distance[going] += 0.05 * rng.normal(size=going.sum())
        distance[distance <= 0] = rng.uniform(0.02, 0.3, size=(distance <= 0).sum())
        jump = np.where(rng.random(paths) < 0.5, -rng.exponential(1 / eta, paths), rng.exponential(1 / 20, paths))
        through = going & (distance + jump < 0)
        overshoot[through] = -(distance + jump)[through]
        distance[going & ~through] += jump[going & ~through]
        distance = np.minimum(distance, 0.5)
    margin, estimate = smallest_margin(sample(1 - np.exp(-overshoot)), limit, 0.95)
    assert estimate.low <= truth <= estimate.high
    assert truth <= margin <= 1.1 * truth


def test_l44_the_margin_of_least_cost_is_the_newsvendors_quantile():
    """Cost 9 a unit short and 1 a unit idle: the least mean cost is at the 90 % quantile."""
    losses = np.abs(np.random.default_rng(44).standard_t(4, 4000))
    margins = np.linspace(1.0, 4.0, 301)
    cost = [np.mean(9 * np.maximum(losses - m, 0) + np.maximum(m - losses, 0)) for m in margins]
    best = margins[int(np.argmin(cost))]
    estimate, truth = quantile(sample(losses), 9 / (9 + 1)), stats.t(4).ppf(0.95)
    assert estimate.low <= truth <= estimate.high
    assert estimate.low - 0.01 <= best <= estimate.high + 0.01


def test_paths_that_cannot_prove_a_limit_give_no_margin():
    margin, _ = smallest_margin(sample(np.arange(298.0)), 0.01, 0.95)
    assert math.isinf(margin)
    assert smallest_margin(sample(np.arange(299.0)), 0.01, 0.95)[0] == 298.0
