"""What a stale volatility costs: on a market whose truth is known, and against plain loops."""

from __future__ import annotations

import math
import sys
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from simulator.estimation.next_return import NextReturn
from simulator.estimation.staleness import THE_FILTER, staleness

sys.path.insert(0, str(Path(__file__).parent))
from test_held_out import START, asset, simulated, table

HOURS, SEEN_ROWS, STEP, YEAR = 8_000, 500, 3_600.0, 31_536_000.0


@pytest.fixture(scope="module")
def prices():
    return simulated(HOURS)


@pytest.fixture(scope="module")
def found(prices):
    """Of the true law, as if it were a fit of the first rows, by (estimator, refresh)."""
    source = SimpleNamespace(until=START + timedelta(hours=SEEN_ROWS), exclude=(), step=STEP)
    fit = SimpleNamespace(market=SimpleNamespace(assets=(asset(),)), assets=[SimpleNamespace(threshold=math.inf)], source=source)
    return {(one.estimator, one.refresh): one for one in staleness(table(prices), fit)}


def test_the_truth_at_every_step_loses_nothing_and_keeps_its_var(found):
    best = found[THE_FILTER, "every step"]
    assert (best.lost, best.returns) == (0.0, HOURS - SEEN_ROWS)
    assert min(best.falls_p, best.rises_p) > 1e-3
    assert best.due == pytest.approx(0.01 * best.returns)


def test_the_truth_costs_more_the_older_it_is(found):
    fresh, day, week, never = (found[THE_FILTER, age] for age in ("every step", "a day", "a week", "never"))
    assert fresh.lost < day.lost < week.lost
    assert week.lost > 4 * week.error
    assert week.falls + week.rises > fresh.falls + fresh.rises
    assert never.lost < week.lost  # variance forgets in 34 hours: what it was a week ago is worse than its mean
    for (name, age), one in found.items():
        if (name, age) != (THE_FILTER, "every step"):
            assert one.lost > -4 * one.error, (name, age)


def test_an_estimate_of_last_week_is_scored_as_a_loop_would(prices, found):
    """EWMA of a day looked at once a week, and the truth, from their words."""
    law = asset().process
    r = [math.log(b / a) for a, b in zip(prices[SEEN_ROWS:], prices[SEEN_ROWS + 1 :], strict=False)][: HOURS - SEEN_ROWS]
    level, density = law.volatility**2 * STEP / YEAR, NextReturn(asset(), STEP)
    true, ewma, used, kept, variances = level, level, level, 0.5 ** (1 / 24), []
    for t, value in enumerate(r):
        used = ewma if t % 168 == 0 else used
        variances.append((true, used))
        ewma = kept * ewma + (1 - kept) * value * value
        persistence = law.alpha + law.beta
        true = min(level * (1 - persistence) + law.alpha * value * value + law.beta * true, law.ceiling**2 * level)
    at, (truth, stale) = np.array(r), np.array(variances).T
    lost = np.log(density.density(at, truth)) - np.log(density.density(at, stale))
    falls = int((density.probability(at, stale) < 0.01).sum())
    one = found["EWMA of a day", "a week"]
    assert one.lost == pytest.approx(lost.mean(), rel=1e-9)
    assert one.falls == falls
