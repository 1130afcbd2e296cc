"""Moments of simulated paths are the model's in closed form, at a production-like setting and at an extreme one."""

import math

import numpy as np
import pytest
from scipy import stats

from simulator.market import Grid
from simulator.parameters import YEAR

PROCESSES = ["brownian", "garch", "garch-t", "gjr-t"]
JUMPS = ["none", "merton", "kou"]


@pytest.mark.parametrize("jumps", JUMPS)
@pytest.mark.parametrize("process", PROCESSES)
@pytest.mark.parametrize("setting", ["production", "extreme"])
def test_the_expected_price_grows_at_the_stated_drift(process, jumps, setting, make_market, score, request):
    """L11. Smallest bias seen with 90 % power: 5.28 standard errors, 0.7 % of the price (production), 0.9 % (extreme)."""
    grid = request.getfixturevalue(setting)
    paths = make_market(process, jumps=jumps, drift=0.5).paths(grid, 11, "run", 0, 60_000 if setting == "extreme" else 20_000)
    for row in (1, grid.steps // 2, grid.steps):
        growth = math.exp(0.5 * row * grid.dt / YEAR)
        assert abs(score(paths.price[row, 0] / growth, 1.0)) < 4


def _cumulants(returns, truth):
    """Scores of the first four cumulants, by unbiased k-statistics over batches of paths."""
    batches = returns.reshape(80, -1)
    return [
        (k.mean() - c) / (k.std(ddof=1) / math.sqrt(len(k)))
        for n, c in enumerate(truth, start=1)
        for k in [np.array([stats.kstat(batch, n) for batch in batches])]
    ]


@pytest.mark.parametrize("setting", ["production", "extreme"])
def test_merton_cumulants(setting, make_market, request):
    """L13, Merton 1976."""
    grid = request.getfixturevalue(setting)
    paths = make_market("brownian", jumps="merton").paths(grid, 5, "run", 0, 40_000)
    years, lam, m, d, s = grid.steps * grid.dt / YEAR, 73.0, -0.05, 0.1, 0.8
    grown = math.expm1(m + d * d / 2)
    truth = [
        (-s * s / 2 - lam * grown + lam * m) * years,
        (s * s + lam * (m**2 + d**2)) * years,
        lam * years * (m**3 + 3 * m * d**2),
        lam * years * (m**4 + 6 * m**2 * d**2 + 3 * d**4),
    ]
    assert max(abs(z) for z in _cumulants(np.log(paths.price[-1, 0]), truth)) < 4


@pytest.mark.parametrize("setting", ["production", "extreme"])
def test_kou_cumulants(setting, make_market, request):
    """L15, Kou 2002: E Y^n = n! [p / eta_up^n + (-1)^n q / eta_down^n]."""
    grid = request.getfixturevalue(setting)
    paths = make_market("brownian", jumps="kou").paths(grid, 6, "run", 0, 40_000)
    years, lam, p, up, down, s = grid.steps * grid.dt / YEAR, 73.0, 0.3, 12.0, 8.0, 0.8
    moment = [math.factorial(n) * (p / up**n + (-1) ** n * (1 - p) / down**n) for n in range(1, 5)]
    truth = [lam * years * y for y in moment]
    truth[0] -= (s * s / 2 + lam * (p * up / (up - 1) + (1 - p) * down / (down + 1) - 1)) * years
    truth[1] += s * s * years
    assert max(abs(z) for z in _cumulants(np.log(paths.price[-1, 0]), truth)) < 4


def test_the_number_of_jumps_is_poisson(make_market, extreme, score):
    """Jumps of one size on no volatility count themselves."""
    jumps = {"kind": "merton", "intensity": 73.0, "mean": 0.1, "deviation": 0.0}
    still = {"kind": "geometric-brownian", "volatility": 1e-6}
    paths = make_market(still, jumps=jumps).paths(extreme, 7, "run", 0, 20_000)
    mean = 73.0 * extreme.market_step / YEAR
    drift = -mean * math.expm1(0.1)
    counts = (np.diff(np.log(paths.price[:, 0]), axis=0).ravel() - drift) / 0.1
    assert np.abs(counts - np.rint(counts)).max() < 1e-4
    assert abs(score(counts, mean)) < 4
    assert abs(score((counts - mean) ** 2, mean)) < 4
    observed = np.bincount(np.rint(counts).astype(int), minlength=9)
    expected = stats.poisson.pmf(np.arange(8), mean) * len(counts)
    assert stats.chisquare([*observed[:8], observed[8:].sum()], [*expected, len(counts) - expected.sum()]).pvalue > 1e-4


def _shocks(paths, grid):
    """Diffusive shocks e [step, path] of normal innovations without jumps or drift, and the variances h they came with."""
    h = paths.volatility[:, 0] ** 2 * grid.market_step / YEAR
    return np.diff(np.log(paths.price[:, 0]), axis=0) + h / 2, h


def test_garch_variance_kurtosis_and_autocorrelation_of_squares(make_market, score):
    """L18 at alpha = 0.05, beta = 0.9, whose eighth moment exists (E(alpha z^2 + beta)^4 = 0.846)."""
    a, b = 0.05, 0.90
    process = {"kind": "garch", "volatility": 0.8, "alpha": a, "beta": b, "volatility_today": 0.8}
    grid = Grid(market_step=86_400.0, burn_in=200, transition=10, horizon=300)
    e, h = _shocks(make_market(process).paths(grid, 8, "run", 0, 20_000), grid)
    level = 0.8**2 / 365
    kurtosis = 3 * (1 - (a + b) ** 2) / (1 - (a + b) ** 2 - 2 * a * a)
    first = a * (1 - a * b - b * b) / (1 - 2 * a * b - b * b)
    squares = (e[200:] ** 2) / level
    assert abs(score(h[200:].mean(axis=0) / level, 1.0)) < 4
    assert abs(score(squares.mean(axis=0), 1.0)) < 4
    assert abs(score((squares**2).mean(axis=0), kurtosis)) < 4
    for lag in (1, 5):
        product = (squares[lag:] * squares[:-lag]).mean(axis=0)
        assert abs(score(product, 1 + (kurtosis - 1) * first * (a + b) ** (lag - 1))) < 4


@pytest.mark.parametrize(
    "garch",
    [
        {"alpha": 0.3, "beta": 0.2, "gamma": 0.0},
        {"alpha": 0.05, "beta": 0.5, "gamma": 0.6},
        {"alpha": 0.1, "beta": 0.8, "gamma": -0.1},
    ],
)
@pytest.mark.parametrize("innovation", [{"kind": "normal"}, {"kind": "student-t", "degrees_of_freedom": 5.0, "max_move": 20.0}])
def test_the_variance_forecast_returns_to_its_level(garch, innovation, make_market, score, extreme):
    """L19 and L20 over four long steps: E h[k] = level + persistence^k (h[0] - level)."""
    process = {"kind": "garch", "volatility": 0.5, "volatility_today": 1.0, "innovation": innovation, "ceiling": 1e3, **garch}
    paths = make_market(process).paths(extreme, 9, "run", 0, 100_000)
    h = paths.volatility[:, 0] ** 2
    persistence = garch["alpha"] + garch["gamma"] / 2 + garch["beta"]
    assert np.allclose(h[0], 1.0, rtol=1e-13)
    for k in range(1, 4):
        assert abs(score(h[k], 0.25 + persistence**k * 0.75)) < 4


def test_conditional_volatility_is_held_at_the_ceiling(make_market, extreme):
    wild = {"alpha": 0.6, "beta": 0.39, "innovation": {"kind": "student-t", "degrees_of_freedom": 2.5, "max_move": 50.0}}
    process = {"kind": "garch", "volatility": 0.5, "volatility_today": 0.5, "ceiling": 3.0, **wild}
    paths = make_market(process).paths(extreme, 9, "run", 0, 20_000)
    assert paths.volatility.max() == 1.5
    free = make_market(process | {"ceiling": 100.0}).paths(extreme, 9, "run", 0, 20_000)
    assert free.volatility.max() > 5.0


def test_volatility_counts_jumps(make_market, production):
    paths = make_market("brownian", jumps="merton").paths(production, 1, "run", 0, 3)
    assert np.allclose(paths.volatility, math.sqrt(0.64 + 73 * (0.0025 + 0.01)), rtol=1e-13)


def test_a_stationary_start_has_the_stationary_mean_and_percentiles_rise(make_market, score, production):
    process = {"kind": "garch", "volatility": 0.8, "alpha": 0.05, "beta": 0.9, "volatility_today": 3.0}
    first = [
        make_market(process, start=start).paths(production, 2, "run", 0, 2_000).volatility[0, 0] ** 2 / 0.64
        for start in ("stationary", 0.1, 0.5, 0.99)
    ]
    chains = np.unique(first[0])
    assert len(chains) > 1_000
    assert abs(score(chains, 1.0)) < 4
    assert first[1][0] < first[2][0] < 1 < first[3][0]
    assert abs(np.mean(first[0] < first[3][0]) - 0.99) < 0.02


def test_degenerate_garch_is_brownian(make_market, production):
    constant = {"kind": "garch", "volatility": 0.8, "alpha": 0.0, "beta": 0.0, "volatility_today": 0.8}
    ours, theirs = (make_market(process).paths(production, 3, "run", 0, 5).price for process in (constant, "brownian"))
    assert np.allclose(ours, theirs, rtol=1e-13)
