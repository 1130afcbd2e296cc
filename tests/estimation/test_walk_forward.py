"""Walking forward: nothing looks ahead, true markets pass and changed ones do not, and rivals are scored by what they say."""

import json
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from arch import arch_model
from scipy.stats import norm, t

from simulator.cli import main
from simulator.estimation.drift import STATISTICS, make_alarm
from simulator.estimation.errors import FitError
from simulator.estimation.fit import fit_market
from simulator.estimation.plan import Plan
from simulator.estimation.returns import Window, log_returns
from simulator.estimation.rivals import compare_models, garch_normal, mean_and_error, normal_log_density, t_log_density
from simulator.estimation.settings import FitSettings
from simulator.estimation.walk import facts
from simulator.estimation.walk_forward import walk_forward
from simulator.market.price_file import PriceTable

START = datetime(2022, 1, 1, tzinfo=UTC)
TRUE = {"alpha": 0.06, "beta": 0.9, "nu": 5.0}
LAST = START + timedelta(hours=4_000)
SETTINGS = FitSettings(jumps="none")


def table(returns: np.ndarray) -> PriceTable:
    prices = 100 * np.exp(np.vstack([np.zeros(returns.shape[1]), np.cumsum(returns, axis=0)]))
    moments = np.array([int((START + timedelta(hours=i)).timestamp()) * 10**9 for i in range(len(prices))])
    return PriceTable(("AAA", "BBB")[: returns.shape[1]], moments, prices, 3_600.0, "0" * 64, ())


@pytest.fixture(scope="module")
def prices(make_returns):
    return table(make_returns(4_500, 7, **TRUE))


@pytest.fixture(scope="module")
def walk(prices):
    return walk_forward(prices, Plan(folds=3), until=LAST, settings=SETTINGS)


def test_stretches_follow_each_other_and_end_with_the_window(walk):
    (one,) = walk.assets
    assert [fold.returns for fold in one.folds] == [666, 666, 668]
    assert one.folds[0].fitted_until == START + timedelta(hours=2_000)
    assert all(a.until == b.fitted_until for a, b in zip(one.folds, one.folds[1:], strict=False))
    assert one.folds[-1].until == LAST
    assert {fold.since for fold in one.folds} == {START}
    assert one.returns == one.coverage["falls", 0.01].count == 2_000
    json.dumps(facts(walk), allow_nan=False)


def test_rows_after_the_window_are_not_looked_at_and_later_ones_change_no_earlier_stretch(prices, walk):
    """M20: the future replaced by garbage. After `until` nothing changes; inside, no stretch that ended before."""
    spoilt = prices.prices.copy()
    spoilt[4_001:] = 1e-3
    assert facts(walk_forward(replace(prices, prices=spoilt), Plan(folds=3), until=LAST, settings=SETTINGS)) == facts(walk)
    wild = prices.prices.copy()
    wild[3_400:4_001] *= np.exp(0.05 * np.random.default_rng(1).standard_normal(601))[:, None]
    other = walk_forward(replace(prices, prices=wild), Plan(folds=3), until=LAST, settings=SETTINGS)
    assert other.assets[0].folds[:2] == walk.assets[0].folds[:2]
    assert other.assets[0].folds[2] != walk.assets[0].folds[2]
    assert other.assets[0].folds[2].drift.alarm


def test_on_a_true_market_nothing_is_found(walk):
    (one,) = walk.assets
    assert abs(one.difference) < 4 * one.difference_error
    assert 0 < one.difference_error < 0.2
    assert abs(one.optimism) < 0.05
    assert all(c.exact_p > 1e-4 for c in one.coverage.values())
    assert all(c.exact_p > 1e-4 for c in one.shortfall.values())
    by_name = {model.model: model for model in one.models}
    assert by_name["the fit"].in_set
    assert by_name["constant, normal"].behind > 0
    assert by_name["constant, normal"].p < 0.01
    assert not by_name["constant, normal"].in_set
    assert one.power["volatility doubled"] > 0.9


def test_rolling_fits_have_one_length(prices):
    found = walk_forward(prices, Plan(days=40, rolling=True), until=LAST, settings=SETTINGS)
    folds = found.assets[0].folds
    assert [fold.fitted for fold in folds] == [2_000, 2_000]
    assert folds[1].since - folds[0].since == timedelta(days=40)


def test_an_excluded_stretch_is_neither_fitted_nor_scored(prices):
    gap = (START + timedelta(hours=1_000), START + timedelta(hours=2_200))
    plan, options = Plan(folds=2), {"until": LAST, "exclude": (gap,), "settings": SETTINGS}
    found = walk_forward(prices, plan, **options)
    spoilt = prices.prices.copy()
    spoilt[1_001:2_200] = 50.0
    assert facts(walk_forward(replace(prices, prices=spoilt), plan, **options)) == facts(found)
    assert found.assets[0].folds[0].fitted == 1_000
    assert found.assets[0].folds[0].returns == 800


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (Plan(folds=0), "between 1 and 200"),
        (Plan(folds=30), "stretch needs >= 100"),
        (Plan(days=2), "stretch needs >= 100"),
        (Plan(days=100), "cannot be cut"),
        (Plan(days=-1), "above 0"),
    ],
)
def test_walks_that_cannot_be_walked_are_refused(prices, plan, message):
    with pytest.raises(FitError, match=message):
        walk_forward(prices, plan, until=LAST, settings=SETTINGS)


def alarms(make_returns, seeds, change=None) -> list[bool]:
    """Alarms of fits to 2,000 returns of a known market on the 700 that follow, changed or not."""
    found = []
    for seed in seeds:
        r = make_returns(2_700, seed, **TRUE)
        if change:
            r[2_000:] = change(r[2_000:])
        fit = fit_market(table(r), until=START + timedelta(hours=2_000), settings=SETTINGS, paths=0)
        returns = log_returns(table(r), Window(START + timedelta(hours=2_700))).returns[:, 0]
        alarm = make_alarm(fit.market.assets[0], 3_600.0, 1e9, returns[:2_000], np.isnan(returns[2_000:]), 0)
        found.append(alarm.of(returns[2_000:]).alarm)
    return found


def test_the_alarm_rings_when_volatility_doubles_and_seldom_otherwise(make_returns):
    assert all(alarms(make_returns, range(100, 104), lambda r: 2 * r))
    assert sum(alarms(make_returns, range(200, 210))) <= 4  # binomial(10, .05): 5 or more once in 16,000


@pytest.mark.slow
def test_the_false_alarm_rate_of_the_alarm_is_its_level(make_returns):
    """120 fits to stationary markets, parameters estimated each time."""
    found = alarms(make_returns, range(1_000, 1_120))
    print(f"false alarms: {sum(found)} of {len(found)}")
    assert abs(np.mean(found) - 0.05) < 4 * math.sqrt(0.05 * 0.95 / 120)


def test_every_statistic_hears_its_own_change(make_returns):
    r = make_returns(6_000, 3, **TRUE)
    fit = fit_market(table(r), until=START + timedelta(hours=4_500), settings=SETTINGS, paths=0)
    returns = log_returns(table(r), Window(START + timedelta(hours=6_000))).returns[:, 0]
    before, after = returns[:4_500], returns[4_500:]
    alarm = make_alarm(fit.market.assets[0], 3_600.0, 1e9, before, np.isnan(after), 0)
    assert set(alarm.of(after).values) == set(STATISTICS)
    assert alarm.of(3 * after).values["level"] > 0.99
    generator = np.random.default_rng(0)
    bursts = np.repeat(generator.choice([0.4, 1.5], after.size // 3), 3)  # three hours each: too short for the filter
    assert alarm.of(bursts * after).values["memory"] > 0.99
    small = np.where(generator.random(after.size) < 0.3, 0.05 * after, after)
    assert alarm.of(small).values["size"] < 0.01
    tails = np.where(generator.random(after.size) < 0.08, 6 * after, after)
    assert alarm.of(tails).values["tail"] > 0.99


def test_densities_of_the_rivals_are_scipys():
    r, h = np.array([-0.05, 0.001, 0.02]), np.array([1e-4, 4e-4, 1e-3])
    assert normal_log_density(r, h) == pytest.approx(norm.logpdf(r, scale=np.sqrt(h)), rel=1e-13)
    scale = np.sqrt(h * (4.5 - 2) / 4.5)
    assert t_log_density(r, h, 4.5) == pytest.approx(t.logpdf(r / scale, 4.5) - np.log(scale), rel=1e-12)


def test_the_normal_garch_is_archs_forecast(make_returns):
    r = make_returns(1_500, 11, **TRUE)[:, 0]
    found = garch_normal(r[:1_200], r[1_200:], 3_600.0)
    scale = math.sqrt(np.mean(r[:1_200] ** 2))
    model = arch_model(r / scale, mean="Zero", vol="GARCH", p=1, q=1, rescale=False)
    theirs = model.fit(disp="off", last_obs=1_200)
    h = model.fix(theirs.params).conditional_volatility[1_200:] * scale
    assert found == pytest.approx(norm.logpdf(r[1_200:], scale=h), abs=1e-4)


def test_a_lead_is_tested_at_its_level_and_found_where_there_is_one():
    generator = np.random.default_rng(2)
    rejected = 0
    for seed in range(60):
        a, b = generator.standard_normal((2, 1_000))
        (_, rival) = compare_models({"the fit": a, "rival": b}, 10, seed)
        rejected += rival.p < 0.05
    assert rejected <= 9  # binomial(60, .05): 10 or more once in 1,500
    a = generator.standard_normal(1_000)
    fit, rival = compare_models({"the fit": a, "rival": a - 0.2 + 0.5 * generator.standard_normal(1_000)}, 10, 0)
    assert (fit.p, fit.in_set, rival.in_set) == (1.0, True, False)
    assert rival.behind == pytest.approx(0.2, abs=4 * rival.error)


def test_the_error_of_a_mean_keeps_its_autocorrelation():
    """AR(1) at 0.8: the variance of the mean is nine times that of independent values."""
    noise = np.random.default_rng(4).standard_normal(60_000)
    x = np.empty_like(noise)
    x[0] = noise[0]
    for i in range(1, x.size):
        x[i] = 0.8 * x[i - 1] + noise[i]
    mean, error = mean_and_error(x, 100)
    exact = 1 / (1 - 0.8) / math.sqrt(x.size)
    assert error == pytest.approx(exact, rel=0.15)
    assert abs(mean) < 4 * exact


def test_the_command_prints_80_columns_and_json(make_returns, write_prices, tmp_path, capsys):
    path = write_prices(make_returns(2_600, 21, **TRUE, paths=2))
    arguments = ["fit", str(path), "--until", "2022-04-10T00:00:00Z", "--paths", "0", "--jumps", "none", "--walk-forward", "2"]
    assert main([*arguments, "--out", str(tmp_path / "m.toml")]) == 0
    printed = capsys.readouterr().out
    assert max(len(line.rstrip()) for line in printed.splitlines() if not line.startswith("written: ")) <= 80
    for word in (
        "in - out (SE)",
        "drift p",
        "ES ratio",
        "in 90 % set",
        "Power of the drift alarm",
        "2022-02-19",
    ):
        assert word in printed
    assert main([*arguments, "--assets", "AAA", "--json", "--out", str(tmp_path / "m.toml")]) == 0
    data = json.loads(capsys.readouterr().out)["walk_forward"]
    assert len(data["assets"][0]["folds"]) == 2
    assert data["assets"][0]["models"][0]["model"] == "the fit"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--walk-forward", "many"], "--walk-forward: 'many' is neither a number of stretches nor days as in 90d"),
        (["--walk-forward", "0"], "--walk-forward: 0 must lie between 1 and 200 stretches"),
        (["--walk-forward", "0d"], "--walk-forward: 0d must be a number of days above 0"),
        (["--rolling"], "--rolling: needs --walk-forward"),
    ],
)
def test_a_wrong_walk_is_one_line_and_exit_2(make_returns, write_prices, tmp_path, capsys, arguments, line):
    path = write_prices(make_returns(600, 22, **TRUE, paths=2))
    assert main(["fit", str(path), "--until", "2022-12-31T00:00:00Z", *arguments, "--out", str(tmp_path / "m.toml")]) == 2
    assert capsys.readouterr().err.splitlines() == [f"{path}: {line}"]
