"""Returns: only from the window, never across a gap or an excluded stretch."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from simulator.estimation.errors import FitError
from simulator.estimation.returns import Window, log_returns, read_each
from simulator.market.price_file import PriceTable

START = datetime(2022, 1, 1, tzinfo=UTC)
HOUR = 3600.0


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def table(prices: np.ndarray, hours: np.ndarray | None = None, offset: float = 0.0) -> PriceTable:
    hours = np.arange(len(prices)) if hours is None else hours
    moments = (START.timestamp() + offset + HOUR * hours) * 1e9
    return PriceTable(("A", "B")[: prices.shape[1]], moments.astype(np.int64), prices, HOUR, "0" * 64, ())


@pytest.fixture
def walk() -> np.ndarray:
    return 100 * np.exp(np.cumsum(np.random.default_rng(1).normal(0, 0.01, (1004, 1)), axis=0))


def test_returns_are_differences_of_logs(walk):
    found = log_returns(table(walk), Window(at(1e5)))
    assert np.allclose(found.returns, np.diff(np.log(walk), axis=0))
    assert (found.rows, found.first, found.last) == (1004, at(0), at(1003))
    assert found.price == walk[-1]


def test_nothing_after_until_is_seen(walk):
    """M20: the future replaced by garbage changes nothing."""
    window = Window(at(700))
    garbage = walk.copy()
    garbage[701:] = 1e9
    a, b = log_returns(table(walk), window), log_returns(table(garbage), window)
    assert np.array_equal(a.returns, b.returns)
    assert a.last == b.last == at(700)
    assert a.price == b.price == walk[700]


def test_returns_across_gaps_are_dropped(walk):
    hours = np.delete(np.arange(1004), [500, 501, 502])
    found = log_returns(table(walk[hours], hours), Window(at(1e5)))
    assert np.isnan(found.returns[499:503]).all()
    assert found.counts == 999
    assert np.isfinite(found.returns[503])


def test_a_blank_price_is_a_gap_of_its_asset_only(walk):
    both = np.column_stack([walk, walk])
    both[500, 1] = np.nan
    found = log_returns(table(both), Window(at(1e5)))
    assert list(found.counts) == [1003, 1001]


def test_no_return_spends_time_in_an_excluded_stretch(walk):
    found = log_returns(table(walk), Window(at(1e5), exclude=((at(100), at(200)),)))
    gone = np.flatnonzero(np.isnan(found.returns[:, 0]))
    assert list(gone) == list(range(100, 200))  # the return that starts at A up to the one that ends at B
    wild = walk.copy()
    wild[101:200] = 1e6
    again = log_returns(table(wild), Window(at(1e5), exclude=((at(100), at(200)),)))
    assert np.array_equal(found.returns, again.returns, equal_nan=True)


def test_a_stretch_shorter_than_a_step_drops_the_return_over_it(walk):
    found = log_returns(table(walk), Window(at(1e5), exclude=((at(10.2), at(10.4)),)))
    assert list(np.flatnonzero(np.isnan(found.returns[:, 0]))) == [10]


def test_a_longer_step_takes_every_nth_row_at_the_commonest_phase(walk):
    found = log_returns(table(walk, offset=3599.0), Window(at(1e5)), step=2 * HOUR)
    assert np.allclose(found.returns, np.diff(np.log(walk[1::2]), axis=0)) or np.allclose(
        found.returns, np.diff(np.log(walk[::2]), axis=0)
    )


@pytest.mark.parametrize(
    ("window", "step", "key", "words"),
    [
        (Window(at(-5)), None, "until", "2021-12-31T19:00:00Z is before the first row, 2022-01-01T00:00:00Z"),
        (Window(at(5000), at(2000)), None, "from", "is after the last row"),
        (Window(at(10), at(20)), None, "from", "`from < until` must hold"),
        (Window(datetime(2023, 1, 1)), None, "until", "2023-01-01T00:00:00 has no offset; write 2023-01-01T00:00:00Z"),
        (Window(at(900), exclude=((at(5), at(4)),)), None, "exclude", "`A < B` must hold"),
        (Window(at(900), exclude=((at(-5), at(1010)),)), None, "A", "has no price in the window"),
        (Window(at(30)), None, "A", "needs >= 500 returns, has 30; widen the window"),
        (Window(at(900)), 60.0, "step", "no two rows are 60 s apart; the commonest distance is 3600 s"),
        (Window(at(900)), 1e-4, "step", "steps of this window; at most 20,000,000"),
    ],
)
def test_what_cannot_be_fitted_is_said(walk, window, step, key, words):
    with pytest.raises(FitError) as caught:
        log_returns(table(walk), window, step)
    assert caught.value.problems[0][0] == key
    assert words in caught.value.problems[0][1]


def test_a_price_that_never_changes_is_refused():
    with pytest.raises(FitError, match="A: the price never changes"):
        log_returns(table(np.full((600, 1), 5.0)), Window(at(1e5)))


def test_every_asset_is_read_with_its_own_rows(tmp_path):
    lines = ["timestamp,A,B"]
    for i in range(10):
        stamp = at(i).isoformat().replace("+00:00", "Z")
        lines.append(f"{stamp},{100 + i},{'' if i == 4 else 50 + i}")
    path = tmp_path / "p.csv"
    path.write_text("\n".join(lines))
    found = read_each(path)
    assert found.prices.shape == (10, 2)
    assert np.isnan(found.prices[4, 1])
    assert found.prices[4, 0] == 104
