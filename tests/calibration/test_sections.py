"""Bisection where goal and tail are monotone, and nowhere else."""

from simulator.calibration.ranking import Trial
from simulator.calibration.sections import Slope, sections, slope
from simulator.calibration.space import SearchSpace
from simulator.calibration_settings import SearchParameter
from simulator.parameters import RiskParameters

CURRENT = RiskParameters.model_validate({"perpetuals": {"ETH": {"initial_margin_ratio": 0.5, "maintenance_margin_ratio": 0.01}}})
NAME = "perpetuals.ETH.initial_margin_ratio"
SPACE = SearchSpace(CURRENT, (SearchParameter(parameter=NAME, low=0.02, high=1.0, step=0.0001),))


def trial(number, value, score, tail):
    return Trial(number, (value,), 100, score, 0.0, ((tail,),) * 5)


def world(value, edge):
    """Less margin is better until the tail breaks the limit at `edge`."""
    return -value, (edge - value) * 10


def test_bisection_finds_the_edge_of_the_limits_in_logarithmic_time():
    edge = 0.123456
    trials = [trial(0, 0.5, *world(0.5, edge))]
    for _ in range(12):
        leader = min(trials, key=Trial.rank)
        for point in sections(SPACE, trials, [leader], {one.point for one in trials}):
            trials.append(trial(len(trials), point[0], *world(point[0], edge)))
    best = min(trials, key=Trial.rank)
    assert best.point[0] == 0.1235  # the first grid point beyond the edge, among 9,801
    assert len(trials) <= 2 + 2 * 10


def test_slopes_come_from_pairs_that_differ_in_one_parameter():
    rising = [trial(i, 0.1 * i, i, i) for i in range(1, 4)]
    assert slope(rising, 0) == Slope(1, 1)
    assert slope(rising, 0).is_traded
    assert slope(rising[:1], 0) == Slope(0, 0)


def test_one_pair_against_the_others_ends_the_bisection():
    bent = [trial(1, 0.1, 1, 1.0), trial(2, 0.2, 2, 2.0), trial(3, 0.3, 3, 1.5)]
    assert slope(bent, 0) == Slope(1, 0)
    assert list(sections(SPACE, bent, bent[:1], set())) == []


def test_movement_within_the_tolerance_is_no_evidence():
    flat = [trial(1, 0.1, 1, 1.0), trial(2, 0.2, 2, 1.01), trial(3, 0.3, 3, 1.0)]
    assert slope(flat, 0) == Slope(1, 0)


def test_a_parameter_that_costs_nothing_is_not_bisected():
    free = [trial(1, 0.1, 1, 3.0), trial(2, 0.2, 2, 1.0)]
    assert slope(free, 0) == Slope(1, -1)
    assert list(sections(SPACE, free, free[:1], set())) == []
