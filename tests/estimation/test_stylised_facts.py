"""Stylised facts: figures of the reference from the data by our own functions, and paths of a fitted market inside the bands.

The reference saw rows that the files do not hold, so a figure may differ by what those rows can do: 4 errors of a stationary
bootstrap times sqrt(1 - rows / its rows), the error of a part against the whole.
"""

import json
import math
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import rankdata

from simulator.estimation.comparison import drawn_rows, hill_index, pair_correlation
from simulator.estimation.copula_fit import joint_tails
from simulator.estimation.dcc import fit_dcc
from simulator.estimation.fit import fit_market
from simulator.estimation.garch_fit import FREE, fit_garch
from simulator.estimation.specification import Specification
from simulator.market import Grid
from simulator.market.price_file import PriceTable

pytestmark = pytest.mark.shared_data

STEPS = {"daily": (86_400.0, 30.0), "hourly": (3_600.0, 720.0)}  # [s] and mean block
RESAMPLES = 12
LEAST = 0.05  # of the error that a part of the rows must be allowed: gaps and a day's hour are conventions


@pytest.fixture(scope="module")
def facts(shared_data: Path) -> dict:
    file = shared_data / "reference" / "stylised_facts_computed.json"
    if not file.is_file():
        pytest.skip("stylised_facts_computed.json is not among the shared data")
    return json.loads(file.read_text())


@pytest.fixture(scope="module")
def hours(shared_data: Path) -> pd.DataFrame:
    """Hourly closes by moment and symbol."""
    file = shared_data / "data" / "market" / "binance_spot_1h_ohlcv.parquet"
    if not file.is_file():
        pytest.skip("binance_spot_1h_ohlcv.parquet is not among the shared data")
    return pd.read_parquet(file, columns=["ts", "symbol", "close"]).pivot(index="ts", columns="symbol", values="close")


def returns_of(hours: pd.DataFrame, symbol: str, scale: str) -> pd.Series:
    """Log returns of neighbouring rows, NaN across a gap."""
    close = hours[symbol].dropna()
    if scale == "daily":
        close = close[close.index.hour == 23]
    apart = close.index.to_series().diff().dt.total_seconds()
    return np.log(close).diff().where(apart == STEPS[scale][0])


def lagged(r: np.ndarray, lag: int) -> float:
    return pair_correlation(r[lag:], r[:-lag])


def statistics(case: dict) -> dict[str, tuple[float, Callable[[np.ndarray], float]]]:
    """name: (known, function of returns) of everything that a case says of returns and that we compute."""
    a_year = math.sqrt(365 if case["n"] < 5_000 else 8_760)
    known = {
        "ann_vol": lambda r: float(np.nanstd(r)) * a_year,
        "hill_left_5pct": lambda r: hill_index(r[~np.isnan(r)], 0.1),  # of the losers
        "acf_r1": lambda r: lagged(r, 1),
    }
    found = {name: (case[name], function) for name, function in known.items() if name in case}
    for lag, value in case.get("acf_abs", {}).items():
        found[f"acf_abs {lag}"] = (value, lambda r, lag=int(lag): lagged(np.abs(r), lag))
    return found


@pytest.mark.parametrize("scale", STEPS)
def test_figures_of_the_reference_are_those_of_the_data(facts, hours, scale):
    seen = 0
    for symbol, case in facts.get(scale, {}).items():
        if symbol not in hours:
            continue
        r = returns_of(hours, symbol, scale).to_numpy()[1:]
        told = statistics(case)
        drawn = list(drawn_rows(r.size, STEPS[scale][1], 1, RESAMPLES))
        for name, (value, function) in told.items():
            seen += 1
            spread = float(np.std([function(r[rows]) for rows in drawn], ddof=1))
            part = math.sqrt(max(1 - np.count_nonzero(~np.isnan(r)) / case["n"], LEAST))
            assert abs(function(r) - value) < 4 * spread * part, (scale, symbol, name, function(r), value, spread)
    if not seen:
        pytest.skip(f"no {scale} figures of assets in the file")


def stretch(label: str) -> tuple[datetime, datetime]:
    """2020-03-12/13 is two days, to their ends."""
    year, month, first, last = re.fullmatch(r"(\d+)-(\d+)-(\d+)(?:/(\d+))?", label).groups()
    begin = datetime(int(year), int(month), int(first), tzinfo=UTC)
    return begin, datetime(int(year), int(month), int(last or first), tzinfo=UTC) + timedelta(days=1)


def mean_correlation(hours: pd.DataFrame, begin: datetime, end: datetime, assets: list[str]) -> tuple[float, float]:
    """(mean over pairs, bitcoin and ether) of hourly returns whose hour lies in the stretch."""
    part = np.log(hours[assets]).diff().loc[pd.Timestamp(begin) : pd.Timestamp(end) - pd.Timedelta(seconds=1)]
    matrix = part.corr().to_numpy()
    both = [assets.index("BTCUSDT"), assets.index("ETHUSDT")]
    return float(matrix[np.tril_indices(len(assets), -1)].mean()), float(matrix[both[0], both[1]])


def test_correlation_rose_in_some_crashes_and_not_in_others(facts, hours):
    """Within the error of a correlation over so few hours, by Fisher's z; and convergence is no law."""
    rose, seen = [], 0
    for label, case in facts.get("crash_correlations_hourly", {}).items():
        begin, end = stretch(label)
        if pd.Timestamp(end) > hours.index[-1] or not {"BTCUSDT", "ETHUSDT", *case["assets"]} <= set(hours):
            continue
        seen += 1
        crash = mean_correlation(hours, begin, end, case["assets"])
        prior = mean_correlation(hours, begin - timedelta(days=60), begin, case["assets"])
        rows = (end - begin).total_seconds() / 3_600
        for mine, known, count in (
            (crash[0], case["mean_pair_corr_crash"], rows),
            (crash[1], case["btc_eth_crash"], rows),
            (prior[0], case["mean_pair_corr_prior60d"], 1_440),
            (prior[1], case["btc_eth_prior60d"], 1_440),
        ):
            assert abs(np.arctanh(mine) - np.arctanh(known)) < 1 / math.sqrt(count - 3), (label, mine, known)
        rose.append(crash[0] - prior[0])
    if not seen:
        pytest.skip("no crash of the reference lies in the file")
    assert max(rose) > 0.2
    assert min(rose) < 0.1


def pairs(facts: dict, hours: pd.DataFrame, key: str):
    """(name, case, returns [t, 2] of days that both have) of each pair whose assets are there."""
    for name, case in facts.get(key, {}).items():
        symbols = [f"{part}USDT" for part in name.split("-")]
        if set(symbols) <= set(hours):
            yield name, case, np.column_stack([returns_of(hours, s, "daily").reindex(hours.index) for s in symbols])


def test_falls_come_together_more_than_rises(facts, hours):
    seen = 0
    for name, case, r in pairs(facts, hours, "tail_dependence_daily"):
        both = r[~np.isnan(r).any(axis=1)]
        u = rankdata(both, axis=0) / (len(both) + 1)
        for _, level, lower, upper, error in joint_tails(u, ["A", "B"]):
            for side, mine in (("lower", lower), ("upper", upper)):
                known = case.get(f"{side}_{level:g}")
                if known is not None:
                    seen += 1
                    assert abs(mine - known) < 4 * max(error, 1 / math.sqrt(level * len(both)) / 4), (name, side, level)
            assert lower > upper, (name, level)
    if not seen:
        pytest.skip("no pair of the reference is in the file")


def test_dcc_of_daily_prices_is_the_references(facts, hours):
    """GARCH(1,1) with normal innovations first, then Engle's recursion; errors of ours, for a window that ends a year later."""
    seen = 0
    for name, case, r in pairs(facts, hours, "dcc_daily"):
        seen += 1
        both = r[~np.isnan(r).any(axis=1)]
        z = np.column_stack([
            column / np.sqrt(fit_garch(column, FREE, specification=Specification("garch", "normal")).variance(column)[:-1])
            for column in (both - both.mean(axis=0)).T
        ])  # fmt: skip
        z /= z.std(axis=0)
        fit = fit_dcc(z, np.corrcoef(z, rowvar=False), block=30.0)
        for mine, known, error in zip((fit.alpha, fit.beta), (case["alpha"], case["beta"]), fit.standard_errors, strict=True):
            assert abs(mine - known) < 4 * error, (name, mine, known, error)
    if not seen:
        pytest.skip("no pair of the reference is in the file")


def test_paths_of_a_fitted_bitcoin_lie_in_the_bands(hours):
    """Acceptance bands of the data's README: excess kurtosis above 5, Hill 2 to 4, acf |r| at lag 20 in .03 .. .15, |acf r| < .1.

    Of daily returns, medians over paths as long as the data: where no fourth moment exists, single paths lie anywhere.
    """
    close = hours["BTCUSDT"].dropna() if "BTCUSDT" in hours else pytest.skip("no BTCUSDT in the file")
    close = close[close.index.hour == 23]
    moments = close.index.as_unit("ns").asi8 + 3_600 * 10**9
    table = PriceTable(("BTC",), moments, close.to_numpy()[:, np.newaxis], 86_400.0, "ab" * 32, ())
    market = fit_market(table, until=datetime(2031, 1, 1, tzinfo=UTC), paths=0).market
    days = len(close)
    paths = market.paths(Grid(market_step=86_400.0, transition=days, horizon=days), 5, "bands", 0, 100)
    r = np.diff(np.log(paths.price[:, 0]), axis=0)
    kurtosis = np.mean(r**4, axis=0) / np.mean(r**2, axis=0) ** 2 - 3
    assert np.median(kurtosis) > 5
    assert 2 < np.median([hill_index(path, 0.1) for path in r.T]) < 4
    assert 0.03 < np.median([lagged(np.abs(path), 20) for path in r.T]) < 0.15
    assert np.median([abs(lagged(path, 1)) for path in r.T]) < 0.1
