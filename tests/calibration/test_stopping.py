"""Losers are stopped by tests that are looked at again and again: their errors hold over the whole race."""

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from simulator.calibration.plan import plan_confirmation
from simulator.calibration.race import PURPOSE, rungs
from simulator.calibration.search import finalists, search
from simulator.calibration.space import SearchSpace
from simulator.calibration.stopping import ERROR, broken, is_broken, is_more_frequent, mean_floor
from simulator.calibration.trials import Trials
from simulator.outcomes import Outcomes
from simulator.risk.appetite import ExpectedShortfallLimit, MeanLimit, ProbabilityLimit, RiskAppetite
from simulator.risk.judgement import conditions

sys.path.insert(0, str(Path(__file__).parent))
from fake_world import FakeWorld, evaluate, with_settings

LOOKS = (250, 1000, 4000, 16000)
REPEATS = 4000


class Memory:
    def __init__(self):
        self.lines = []

    def append(self, line):
        self.lines.append(line)


def stopped_share(rate, limit, level):
    """How often a candidate of this rate is stopped at one of the looks, each made at `level`."""
    rng = np.random.default_rng(5)
    steps = np.diff((0, *LOOKS))
    failures = np.cumsum(rng.binomial(steps, rate, size=(REPEATS, len(LOOKS))), axis=1)
    bounds = [next(k for k in range(n) if is_more_frequent(k, n, limit, level)) for n in LOOKS]
    return float(np.mean((failures >= bounds).any(axis=1)))


@pytest.mark.parametrize("limit", [0.001, 0.01, 0.05])
def test_a_candidate_at_its_limit_is_stopped_no_more_often_than_stated(limit):
    spent = stopped_share(limit, limit, ERROR / len(LOOKS))
    assert spent <= ERROR + 3 * np.sqrt(ERROR * (1 - ERROR) / REPEATS)


def test_the_same_test_at_its_full_level_at_every_look_would_stop_too_many():
    assert stopped_share(0.05, 0.05, ERROR) > ERROR + 4 * np.sqrt(ERROR * (1 - ERROR) / REPEATS)


def test_candidates_far_beyond_their_limit_are_stopped_at_the_first_look():
    level = ERROR / len(LOOKS)
    failures = np.random.default_rng(6).binomial(LOOKS[0], 0.1, size=REPEATS)
    assert np.mean([is_more_frequent(int(k), LOOKS[0], 0.01, level) for k in failures]) > 0.99


@pytest.mark.parametrize("tail", [0.4, 0.25, 0.0])
def test_the_bound_of_a_mean_holds_whatever_the_tail(tail):
    """Pareto and exponential losses whose mean is exactly the limit: cut off, their mean is below it."""
    rng = np.random.default_rng(7)
    wrong = 0
    for _ in range(1000):
        raw = rng.exponential(size=400)
        sample = raw if tail == 0 else (np.exp(tail * raw) - 1) * (1 - tail) / tail
        wrong += mean_floor(np.minimum(sample, 20.0), 20.0, 0.05) > 1.0
    assert wrong / 1000 <= 0.05
    far = np.minimum(30 * rng.exponential(size=400), 20.0)
    assert mean_floor(far, 20.0, 0.05) > 1.0


def outcomes(losses):
    return Outcomes(np.arange(len(losses)), {"loss.whole": np.asarray(losses, dtype=float)})


@pytest.mark.parametrize(
    ("limit", "bad"),
    [
        (ProbabilityLimit(window="whole", of="usd", threshold=5.0, probability=0.01), np.repeat([0.0, 10.0], [80, 20])),
        (ExpectedShortfallLimit(window="whole", of="usd", level=0.9, limit=5.0), np.repeat([0.0, 10.0], [60, 40])),
        (MeanLimit(window="whole", of="usd", limit=1.0), np.full(100, 30.0)),
    ],
)
def test_every_kind_of_limit_can_stop(limit, bad):
    asked = conditions(RiskAppetite(limits=(limit,)))
    assert broken(asked, outcomes(bad), {"usd": 1.0}, 4) == asked[0].name
    assert broken(asked, outcomes(np.zeros(100)), {"usd": 1.0}, 4) == ""
    assert not is_broken(asked[0], outcomes(np.full(1, 100.0)), {"usd": 1.0}, 1e-6)


def race_of(world):
    trials = Trials(SearchSpace(world.vote, world.calibration.search), Memory(), evaluate)
    return search(world, trials, plan_confirmation(world, 1)), trials


def test_the_stopped_run_no_further_and_are_not_finalists_while_others_are():
    world = with_settings(candidates=30, search_paths=200, selection_paths=300)
    found, trials = race_of(world)
    stopped = [trial for trial in found.trials if trial.stopped]
    assert stopped
    opening, looks = rungs(200)[0], len(rungs(200))
    assert opening == 50
    # Proven broken at the first look: so many of its 50 paths fail as at the limit come with a chance of at most ERROR / looks.
    least = next(k for k in range(opening) if stats.binom(opening, 0.01).sf(k - 1) <= ERROR / looks)
    assert least == 4
    points = [trial.point for trial in found.trials]
    ran = evaluate(world, [trials.space.parameters(point) for point in points], PURPOSE, 0, opening, 1)
    threshold = 0.01 * found.question.frozen["open-interest"]
    broke = {point for point, one in zip(points, ran, strict=True) if (one.column("loss.whole") > threshold).sum() >= least}
    assert {trial.point for trial in stopped if trial.paths == opening} == broke != set()
    assert not {trial.point for trial in stopped} & {trial.point for trial in found.finalists}
    assert all(line["purpose"] == PURPOSE for line in trials.record.lines)


def test_where_everything_is_proven_unsafe_the_least_unsafe_are_looked_at():
    world = FakeWorld(scale=0.3, calibration=with_settings(candidates=16, search_paths=200).calibration)
    found, _ = race_of(world)
    assert all(trial.stopped for trial in found.trials)
    assert len(finalists(found.trials)) >= 4


def test_a_short_race_has_no_opening_look():
    assert rungs(60) == (60, 240, 960)
    assert rungs(1000) == (250, 1000, 4000, 16000)
