"""One asset at a time, then jointly."""

import sys
from pathlib import Path

import pytest

from simulator.calibration.by_asset import SHARED, groups, joined, lifted
from simulator.calibration.calibrate import calibrate
from simulator.calibration.space import SearchSpace
from simulator.calibration_settings import SearchParameter

sys.path.insert(0, str(Path(__file__).parent))
from fake_world import INITIAL, MAINTENANCE, PENALTY, evaluate, with_settings

SEARCH = (
    SearchParameter(parameter=INITIAL, low=0.05, high=0.30, step=0.005),
    SearchParameter(parameter=PENALTY, low=0.0, high=0.1, step=0.01),
    SearchParameter(parameter=MAINTENANCE, low=0.04, high=0.30, step=0.005),
)
WORLD = with_settings(search=SEARCH, candidates=40, search_paths=100, selection_paths=1000, by_asset=True)


@pytest.fixture(scope="module")
def found():
    return calibrate(WORLD, evaluate=evaluate)


def test_a_parameter_belongs_to_the_asset_in_its_name_and_the_rest_to_all():
    assert groups(SearchSpace(WORLD.vote, SEARCH), ("BTC", "ETH")) == {"ETH": (0, 2), SHARED: (1,)}


def test_a_stage_moves_its_own_numbers_alone_and_the_joint_search_moves_all(found):
    now, points = found.space.current_point, [trial.point for trial in found.found.trials]
    of_eth = [p for p in points if p[1] == now[1] and p != now]
    of_all = [p for p in points if p[0] == now[0] and p[2] == now[2] and p != now]
    assert len(of_eth) >= 8
    assert len(of_all) >= 5
    both = [p for p in points if p not in of_eth and p not in of_all and p != now]
    assert len(both) >= 10
    assert points.index(both[0]) > max(points.index(of_eth[7]), points.index(of_all[4]))


def test_leaders_are_joined(found):
    space, parts = found.space, groups(found.space, WORLD.assets)
    for point in joined(space, parts, found.found.trials):
        for places in parts.values():
            alone = lifted(space, places, tuple(point[i] for i in places))
            assert alone in [trial.point for trial in found.found.trials]


def test_what_is_confirmed_is_one_joint_change(found):
    assert found.verdict == "confirmed"
    assert found.confirmation.point == found.selection.chosen.point
