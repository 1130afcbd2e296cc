"""The surrogate: exact where a plane is exact, told from a loop, and blind to nothing that was run."""

import itertools
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.calibration.ranking import LENIENCE, Trial
from simulator.calibration.space import SearchSpace
from simulator.calibration.surrogate import advance, candidates, predicted, promising
from simulator.calibration_settings import SearchParameter

sys.path.insert(0, str(Path(__file__).parent))
from fake_world import CURRENT, INITIAL, MAINTENANCE

SPACE = SearchSpace(
    CURRENT,
    (
        SearchParameter(parameter=INITIAL, low=0.05, high=0.30, step=0.01),
        SearchParameter(parameter=MAINTENANCE, low=0.04, high=0.30, step=0.01),
    ),
)
goals_of_two = st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5)), min_size=1, max_size=8)


def plane(point):
    """A trial whose goal falls with the initial margin and whose tail falls with both: 0 at initial + maintenance = 0.305."""
    tail = (0.305 - point[0] - point[1]) / 0.05
    return Trial(0, point, 100, -point[0], 0.0, ((tail,),) * len(LENIENCE))


RAN = [plane(point) for point in SPACE.design(16, seed=2)]


def test_planes_are_exact():
    points = candidates(SPACE, 1) * 0.01
    goals, tails = predicted(SPACE, RAN, points)
    assert len(points) == SPACE.size == 26 * 27
    assert goals[:, 0] == pytest.approx(-points[:, 0], abs=1e-5)
    told = [trial for trial in RAN if trial.violations[0][0] > -1]
    assert len(told) >= 6
    assert tails == pytest.approx((0.305 - points.sum(axis=1)) / 0.05, abs=1e-3)


def test_the_first_that_is_wanted_is_the_best_within_the_limits_that_was_not_run():
    ran = {trial.point for trial in RAN}
    first = next(promising(SPACE, RAN, ran, 1))
    valid = [SPACE.point(row) for row in candidates(SPACE, 1)]
    able = [point for point in valid if SPACE.parameters(point) is not None and point not in ran]
    assert first not in ran
    assert SPACE.parameters(first) is not None
    assert max(plane(first).violations[0]) <= 0
    assert first[0] <= min((p[0] for p in able if max(plane(p).violations[0]) <= 0), default=1.0) + 1e-12


def test_all_that_comes_is_new_valid_and_different():
    ran = {trial.point for trial in RAN}
    found = list(itertools.islice(promising(SPACE, RAN, ran, 1), 30))
    assert len(set(found)) == 30
    assert not ran & set(found)
    assert all(SPACE.parameters(point) is not None for point in found)


def test_too_few_runs_promise_nothing():
    assert list(promising(SPACE, RAN[:3], set(), 1)) == []


@given(goals_of_two, goals_of_two)
def test_an_advance_is_the_least_over_the_front_of_the_greatest_lead(points, front):
    found = advance(np.array(points, float), np.array(front, float))
    for point, lead in zip(points, found, strict=True):
        assert lead == min(max(a - b for a, b in zip(point, other, strict=True)) for other in front)
        beaten = any(all(b >= a for a, b in zip(point, other, strict=True)) for other in front)
        assert (lead > 0) == (not beaten)
