"""Changes taken back in selection: a simpler candidate must be worth as much as the one that it takes the place of."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from simulator.calibration import selection
from simulator.calibration.selection import EVEN, Finalist
from simulator.calibration.space import SearchSpace
from simulator.risk.measures import Estimate
from simulator.risk.planner import POWER

sys.path.insert(0, str(Path(__file__).parent))
from fake_world import CURRENT, SEARCH

SPACE = SearchSpace(CURRENT, SEARCH)
LEADER, SIMPLER = (0.15, 0.12), (0.15, 0.08)  # current parameters are (0.10, 0.08)


def finalist(point, score, chance, wanted=EVEN, **others):
    no_change = Estimate(0.0, 0.0, 0.0, 0.95, 300)
    return Finalist(point, 300, score, 0.001, chance, 0.0, (), no_change, wanted=wanted, **others)


def simplified(monkeypatch, simpler, in_full, wanted=EVEN):
    """What is left of the leader, a score of 0.360 and a chance of 0.95, beside `simpler`, whose chance in full is `in_full`."""
    monkeypatch.setattr(selection, "chance_in_full", lambda *_: in_full)
    leader = finalist(LEADER, 0.360, 0.95, wanted, in_full=True)
    return selection._simplified(None, SimpleNamespace(space=SPACE), None, [leader, simpler]).point


@pytest.mark.parametrize("before", [0.51, 0.95])
def test_a_simpler_candidate_of_less_worth_is_passed_over_before_and_after_it_is_judged_in_full(monkeypatch, before):
    """0.360 x 0.95 = 0.342 is expected of the leader, 0.361 x 0.51 = 0.184 of the simpler one."""
    assert simplified(monkeypatch, finalist(SIMPLER, 0.361, before), 0.51) == LEADER


def test_a_simpler_candidate_of_the_same_worth_takes_the_place(monkeypatch):
    assert simplified(monkeypatch, finalist(SIMPLER, 0.361, 0.95), 0.95) == SIMPLER


def test_where_80_percent_is_wanted_the_score_alone_decides_among_the_ready(monkeypatch):
    assert simplified(monkeypatch, finalist(SIMPLER, 0.361, 0.95, POWER), 0.81, POWER) == SIMPLER
    assert simplified(monkeypatch, finalist(SIMPLER, 0.361, 0.95, POWER), 0.79, POWER) == LEADER
