"""A bound of expected shortfall may confirm only where it covers; elsewhere the ladder decides."""

import numpy as np
import pytest
from scipy import integrate, stats

from simulator.risk.measures import PerPath, TooFewPaths, expected_shortfall
from simulator.risk.shortfall import COVERAGE_FLOOR, LADDER_RATIO, hill, ladder, shortfall_bound


def sample(values):
    return PerPath(np.arange(len(values)), np.asarray(values, dtype=float))


LAWS = {
    "t 2.5": stats.t(2.5),
    "t 3": stats.t(3),
    "t 4": stats.t(4),
    "log-normal": stats.lognorm(1.5),
    "exponential": stats.expon(),
}


def true_shortfall(law, level):
    return integrate.quad(lambda s: law.isf((1 - level) * np.exp(-s)) * np.exp(-s), 0, 40, limit=400)[0]


@pytest.mark.parametrize("name", LAWS)
@pytest.mark.parametrize(("paths", "level"), [(1000, 0.95), (5000, 0.99)])
def test_the_bound_covers_at_least_93_percent_where_it_is_given(name, paths, level):
    law, rng = LAWS[name], np.random.default_rng([paths, len(name)])
    truth, repeats = true_shortfall(law, level), 400
    given = [shortfall_bound(sample(law.rvs(paths, random_state=rng)), level, 0.95) for _ in range(repeats)]
    # A bound that is refused leaves the decision to the ladder, so it can approve nothing wrongly.
    covers = np.mean([one is None or one.bound >= truth for one in given])
    assert covers >= COVERAGE_FLOOR - 2 * np.sqrt(COVERAGE_FLOOR * (1 - COVERAGE_FLOOR) / repeats)
    assert all(one is None or one.coverage >= COVERAGE_FLOOR for one in given)


def test_the_normal_bound_would_not_cover():
    law, rng = stats.t(3), np.random.default_rng(3)
    truth = true_shortfall(law, 0.99)
    found = [expected_shortfall(sample(law.rvs(5000, random_state=rng)), 0.99, 0.9) for _ in range(300)]
    assert np.mean([one.high >= truth for one in found]) < 0.92


def test_there_is_no_bound_where_losses_are_rarer_than_the_tail():
    rare = np.zeros(5000)
    rare[:49] = 1.0
    assert shortfall_bound(sample(rare), 0.99, 0.95) is None
    assert shortfall_bound(sample(np.zeros(5000)), 0.99, 0.95) is None
    with pytest.raises(TooFewPaths):
        shortfall_bound(sample(rare), 0.995, 0.95)


def test_there_is_no_bound_for_a_tail_without_variance():
    assert shortfall_bound(sample(np.random.default_rng(1).pareto(1.2, 5000) + 1), 0.99, 0.95) is None


def test_hill_finds_the_index_of_a_pareto_tail():
    tail = np.sort(np.random.default_rng(2).pareto(3.0, 200_000) + 1)[::-1][:2000]
    assert abs(hill(tail) - 1 / 3) <= 4 / 3 / np.sqrt(2000)


@pytest.mark.parametrize("seed", range(8))
def test_a_law_that_keeps_every_rung_keeps_the_expected_shortfall(seed):
    """The worst law that a ladder allows: all mass at the top of every rung, and Pareto 3 beyond the last."""
    limit, level = 2.5, 0.95 + 0.0049 * seed
    rungs = ladder(limit, level)
    edges = [rung.threshold for rung in rungs]
    last = edges[-1] * LADDER_RATIO
    shares = [rung.probability / (1 - level) for rung in rungs]
    worst = edges[0] + sum(p * (high - low) for p, low, high in zip(shares, edges, [*edges[1:], last], strict=True))
    worst += shares[-1] * last / 2
    assert worst == pytest.approx(limit, rel=1e-12)
    # Any scaled Pareto tail of index 3 or lighter that keeps the rungs keeps the limit.
    for index in (3.0, 4.0, 10.0):
        scale = min(rung.threshold * (rung.probability / (1 - level)) ** (1 / index) for rung in rungs)
        assert scale * index / (index - 1) <= limit
