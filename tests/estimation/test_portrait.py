"""The curves of a fit beside its data: known laws, a plain second writing, intervals over paths."""

import math
from datetime import UTC, datetime

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

from simulator.estimation.fit import fit_market
from simulator.estimation.portrait import make_portrait, tail_dependence
from simulator.estimation.returns import Window, log_returns, read_each
from simulator.estimation.settings import FitSettings

UNTIL = datetime(2022, 12, 31, tzinfo=UTC)
LEVELS = np.array([0.02, 0.1, 0.2])
SCALE, RHO = 0.01, 0.6


@pytest.fixture(scope="module")
def known(tmp_path_factory, write_to):
    """A portrait of independent normal returns with correlation 0.6: everything about it is known."""
    generator = np.random.default_rng(5)
    z = generator.standard_normal((3_000, 2))
    z[:, 1] = RHO * z[:, 0] + math.sqrt(1 - RHO**2) * z[:, 1]
    table = read_each(write_to(tmp_path_factory.mktemp("portrait"), SCALE * z))
    fit = fit_market(table, until=UNTIL, settings=FitSettings(jumps="none", innovation="normal"), paths=0)
    return make_portrait(log_returns(table, Window(UNTIL)), fit, paths=40, resamples=60), SCALE * z


def test_quantiles_of_data_and_paths_are_the_normal_laws(known):
    portrait, r = known
    for name, column in zip(("AAA", "BBB"), r.T, strict=True):
        curve = portrait.quantiles[name]
        p, x = curve.at, SCALE * norm.ppf(curve.at)
        error = SCALE * np.sqrt(p * (1 - p) / len(r)) / norm.pdf(norm.ppf(p))  # of a sample quantile
        assert np.all(np.abs(curve.data - x) < 4 * error)
        assert curve.data == pytest.approx([np.sort(column)[round(q * (len(r) - 1))] for q in p], abs=float(error.max()))
        level = error / math.sqrt(40) + np.abs(x) / math.sqrt(2 * len(r))  # of paths, and of the fitted volatility
        assert np.all(np.abs(curve.simulated - x) < 5 * level)
        assert np.all((curve.simulated_low <= curve.simulated) & (curve.simulated <= curve.simulated_high))


def test_autocorrelation_is_that_of_plain_loops_and_none_where_there_is_none(known):
    portrait, r = known
    size, curve = np.abs(r[:, 0]), portrait.memory["AAA"]
    for lag, value in zip((curve.at / 3600).round().astype(int), curve.data, strict=True):
        x, y = size[lag:] - size[lag:].mean(), size[:-lag] - size[:-lag].mean()
        covariance = sum(a * b for a, b in zip(x, y, strict=True))
        assert value == pytest.approx(covariance / math.sqrt(sum(x * x) * sum(y * y)), rel=1e-9)
    assert np.all(np.abs(curve.data) < 4 / math.sqrt(len(r)))
    assert np.mean((curve.low <= 0) & (curve.high >= 0)) > 0.7


def test_joint_extremes_and_rolling_correlation_are_the_gaussian_copulas(known):
    portrait, r = known
    for curves in (portrait.falls, portrait.rises):
        curve = curves["AAA-BBB"]
        for q, value, simulated in zip(curve.at, curve.data, curve.simulated, strict=True):
            cut = norm.ppf(q)
            due = multivariate_normal.cdf([cut, cut], cov=[[1, RHO], [RHO, 1]]) / q
            error = math.sqrt(due * (1 - due) / (q * len(r)))
            assert abs(value - due) < 4 * error
            assert abs(simulated - due) < 4 * error * math.sqrt(1 / 40 + 1)  # its correlation was fitted to the same rows
    rolling = portrait.rolling["AAA-BBB"]
    assert np.all(np.abs(rolling.data - RHO) < 4 * (1 - RHO**2) / math.sqrt(720))
    assert np.mean((rolling.low <= RHO) & (rolling.high >= RHO)) > 0.7
    width = 2 * 1.96 * (1 - RHO**2) / math.sqrt(720)
    assert rolling.simulated_high[0] - rolling.simulated_low[0] == pytest.approx(width, rel=0.25)


@pytest.mark.parametrize(("tied", "falls", "rises"), [("same", 1.0, 1.0), ("opposite", 0.0, 0.0), ("none", None, None)])
def test_tail_dependence_at_its_limits(tied, falls, rises):
    x = np.random.default_rng(1).standard_normal(20_000)
    y = {"same": x**3, "opposite": -x, "none": np.random.default_rng(2).standard_normal(20_000)}[tied]
    y[7] = np.nan  # a gap
    low, high = tail_dependence(x, y, LEVELS)
    for found, due in ((low, falls), (high, rises)):
        expected = LEVELS if due is None else np.full(3, due)
        assert np.all(np.abs(found - expected) <= 4 * np.sqrt(LEVELS * (1 - LEVELS) / (LEVELS * 20_000)) + 1e-3)


def test_it_does_not_depend_on_how_many_paths_are_held_at_once_and_needs_enough(known, make_returns, write_prices, monkeypatch):
    from simulator.estimation import comparison

    table = read_each(write_prices(make_returns(1_000, 3, alpha=0.06, beta=0.9, nu=5.0, paths=2)))
    fit, returns = fit_market(table, until=UNTIL, paths=0), log_returns(table, Window(UNTIL))
    one = make_portrait(returns, fit, paths=40, resamples=2)
    monkeypatch.setattr(comparison, "PATHS_AT_ONCE", 7)
    other = make_portrait(returns, fit, paths=40, resamples=2)
    assert np.array_equal(one.memory["AAA"].simulated_high, other.memory["AAA"].simulated_high)
    with pytest.raises(ValueError, match="needs >= 40"):
        make_portrait(returns, fit, paths=39)
