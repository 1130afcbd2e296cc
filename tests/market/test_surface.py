"""Implied surfaces that move: free of static arbitrage on every path and step, moments of their law, a second writing."""

import math

import numpy as np
import pytest
from scipy import stats

from simulator.kernel import normal, stream, uniform_pair
from simulator.market import Grid
from simulator.market.paths import MarketPaths
from simulator.market.surface import ETA, LONG, RHO, SHORT, ImpliedSurface, make_surfaces
from simulator.parameters import DAY, YEAR
from simulator.pricing.option_kernel import black, money_variance, total_variance
from simulator.pricing.ssvi import SSVI, PowerLaw, worst_calendars

WILD = ImpliedSurface(
    level_noise=8.0, skew_noise=12.0, curvature_noise=30.0, level_response=5.0, skew_response=8.0, skew=-0.9, curvature=0.95
)
GENTLE = ImpliedSurface()
YEARS = np.array([1 / 365, 7 / 365, 30 / 365, 0.25, 1.0, 3.0])


def surface_of(part, market, grid, seed=5, count=200, first=0, purpose="test"):
    paths = market.paths(grid, seed, purpose, first, count)
    references = [market.reference_volatility(name) for name in market.asset_names]
    return paths, make_surfaces({"A0": part}, paths, references, seed, purpose, first)


@pytest.mark.parametrize("part", [GENTLE, WILD], ids=["fitted", "wild"])
@pytest.mark.parametrize("jumps", ["none", "merton"])
def test_no_surface_of_any_path_and_step_has_butterfly_or_calendar_arbitrage(make_market, part, jumps):
    """By the bounds of theorem 4.2 at every step, and by density and order of the slices themselves."""
    grid = Grid(market_step=3600.0, transition=1, horizon=4)
    _, surface = surface_of(part, make_market("garch-t", jumps=jumps), grid, count=40)
    short, long, rho, eta = (surface[:, 0, f] for f in (SHORT, LONG, RHO, ETA))
    assert (eta * (1 + np.abs(rho)) <= 2 * (1 + 1e-12)).all()
    assert (short > 0).all()
    assert (long > 0).all()
    for n, p in np.random.default_rng(1).integers([0, 0], [surface.shape[0], 40], size=(60, 2)):
        law = SSVI(float(rho[n, p]), PowerLaw(float(eta[n, p]), 0.5))
        assert law.law.is_free_of_static_arbitrage(law.rho * (1 - 1e-12))
        theta = [money_variance(short[n, p], long[n, p], part.term_reversion, t) for t in YEARS]
        assert (np.diff(theta) > 0).all()
        slices = [law.slice(x) for x in theta]
        assert [c for c in worst_calendars(slices) if c.is_arbitrage] == []
        for smile in slices:
            assert smile.durrleman(np.linspace(-3, 3, 601)).min() >= -1e-9


def test_the_kernel_prices_the_same_surface_as_the_library(make_market):
    law = SSVI(-0.4, PowerLaw(1.2, 0.5))
    for theta in (1e-4, 0.02, 0.7):
        for k in (-1.5, -0.1, 0.0, 0.2, 1.0):
            assert total_variance(k, theta, -0.4, 1.2) == pytest.approx(float(law.total_variance(k, theta)), rel=1e-13)


def test_black_in_the_kernel_is_black_in_the_library():
    """Against `black_scholes`, which is checked against QuantLib: to the rounding of the forward."""
    from simulator.pricing.black_scholes import greeks, price

    draw = np.random.default_rng(3)
    for _ in range(500):
        f, k = 100 * np.exp(draw.normal(0, 0.7, 2))
        t, v, call = draw.uniform(1e-4, 3), draw.uniform(0.01, 4), bool(draw.integers(2))
        value, delta, vega = black(f, k, v * math.sqrt(t), call)
        theirs = greeks(f, k, t, v, call)
        assert value == pytest.approx(float(price(f, k, t, v, call)), abs=4e-14 * (f + k))
        assert delta == pytest.approx(float(theirs.delta), abs=1e-13)
        assert vega * math.sqrt(t) == pytest.approx(float(theirs.vega), rel=1e-11, abs=1e-200)
        other = black(f, k, v * math.sqrt(t), not call)[0]
        assert (value - other) * (1 if call else -1) == pytest.approx(f - k, abs=1e-13 * (f + k))
    assert black(100.0, 90.0, 0.0, True)[:2] == (10.0, 1.0)
    assert black(100.0, 90.0, 0.0, False)[:2] == (0.0, 0.0)


def test_a_second_writing_gives_the_same_surface(make_market):
    """The docstring's law in plain Python, one number at a time."""
    grid = Grid(market_step=7200.0, substeps=3, transition=1, horizon=3)
    market = make_market("brownian", "garch-t")
    paths = market.paths(grid, 7, "test", 4, 3)
    references = [market.reference_volatility(name) for name in market.asset_names]
    part = ImpliedSurface(elasticity=0.7)
    surface = make_surfaces({"A1": part}, paths, references, 7, "test", 4)
    key, delta = stream(7, "test", "surface", "A1"), 7200.0 / YEAR
    for p in range(3):
        v0 = references[1]
        goal = [math.log(part.premium * v0 * (v / v0) ** part.elasticity) for v in paths.volatility[:, 1, p]]
        u, s, c = goal[0], math.atanh(part.skew), math.log(part.curvature / (1 - part.curvature))
        for n in range(1, grid.market_steps + 1):
            r = math.log(paths.price[3 * n, 1, p] / paths.price[3 * (n - 1), 1, p])
            z1, z2 = (normal(x) for x in uniform_pair(key, n, 0, 4 + p, 0))
            z3 = normal(uniform_pair(key, n, 0, 4 + p, 1)[0])
            root = math.sqrt(delta)

            def kept(days):
                return 2 ** (-7200.0 / DAY / days)

            wanted = goal[min(n, len(goal) - 1)]
            u = wanted + kept(part.level_half_life) * (u - wanted) - part.level_response * r + part.level_noise * root * z1
            mean = math.atanh(part.skew)
            s = mean + kept(part.skew_half_life) * (s - mean) + part.skew_response * r + part.skew_noise * root * z2
            mean = math.log(part.curvature / (1 - part.curvature))
            c = mean + kept(part.curvature_half_life) * (c - mean)
            c += part.curvature_response * r + part.curvature_noise * root * z3
            rho = math.tanh(s)
            share = 1 / (1 + math.exp(-c))
            expected = [math.exp(2 * u), (part.long_premium * v0) ** 2, rho, 2 * share / (1 + abs(rho))]
            assert surface[n, 0, :, p] == pytest.approx(expected, rel=1e-11)


def test_level_skew_and_curvature_have_the_moments_of_their_law(make_market, score):
    """Under Brownian motion each coordinate is a Gaussian AR(1): mean, variance, covariance with returns in closed form."""
    grid = Grid(market_step=3600.0, transition=1, horizon=10)
    market = make_market("brownian")
    part = ImpliedSurface()
    paths, surface = surface_of(part, market, grid, count=4000)
    delta, n, sigma = 3600.0 / YEAR, grid.market_steps, 0.8
    u, s = 0.5 * np.log(surface[-1, 0, SHORT]), np.arctanh(surface[-1, 0, RHO])
    share = surface[-1, 0, ETA] * (1 + np.abs(surface[-1, 0, RHO])) / 2
    c = np.log(share / (1 - share))
    last = np.log(paths.price[-1, 0] / paths.price[0, 0])
    drift = -0.5 * sigma**2 * delta
    rows = [
        (u, math.log(part.premium * sigma), part.level_half_life, -part.level_response, part.level_noise),
        (s, math.atanh(part.skew), part.skew_half_life, part.skew_response, part.skew_noise),
        (c, math.log(0.469 / 0.531), part.curvature_half_life, part.curvature_response, part.curvature_noise),
    ]
    for x, mean, days, response, noise in rows:
        keep = 2 ** (-3600.0 / DAY / days)
        total = (1 - keep**n) / (1 - keep)
        mean += response * drift * total
        variance = (response**2 * sigma**2 + noise**2) * delta * (1 - keep ** (2 * n)) / (1 - keep**2)
        assert abs(score(x, mean)) < 4
        assert abs(score((x - mean) ** 2, variance)) < 4
        together = response * sigma**2 * delta * total
        assert abs(score((x - mean) * (last - drift * n), together)) < 4


def test_the_level_follows_conditional_variance(make_market):
    """Without response and noise: in ratio to a quick target, and by rank over whole paths to a slow one."""
    grid = Grid(market_step=3600.0, transition=1, horizon=20)
    quick = ImpliedSurface(level_response=0.0, level_noise=0.0, level_half_life=0.01, elasticity=1.0, premium=1.1)
    paths, surface = surface_of(quick, make_market("garch-t"), grid, count=50)
    ratio = np.sqrt(surface[1:-1, 0, SHORT]) / paths.volatility[1:, 0]
    keep = 2 ** (-3600.0 / DAY / 0.01)
    assert ratio.min() > 1.1 * (1 - 12 * keep)
    assert np.allclose(ratio.mean(), 1.1, rtol=0.02)
    slow = ImpliedSurface(level_response=0.0, level_noise=0.0, level_half_life=2.0, elasticity=0.5)
    paths, surface = surface_of(slow, make_market("garch-t"), grid, count=50)
    rank = stats.spearmanr(np.log(paths.volatility[:, 0]).mean(axis=0), np.log(surface[:-1, 0, SHORT]).mean(axis=0)).statistic
    assert rank > 0.95


def test_the_bytes_of_a_surface_depend_on_its_path_alone(make_market):
    grid = Grid(market_step=3600.0, transition=1, horizon=2)
    _, whole = surface_of(GENTLE, make_market("garch-t"), grid, count=12)
    for block in (1, 5):
        parts = [
            surface_of(GENTLE, make_market("garch-t"), grid, count=min(block, 12 - k), first=k)[1] for k in range(0, 12, block)
        ]
        assert np.concatenate(parts, axis=3).tobytes() == whole.tobytes()
    other = surface_of(GENTLE, make_market("garch-t"), grid, count=12, purpose="other")[1]
    assert (other != whole).any()


def test_a_surface_of_explicit_prices(make_market):
    """Any paths will do: a fall lifts the level and tilts the smile."""
    price = np.full((6, 1, 2), 100.0)
    price[3:, 0, 1] = 70.0
    paths = MarketPaths.from_prices(["A0"], price, 3600.0, volatility=np.full((5, 1, 2), 0.6))
    still = ImpliedSurface(level_noise=0, skew_noise=0, curvature_noise=0)
    surface = make_surfaces({"A0": still}, paths, [0.6], 1, "x", 0)
    calm, crash = surface[3, 0, :, 0], surface[3, 0, :, 1]
    assert calm[SHORT] == pytest.approx((0.985 * 0.6) ** 2)
    assert crash[SHORT] == pytest.approx(calm[SHORT] * 0.7 ** (-2 * 1.86))
    assert crash[RHO] < calm[RHO]
    assert crash[ETA] > calm[ETA]


STATED = {"BTC": ImpliedSurface(), "ETH": ImpliedSurface(term_reversion=8.0, level_response=0.86)}


@pytest.mark.shared_data
@pytest.mark.parametrize("currency", STATED)
def test_the_stated_response_of_the_level_is_that_of_real_surfaces(shared_data, currency):
    """The regression named in `ImpliedSurface`, done again on whatever summaries there are: within four standard errors."""
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    from scipy.optimize import nnls

    files = sorted(shared_data.glob("data/options/deribit_surface_summary_*.parquet"))
    if not files:
        pytest.skip("no deribit_surface_summary_*.parquet under SIMULATOR_DATA")
    frame = pandas.concat([pandas.read_parquet(file) for file in files])
    frame = frame[(frame["currency"] == currency) & (frame["T"] >= 5 / 365) & (frame["n_strikes"] >= 8)]
    level, spot = [], []
    for _, rows in frame.groupby("ts"):
        if len(rows) >= 5:
            t, atm = rows["T"].to_numpy(), rows["atm_iv"].to_numpy()
            early = -np.expm1(-8.0 * t) / 8.0
            weight = 1 / (2 * atm * t)
            level.append(0.5 * math.log(nnls(np.c_[early, t - early] * weight[:, None], atm**2 * t * weight)[0][0]))
            spot.append(math.log(rows["index_price"].iloc[0]))
    if len(level) < 50:
        pytest.skip(f"fewer than 50 surfaces of {currency} are among the shared data")
    change, r = np.diff(level), np.diff(spot)
    design = np.c_[np.ones(len(r)), r]
    beta, *_ = np.linalg.lstsq(design, change, rcond=None)
    left = change - design @ beta
    meat = design.T * left**2 @ design
    bread = np.linalg.inv(design.T @ design)
    error = math.sqrt((bread @ meat @ bread)[1, 1])  # White's: surfaces jump
    assert abs(beta[1] + STATED[currency].level_response) < 4 * error
