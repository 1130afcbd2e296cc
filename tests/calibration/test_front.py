"""Several goals: who is on the front, the volume it commands, and its estimates on fresh paths."""

import dataclasses
import itertools
import math
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.calibration.calibrate import calibrate
from simulator.calibration.pareto import beats, by_front, crowding, front, hypervolume, reference_below
from simulator.calibration_settings import SearchParameter
from simulator.risk.planner import POWER

sys.path.insert(0, str(Path(__file__).parent))
from fake_world import INITIAL, MAINTENANCE, PENALTY, SETTINGS, FakeWorld, evaluate, with_settings

GOALS = ("capital-efficiency", "user-cost")
SPACE = (
    SearchParameter(parameter=INITIAL, low=0.06, high=0.30, step=0.02),
    SearchParameter(parameter=MAINTENANCE, low=0.04, high=0.30, step=0.02),
    SearchParameter(parameter=PENALTY, low=0.0, high=0.1, step=0.02),
)
points_of_three = st.lists(st.tuples(*[st.integers(0, 6)] * 3), min_size=1, max_size=12)


@given(points_of_three)
def test_the_front_is_what_no_other_beats(points):
    kept = front(points)
    for i, mine in enumerate(points):
        beaten = any(beats(other, mine) for other in points)
        assert (i in kept) == (not beaten and mine not in points[:i])


@given(points_of_three)
def test_fronts_hold_every_point_once_and_the_first_front_first(points):
    order = by_front(points)
    assert sorted(order) == list(range(len(points)))
    first = len(front(points))
    assert sorted(order[:first]) == sorted(front(points))


@given(points_of_three)
def test_the_hypervolume_is_the_number_of_unit_cubes_below_the_points(points):
    cubes = sum(
        any(all(c < x for c, x in zip(cube, p, strict=True)) for p in points) for cube in itertools.product(range(6), repeat=3)
    )
    assert hypervolume(points, (0, 0, 0)) == pytest.approx(cubes, abs=1e-9)


def test_the_hypervolume_of_a_quarter_circle_tends_to_its_area():
    angles = np.linspace(0, math.pi / 2, 2001)
    points = list(zip(np.cos(angles), np.sin(angles), strict=True))
    assert hypervolume(points, (0.0, 0.0)) == pytest.approx(math.pi / 4, abs=1e-3)


def test_ends_are_the_loneliest():
    lonely = crowding([(0.0, 3.0), (0.1, 2.9), (2.0, 2.0), (3.0, 0.0)])
    assert lonely[0] == lonely[3] == math.inf
    assert lonely[2] > lonely[1] > 0
    assert reference_below(np.array([[0.0, 1.0], [1.0, 0.0]])) == pytest.approx((-0.1, -0.1))


@pytest.fixture(scope="module")
def found():
    settings = {"search": SPACE, "candidates": 60, "search_paths": 100, "selection_paths": 1000, "front": GOALS}
    return calibrate(dataclasses.replace(with_settings(**settings), wicks=True), evaluate=evaluate)


def test_kept_points_are_likely_to_pass_and_beat_each_other_in_nothing(found):
    kept = [point for point in found.front.points if point.is_kept]
    assert len(kept) >= 3
    assert all(point.chance >= POWER for point in kept)
    values = [[goal.value for goal in point.goals] for point in kept]
    assert sorted(front(values)) == list(range(len(kept)))
    assert found.front.volume.low <= found.front.volume.value <= found.front.volume.high


def test_points_that_keep_the_limit_by_less_than_confirmation_needs_are_shown_as_such(found):
    """Riskier than what would be confirmed and worth more for it: in the list, and never on the front."""
    bolder = [point for point in found.front.points if not point.is_within and point.point != found.space.current_point]
    assert bolder
    assert all(point.chance < POWER and not point.is_kept for point in bolder)
    kept = [[goal.value for goal in point.goals] for point in found.front.points if point.is_kept]
    assert any(not any(beats(one, [goal.value for goal in point.goals]) for one in kept) for point in bolder)


def test_intervals_of_the_front_are_of_paired_changes_on_fresh_paths_and_cover_the_truth(found):
    """On 40 x as many other paths every goal of every point lies in its interval; all intervals hold together at 95 %."""
    world = found.world
    many = 40_000
    current, *ran = evaluate(
        world, [world.parameters, *(found.space.parameters(p.point) for p in found.front.points)], "truth", 0, many, 1
    )
    outside = 0
    for point, outcomes in zip(found.front.points, ran, strict=True):
        truth = found.question.reached(point.point, outcomes, current)
        for goal, estimate in zip(truth, point.goals, strict=True):
            error = goal.value.std() / math.sqrt(many)
            outside += not estimate.low - 4 * error <= goal.value.mean() <= estimate.high + 4 * error
    assert outside == 0


def test_current_parameters_close_the_list_at_zero(found):
    last = found.front.points[-1]
    assert last.point == found.space.current_point
    assert all(goal.value == 0 for goal in last.goals)


def test_one_goal_is_no_front_and_none_is_asked_for_by_default():
    with pytest.raises(ValueError, match="at least two different goals"):
        type(SETTINGS).model_validate({**SETTINGS.model_dump(), "front": ("revenue", "revenue")})
    world = FakeWorld(calibration=SETTINGS.model_copy(update={"candidates": 8, "search_paths": 50, "selection_paths": 100}))
    assert calibrate(world, evaluate=evaluate).front is None
