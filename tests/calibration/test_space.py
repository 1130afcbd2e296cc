"""The search space: what may be searched, the chain's grid, and designs that are valid by construction."""

import itertools
import sys
from pathlib import Path

import pytest

from simulator.calibration.space import SearchSpace
from simulator.calibration_settings import SearchParameter
from simulator.parameters import RiskParameters

sys.path.insert(0, str(Path(__file__).parent))
from fake_world import CURRENT, INITIAL, MAINTENANCE, SEARCH

SPACE = SearchSpace(CURRENT, SEARCH)
LENDING = RiskParameters.model_validate(
    {"collateral": {"ETH": {"haircut": 0.1, "collateral_factor": 0.75, "liquidation_threshold": 0.8, "liquidation_bonus": 0.05}}}
)


def wanted(name, low=0.0, high=0.5, step=0.01, **more):
    return SearchParameter(parameter=name, low=low, high=high, step=step, **more)


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ([wanted("perpetuals.ETH.initial_margin")], "did you mean `perpetuals.ETH.initial_margin_ratio`"),
        ([wanted(INITIAL, low=0.2)], "must lie in its range, but got 0.1 outside"),
        ([wanted(INITIAL), wanted(INITIAL)], "searched twice"),
        ([wanted(INITIAL, low=0.09, high=0.25, step=0.3)], "no multiple of the step"),
    ],
)
def test_a_search_that_cannot_be_searched_is_refused(search, message):
    with pytest.raises(ValueError, match=message):
        SearchSpace(CURRENT, tuple(search))


@pytest.mark.parametrize("factor", ["collateral_factor", "liquidation_threshold"])
def test_two_parameters_that_enter_only_as_a_product_are_not_searched_together(factor):
    both = (wanted("collateral.ETH.haircut"), wanted(f"collateral.ETH.{factor}", high=1.0))
    with pytest.raises(ValueError, match="enter only as the product"):
        SearchSpace(LENDING, both)
    assert SearchSpace(LENDING, both[:1]).names == ("collateral.ETH.haircut",)


def test_the_grid_holds_exact_decimals_within_range_and_largest_change():
    space = SearchSpace(CURRENT, (wanted(INITIAL, low=0.01, high=0.3, step=0.005, max_change=0.03),))
    values = [space.point([k])[0] for k in space.multiples[0]]
    assert values[0] == 0.07
    assert values[-1] == 0.13
    assert 0.085 in values
    assert all(repr(value) == f"{value:g}" for value in values)


def test_the_design_begins_with_current_parameters_and_is_valid_different_and_repeatable():
    design = SPACE.design(64, seed=5)
    assert design[0] == SPACE.current_point == (0.1, 0.08)
    assert len(set(design)) == 64
    assert all(SPACE.parameters(point) is not None for point in design)
    assert all(SPACE.round(point) == point for point in design[1:])
    assert design == SPACE.design(64, seed=5) != SPACE.design(64, seed=6)
    assert design[:10] == SPACE.design(10, seed=5)


def test_a_design_covers_the_space_evenly():
    space = SearchSpace(CURRENT, (wanted(INITIAL, low=0.08, high=0.4, step=0.0005),))
    values = sorted(point[0] for point in space.design(129, seed=1)[1:])
    assert max(b - a for a, b in itertools.pairwise(values)) < 0.32 / 32


def test_a_small_space_ends_the_design():
    space = SearchSpace(CURRENT, (wanted(INITIAL, low=0.1, high=0.12, step=0.01),))
    assert sorted(space.design(50, seed=1)) == [(0.1,), (0.11,), (0.12,)]


def test_a_point_that_breaks_a_relation_is_no_candidate():
    assert SPACE.parameters((0.05, 0.06)) is None
    changed = SPACE.parameters((0.07, 0.06))
    assert (changed.get(INITIAL), changed.get(MAINTENANCE)) == (0.07, 0.06)


def test_neighbours_are_one_step_away_and_valid():
    found = SPACE.neighbours((0.1, 0.1))
    assert found == [(INITIAL, 1, (0.105, 0.1)), (MAINTENANCE, -1, (0.1, 0.095))]
