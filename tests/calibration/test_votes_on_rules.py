"""What a vote may change beside [parameters]: the numbers that a part marks, by their key path."""

from pathlib import Path
from typing import Annotated

import pytest
from pydantic import Field, ValidationError

from simulator import Scenario
from simulator.calibration.change import unit_of
from simulator.calibration.space import SearchSpace
from simulator.calibration_settings import SearchParameter
from simulator.parameters import VOTABLE, Part
from simulator.protocol import Change
from simulator.protocol.rules import blend
from simulator.terms.part import votable

SCENARIOS = sorted((Path(__file__).parents[2] / "scenarios").glob("*.toml"))
ETH = Path(__file__).parents[2] / "scenarios" / "eth-perpetual.toml"
NAMES = {  # of issue's list: insurance-fund target, oracle window, funding cap, keeper gas limit, fee structure
    "protocol.fund.cash",
    "protocol.venues.ETH.oracle.heartbeat",
    "protocol.volatility_half_life",
    "protocol.funding.cap",
    "keepers.gas_limit",
    "fees.volatility_slope",
}


@pytest.fixture(scope="module")
def vote():
    return Scenario.load(ETH).vote


class Inner(Part):
    voted: Annotated[float, Field(ge=0), VOTABLE] = 1.0
    given: float = 2.0


class Outer(Part):
    parts: tuple[Inner, ...]
    table: dict[str, Inner]
    sometimes: Annotated[float | None, VOTABLE] = None
    count: int = 3


def test_a_part_says_itself_what_may_change_wherever_it_stands():
    part = Outer(parts=(Inner(), Inner(voted=3.0)), table={"x": Inner(voted=4.0)})
    assert dict(votable(part, "p.")) == {"p.parts.0.voted": 1.0, "p.parts.1.voted": 3.0, "p.table.x.voted": 4.0}
    assert dict(votable(part.model_copy(update={"sometimes": 5.0})))["sometimes"] == 5.0


def test_rules_stand_beside_parameters_and_no_fact_of_the_market_does(vote):
    there = dict(vote.items())
    assert there.keys() >= NAMES
    assert not [name for name in there if "depth" in name or name.endswith("capital")]
    assert there["protocol.fund.cash"] == vote.protocol.fund.cash == 1e5


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_every_name_of_every_scenario_can_be_replaced_by_itself(path):
    vote = Scenario.load(path).vote
    for name, value in vote.items():
        assert vote.replace({name: value}) == vote


def test_a_change_of_a_rule_leaves_everything_else(vote):
    changed = vote.replace({"protocol.funding.cap": 3.0, "fees.flat": 0.001, "keepers.gas_limit": 50.0})
    assert (changed.protocol.funding.cap, changed.parameters.fees.flat, changed.keepers.gas_limit) == (3.0, 0.001, 50.0)
    assert changed.replace({name: vote.get(name) for name in ("protocol.funding.cap", "fees.flat", "keepers.gas_limit")}) == vote
    assert changed.rules != vote.rules
    assert changed.perpetuals == vote.perpetuals


@pytest.mark.parametrize(
    "name", ["protocol.venues.ETH.spot.depth", "protocol.max_rounds", "protocol.fund.cahs", "keepers.latency"]
)
def test_what_no_part_marks_is_no_name(vote, name):
    with pytest.raises(KeyError):
        vote.replace({name: 1.0})


def test_relations_of_rules_hold_for_candidates(vote):
    with pytest.raises(ValidationError):
        vote.replace({"protocol.fund.cash": -1.0})
    search = (
        SearchParameter(parameter="protocol.fund.cash", low=5e4, high=4e5, step=5e4, max_change=1e5),
        SearchParameter(parameter="protocol.venues.ETH.oracle.heartbeat", low=600.0, high=7200.0, step=600.0),
        SearchParameter(parameter="perpetuals.ETH.initial_margin_ratio", low=0.02, high=0.1, step=0.01),
    )
    space = SearchSpace(vote, search)
    assert list(space.multiples[0]) == [1, 2, 3, 4]
    for point in space.design(20, seed=1)[1:]:
        made = space.parameters(point)
        assert (made.protocol.fund.cash, made.protocol.venues["ETH"].oracle.heartbeat) == point[:2]
        assert made.parameters.perpetuals["ETH"].initial_margin_ratio == point[2] >= 0.03


def test_a_phase_in_moves_rules_linearly_and_leaves_what_is_no_number(vote):
    changed = vote.replace({"protocol.funding.cap": 20.0, "fees.flat": 0.0005})
    half = blend(vote, changed, 0.5)
    assert half.protocol.funding.cap == 15.0
    assert half.parameters.fees.flat == pytest.approx(0.0004)
    assert half.protocol.model_dump(exclude={"funding"}) == vote.protocol.model_dump(exclude={"funding"})
    assert blend(vote, changed, 0.0) is vote


def test_a_vote_takes_effect_after_its_notice_in_equal_steps():
    change = Change(notice=3600.0, phase_in=7200.0, steps=4)
    shares = {0: 0.0, 3599: 0.0, 3600: 0.0, 5399: 0.0, 5400: 0.25, 7200: 0.5, 9000: 0.75, 10_799: 0.75, 10_800: 1.0, 1e9: 1.0}
    assert {since: change.share(since) for since in shares} == shares
    assert [Change(notice=60.0).share(since) for since in (0.0, 59.0, 60.0)] == [0.0, 0.0, 1.0]


@pytest.mark.parametrize("dt", [1.0 / 3, 0.1, 300.0, 3600.0 / 7])
def test_steps_of_time_that_no_number_holds_exactly_lose_no_step_of_a_vote(dt):
    change = Change(phase_in=12 * 21 * dt)
    assert [change.share(k * 21 * dt) for k in range(13)] == [k / 12 for k in range(13)]


@pytest.mark.parametrize(
    ("name", "unit"),
    [("protocol.funding.cap", "1/year"), ("protocol.gains.cap", "usd"), ("fees.cap", "1"), ("protocol.fund.cash", "usd"),
     ("protocol.venues.ETH.oracle.deviation", "1"), ("protocol.venues.ETH.oracle.heartbeat", "s")],
)  # fmt: skip
def test_a_rule_has_its_unit(name, unit):
    assert unit_of(name) == unit
