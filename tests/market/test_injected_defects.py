"""Tests of the tests: wrong kernels and wrong laws, each of which the second writing must see, and a moment where one has it.

A block's loop runs in Python here, so that one rule in it can be exchanged for a wrong one; all other rules stay compiled.
"""

import math
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from simulator.market import Grid, generation, path_kernel
from simulator.market.copula_kernel import student_tables
from simulator.market.heston_kernel import heston_columns
from simulator.market.step_law import BY_ITSELF, CHUNK, DISTANCE, GROWTH, PULL
from simulator.market.tables import cumulant_table, skewed_table
from simulator.parameters import YEAR

sys.path.insert(0, str(Path(__file__).parent))
from plain_paths import PlainMarket

DAYS = Grid(market_step=86_400.0, transition=1, horizon=10)
FINE = Grid(market_step=86_400.0, transition=1, horizon=4, substeps=3)
PAIR = [[1.0, 0.6], [0.6, 1.0]]
T = {"kind": "student-t", "degrees_of_freedom": 4.0, "max_move": 20.0}
SKEWED = {"kind": "skewed-t", "degrees_of_freedom": 4.0, "skew": -0.5, "max_move": 20.0}
GARCH = {"kind": "garch", "volatility": 0.8, "alpha": 0.15, "beta": 0.8, "volatility_today": 1.0}
EGARCH = {"kind": "egarch", "volatility": 0.8, "alpha": 0.15, "gamma": -0.15, "beta": 0.3, "volatility_today": 0.8}
HESTON = {
    "kind": "heston",
    "volatility": 0.7,
    "volatility_today": 0.7,
    "mean_reversion": 5.0,
    "volatility_of_variance": 3.0,
    "leverage": -0.6,
}
PEG = {"kind": "ornstein-uhlenbeck", "volatility": 0.3, "half_life": 86_400.0, "peg": 1.1}
STUDENT = {"kind": "student-t", "degrees_of_freedom": 3.0, "asymmetry": -0.5}
DCC = {"kind": "dcc", "alpha": 0.3, "beta": 0.5}
CONVERGING = {"kind": "converging", "starts_at": 0.5, "full_at": 2.0, "level": 0.9, "half_life": 172_800.0}
LOUD = {"kind": "merton", "intensity": 73.0, "mean": -0.2, "deviation": 0.1}

MARKETS = {
    "heston": ((HESTON,), {}),
    "tied hestons": ((HESTON, HESTON), {"correlation": PAIR}),
    "egarch": (({**EGARCH, "innovation": {**T, "max_move": 8.0}},), {}),
    "skewed": (({**GARCH, "volatility": 3.0, "volatility_today": 3.0, "alpha": 0.0, "beta": 0.0, "innovation": SKEWED},), {}),
    "peg": ((PEG,), {}),
    "student": (("brownian", "brownian"), {"correlation": PAIR, "copula": STUDENT}),
    "dcc": (("brownian", "brownian"), {"correlation": PAIR, "correlation_dynamics": DCC}),
    "converging": ((GARCH, GARCH), {"correlation": PAIR, "correlation_dynamics": CONVERGING}),
    "jumping": ((GARCH,), {"jumps": LOUD}),
    "pulled": (("brownian", "brownian"), {"correlation": PAIR}),
    "spiked": ((GARCH, HESTON), {}),
}
SPIKE = np.ones((10, 2))
SPIKE[2:6] = 3.0


# defects: each takes monkeypatch and leaves something wrong behind
def in_law(change):
    """A defect of the arrays that the kernels read."""
    right = generation._law

    def wrong(patch):
        patch.setattr(generation, "_law", lambda *arguments: change(right(*arguments)))

    return wrong


def in_own(column, value):
    def change(law):
        own = law.own.copy()
        own[..., column] = value(own[..., column])
        return law._replace(own=own)

    return in_law(change)


def in_copula(**fields):
    return in_law(lambda law: law._replace(copula=law.copula._replace(**fields)))


def in_moving(change):
    return in_law(lambda law: law._replace(copula=law.copula._replace(moving=change(law.copula.moving))))


def in_module(module, name, value):
    return lambda patch: patch.setattr(module, name, value)


def q_unscaled(copula, q, c, pulled, r):
    r[:] = q
    for a in range(len(r)):
        r[a, a] = 1.0


def one_step_late(patch):
    right, seen = path_kernel.learn_correlation, {}

    def late(copula, w, q):
        right(copula, seen.get(w.shape[1], np.zeros_like(w)), q)
        seen[w.shape[1]] = w.copy()

    patch.setattr(path_kernel, "learn_correlation", late)


def jump_feeds_variance(level, growth, e, jumped):
    level += growth + e + jumped
    e += jumped


def deviations_not_variances(copula, h, level, c):
    starts, full, _, kept = copula.moving
    c[:] = kept * c + (1 - kept) * np.clip((np.sqrt(h / level).mean(axis=0) - starts) / (full - starts), 0, 1)


def bridge_of_the_grown_step(position, e, h, z, substep, substeps):
    left = float(substeps - substep)
    position += (e - position) / left + np.sqrt(h * (left - 1.0) / left) * z


def variances_untied(key, step, first, copula, moves, factor, w, work, right=path_kernel.draw_variances):
    right(key, step, first, copula._replace(independent=True), moves, factor, w, work)


def own_mixing(z, mixing, asymmetry, root_mixing, scores, right=path_kernel.student_scores):
    for a in range(len(z)):
        again = mixing if a == 0 else stats.norm.ppf((stats.norm.cdf(mixing) * 997.0 + 0.3) % 1.0)
        right(z[a : a + 1], again, asymmetry, root_mixing, scores)


# moments: (values, truth) of independent paths, which a sound market meets within four standard errors
def expected_price(paths):
    return paths.price[-1, 0], paths.price[0, 0, 0]


def expected_variance(paths):
    return paths.volatility[-1, 0] ** 2, 0.64


def leverage(paths):
    """E[return x change of variance] over the first step: rho xi E[integral of v], the noise of v alone moving it."""
    x = np.log(paths.price[1, 0])
    kappa, dt = 5.0, 86_400 / YEAR
    shrunk = -math.expm1(-kappa * dt) / (kappa * dt)
    v = 0.49 + (paths.volatility[1, 0] ** 2 - 0.49) / shrunk
    return x * (v - 0.49), -0.6 * 3.0 * 0.49 * dt


def peg_mean(paths):
    return np.log(paths.price[1, 0] / 1.1), math.log(1 / 1.1) / 2


def peg_square(paths):
    rate = math.log(2) * 365
    mean = math.log(1 / 1.1) * 0.5**10
    return (np.log(paths.price[-1, 0] / 1.1) - mean) ** 2, 0.09 * -math.expm1(-20 * math.log(2)) / (2 * rate)


def scores(paths):
    deviation = 0.8 * math.sqrt(86_400 / YEAR)
    return np.diff(np.log(paths.price), axis=0) / deviation + deviation / 2


def joint_falls(paths):
    """At 2 %; truth as below."""
    return (scores(paths) < -stats.norm.isf(0.02)).all(axis=1).mean(axis=0), 0.015470469


def marginal_square(paths):
    return (scores(paths)[:, 0] ** 2).mean(axis=0), 1.0


def joint_falls_less_joint_rises(paths):
    """Both at 2 %, against quadrature over the mixing variable (as in test_guide.py): 0.015470 and 0.005014."""
    w, cut = scores(paths), stats.norm.isf(0.02)
    return ((w < -cut).all(axis=1).mean(axis=0) - (w > cut).all(axis=1).mean(axis=0)), 0.015470469 - 0.005013871


def products_less_correlation(paths):
    w = scores(paths)
    return (w[:, 0] * w[:, 1] - paths.correlation).mean(axis=0), 0.0


def correlation_seen_where_it_is_high(paths):
    w = scores(paths)
    gap = (w[:, 0] * w[:, 1] - paths.correlation) * (paths.correlation - 0.6)
    return gap.mean(axis=0), 0.0


def never_back(values, factor, right=path_kernel.grow):
    if factor > 1:
        right(values, factor)


def heston_of_calm_times(h, after, e, w, own, draw, multiplier, drift, growth, right=path_kernel.heston):
    right(h, after, e, w, own, draw, 1.0, drift, growth)
    e *= multiplier


def spiked_price(paths):
    return paths.price[-1, 1], 1.0


def variance_after_a_spike(paths):
    return paths.volatility[-1, 0] ** 2, 0.64 + 0.36 * 0.95**9


DEFECTS = {
    "a spike feeds the variance": ("spiked", in_module(path_kernel, "grow", never_back), variance_after_a_spike),
    "a spiked Heston is not compensated": ("spiked", in_module(path_kernel, "heston", heston_of_calm_times), spiked_price),
    "leverage of the wrong sign": (
        "heston",
        in_module(generation, "heston_columns", lambda k, t, x, rho: heston_columns(k, t, x, -rho)),
        leverage,
    ),
    "no martingale correction": ("heston", in_own(GROWTH, np.zeros_like), expected_price),
    "variance of variance without its long-run part": ("heston", in_own(BY_ITSELF, np.zeros_like), None),
    "normals of variances not tied": ("tied hestons", in_module(path_kernel, "draw_variances", variances_untied), None),
    "E|z| of a normal": (
        "egarch",
        in_law(lambda law: law._replace(mean_size=np.full_like(law.mean_size, math.sqrt(2 / math.pi)))),
        expected_variance,
    ),
    "level of log variance taken for that of variance": (
        "egarch",
        in_module(generation, "log_growth", lambda *_: 0.0),
        expected_variance,
    ),
    "answer to the sign of a move turned round": ("egarch", in_law(lambda law: law._replace(gamma=-law.gamma)), None),
    "skew of the wrong sign": (
        "skewed",
        in_module(generation, "skewed_table", lambda nu, skew, cut, table: skewed_table(nu, -skew, cut, table)),
        None,
    ),
    "compensator of a symmetric law": ("skewed", in_module(generation, "skewed_cumulant_table", cumulant_table), expected_price),
    "peg by Euler's step": ("peg", in_own(PULL, lambda pull: np.full_like(pull, -math.log(2))), peg_mean),
    "peg begins at par": ("peg", in_own(DISTANCE, np.zeros_like), peg_mean),
    "diffusion of a peg not pulled back inside a step": (
        "peg",
        in_module(generation, "_step_variance", lambda process, years: process.volatility**2 * years),
        peg_square,
    ),
    "no mixing": (
        "student",
        in_module(generation, "student_tables", lambda nu, g: (student_tables(1_000.0, 0.0)[0], student_tables(nu, g)[1])),
        marginal_square,
    ),
    "scores through another law": (
        "student",
        in_module(generation, "student_tables", lambda nu, g: (student_tables(nu, g)[0], student_tables(8.0, g)[1])),
        marginal_square,
    ),
    "asymmetry of the wrong sign": (
        "student",
        lambda patch: (
            in_copula(asymmetry=0.5)(patch),
            patch.setattr(generation, "student_tables", lambda nu, g: student_tables(nu, -g)),
        ),
        joint_falls_less_joint_rises,
    ),
    "another V for each asset": ("student", in_module(path_kernel, "student_scores", own_mixing), joint_falls),
    "Q not scaled to a unit diagonal": (
        "dcc",
        in_module(path_kernel, "step_correlation", q_unscaled),
        None,
    ),
    "alpha and beta of DCC exchanged": ("dcc", in_moving(lambda m: m[[1, 0, 2, 3]]), None),
    "DCC learns a step late": ("dcc", one_step_late, None),
    "the factor is never that of the step": (
        "dcc",
        in_module(path_kernel, "factorise", lambda r: r.__setitem__(slice(None), np.linalg.cholesky(PAIR)[:, :, None])),
        correlation_seen_where_it_is_high,
    ),
    "convergence at once": ("converging", in_moving(lambda m: m * [1, 1, 1, 0]), None),
    "convergence by deviations, not variances": (
        "converging",
        in_module(path_kernel, "converge", deviations_not_variances),
        None,
    ),
    "a jump feeds the variance": ("jumping", in_module(path_kernel, "move", jump_feeds_variance), None),
    "jumps not compensated": (
        "jumping",
        in_law(lambda law: law._replace(drift=np.zeros_like(law.drift))),
        expected_price,
    ),
    "a bridge too wide": ("pulled", in_module(path_kernel, "bridge", bridge_of_the_grown_step), None),
}


@pytest.fixture
def exchangeable(monkeypatch):
    """The loops over chunks, steps and substeps in Python."""
    chunk = path_kernel.fill_chunk.py_func

    def fill(price, volatility, correlation, convergence, spike, keys, first, draw, start, law, tilt):
        for at in range(0, draw.shape[0], CHUNK):
            stop = min(at + CHUNK, draw.shape[0])
            own = start[:, at:stop].copy()
            chunk(price, volatility, correlation, convergence, spike, keys, first, at, draw[at:stop], own, law, tilt)

    generation._law.cache_clear()
    generation._nodes.cache_clear()
    monkeypatch.setattr(generation, "fill", fill)
    for loop in ("between", "draw_steps"):
        monkeypatch.setattr(path_kernel, loop, getattr(path_kernel, loop).py_func)
    yield monkeypatch
    monkeypatch.undo()
    generation._law.cache_clear()
    generation._nodes.cache_clear()


def _market(name, make_market):
    processes, fields = MARKETS[name]
    return make_market(*processes, **fields)


def _spike(name):
    return SPIKE if name == "spiked" else None


def _apart(name, make_market):
    """Largest relative distance of prices, volatilities and correlation from the second writing."""
    market, grid, gaps = _market(name, make_market), FINE if name in ("pulled", "tied hestons") else DAYS, []
    for path in (0, 1, 2):
        found = market.paths(grid, 5, "run", path, 1, spike=_spike(name))
        price, volatility, correlation = PlainMarket(market, grid, 5, "run", path, spike=_spike(name)).run()
        gaps += [np.abs(found.price[:, :, 0] / price - 1).max(), np.abs(found.volatility[:, :, 0] / volatility - 1).max()]
        if found.correlation is not None:
            gaps.append(np.abs(found.correlation[:, 0] - correlation).max())
    return max(gaps)


@pytest.mark.parametrize("name", MARKETS)
def test_sound_markets_equal_the_second_writing(name, make_market, exchangeable):
    assert _apart(name, make_market) < 2e-6


@pytest.mark.parametrize("defect", DEFECTS)
def test_the_second_writing_sees(defect, make_market, exchangeable):
    name, injure, _ = DEFECTS[defect]
    injure(exchangeable)
    assert _apart(name, make_market) > 1e-4


@pytest.mark.parametrize("defect", [defect for defect, (_, _, moment) in DEFECTS.items() if moment is not None])
def test_a_moment_sees(defect, make_market, score, exchangeable):
    name, injure, moment = DEFECTS[defect]
    sound = moment(_market(name, make_market).paths(DAYS, 1, "moment", 0, 30_000, spike=_spike(name)))
    assert abs(score(*sound)) < 4
    generation._law.cache_clear()
    injure(exchangeable)
    assert abs(score(*moment(_market(name, make_market).paths(DAYS, 1, "moment", 0, 30_000, spike=_spike(name))))) > 5
