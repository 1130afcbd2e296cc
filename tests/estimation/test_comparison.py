"""Fitted / simulated / interval: statistics that exist, intervals that cover, and honest verdicts."""

import math

import numpy as np
import pytest

from simulator.estimation.comparison import Measures, compare, comparison_frame, duration, hill_index
from simulator.market import Asset, ModelMarket
from simulator.market.innovations import StudentT
from simulator.market.processes import Garch

HOUR = 3600.0


def market(volatility: float = 0.8) -> ModelMarket:
    process = Garch(
        volatility=volatility,
        alpha=0.05,
        beta=0.92,
        volatility_today=volatility,
        innovation=StudentT(degrees_of_freedom=5.0, max_move=25.0),
    )
    return ModelMarket(assets=(Asset(name="A", price=100.0, process=process),))


def test_hill_recovers_the_index_of_a_power_law():
    losses = np.random.default_rng(1).pareto(3.0, 40_000) + 1
    k = 0.05 * losses.size
    assert hill_index(-losses) == pytest.approx(3.0, abs=4 * 3.0 / math.sqrt(k))


def test_statistics_are_what_their_names_say():
    r = np.random.default_rng(2).standard_t(4, 5000) * 0.01
    r[1000:1010] = np.nan
    measures = Measures(HOUR, r.size)
    found = dict(zip(measures.names, measures.of(measures.columns(r)), strict=True))
    seen = r[~np.isnan(r)]
    assert found["|r| 1 h, 99 %"] == pytest.approx(np.quantile(np.abs(seen), 0.99))
    days = [abs(r[i : i + 24].sum()) for i in range(r.size - 23) if not np.isnan(r[i : i + 24]).any()]
    assert found["|r| 1 d, 50 %"] == pytest.approx(np.quantile(days, 0.5), rel=1e-3)
    size = np.abs(r)
    both = ~np.isnan(size[24:]) & ~np.isnan(size[:-24])
    assert found["acf |r|, 1 d"] == pytest.approx(np.corrcoef(size[24:][both], size[:-24][both])[0, 1])
    assert found["volatility, a year"] == pytest.approx(math.sqrt(np.mean(seen**2) * 8760))


def test_no_moment_that_may_not_exist_and_no_quantile_beyond_the_data():
    names = Measures(HOUR, 5000).names
    assert not any("kurtosis" in name or "skew" in name for name in names)
    assert "|r| 1 h, 99.9 %" in names
    assert "|r| 1 d, 95 %" in names
    assert "|r| 1 d, 99.9 %" not in names
    assert Measures(86_400.0, 1500).names[0] == "|r| 1 d, 50 %"
    assert "acf |r|, 7 d" in Measures(86_400.0, 1500).names


def test_a_market_agrees_with_its_own_paths_and_not_with_calmer_ones():
    from simulator.market import Grid

    days = 120.0
    made = market().model_copy(update={"start": "stationary"})
    paths = made.paths(Grid(market_step=HOUR, transition=days, horizon=days), 5, "test", 0, 8)
    samples = np.diff(np.log(paths.price[:, 0]), axis=0)
    verdicts = [compare(r[:, None], market(), HOUR, block=150.0, seed=1, paths=20, resamples=100) for r in samples.T]
    assert np.mean([row.inside for rows in verdicts for row in rows]) > 0.8
    r, same = samples[:, :1], verdicts[0]
    louder = {row.statistic: row for row in compare(r, market(1.6), HOUR, block=150.0, seed=1, paths=10, resamples=100)}
    assert not louder["volatility, a year"].inside
    assert not louder["|r| 1 h, 50 %"].inside
    assert louder["acf |r|, 1 h"].simulated == pytest.approx(
        next(row.simulated for row in same if row.statistic == "acf |r|, 1 h"), abs=0.1
    )
    frame = comparison_frame(same)
    assert list(frame.columns[:6]) == ["asset", "statistic", "data", "low", "high", "simulated"]
    assert frame["inside"].dtype == bool


def test_the_same_seed_gives_the_same_comparison():
    r = np.random.default_rng(3).normal(0, 0.01, (1200, 1))
    first, second = (compare(r, market(), HOUR, block=50.0, seed=4, paths=3, resamples=20) for _ in range(2))
    assert first == second


def test_cutting_blocks_does_not_thin_the_autocorrelation():
    """A lag longer than most blocks: rows keep their lagged partners, so the bootstrap is centred on the data."""
    r = np.empty((6000, 1))
    state = np.random.default_rng(6)
    level = 0.0
    for t in range(6000):
        level = 0.995 * level + 0.1 * state.normal()
        r[t] = 0.01 * math.exp(level / 2) * state.normal()
    rows = {row.statistic: row for row in compare(r, market(), HOUR, block=100.0, seed=7, paths=2, resamples=200)}
    row = rows["acf |r|, 7 d"]
    assert row.low < row.data < row.high


def test_lengths_of_time_read_as_people_say_them():
    assert [duration(s) for s in (86_400.0, 7 * 86_400.0, 3600.0, 300.0, 7.0)] == ["1 d", "7 d", "1 h", "5 min", "7 s"]
