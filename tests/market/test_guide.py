"""docs/markets.md: every snippet is a market, and every number it states is right."""

import math
import re
import tomllib
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from pydantic import TypeAdapter
from scipy import integrate, stats

from simulator.market import Grid, Market
from simulator.market.gas import Gas
from simulator.market.overlays import Overlays
from simulator.market.stress import overlay_problems, stressed_paths

GUIDE = (Path(__file__).resolve().parents[2] / "docs" / "markets.md").read_text(encoding="utf-8")
SNIPPETS = [tomllib.loads(text) for text in re.findall(r"```toml\n(.*?)```", GUIDE, re.DOTALL)]
BROWNIAN = {"kind": "geometric-brownian", "volatility": 0.8}
GRID = Grid(market_step=3_600.0, transition=1, horizon=2, substeps=2)


@pytest.mark.parametrize("snippet", SNIPPETS, ids=range(len(SNIPPETS)))
def test_every_snippet_makes_paths(snippet, tmp_path):
    """Those of overlays and gas act on an ETH of their own, and they do."""
    market, overlays, gas = (snippet.pop(key, None) for key in ("market", "overlays", "gas"))
    if market is None:
        market = {"kind": "model", "assets": [{"name": "ETH", "price": 1.0, **(snippet or {"process": BROWNIAN})}]}
    write_history(tmp_path)
    own = TypeAdapter(Market).validate_python(market, context={"folder": tmp_path})
    stress = TypeAdapter(Overlays).validate_python(tuple(overlays or ()))
    fuel = TypeAdapter(Gas | None).validate_python(gas)
    assert not list(overlay_problems(stress, own, fuel, GRID))
    paths = stressed_paths(own, stress, fuel, GRID, 1, "guide", 0, 4)
    assert np.isfinite(paths.price).all()
    assert (paths.price > 0).all()
    assert (paths.gas is None) == (gas is None)
    assert (paths.depth_share is None) == (overlays is None)


def write_history(folder):
    """500 hours of BTC and ETH, for the snippets that name a file."""
    draw = np.random.default_rng(1)
    prices = np.exp(np.cumsum(0.01 * draw.standard_normal((500, 2)), axis=0))
    begin = datetime(2021, 1, 1, tzinfo=UTC)
    rows = [f"{(begin + timedelta(hours=i)).isoformat()},{float(a)!r},{float(b)!r}" for i, (a, b) in enumerate(prices)]
    (folder / "prices.csv").write_text("\n".join(["timestamp,BTC,ETH", *rows]) + "\n")


def test_every_kind_has_a_row():
    kinds = set(re.findall(r"'const': '([a-z-]+)'", str(TypeAdapter(Market | Gas | Overlays).json_schema()))) - {"model"}
    assert {"heston", "dcc", "skewed-t", "kou"} <= kinds
    for kind in kinds:
        assert f'"{kind}"' in GUIDE or f"`{kind}`" in GUIDE, kind


def _joint_tail(nu: float, asymmetry: float, rho: float, level: float) -> tuple[float, float]:
    """P(both scores beyond their quantile at `level`) / level, lower and upper, by quadrature over the mixing variable."""
    x, weight = np.polynomial.legendre.leggauss(24)
    edges = np.linspace(-7, 7, 29)
    y = np.concatenate([a + (b - a) * (x + 1) / 2 for a, b in pairwise(edges)])
    probability = np.tile(0.25 * weight, 28) * stats.norm.pdf(y)
    v = nu / np.where(y < 0, stats.chi2.isf(stats.norm.cdf(y), nu), stats.chi2.ppf(stats.norm.sf(y), nu))
    return tuple(_one_tail(side * asymmetry, rho, level, v, probability) for side in (1, -1))


def _one_tail(asymmetry, rho, level, v, probability):
    def share(point):
        return np.sum(probability * stats.norm.cdf((point - asymmetry * v) / np.sqrt(v)))

    low, high = -1e4, 1e4
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if share(middle) < level else (low, middle)
    at = (low - asymmetry * v) / np.sqrt(v)
    return float(np.sum(probability * _both_below(at, rho)) / level)


def _both_below(h, rho):
    """P(two standard normals of correlation rho < h): Phi(h)^2 and Plackett's integral over the correlation."""
    x, weight = np.polynomial.legendre.leggauss(60)
    angle = math.asin(rho) * (x + 1) / 2
    inside = np.exp(-(h[:, None] ** 2) / (1 + np.sin(angle)))
    return stats.norm.cdf(h) ** 2 + (inside * weight).sum(axis=1) * math.asin(rho) / 2 / (2 * math.pi)


@pytest.mark.parametrize("nu", [3, 4, 6, 8])
def test_the_table_of_joint_tails(nu):
    row = re.search(rf"\| nu = {nu} \|(.*)\|\n", GUIDE).group(1).split("|")
    for cell, asymmetry in zip(row, (0.0, -0.2, -0.5, -1.0), strict=True):
        assert [float(value) for value in cell.split(",")] == pytest.approx(_joint_tail(nu, asymmetry, 0.8, 0.01), abs=0.00051)


def test_joint_tails_at_a_finite_level_and_in_the_limit():
    """VERIFICATION L29: above the limit at 0.1 %, and down to it; a normal copula far below."""
    nu, rho = 4, 0.7
    limit = 2 * stats.t.cdf(-math.sqrt((nu + 1) * (1 - rho) / (1 + rho)), nu + 1)
    found = [_joint_tail(nu, 0.0, rho, level)[0] for level in (1e-2, 1e-3, 1e-6)]
    assert found[0] > found[1] > found[2] > limit
    assert found[2] == pytest.approx(limit, abs=2e-3)
    q = stats.t.ppf(1e-3, nu)

    def given(x):  # a t copula given one score: a t of one degree more
        return stats.t.pdf(x, nu) * stats.t.cdf((q - rho * x) / math.sqrt((nu + x * x) / (nu + 1) * (1 - rho**2)), nu + 1)

    assert found[1] == pytest.approx(integrate.quad(given, -np.inf, q, epsabs=1e-12)[0] * 1e3, rel=1e-6)


@pytest.mark.parametrize(("asymmetry", "nu"), [(0.0, 4.0), (-0.5, 6.0), (1.0, 3.0)])
def test_joint_tails_of_paths_are_those_of_the_copula(asymmetry, nu, make_market):
    """At 1 % and at 0.1 %, both tails, against quadrature and not a sample."""
    copula = {"kind": "student-t", "degrees_of_freedom": nu, "asymmetry": asymmetry}
    market = make_market("brownian", "brownian", correlation=[[1.0, 0.8], [0.8, 1.0]], copula=copula)
    x = np.diff(np.log(market.paths(Grid(market_step=3_600.0, transition=5, horizon=5), 1, "tails", 0, 8_000).price), axis=0)
    step_deviation = 0.8 * math.sqrt(3_600.0 / 31_536_000.0)
    w = (x / step_deviation + step_deviation / 2).transpose(1, 0, 2).reshape(2, -1)
    for level in (1e-2, 1e-3):
        for sign, expected in zip((-1, 1), _joint_tail(nu, asymmetry, 0.8, level), strict=True):
            share = np.mean((sign * w > stats.norm.isf(level)).all(axis=0)) / level
            assert abs(share - expected) < 4 * math.sqrt(expected / level / w.shape[1])


@pytest.mark.parametrize(("alpha", "beta", "stated"), [(0.05, 0.93, "0.681"), (0.2, 0.7, "0.660")])
def test_the_mean_of_engles_correlation_is_the_one_stated(alpha, beta, stated, make_market):
    """VERIFICATION L39 as it is: the mean of a long run lies below S; a loop in NumPy with draws of its own has the same."""
    assert stated in GUIDE
    rows = [[1.0, 0.7], [0.7, 1.0]]
    market = make_market(
        "brownian", "brownian", correlation=rows, correlation_dynamics={"kind": "dcc", "alpha": alpha, "beta": beta}
    )
    found = market.paths(Grid(market_step=3_600.0, transition=5, horizon=25), 1, "long", 0, 4_000).correlation[300:].mean(axis=0)
    assert found.mean() == pytest.approx(float(stated), abs=0.0005 + 4 * found.std() / math.sqrt(4_000))
    rng, own = np.random.default_rng(2), []
    q11, q12, q22 = np.ones(4_000), np.full(4_000, 0.7), np.ones(4_000)
    for t in range(600):
        r = q12 / np.sqrt(q11 * q22)
        x, y = rng.standard_normal((2, 4_000))
        y = r * x + np.sqrt(1 - r * r) * y
        rest = 1 - alpha - beta
        q11, q12, q22 = (
            rest + alpha * x * x + beta * q11,
            0.7 * rest + alpha * x * y + beta * q12,
            rest + alpha * y * y + beta * q22,
        )
        if t >= 300:
            own.append(r)
    theirs = np.mean(own, axis=0)
    error = math.sqrt((found.var() + theirs.var()) / 4_000)
    assert abs(found.mean() - theirs.mean()) < 4 * error
