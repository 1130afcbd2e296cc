"""Heston and Bates: moments of the variance where Feller fails too, the martingale, leverage, and prices of options."""

import math

import numpy as np
import pytest

from simulator.market import Grid, ModelMarket
from simulator.parameters import YEAR

HESTONS = {
    "production": {
        "volatility": 0.7,
        "volatility_today": 0.5,
        "mean_reversion": 6.0,
        "volatility_of_variance": 2.0,
        "leverage": -0.4,
    },
    "feller 0.3": {
        "volatility": 0.5,
        "volatility_today": 0.8,
        "mean_reversion": 0.6,
        "volatility_of_variance": 1.0,
        "leverage": -0.8,
    },
    "feller 0.02": {
        "volatility": 0.5,
        "volatility_today": 0.5,
        "mean_reversion": 1.0,
        "volatility_of_variance": 5.0,
        "leverage": 0.3,
    },
}
STEPS = {"hours": 3_600.0, "days": 86_400.0, "a month": 30 * 86_400.0}


def heston(name: str, **fields) -> ModelMarket:
    asset = {"name": "A", "price": 1.0, "process": {"kind": "heston", **HESTONS[name]}, **fields}
    return ModelMarket.model_validate({"assets": [asset]})


def grid(step: float, days: float) -> Grid:
    return Grid(market_step=step, transition=days, horizon=days)


def variance_at_the_end(market: ModelMarket, step: float, days: float, count: int) -> np.ndarray:
    """v at the start of the last step, from the expected variance over that step, which is linear in v."""
    p = market.assets[0].process
    over_step = market.paths(grid(step, days), 1, "variance", 0, count).volatility[-1, 0] ** 2
    x = p.mean_reversion * step / YEAR
    return p.volatility**2 + (over_step - p.volatility**2) * x / -math.expm1(-x)


@pytest.mark.parametrize("step", [3_600.0, 86_400.0])
@pytest.mark.parametrize("name", HESTONS)
def test_variance_has_its_mean_and_variance_at_any_step(name, step, score):
    """Cox, Ingersoll, Ross 1985; within 4 SE, at two steps, far below Feller's condition too (VERIFICATION L16)."""
    market, days, count = heston(name), 30.0, 60_000
    v = variance_at_the_end(market, step, days, count)
    p, t = market.assets[0].process, (days * 86_400 - step) / YEAR
    k, th, v0, xi = p.mean_reversion, p.volatility**2, p.volatility_today**2, p.volatility_of_variance
    kept, gone = math.exp(-k * t), -math.expm1(-k * t)
    mean = th + (v0 - th) * kept
    spread = v0 * xi**2 * kept * gone / k + th * xi**2 * gone**2 / (2 * k)
    assert abs(score(v, mean)) < 4
    assert abs(score((v - mean) ** 2, spread)) < 4


@pytest.mark.parametrize("jumps", ["none", "merton", "kou"])
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("name", HESTONS)
def test_the_price_is_a_martingale_at_every_step(name, step, jumps, make_market, score):
    market = make_market({"kind": "heston", **HESTONS[name]}, jumps=jumps)
    price = market.paths(grid(STEPS[step], 120.0), 2, "martingale", 0, 40_000).price[-1, 0]
    assert abs(score(price, 1.0)) < 4


@pytest.mark.parametrize("name", HESTONS)
def test_log_price_has_its_mean_and_its_leverage(name, score):
    """E[log S] = -1/2 the integral of E[v]; Cov(log S, v) from the linear equations of moments, solved by fine steps."""
    market, days, count = heston(name), 60.0, 60_000
    step = 3_600.0
    paths = market.paths(grid(step, days), 3, "leverage", 0, count)
    p, t = market.assets[0].process, days * 86_400 / YEAR
    k, th, v0, xi, rho = p.mean_reversion, p.volatility**2, p.volatility_today**2, p.volatility_of_variance, p.leverage
    y = np.log(paths.price[-1, 0])
    assert abs(score(y, -0.5 * (th * t + (v0 - th) * -math.expm1(-k * t) / k))) < 4
    x = k * step / YEAR
    v = th + (paths.volatility[-1, 0] ** 2 - th) * x / -math.expm1(-x)
    y_then = np.log(paths.price[-2, 0])
    t -= step / YEAR
    n = 20_000
    dt, cov, var = t / n, 0.0, 0.0
    for i in range(n):
        mean = th + (v0 - th) * math.exp(-k * (i + 0.5) * dt)
        cov += (-k * cov - 0.5 * var + rho * xi * mean) * dt
        var += (-2 * k * var + xi * xi * mean) * dt
    mean_v = th + (v0 - th) * math.exp(-k * t)
    mean_y = -0.5 * (th * t + (v0 - th) * -math.expm1(-k * t) / k)
    assert abs(score((y_then - mean_y) * (v - mean_v), cov)) < 4


@pytest.mark.parametrize("step", ["hours", "days"])
@pytest.mark.parametrize("jumps", [None, (3.0, -0.15, 0.2)])
@pytest.mark.parametrize("name", HESTONS)
def test_options_on_the_paths_cost_what_the_characteristic_function_says(name, jumps, step, score):
    """A month's options against Heston's and Bates's own prices; the bias of a day's step is below 4 SE of 60,000 paths."""
    from simulator.pricing import fourier
    from simulator.pricing.laws import Bates, Heston

    fields = {} if jumps is None else {"jumps": dict(zip(("intensity", "mean", "deviation"), jumps, strict=True), kind="merton")}
    market = heston(name, **fields)
    p = market.assets[0].process
    values = (p.volatility_today**2, p.mean_reversion, p.volatility**2, p.volatility_of_variance, p.leverage)
    law = Heston(*values) if jumps is None else Bates(*values, *jumps)
    price = market.paths(grid(STEPS[step], 30.0), 4, "options", 0, 60_000).price[-1, 0]
    for strike in (0.7, 0.9, 1.0, 1.1, 1.4):
        expected = float(fourier.price(law, 1.0, strike, 30 / 365, strike > 1))
        payoff = np.maximum(price - strike, 0) if strike > 1 else np.maximum(strike - price, 0)
        assert abs(score(payoff, expected)) < 4, strike


def test_the_stationary_start_is_the_gamma_law():
    """2,048 chains stand for it: mean and variance of v at the start within 5 SE of the chains, at two steps."""
    for step in (3_600.0, 86_400.0):
        market = heston("production").model_copy(update={"start": "stationary"})
        p = market.assets[0].process
        over_step = market.paths(grid(step, step / 86_400), 1, "start", 0, 20_000).volatility[0, 0] ** 2
        x = p.mean_reversion * step / YEAR
        v = p.volatility**2 + (over_step - p.volatility**2) * x / -math.expm1(-x)
        shape = 2 * p.mean_reversion * p.volatility**2 / p.volatility_of_variance**2
        spread = p.volatility**4 / shape
        assert abs(v.mean() - p.volatility**2) < 5 * math.sqrt(spread / 2_048)
        assert abs(v.var() / spread - 1) < 5 * math.sqrt((2 + 6 / shape) / 2_048)


def test_substeps_share_the_variance_of_their_step():
    """Realised variance over substeps is the variance of the step, leverage included, within 4 SE."""
    market = heston("production")
    fine = Grid(market_step=3_600.0, substeps=12, transition=5, horizon=5)
    paths = market.paths(fine, 5, "substeps", 0, 4_000)
    realised = np.sum(np.diff(np.log(paths.price[:, 0]), axis=0) ** 2, axis=0)
    expected = np.sum(paths.volatility[:, 0] ** 2, axis=0) * 3_600 / YEAR
    gap = realised - expected
    assert abs(gap.mean()) < 4 * gap.std() / math.sqrt(len(gap)) + 2e-3 * expected.mean()


def test_a_step_without_an_expected_price_is_refused():
    process = {**HESTONS["production"], "volatility_of_variance": 40.0, "leverage": 0.95}
    market = ModelMarket.model_validate({"assets": [{"name": "A", "price": 1.0, "process": {"kind": "heston", **process}}]})
    month = grid(30 * 86_400.0, 60.0)
    assert "has no expected price; shorten the step" in market.problems(month)[0]
    with pytest.raises(ValueError, match="shorten the step"):
        market.paths(month, 1, "x", 0, 8)
    assert market.problems(grid(60.0, 1.0)) == []


def test_premia_are_taken_off():
    """Numbers fitted to options: paths revert faster by the premium to a variance that is lower by it; jumps are rarer."""
    jumps = {"kind": "merton", "intensity": 6.0, "mean": -0.1, "deviation": 0.1}
    stated = {"measure": "risk-neutral", "variance_premium": 1.44, "jump_premium": 2.0}
    fitted = heston("production", jumps=jumps, **stated)
    process, real_jumps = fitted.assets[0].real_world
    assert process.volatility == pytest.approx(0.7 / 1.2)
    assert process.mean_reversion == pytest.approx(6.0 * 1.44)
    assert real_jumps.intensity == 3.0
    real = {**HESTONS["production"], "volatility": process.volatility, "mean_reversion": process.mean_reversion}
    same = ModelMarket.model_validate(
        {"assets": [{"name": "A", "price": 1.0, "process": {"kind": "heston", **real}, "jumps": {**jumps, "intensity": 3.0}}]}
    )
    day = grid(3_600.0, 3.0)
    assert (fitted.paths(day, 1, "p", 0, 50).price == same.paths(day, 1, "p", 0, 50).price).all()
