"""Replay and bootstrap: the file's own prices, no look ahead, rows kept whole."""

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from simulator.market import Bootstrap, Grid, Market, Replay

BEGIN = datetime(2021, 1, 1, tzinfo=UTC)
GRID = Grid(market_step=3600.0, transition=1, horizon=2, substeps=2)


def _write(folder, prices, name="prices.csv"):
    """A file of hourly rows [row, asset]; a row of NaN is left out."""
    rows = ["timestamp," + ",".join(f"A{a}" for a in range(prices.shape[1]))]
    for i, row in enumerate(prices):
        if not np.isnan(row).any():
            rows.append(f"{(BEGIN + timedelta(hours=i)).isoformat()}," + ",".join(map(repr, row.tolist())))
    (folder / name).write_text("\n".join(rows) + "\n")


def _prices(hours=24 * 10, assets=2, seed=1):
    x = np.random.default_rng(seed).standard_normal((hours, assets)) * 0.01
    x[:, 1:] = 0.8 * x[:, :1] + 0.6 * x[:, 1:]
    return np.exp(np.cumsum(x, axis=0)) * 100


def _market(folder, kind="replay", **fields):
    values = {
        "kind": kind,
        "file": "prices.csv",
        "from": "2021-01-03T00:00:00Z",
        "until": "2021-01-10T00:00:00Z",
        "assets": ["A0", "A1"],
        **fields,
    }
    return TypeAdapter(Market).validate_python(values, context={"folder": folder})


def test_a_replay_has_the_files_own_prices_on_every_path(tmp_path):
    prices = _prices()
    _write(tmp_path, prices)
    paths = _market(tmp_path).paths(GRID, 1, "run", 5, 4)
    for path in range(4):
        assert np.array_equal(paths.price[::2, :, path], prices[48 : 48 + 49])
    assert np.unique(paths.price[1, 0]).size == 4  # the bridge differs by path


def test_the_future_of_the_file_changes_nothing_before_it(tmp_path):
    """M20: truncated, or replaced by garbage."""
    prices = _prices()
    results = []
    for name, change in {"whole": slice(0, 0), "garbage": slice(98, None)}.items():
        other = prices.copy()
        other[change] = other[change][::-1] * 977
        (tmp_path / name).mkdir()
        _write(tmp_path / name, other)
        results.append(_market(tmp_path / name).paths(GRID, 1, "run", 0, 7))
    (tmp_path / "short").mkdir()
    _write(tmp_path / "short", prices[:97])
    short = Grid(market_step=3600.0, transition=1, horizon=2, substeps=2)
    results.append(_market(tmp_path / "short").paths(short, 1, "run", 0, 7))
    whole, garbage, truncated = results
    assert whole.price.tobytes() == garbage.price.tobytes() == truncated.price.tobytes()
    assert whole.volatility.tobytes() == garbage.volatility.tobytes() == truncated.volatility.tobytes()


def test_a_prefix_of_a_replay_is_the_shorter_replay(tmp_path):
    _write(tmp_path, _prices())
    long, short = (_market(tmp_path).paths(g, 1, "run", 0, 3) for g in (GRID, GRID.model_copy(update={"horizon": 1.0})))
    assert np.array_equal(long.price[:49], short.price)
    assert np.array_equal(long.volatility[:24], short.volatility)


def test_volatility_is_weighted_over_the_rows_before(tmp_path):
    prices = _prices()
    _write(tmp_path, prices)
    paths = _market(tmp_path).paths(GRID, 1, "run", 0, 1)
    squares = np.diff(np.log(prices), axis=0) ** 2
    decay = 0.5 ** (1 / 24)
    for t in (0, 17):
        past = squares[: 48 + t] if t == 0 else squares[:48]
        weights = decay ** np.arange(len(past) - 1, -1, -1)
        h = (weights[:, None] * past).sum(axis=0) / weights.sum()
        for r2 in squares[48 : 48 + t]:
            h = decay * h + (1 - decay) * r2
        assert np.allclose(paths.volatility[t, :, 0], np.sqrt(h * 8760), rtol=1e-10)


def test_a_gap_holds_the_price_still_and_a_long_one_is_an_error(tmp_path):
    prices = _prices()
    prices[60:63] = np.nan
    _write(tmp_path, prices)
    market = _market(tmp_path)
    assert np.array_equal(market.paths(GRID, 1, "run", 0, 1).price[2 * 12 : 2 * 15 : 2, :, 0], np.tile(prices[59], (3, 1)))
    assert market.notices() == [
        "file: prices.csv: 1 gaps in the prices of A0, A1, the longest 4 h after row 61; no price is made up for them"
    ]
    assert _market(tmp_path, max_gap=7_200.0).problems(GRID) == [
        "file: prices.csv: row 61: the next row with prices of A0, A1 comes after 4 h; max_gap is 2 h"
    ]


def test_a_window_too_short_for_the_grid_is_a_problem(tmp_path):
    _write(tmp_path, _prices())
    assert _market(tmp_path, until="2021-01-04T00:00:00Z").problems(GRID) == [
        "the grid needs 48 market steps from 2021-01-03T00:00:00+00:00, the file has 24 up to `until`; "
        "move `until`, or shorten burn_in or horizon"
    ]
    assert (
        "move `from` a day later, or state volatility_today"
        in _market(tmp_path, **{"from": "2021-01-01T00:00:00Z"}).problems(GRID)[0]
    )
    assert _market(tmp_path, **{"from": "2021-01-01T00:00:00Z"}, volatility_today=[0.5, 0.5]).problems(GRID) == []
    assert (
        "market_step` must be at least the file's own step"
        in _market(tmp_path).problems(Grid(market_step=60.0, transition=1, horizon=1))[0]
    )


def test_a_bootstrap_is_made_of_whole_rows_in_blocks_of_the_stated_mean(tmp_path):
    prices = _prices()
    _write(tmp_path, prices)
    grid = Grid(market_step=3600.0, transition=1, horizon=20)
    paths = _market(tmp_path, "bootstrap", mean_block=8.0).paths(grid, 1, "run", 0, 40)
    own = np.diff(np.log(prices[48 : 48 + 169]), axis=0)
    own -= np.log(np.exp(own).mean(axis=0))
    drawn = np.diff(np.log(paths.price), axis=0)
    row = np.abs(drawn[:, 0, :, None] - own[:, 0]).argmin(axis=2)
    assert np.abs(drawn[:, 0] - own[row, 0]).max() < 1e-12
    assert np.abs(drawn[:, 1] - own[row, 1]).max() < 1e-12
    new = (row[1:] - row[:-1]) % len(own) != 1
    expected = (1 / 8) * (1 - 1 / len(own))
    assert abs(new.mean() - expected) < 4 * math.sqrt(expected * (1 - expected) / new.size)
    uses = np.bincount(row.ravel(), minlength=len(own))
    assert uses.min() > 0


def test_a_bootstrap_starts_at_the_stated_or_the_last_price_and_grows_at_its_drift(tmp_path, score):
    prices = _prices()
    _write(tmp_path, prices)
    paths = _market(tmp_path, "bootstrap", mean_block=1.0, drift=2.0).paths(GRID, 2, "run", 0, 20_000)
    assert np.array_equal(paths.price[0, :, 0], prices[24 * 9])
    stated = _market(tmp_path, "bootstrap", mean_block=1.0, drift=2.0, prices=[1, 1]).paths(GRID, 2, "run", 0, 20_000)
    for asset in stated.price[-1]:
        assert abs(score(asset, math.exp(2.0 * 2 / 365))) < 4


@pytest.mark.parametrize(("kind", "more"), [("replay", {}), ("bootstrap", {"mean_block": 5.0})])
@pytest.mark.parametrize("block", [1, 7, 33, 100])
def test_blocks_of_any_size_give_the_same_bytes(kind, more, block, tmp_path):
    _write(tmp_path, _prices())
    market = _market(tmp_path, kind, **more)
    whole = market.paths(GRID, 3, "run", 0, 300)
    for first in range(0, 300, block):
        part = market.paths(GRID, 3, "run", first, min(block, 300 - first))
        assert part.price.tobytes() == np.ascontiguousarray(whole.price[:, :, first : first + block]).tobytes()
        assert part.volatility.tobytes() == np.ascontiguousarray(whole.volatility[:, :, first : first + block]).tobytes()


def test_no_two_bootstrap_paths_are_equal(tmp_path):
    _write(tmp_path, _prices())
    price = _market(tmp_path, "bootstrap", mean_block=12.0).paths(GRID, 1, "run", 0, 1_000).price
    assert len({price[:, 0, k].tobytes() for k in range(1_000)}) == 1_000


def test_the_folder_may_come_later_and_must_come(tmp_path):
    _write(tmp_path, _prices())
    fields = {"file": "prices.csv", "since": "2021-01-03T00:00:00Z", "until": "2021-01-10T00:00:00Z", "assets": ("A0", "A1")}
    market = Replay(**fields)
    with pytest.raises(ValueError, match=r"call resolve\(folder\) first"):
        market.paths(GRID, 1, "run", 0, 1)
    paths = market.resolve(tmp_path).paths(GRID, 1, "run", 0, 1)
    assert paths.price.tobytes() == _market(tmp_path).paths(GRID, 1, "run", 0, 1).price.tobytes()


def test_the_reference_volatility_is_that_of_the_window(tmp_path):
    _write(tmp_path, _prices())
    own = np.diff(np.log(_prices()[48:217, 0]))
    assert _market(tmp_path).reference_volatility("A0") == pytest.approx(math.sqrt((own**2).mean() * 8760), rel=1e-12)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"from": "2021-01-03T00:00:00"}, "2021-01-03T00:00:00 has no offset; write 2021-01-03T00:00:00Z"),
        ({"from": "yesterday"}, "expected a moment such as 2021-01-01T00:00:00Z, but got 'yesterday'"),
        ({"from": "2022-01-03T00:00:00Z"}, "`from < until` must hold"),
        ({"assets": ["A0", "A0"]}, "A0 is there twice"),
        ({"file": "../prices.csv"}, "must be inside the scenario's folder"),
        ({"volatility_today": [0.5]}, "one number for each of A0, A1"),
    ],
)
def test_a_wrong_history_is_refused(change, words, tmp_path):
    _write(tmp_path, _prices())
    with pytest.raises(ValidationError) as caught:
        _market(tmp_path, **change)
    assert words in str(caught.value)


def test_a_bootstrap_of_few_rows_is_refused(tmp_path):
    _write(tmp_path, _prices(hours=60))
    market = Bootstrap(file="prices.csv", since=BEGIN, until="2021-02-01T00:00:00Z", assets=("A0",), mean_block=10.0)
    assert market.resolve(tmp_path).problems(GRID) == ["a bootstrap with mean_block = 10 needs >= 100 returns, has 59"]


@pytest.mark.shared_data
def test_the_luna_week_replays_from_the_real_file(shared_data):
    folder = shared_data / "data" / "market"
    if not (folder / "crypto_1h_close.csv").is_file():
        pytest.skip("crypto_1h_close.csv is not among the shared data")
    fields = {"file": "crypto_1h_close.csv", "from": "2022-05-07T00:00:00Z", "until": "2022-05-14T00:00:00Z"}
    market = _market(folder, assets=["BTC", "ETH"], **fields)
    paths = market.paths(Grid(market_step=3600.0, transition=1, horizon=7), 1, "run", 0, 2)
    low = paths.price[:, :, 0].min(axis=0) / paths.price[0, :, 0]
    assert 0.6 < low[1] < low[0] < 0.85
    assert paths.volatility[:, 0].max() > 1.5 * paths.volatility[0, 0, 0]
