"""What paths remember, and when they first get somewhere: against products of expectations and quadrature."""

import math

import numpy as np
import pytest
from scipy import stats

from simulator.market import Grid
from simulator.parameters import YEAR

NODES, WEIGHTS = np.polynomial.legendre.leggauss(80)
Z = np.concatenate([-4.5 + 4.5 * NODES, 4.5 + 4.5 * NODES])  # two halves: |z| bends at 0
PROBABILITY = 4.5 * np.concatenate([WEIGHTS, WEIGHTS]) * stats.norm.pdf(Z)


@pytest.mark.parametrize(
    ("alpha", "gamma", "beta", "step"),
    [(0.15, -0.05, 0.95, 3_600.0), (0.3, 0.2, 0.7, 864_000.0), (0.4, 0.0, -0.5, 3_600.0)],
)
def test_absolute_returns_of_egarch_remember_as_nelson_says(alpha, gamma, beta, step, make_market, score):
    """E|r[t] r[t+k]| over E[r^2], r less its compensator, normal innovations: a product of expectations of exp(share g)."""
    size = float(np.sum(PROBABILITY * np.abs(Z)))
    g = alpha * (np.abs(Z) - size) + gamma * Z

    def log_mean(share):
        return math.log(np.sum(PROBABILITY * np.exp(share * g)))

    def sum_of_past(share):  # log E[exp(share L)], L = sum of beta^j g
        return math.fsum(log_mean(share * beta**j) for j in range(800))

    process = {"kind": "egarch", "volatility": 0.8, "alpha": alpha, "gamma": gamma, "beta": beta, "volatility_today": 0.8}
    grid = Grid(market_step=step, transition=100 * step / 86_400, horizon=100 * step / 86_400)
    paths = make_market(process | {"ceiling": 1e3}, start="stationary").paths(grid, 4, "run", 0, 20_000)
    h = paths.volatility[:, 0] ** 2 * step / YEAR
    r = np.abs(np.diff(np.log(paths.price[:, 0]), axis=0) + h / 2)
    level = 0.64 * step / YEAR
    for k in (1, 2, 10):
        log_found = sum_of_past(0.5 * (1 + beta**k)) - sum_of_past(1.0)
        log_found += math.fsum(log_mean(0.5 * beta ** (k - 1 - i)) for i in range(1, k))
        answered = float(np.sum(PROBABILITY * np.abs(Z) * np.exp(0.5 * beta ** (k - 1) * g)))
        truth = size * answered * math.exp(log_found)
        # paths share the 2,048 chains they start from, so only every path's own late half is told apart from its start
        assert abs(score((r[50:-k] * r[50 + k :]).mean(axis=0) / level, truth)) < 4, k


@pytest.mark.parametrize(
    ("reversion", "variation", "step"), [(6.0, 2.0, 86_400.0), (0.6, 1.0, 86_400.0), (10.0, 30.0, 864_000.0)]
)
def test_hestons_variance_forgets_at_its_rate(reversion, variation, step, make_market, score):
    """Cov(v[s], v[t]) = exp(-mean_reversion (t - s)) Var(v[s]), also where 2 k theta / xi^2 is 0.3 and 0.005."""
    process = {
        "kind": "heston",
        "volatility": 0.5,
        "volatility_today": 0.5,
        "mean_reversion": reversion,
        "volatility_of_variance": variation,
    }
    days = 40 * step / 86_400
    v = (
        make_market(process).paths(Grid(market_step=step, transition=days, horizon=days), 5, "run", 0, 40_000).volatility[:, 0]
        ** 2
    )
    for lag in (1, 20):
        kept = math.exp(-reversion * lag * step / YEAR)
        gap = (v[10 + lag] - 0.25 - kept * (v[10] - 0.25)) * (v[10] - 0.25)
        assert abs(score(gap, 0.0)) < 4


@pytest.mark.parametrize(("step", "steps"), [(3_600.0, 48), (86_400.0, 4)])
@pytest.mark.parametrize("start", [1.0, 0.985])
def test_a_peg_first_falls_below_a_level_when_quadrature_says(step, steps, start, make_market):
    """The law of the distance among paths that never were 2 % below par, carried from step to step on a fine grid."""
    volatility, half_life, low = 0.5, 21_600.0, math.log(0.98)
    rate, dt = math.log(2) * YEAR / half_life, step / YEAR
    kept, deviation = math.exp(-rate * dt), volatility * math.sqrt(-math.expm1(-2 * rate * dt) / (2 * rate))
    high = 0.1
    x, weight = np.polynomial.legendre.leggauss(400)
    x, weight = low + (high - low) * (x + 1) / 2, (high - low) / 2 * weight
    density = stats.norm.pdf(x, kept * math.log(start), deviation)
    move = stats.norm.pdf(x[:, None], kept * x[None, :], deviation) * weight
    for _ in range(steps - 1):
        density = move @ density
    survives = float(np.sum(weight * density))
    market = make_market({"kind": "ornstein-uhlenbeck", "volatility": volatility, "half_life": half_life})
    assets = (market.assets[0].model_copy(update={"price": start}),)
    days = steps * step / 86_400
    price = (
        market.model_copy(update={"assets": assets})
        .paths(Grid(market_step=step, transition=days, horizon=days), 6, "run", 0, 40_000)
        .price[1:, 0]
    )
    found = np.mean((price > 0.98).all(axis=0))
    assert 0.005 < survives < 0.995
    assert abs(found - survives) < 4 * math.sqrt(survives * (1 - survives) / 40_000)
