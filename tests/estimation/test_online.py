"""Estimators that follow data, against their words in plain loops, and no look ahead."""

import math

import numpy as np
import pytest

from simulator.estimation.online import Ewma, GarchFilter, Rolling
from simulator.parameters import DAY, YEAR

STEP = 3_600.0
ESTIMATORS = (
    Ewma(volatility_today=0.6, half_life=DAY),
    Rolling(volatility_today=0.6, window=6 * STEP),
    GarchFilter(volatility=0.7, volatility_today=0.6, alpha=0.1, beta=0.85, gamma=0.05, ceiling=2.0),
)


@pytest.fixture
def returns():
    r = 0.01 * np.random.default_rng(5).standard_t(3, (60, 4))
    r[20, 1] = r[0, 2] = r[30:33, 3] = np.nan
    return r


def plain(estimator, r: np.ndarray) -> list[float]:
    """From the words, one path, loops only."""
    start = estimator.volatility_today**2 * STEP / YEAR
    known, squares = [start], []
    for t, value in enumerate(r):
        square = known[t] if math.isnan(value) else value * value
        squares.append(square)
        if estimator.kind == "ewma":
            k = 0.5 ** (STEP / estimator.half_life)
            known.append(k * known[t] + (1 - k) * square)
        elif estimator.kind == "rolling":
            n = round(estimator.window / STEP)
            last = ([start] * n + squares)[-n:]
            known.append(sum(last) / n)
        else:
            level = estimator.volatility**2 * STEP / YEAR
            answer = estimator.alpha + (estimator.gamma / 2 if math.isnan(value) else estimator.gamma * (value < 0))
            h = level * (1 - estimator.alpha - estimator.beta - estimator.gamma / 2) + answer * square + estimator.beta * known[t]
            known.append(min(h, estimator.ceiling**2 * level))
    return known


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: e.kind)
def test_an_estimator_is_what_its_words_say(estimator, returns):
    found = estimator.variances(returns, STEP)
    assert found.shape == (61, 4)
    for path in range(4):
        assert found[:, path] == pytest.approx(plain(estimator, returns[:, path]), rel=1e-11)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: e.kind)
@pytest.mark.parametrize("cut", [1, 7, 31, 59])
def test_garbage_later_on_changes_nothing_before(estimator, returns, cut):
    spoilt = returns.copy()
    spoilt[cut:] = 1e3
    before, after = estimator.variances(returns, STEP), estimator.variances(spoilt, STEP)
    assert (before[: cut + 1] == after[: cut + 1]).all()
    assert (before[cut + 1] != after[cut + 1]).any()


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: e.kind)
def test_paths_are_filtered_apart(estimator, returns):
    together = estimator.variances(returns, STEP)
    alone = np.column_stack([estimator.variances(returns[:, [i]], STEP)[:, 0] for i in range(4)])
    assert together.tobytes() == alone.tobytes()
    with pytest.raises(ValueError, match="shape"):
        estimator.variances(returns[:, 0], STEP)
