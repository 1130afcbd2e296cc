"""Estimators that follow data, against their words in plain loops, and no look ahead."""

import math

import numpy as np
import pytest

from simulator.market import MarketPaths
from simulator.market.online import Ewma, GarchFilter, GarchRefit, Rolling, VolatilityFeed
from simulator.parameters import DAY, YEAR

STEP = 3_600.0
ESTIMATORS = (
    Ewma(volatility_today=0.6, half_life=DAY),
    Rolling(volatility_today=0.6, window=6 * STEP),
    GarchFilter(volatility=0.7, volatility_today=0.6, alpha=0.1, beta=0.85, gamma=0.05, ceiling=2.0),
)
REFIT = GarchRefit(volatility=0.7, volatility_today=0.6, alpha=0.1, beta=0.85, window=20 * STEP, every=7 * STEP)  # see test_refit


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


@pytest.mark.parametrize("estimator", [*ESTIMATORS, REFIT], ids=lambda e: e.kind)
@pytest.mark.parametrize("cut", [1, 7, 31, 59])
def test_garbage_later_on_changes_nothing_before(estimator, returns, cut):
    spoilt = returns.copy()
    spoilt[cut:] = 1e3
    before, after = estimator.variances(returns, STEP), estimator.variances(spoilt, STEP)
    assert (before[: cut + 1] == after[: cut + 1]).all()
    assert (before[cut + 1] != after[cut + 1]).any()


@pytest.mark.parametrize("estimator", [*ESTIMATORS, REFIT], ids=lambda e: e.kind)
def test_paths_are_filtered_apart(estimator, returns):
    together = estimator.variances(returns, STEP)
    alone = np.column_stack([estimator.variances(returns[:, [i]], STEP)[:, 0] for i in range(4)])
    assert together.tobytes() == alone.tobytes()
    with pytest.raises(ValueError, match="shape"):
        estimator.variances(returns[:, 0], STEP)


class TestVolatilityFeed:
    """What is in use in a market step, against its words."""

    @pytest.fixture
    def market(self):
        steps = np.random.default_rng(6).normal(0, 0.004, (48, 2, 3))
        price = 100 * np.exp(np.concatenate([np.zeros((1, 2, 3)), np.cumsum(steps, axis=0)]))
        return MarketPaths.from_prices(["ETH", "BTC"], price, STEP / 4, 4, volatility=np.random.default_rng(7).random((12, 2, 3)))

    def test_it_knows_the_estimates_of_whole_market_steps_or_the_truth(self, market):
        known = VolatilityFeed(estimator={"ETH": ESTIMATORS[0]}).known(market)
        returns = np.diff(np.log(market.price[::4, 0]), axis=0)
        for path in range(3):
            estimates = np.array(plain(ESTIMATORS[0], returns[:, path])[:-1])
            assert known[:, 0, path] == pytest.approx(np.sqrt(estimates * YEAR / STEP), rel=1e-12)
        assert (known[:, 1] == market.volatility[:, 1]).all()

    @pytest.mark.parametrize(
        ("refresh", "lag", "made"),
        [
            (0.0, 0.0, list(range(12))),
            (4 * STEP, 0.0, [0, 0, 0, 0, 4, 4, 4, 4, 8, 8, 8, 8]),
            (0.0, 2 * STEP, [0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
            (4 * STEP, 2 * STEP, [0, 0, 0, 0, 0, 0, 4, 4, 4, 4, 8, 8]),
            (1e9, 0.0, [0] * 12),
        ],
    )
    def test_it_is_as_old_as_it_says(self, market, refresh, lag, made):
        fresh = VolatilityFeed(estimator={"ETH": ESTIMATORS[1]}).known(market)
        assert (VolatilityFeed(estimator={"ETH": ESTIMATORS[1]}, refresh=refresh, lag=lag).known(market) == fresh[made]).all()

    def test_its_bytes_do_not_depend_on_blocks(self, market):
        again = REFIT.model_copy(update={"window": 6 * STEP, "every": 2 * STEP})
        feed = VolatilityFeed(estimator={"ETH": ESTIMATORS[2], "BTC": again}, refresh=2 * STEP)
        alone = np.concatenate([feed.known(market.rows(slice(p, p + 1))) for p in range(3)], axis=2)
        assert alone.tobytes() == feed.known(market).tobytes()
