"""EGARCH and skewed-t innovations: step by step against arch, quantiles against Hansen's law, moments against quadrature."""

import math

import numpy as np
import pytest
from arch.univariate import EGARCH, SkewStudent

from simulator.market import Grid, ModelMarket
from simulator.market.generation import _table_over_normals
from simulator.market.innovations import SkewedT
from simulator.parameters import YEAR

SKEWED = {"kind": "skewed-t", "degrees_of_freedom": 5.0, "skew": -0.3, "max_move": 40.0}
STUDENT = {"kind": "student-t", "degrees_of_freedom": 5.0, "max_move": 40.0}
EGARCHS = {
    "hourly": {"alpha": 0.12, "gamma": -0.04, "beta": 0.985},
    "no memory": {"alpha": 0.4, "gamma": 0.1, "beta": -0.3},
    "extreme": {"alpha": 0.6, "gamma": -0.5, "beta": 0.7},
}
INNOVATIONS = {"normal": {"kind": "normal"}, "student-t": STUDENT, "skewed-t": SKEWED}


def egarch(name: str, innovation: str, **fields) -> ModelMarket:
    process = {"kind": "egarch", "volatility": 0.8, "volatility_today": 0.6, "ceiling": 1e6, **EGARCHS[name]}
    if innovation != "normal":  # where alpha is large the level is made by moves that no sample sees
        process |= {key: (0.3 if name == "hourly" else 0.15) * process[key] for key in ("alpha", "gamma")}
    process["innovation"] = INNOVATIONS[innovation]
    return ModelMarket.model_validate({"assets": [{"name": "A", "price": 1.0, "process": process}], **fields})


def residuals(market: ModelMarket, grid: Grid, count: int) -> tuple[np.ndarray, np.ndarray]:
    """(variance of each step, innovation) [step, path], the innovation read off the variance that followed: log h is exact."""
    paths = market.paths(grid, 1, "run", 0, count)
    h = paths.volatility[:, 0] ** 2 * grid.market_step / YEAR
    return h, np.diff(np.log(paths.price[:, 0]), axis=0)


@pytest.mark.parametrize("name", EGARCHS)
def test_the_recursion_is_archs(name):
    """With normal innovations the compensator is h / 2, so residuals are known to the last digit."""
    grid = Grid(market_step=86_400.0, transition=10, horizon=400)
    market = egarch(name, "normal")
    h, r = residuals(market, grid, 3)
    e = r + h / 2
    p = market.assets[0].process
    mean_size = math.sqrt(2 / math.pi)
    for path in range(3):
        z = e[:, path] / np.sqrt(h[:, path])
        log_h = np.log(h[:, path])
        answer = p.alpha * (np.abs(z) - mean_size) + p.gamma * z
        omega = (log_h[1:] - p.beta * log_h[:-1] - answer[:-1]).mean()
        theirs = np.empty(len(h))
        backcast = (log_h[0] - omega) / p.beta
        EGARCH(p=1, o=1, q=1).compute_variance(
            np.array([omega, p.alpha, p.gamma, p.beta]),
            e[:, path].copy(),
            theirs,
            backcast,
            np.tile([1e-300, 1e300], (len(h), 1)),
        )
        assert np.abs(h[:, path] / theirs - 1).max() < 1e-9


@pytest.mark.parametrize("innovation", INNOVATIONS)
@pytest.mark.parametrize("name", EGARCHS)
def test_variance_has_the_level_stated_and_the_price_no_drift(name, innovation, score):
    """Stationary E[h] = volatility^2 step within 4 SE, and E[S] = 1, at an hour's and a ten days' step."""
    for step, days in ((3_600.0, 20.0), (864_000.0, 400.0)):
        grid = Grid(market_step=step, transition=days, horizon=days)
        market = egarch(name, innovation, start="stationary")
        paths = market.paths(grid, 7, "level", 0, 8_000)
        late = paths.volatility[len(paths.volatility) // 2 :, 0] ** 2
        assert abs(score(late.mean(axis=0), 0.64)) < 4 * math.sqrt(8_000 / 2_048), step  # no more starts than 2,048 chains
        if step == 3_600.0:
            assert abs(score(paths.price[-1, 0], 1.0)) < 4


@pytest.mark.parametrize(("degrees", "skew"), [(3.2, -0.1), (5.0, -0.4), (30.0, 0.8), (4.0, 0.0)])
def test_the_skewed_law_is_hansens(degrees, skew):
    """Quantiles of the table against arch's SkewStudent; the cut at 500 deviations leaves 1e-6 of them."""
    from scipy.special import ndtr

    table = _table_over_normals(SkewedT(degrees_of_freedom=degrees, skew=skew, max_move=500.0)).reshape(512, 6)
    w = np.arange(512) * 17 / 512 - 8.5
    inside = np.abs(w) < 4.5
    theirs = SkewStudent().ppf(ndtr(w[inside]), np.array([degrees, skew]))
    ours = table[inside, 0]
    far = np.abs(theirs) > 1
    scale = math.sqrt(np.mean((ours[far] / theirs[far]) ** 2))
    tolerance = 2e-3 if degrees < 4 else 1e-5  # below 4 degrees the cut takes something off the variance
    assert np.abs(ours / scale - theirs).max() < tolerance * max(1, np.abs(theirs).max())


@pytest.mark.parametrize("innovation", ["student-t", "skewed-t"])
def test_innovations_have_mean_zero_variance_one_and_their_skew(innovation, score):
    market = ModelMarket.model_validate(
        {"assets": [{"name": "A", "price": 1.0, "process": {**CONSTANT, "innovation": INNOVATIONS[innovation]}}]}
    )
    grid = Grid(market_step=3_600.0, transition=10, horizon=10)
    r = np.diff(np.log(market.paths(grid, 3, "law", 0, 20_000).price[:, 0]), axis=0)
    z = (r - r.mean()) / math.sqrt(0.64 * 3_600 / YEAR)
    assert abs(score((z**2).ravel(), 1.0)) < 4
    below, above = np.mean(z < -2), np.mean(z > 2)
    if innovation == "skewed-t":
        dist, parameters = SkewStudent(), np.array([5.0, -0.3])
        for count, truth in (
            (below, dist.cdf(np.array([-2.0]), parameters)[0]),
            (above, 1 - dist.cdf(np.array([2.0]), parameters)[0]),
        ):
            assert abs(count - truth) < 4 * math.sqrt(truth / z.size) + 2e-5
    else:
        assert abs(below - above) < 6 * math.sqrt(below / z.size)


CONSTANT = {"kind": "garch", "volatility": 0.8, "alpha": 0.0, "beta": 0.0, "volatility_today": 0.8}


@pytest.mark.parametrize("step", [3_600.0, 864_000.0])
def test_a_skewed_price_is_a_martingale(step, make_market, score):
    grid = Grid(market_step=step, transition=10, horizon=40)
    market = make_market({**CONSTANT, "innovation": SKEWED}, jumps="kou")
    assert abs(score(market.paths(grid, 3, "mean", 0, 40_000).price[-1, 0], 1.0)) < 4


def test_logarithm_of_absolute_returns_remembers_as_log_variance_does(score):
    """Autocorrelation of log h at lag k is beta^k whatever the innovation, from a stationary start."""
    market = egarch("hourly", "student-t", start="stationary")
    grid = Grid(market_step=3_600.0, transition=20, horizon=20)
    x = np.log(market.paths(grid, 5, "memory", 0, 4_000).volatility[:, 0])
    x = x - x.mean()
    for lag in (1, 24, 100):
        product, square = (x[lag:] * x[:-lag]).mean(axis=0), (x**2).mean(axis=0)
        gap = product - 0.985**lag * square
        assert abs(gap.mean()) < 4 * gap.std() / math.sqrt(2_048), lag
