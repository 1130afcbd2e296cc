"""Copulas and correlation that moves: marginals stay, joint tails are those stated, and recursions are Engle's and ours."""

import math

import numpy as np
import pytest
from scipy import stats

from simulator.market import Grid, ModelMarket
from simulator.market.copula_kernel import SCORE_REACH, SCORE_SEGMENTS, SCORE_WIDTH, look_up, student_tables
from simulator.market.tables import REACH, SEGMENTS, WIDTH
from simulator.parameters import YEAR

BROWNIAN = {"kind": "geometric-brownian", "volatility": 0.8}
T = {"kind": "student-t", "degrees_of_freedom": 4.0, "max_move": 30.0}
GARCH = {"kind": "garch", "volatility": 0.8, "alpha": 0.06, "beta": 0.92, "volatility_today": 0.8, "innovation": T}
STILL = {**GARCH, "alpha": 0.0, "beta": 0.0}
HOURS = Grid(market_step=3_600.0, transition=5, horizon=5)


def matrix(n: int, rho: float) -> list[list[float]]:
    return [[1.0 if i == j else rho for j in range(n)] for i in range(n)]


def market_of(*processes: dict, rho: float = 0.6, jumps: dict | None = None, **fields) -> ModelMarket:
    assets = [{"name": f"A{i}", "price": 1.0, "process": p, "jumps": jumps} for i, p in enumerate(processes)]
    return ModelMarket.model_validate({"assets": assets, "correlation": matrix(len(processes), rho), **fields})


def student(nu: float, asymmetry: float = 0.0) -> dict:
    return {"copula": {"kind": "student-t", "degrees_of_freedom": nu, "asymmetry": asymmetry}}


def scores(market: ModelMarket, count: int, purpose: str = "scores") -> np.ndarray:
    """Normal scores [asset, step x path] of geometric Brownian assets."""
    price = market.paths(HOURS, 1, purpose, 0, count).price
    variance = 0.64 * 3_600 / YEAR
    r = np.diff(np.log(price), axis=0) + variance / 2
    return (r / math.sqrt(variance)).transpose(1, 0, 2).reshape(price.shape[1], -1)


@pytest.mark.parametrize("nu", [1.5, 3.0, 7.0, 60.0])
def test_the_score_of_a_student_copula_is_its_own_quantile(nu):
    """Tables against scipy: sqrt(nu / chi-square) to 1e-8, and Phi^-1(T(x)) to 1e-8 out to probabilities of 1e-9."""
    root_mixing, table = student_tables(nu, 0.0)
    y = np.linspace(-7, 7, 301)
    found = np.array([look_up(v, REACH, WIDTH, SEGMENTS, root_mixing) for v in y])
    tail = stats.norm.sf(np.abs(y))
    chi_square = np.where(y < 0, stats.chi2.isf(tail, nu), stats.chi2.ppf(tail, nu))
    expected = np.sqrt(nu / chi_square)
    assert np.abs(found / expected - 1).max() < 1e-8
    w = np.linspace(-7, 7, 301)
    x = np.where(w < 0, stats.t.ppf(stats.norm.cdf(w), nu), stats.t.isf(stats.norm.sf(w), nu))
    found = np.array([look_up(math.asinh(v), SCORE_REACH, SCORE_WIDTH, SCORE_SEGMENTS, table) for v in x])
    assert np.abs(found - w)[np.abs(w) < 6].max() < 1e-8
    assert np.abs(found - w).max() < 1e-6  # V itself ends at a probability of 1e-17


def test_the_score_of_a_skewed_copula_is_its_own_quantile():
    """Against a sample of its definition: the share below the score's point is the normal probability, within 4 SE."""
    nu, asymmetry, n = 5.0, -0.8, 400_000
    rng = np.random.default_rng(3)
    v = nu / rng.chisquare(nu, n)
    x = asymmetry * v + np.sqrt(v) * rng.standard_normal(n)
    _, table = student_tables(nu, asymmetry)
    w = np.array([look_up(s, SCORE_REACH, SCORE_WIDTH, SCORE_SEGMENTS, table) for s in np.arcsinh(x)])
    for p in (0.0005, 0.01, 0.3, 0.5, 0.9, 0.999):
        share = np.mean(w < stats.norm.ppf(p))
        assert abs(share - p) < 4 * math.sqrt(p * (1 - p) / n)


FIELDS = {
    "student": student(3.0),
    "skewed": student(5.0, -1.0),
    "dcc": {"correlation_dynamics": {"kind": "dcc", "alpha": 0.2, "beta": 0.7}},
    "dcc and student": {"correlation_dynamics": {"kind": "dcc", "alpha": 0.05, "beta": 0.9}, **student(4.0)},
    "converging": {
        "correlation_dynamics": {"kind": "converging", "starts_at": 0.5, "full_at": 1.5, "level": 0.9, "half_life": 3_600.0}
    },
}


@pytest.mark.parametrize("name", FIELDS)
def test_every_marginal_stays_as_stated(name, score):
    """Quantiles of the innovations and the mean of the price, whatever joins the assets; one path in 40 steps is independent."""
    market = market_of(STILL, GARCH, STILL, **FIELDS[name])
    alone = ModelMarket.model_validate({"assets": [{"name": "A", "price": 1.0, "process": STILL}]})
    count = 4_000
    price = market.paths(HOURS, 2, "marginal", 0, count).price
    own = np.diff(np.log(alone.paths(HOURS, 5, "alone", 0, count).price[:, 0]), axis=0).ravel()
    for asset in (0, 2):
        r = np.diff(np.log(price[:, asset]), axis=0).ravel()
        for p in (0.001, 0.05, 0.5, 0.95, 0.999):
            point = np.quantile(own, p)
            assert abs(np.mean(r < point) - p) < 4 * math.sqrt(2 * p * (1 - p) / r.size), (asset, p)
    for asset in range(3):
        assert abs(score(price[-1, asset], 1.0)) < 4


@pytest.mark.parametrize(("nu", "rho"), [(3.0, 0.7), (4.0, 0.0), (8.0, 0.5)])
def test_joint_tails_are_the_t_copulas(nu, rho):
    """P(both below their 1 % points) against the bivariate t, within 4 SE; a Gaussian copula is far below (VERIFICATION L29)."""
    w = scores(market_of(BROWNIAN, BROWNIAN, rho=rho, **student(nu)), 8_000)
    n, level = w.shape[1], 0.01
    cut = stats.t.ppf(level, nu)
    joint = stats.multivariate_t(shape=matrix(2, rho), df=nu).cdf([cut, cut], random_state=1, maxpts=2_000_000)
    limit = 2 * stats.t.cdf(-math.sqrt((nu + 1) * (1 - rho) / (1 + rho)), nu + 1)
    for sign in (-1, 1):
        share = np.mean((sign * w > stats.norm.isf(level)).all(axis=0))
        assert abs(share - joint) < 4 * math.sqrt(joint / n) + 2e-5
    assert joint / level > limit > 2 * stats.multivariate_normal([0, 0], matrix(2, rho)).cdf([stats.norm.ppf(1e-4)] * 2) / 1e-4


def test_asymmetry_makes_joint_falls_likelier_than_joint_rises():
    """Against a sample of the copula's definition at 1 %: lower and upper, within 4 SE of both; and the sign."""
    nu, asymmetry, rho, level = 4.0, -0.6, 0.5, 0.01
    w = scores(market_of(BROWNIAN, BROWNIAN, rho=rho, **student(nu, asymmetry)), 8_000)
    rng, n = np.random.default_rng(1), 2_000_000
    v = nu / rng.chisquare(nu, n)
    z = rng.standard_normal((2, n))
    z[1] = rho * z[0] + math.sqrt(1 - rho**2) * z[1]
    x = asymmetry * v + np.sqrt(v) * z
    found = []
    for tail in ("lower", "upper"):
        cut = np.quantile(x, level if tail == "lower" else 1 - level, axis=1)[:, None]
        expected = np.mean((x < cut if tail == "lower" else x > cut).all(axis=0)) / level
        sign = -1 if tail == "lower" else 1
        share = np.mean((sign * w > stats.norm.isf(level)).all(axis=0)) / level
        error = math.sqrt(expected / level * (1 / w.shape[1] + 1 / n))
        assert abs(share - expected) < 4 * error
        found.append(share)
    assert found[0] > 1.5 * found[1]


def test_jumps_of_different_assets_meet_as_the_copula_says():
    """Rare jumps: given one asset's, the other's is far likelier under a t copula than under a Gaussian one."""
    jumps = {"kind": "merton", "intensity": 87.6, "mean": -0.5, "deviation": 0.01}
    met = []
    for fields in ({}, student(3.0)):
        market = market_of(BROWNIAN, BROWNIAN, rho=0.5, jumps=jumps, **fields)
        r = np.diff(np.log(market.paths(HOURS, 4, "jumps", 0, 4_000).price), axis=0)
        jumped = r < -0.3
        assert abs(jumped.mean() - 0.00995) < 4 * math.sqrt(0.01 / jumped[:, 0].size)
        met.append(jumped.all(axis=1).mean() / jumped.mean())
    gaussian = stats.multivariate_normal([0, 0], matrix(2, 0.5)).cdf([stats.norm.ppf(0.00995)] * 2) / 0.00995
    assert met[0] == pytest.approx(gaussian, abs=0.03)
    assert met[1] > 2 * met[0]


@pytest.mark.parametrize(("alpha", "beta"), [(0.05, 0.9), (0.3, 0.1), (0.02, 0.0)])
def test_dcc_is_engles_recursion(alpha, beta):
    """Correlation of every step from the scores before it, by a plain loop, to 1e-12; one lag wrong is seen at once."""
    market = market_of(BROWNIAN, BROWNIAN, BROWNIAN, correlation_dynamics={"kind": "dcc", "alpha": alpha, "beta": beta})
    paths = market.paths(HOURS, 1, "dcc", 0, 5)
    variance = 0.64 * 3_600 / YEAR
    w = (np.diff(np.log(paths.price), axis=0) + variance / 2) / math.sqrt(variance)
    s = np.array(matrix(3, 0.6))
    for path in range(5):
        q = s.copy()
        for t in range(len(w)):
            root = np.sqrt(np.diag(q))
            r = q / np.outer(root, root)
            assert paths.correlation[t, path] == pytest.approx((r[1, 0] + r[2, 0] + r[2, 1]) / 3, abs=1e-9)
            q = (1 - alpha - beta) * s + alpha * np.outer(w[t, :, path], w[t, :, path]) + beta * q


def test_dcc_comes_back_to_the_matrix_stated_and_scores_follow_it(score):
    """E[w w'] = S (VERIFICATION L39), and given the correlation known, products of scores have it for mean."""
    market = market_of(BROWNIAN, BROWNIAN, correlation_dynamics={"kind": "dcc", "alpha": 0.1, "beta": 0.85})
    count = 8_000
    paths = market.paths(HOURS, 3, "target", 0, count)
    w = scores(market, count, "target")
    w = (np.diff(np.log(market.paths(HOURS, 3, "target", 0, count).price), axis=0) + 0.32 * 3_600 / YEAR) / math.sqrt(
        0.64 * 3_600 / YEAR
    )
    product = w[:, 0] * w[:, 1]
    assert abs(score((product - paths.correlation).mean(axis=0), 0.0)) < 4
    high = paths.correlation > 0.75
    assert abs((product - paths.correlation)[high].mean()) < 4 * (product - paths.correlation)[high].std() / math.sqrt(high.sum())
    assert paths.correlation.std() > 0.05


def test_converging_correlation_follows_the_common_variance(score):
    """State and correlation by a plain loop from the volatilities known, to 1e-9; scores have that correlation."""
    dynamics = {"kind": "converging", "starts_at": 1.2, "full_at": 2.5, "level": 0.8, "half_life": 7_200.0}
    normal = {**GARCH, "innovation": {"kind": "normal"}, "alpha": 0.15, "beta": 0.8}
    market = market_of(normal, normal, rho=0.4, correlation_dynamics=dynamics)
    paths = market.paths(HOURS, 1, "converge", 0, 2_000)
    ratio = (paths.volatility**2).mean(axis=1) / 0.64
    c = np.zeros(ratio.shape[1])
    kept = 0.5 ** (3_600 / 7_200)
    for t in range(len(ratio)):
        c = kept * c + (1 - kept) * np.clip((ratio[t] - 1.2) / 1.3, 0, 1)
        expected = (1 - 0.8 * c) * 0.4 + 0.8 * c
        assert np.abs(paths.correlation[t] - expected).max() < 1e-9
    h = paths.volatility**2 * 3_600 / YEAR
    w = (np.diff(np.log(paths.price), axis=0) + h / 2) / np.sqrt(h)
    gap = w[:, 0] * w[:, 1] - paths.correlation
    assert abs(score(gap.mean(axis=0), 0.0)) < 4
    assert abs(gap[paths.correlation > 0.7].mean()) < 4 * gap[paths.correlation > 0.7].std() / math.sqrt(
        (paths.correlation > 0.7).sum()
    )


def test_a_pull_to_one_is_a_pull_to_one():
    market = market_of(BROWNIAN, BROWNIAN, rho=0.2)
    pull = np.where(np.arange(HOURS.market_steps) < 60, 0.0, 1.0)
    pulled = market.paths(HOURS, 1, "pull", 0, 200, convergence=pull)
    plain = market.paths(HOURS, 1, "pull", 0, 200)
    assert np.allclose(pulled.price[:61], plain.price[:61], rtol=1e-13)
    assert (pulled.correlation[:60] == 0.2).all()
    assert (pulled.correlation[60:] == 1.0).all()
    r = np.diff(np.log(pulled.price), axis=0)
    assert np.allclose(r[60:, 0], r[60:, 1], atol=1e-12)
    with pytest.raises(ValueError, match="shares between 0 and 1"):
        market.paths(HOURS, 1, "pull", 0, 2, convergence=np.full(3, 0.5))


def test_what_is_known_of_correlation_without_dynamics():
    assert (market_of(BROWNIAN, BROWNIAN, BROWNIAN, rho=0.3).paths(HOURS, 1, "x", 0, 3).correlation == 0.3).all()
    alone = ModelMarket.model_validate({"assets": [{"name": "A", "price": 1.0, "process": BROWNIAN}]})
    assert alone.paths(HOURS, 1, "x", 0, 3).correlation is None


@pytest.mark.parametrize("name", FIELDS)
def test_the_same_bytes_for_any_block(name):
    """Paths made at once, one by one, and across the border of a chunk."""
    heston = {"kind": "heston", "volatility": 0.8, "volatility_today": 0.7, "mean_reversion": 5.0, "volatility_of_variance": 2.0}
    egarch = {"kind": "egarch", "volatility": 0.8, "volatility_today": 0.7, "alpha": 0.1, "beta": 0.95, "innovation": T}
    peg = {"kind": "ornstein-uhlenbeck", "volatility": 0.1, "half_life": 7_200.0, "base": "A0"}
    market = market_of(GARCH, heston, egarch, peg, **FIELDS[name])
    grid = Grid(market_step=3_600.0, substeps=3, transition=1, horizon=1)
    whole = market.paths(grid, 9, "bytes", 0, 300)
    for first, count in ((0, 1), (7, 33), (255, 3), (100, 200)):
        part = market.paths(grid, 9, "bytes", first, count)
        for key in ("price", "volatility", "correlation"):
            assert (getattr(part, key) == getattr(whole, key)[..., first : first + count]).all(), (key, first)
