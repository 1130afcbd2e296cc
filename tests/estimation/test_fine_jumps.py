"""Jumps on fine bars: textbook statistics in loops, the size of both tests, recovery and coverage, real five-minute data."""

import json
import math
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from scipy.special import gamma

from simulator.cli import main
from simulator.estimation.errors import FitError
from simulator.estimation.fine_jumps import (
    MU_1,
    MU_43,
    FineJumps,
    fine_jumps,
    largest_of,
    local_deviation,
    realised_days,
)
from simulator.estimation.fit import fit_market
from simulator.estimation.returns import Returns, Window, log_returns
from simulator.estimation.settings import FitSettings
from simulator.estimation.standard_errors import Estimate
from simulator.market.price_file import PriceTable

BEGIN = datetime(2022, 1, 1, tzinfo=UTC)
FAR = datetime(2031, 1, 1, tzinfo=UTC)
PER_DAY = 288
DEVIATION = 0.6 / math.sqrt(365 * PER_DAY)  # of a bar, at a volatility of 60 %
JUMPS = {"intensity": 110.0, "mean": -0.03, "deviation": 0.006}


def table_of(returns: np.ndarray, bar: float = 300.0, names: tuple[str, ...] = ("AAA",)) -> PriceTable:
    """Prices whose bars have `returns` [t]; a NaN is a price that is not there."""
    moments = int(BEGIN.timestamp()) * 10**9 + round(bar * 1e9) * np.arange(returns.size + 1)
    prices = 100 * np.exp(np.concatenate([[0.0], np.cumsum(np.nan_to_num(returns))]))
    there = np.concatenate([[True], ~np.isnan(returns)])
    return PriceTable(names, moments[there], prices[there, np.newaxis], bar, "ab" * 32, ())


def bars(days: int, seed: int, jumps: bool = True) -> np.ndarray:
    """Normal bars whose volatility swings slowly, and jumps that stand out of them."""
    rng = np.random.default_rng(seed)
    n = days * PER_DAY
    r = DEVIATION * np.exp(0.4 * np.sin(2 * math.pi * np.arange(n) / (20 * PER_DAY))) * rng.standard_normal(n)
    if jumps:
        landed = rng.random(n) < JUMPS["intensity"] / 365 / PER_DAY
        r[landed] += rng.normal(JUMPS["mean"], JUMPS["deviation"], int(landed.sum()))
    return r


def found_in(r: np.ndarray, **options) -> FineJumps:
    return fine_jumps(log_returns(table_of(r), Window(FAR)), 0, **options)


def test_a_days_statistics_are_those_of_the_textbook():
    """Bar by bar in a loop, from Huang and Tauchen (2005), eqs. 2, 3, 12 and 15."""
    r = bars(3, 1)[:PER_DAY]
    m = len(r)
    variance = math.fsum(x * x for x in r)
    bipower = math.pi / 2 * m / (m - 1) * math.fsum(abs(r[i]) * abs(r[i - 1]) for i in range(1, m))
    triples = math.fsum((abs(r[i]) * abs(r[i - 1]) * abs(r[i - 2])) ** (4 / 3) for i in range(2, m))
    mu = 2 ** (2 / 3) * gamma(7 / 6) / gamma(0.5)
    quarticity = m * mu**-3 * m / (m - 2) * triples
    spread = (math.pi**2 / 4 + math.pi - 5) / m * max(1.0, quarticity / bipower**2)
    told = realised_days(r[np.newaxis])
    assert (pytest.approx(math.sqrt(2 / math.pi), rel=1e-12), pytest.approx(mu, rel=1e-9)) == (MU_1, MU_43)
    assert told.variance[0] == pytest.approx(variance, rel=1e-12)
    assert told.bipower[0] == pytest.approx(bipower, rel=1e-9)
    assert told.ratio[0] == pytest.approx((1 - bipower / variance) / math.sqrt(spread), rel=1e-6)


def test_local_deviation_is_that_of_the_bars_before_and_reaches_across_no_gap():
    r = bars(2, 2, jumps=False)
    r[100:110] = np.nan
    found = local_deviation(r, 50)
    for t in (50, 99, 140, 300):
        pairs = [abs(r[i] * r[i - 1]) for i in range(max(t - 48, 1), t)]
        pairs = [p for p in pairs if not math.isnan(p)]
        expected = math.sqrt(math.pi / 2 * sum(pairs) / len(pairs)) if len(pairs) >= 36 else math.nan
        assert found[t] == pytest.approx(expected, rel=1e-9, nan_ok=True)
    assert np.isnan(found[:30]).all()


def test_neither_test_sees_jumps_where_there_are_none():
    """1 % of days; Lee and Mykland's largest bar exceeds its threshold in 1 % of samples, here judged over 400 of them."""
    days = realised_days(bars(4_000, 3, jumps=False).reshape(-1, PER_DAY))
    false = np.mean(days.is_jump_day)
    assert 0.006 < false < 0.01 + 0.006 + 4 * math.sqrt(0.01 / 4_000)  # in samples of 288 the ratio rejects a little too often
    z = np.random.default_rng(4).standard_normal((400, 20_000))
    beyond = np.count_nonzero(np.abs(z).max(axis=1) > largest_of(20_000))
    assert beyond <= 400 * 0.01 + 4 * math.sqrt(400 * 0.01)


def test_jumps_that_stand_out_are_recovered_and_share_of_variance_is_theirs():
    found = found_in(bars(700, 5))
    for name, truth in JUMPS.items():
        estimate = found.fit.estimates[name]
        assert abs(estimate.value - truth) < 4 * estimate.standard_error, name
    assert found.fit.count == pytest.approx(110 * 700 / 365, abs=4 * math.sqrt(211))
    assert found.down_share > 0.99
    assert found.below < 1e-3
    assert found.jump_days.value == pytest.approx(1 - math.exp(-110 / 365), abs=0.01 + 4 * found.jump_days.standard_error)


def refit(days: int, number: int) -> dict[str, Estimate]:
    return found_in(bars(days, 1_000 + number)).fit.estimates


def test_95_percent_intervals_cover_the_truth(uncovered):
    assert not uncovered(partial(refit, 250), JUMPS, 60)


@pytest.mark.slow
def test_95_percent_intervals_cover_600_refits(uncovered):
    assert not uncovered(partial(refit, 700), JUMPS, 600)


def test_gaps_cost_their_bars_and_make_no_jump():
    r = bars(60, 6, jumps=False)
    whole = found_in_days(r)
    r[5_000:5_400] = np.nan
    r[5_400] = 0.3  # the first price after the gap: a move of 400 bars
    assert np.isnan(log_returns(table_of(r), Window(FAR)).returns[5_400, 0])
    told = found_in_days(r)
    assert told.has_enough.sum() == whole.has_enough.sum() - 2
    assert told.variance.max() < 4 * whole.variance.max()


def found_in_days(r: np.ndarray):
    returns = log_returns(table_of(r), Window(FAR)).returns[:, 0]
    return realised_days(returns[: 60 * PER_DAY].reshape(60, PER_DAY))


def hourly(r: np.ndarray) -> PriceTable:
    fine = table_of(r)
    at = (fine.timestamps - fine.timestamps[0]) % (3_600 * 10**9) == 0
    return PriceTable(fine.assets, fine.timestamps[at], fine.prices[at], 3_600.0, "cd" * 32, ())


def test_a_fit_takes_its_jumps_from_finer_bars_and_its_garch_from_the_rest():
    r = bars(120, 7)
    fit = fit_market(hourly(r), until=FAR, fine=table_of(r[: 80 * PER_DAY]), fine_file="fine.csv", paths=0)
    (asset,) = fit.assets
    alone = found_in(r[: 80 * PER_DAY])
    assert asset.jumps.jumps == alone.fit.jumps
    assert asset.count == 80 * 24
    assert np.isnan(asset.residuals[80 * 24 :]).all()
    assert not np.isnan(asset.residuals[: 80 * 24]).any()
    quiet = np.where(np.abs(r) > 0.012, 0.0, r)[: 80 * PER_DAY].reshape(-1, 12).sum(axis=1)
    assert asset.estimates["volatility"].value == pytest.approx(math.sqrt(np.mean(quiet**2) * 365 * 24), rel=0.01)
    assert "by Lee and Mykland's test (1 %) on 300 s prices of fine.csv, SHA-256 abab" in fit.source.method
    assert any("jumps from 79 days" in note or "jumps from 80 days" in note for note in fit.notes)
    assert fit.market.assets[0].jumps.intensity == pytest.approx(alone.fit.jumps.intensity, rel=1e-6)


@pytest.mark.parametrize(
    ("fine", "settings", "says"),
    [
        (table_of(bars(60, 8), names=("ZZZ",)), {}, "has no column AAA"),
        (table_of(bars(60, 8)[::12], bar=3_600.0 * 5), {}, "must be a whole part of a day, 20 or more of them"),
        (table_of(bars(60, 8), bar=420.0), {}, "must be a whole part of a day"),
        (table_of(bars(60, 8, jumps=False)), {}, "a law of sizes needs 3"),
        (table_of(bars(10, 8)), {}, "needs >= 30 days of bars, has 10"),
        (table_of(bars(60, 8)), {"jumps": "none"}, "`jumps` must be auto, merton or kou with it, but is none"),
    ],
)
def test_bars_that_cannot_serve_are_refused_in_one_line(fine, settings, says):
    with pytest.raises(FitError, match=says) as refused:
        fit_market(hourly(bars(60, 8)), until=FAR, fine=fine, settings=FitSettings(**settings), paths=0)
    assert len(refused.value.problems) == 1


def test_bars_must_divide_the_step():
    r = bars(60, 9)
    returns = Returns(
        ("AAA",), 450.0, 0, np.zeros((5, 1)), 6, BEGIN, BEGIN + timedelta(1), np.ones(1), (BEGIN,), np.zeros((6, 1))
    )
    with pytest.raises(FitError, match="must divide the market step of 450 s"):
        found_in(r).parted(returns, 0)


def test_the_command_takes_a_finer_file_and_says_what_is_wrong_with_it(write_prices, tmp_path, capsys):
    r = bars(60, 10)
    fine = write_prices(r[:, np.newaxis], ("AAA",), "fine.csv", step=300)
    coarse = write_prices(r.reshape(-1, 12).sum(axis=1)[:, np.newaxis], ("AAA",), "coarse.csv")
    out = tmp_path / "m.toml"
    arguments = ["fit", str(coarse), "--until", "2030-01-01T00:00:00Z", "--paths", "0", "--out", str(out)]
    assert main([*arguments, "--jumps-from", str(fine), "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)["fine_jumps"]
    assert told["asset"] == "AAA"
    assert told["days"] == 60
    assert "local deviations" in out.read_text()
    assert main([*arguments, "--jumps-from", str(fine)]) == 0
    printed = capsys.readouterr().out
    assert "Jumps on finer bars" in printed
    assert max(len(line.rstrip()) for line in printed.splitlines() if not line.startswith("written: ")) <= 80
    fine.write_text(fine.read_text().replace("2022-01-01T00:10:00Z,", "2022-01-01T00:10:00Z,-", 1))
    assert main([*arguments, "--jumps-from", str(fine)]) == 2
    assert capsys.readouterr().err.startswith(f"{coarse}: --jumps-from: fine.csv: row 4")


@pytest.mark.shared_data
def test_real_bars_have_the_jumps_that_are_known_of_them(shared_data: Path):
    """The reference saw more days than the files hold: figures within 4 errors of a mean over days, for both samples.

    Its threshold, which Lee and Mykland state for returns over sqrt(mean |r||r'|), was laid on returns over that divided by E|z|:
    so it is taken here as it was used, in local deviations.
    """
    import pandas as pd

    reference = shared_data / "reference" / "stylised_facts_computed.json"
    known = json.loads(reference.read_text()).get("jumps_5m", {}) if reference.is_file() else {}
    seen = 0
    for symbol, case in known.items():
        file = shared_data / "data" / "market" / f"binance_spot_5m_{symbol}.parquet"
        if not file.is_file():
            continue
        seen += 1
        rows = pd.read_parquet(file)
        moments = rows.ts.dt.as_unit("ns").astype("int64").to_numpy() + 300 * 10**9
        table = PriceTable((symbol,), moments, rows.close.to_numpy()[:, np.newaxis], 300.0, "ab" * 32, ())
        returns = log_returns(table, Window(FAR))
        found = fine_jumps(returns, 0, threshold=case["lm_threshold"])
        e, more = found.fit.estimates, math.sqrt(1 + found.days / case["days"])
        per_day, error = e["intensity"].value / 365, e["intensity"].standard_error / 365
        down = math.sqrt(case["lm_down_share"] * (1 - case["lm_down_share"]) / found.fit.count)
        scores = {
            "jump days": (found.jump_days.value - case["share_days_jump_99"]) / found.jump_days.standard_error,
            "share of variance": (found.jump_share.value - case["mean_jump_share_of_rv"]) / found.jump_share.standard_error,
            "a day": (per_day - case["lm_per_day"]) / error,
            "mean": (e["mean"].value - case["lm_jump_mean"]) / e["mean"].standard_error,
            "deviation": (e["deviation"].value - case["lm_jump_sd"]) / e["deviation"].standard_error,
            "down": (found.down_share - case["lm_down_share"]) / down,
        }
        assert all(abs(z) / more < 4 for z in scores.values()), (symbol, scores)
        assert largest_of(int(case["days"] * PER_DAY)) / MU_1 == pytest.approx(case["lm_threshold"], abs=0.01)
        own = fine_jumps(returns, 0)
        assert own.fit.count > found.fit.count
        assert own.fit.jumps.deviation < found.fit.jumps.deviation
    if not seen:
        pytest.skip("no five-minute bars with known jumps are among the shared data")
