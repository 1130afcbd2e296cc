"""Stress overlays are exact: each is compared with its own closed form on paths that are otherwise the same."""

import math

import numpy as np
import pytest
from pydantic import TypeAdapter

from simulator.market import Grid
from simulator.market.gas import Gas
from simulator.market.overlays import Overlays
from simulator.market.stress import overlay_problems, stressed_paths

HOUR = 3600.0
GRID = Grid(market_step=HOUR, substeps=3, burn_in=0.25, transition=0.5, horizon=1.0)
PEG = {"kind": "ornstein-uhlenbeck", "volatility": 0.05, "half_life": 40_000.0, "base": "A0"}
EGARCH = {"kind": "egarch", "volatility": 0.8, "alpha": 0.15, "gamma": -0.05, "beta": 0.95, "volatility_today": 0.9}
HESTON = {
    "kind": "heston",
    "volatility": 0.7,
    "volatility_today": 0.6,
    "mean_reversion": 6.0,
    "volatility_of_variance": 2.0,
    "leverage": -0.6,
}


def overlays(*parts: dict):
    return TypeAdapter(Overlays).validate_python(tuple(parts))


def gas(**fields):
    return TypeAdapter(Gas).validate_python({"kind": "mean-reverting", "asset": "A0", "level": 20.0} | fields)


def moments(grid: Grid, count: int, step: float) -> np.ndarray:
    return np.arange(count) * step - grid.burn_in_steps * grid.dt


def both(market, *parts, grid=GRID, gas=None, count=40):
    calm = stressed_paths(market, (), gas, grid, 3, "run", 0, count)
    return calm, stressed_paths(market, overlays(*parts), gas, grid, 3, "run", 0, count)


def test_without_overlays_the_paths_are_the_market_s_own(make_market):
    market = make_market("garch-t", HESTON, jumps="kou", correlation=[[1.0, 0.6], [0.6, 1.0]])
    own, same = market.paths(GRID, 3, "run", 0, 9), stressed_paths(market, (), None, GRID, 3, "run", 0, 9)
    assert own.price.tobytes() == same.price.tobytes()
    assert own.volatility.tobytes() == same.volatility.tobytes()
    assert same.depth_share is same.oracle_halted is same.gas is same.block_capacity is None


@pytest.mark.parametrize(
    ("move", "law"),
    [
        ({"size": -0.3, "at": 7_000.0}, lambda s: np.where(s > 7_000, 0.7, 1.0)),
        (
            {"size": -0.3, "at": 0.0, "over": 10_000.0},
            lambda s: 0.7 ** np.clip(s / 10_000, 0, 1),
        ),
        (
            {"size": 0.5, "at": 3_600.0, "over": 7_200.0, "hold": 3_600.0, "half_life": 9_000.0},
            lambda s: 1.5 ** (np.clip((s - 3_600) / 7_200, 0, 1) * 2.0 ** (-np.clip(s - 14_400, 0, None) / 9_000)),
        ),
    ],
    ids=["at once", "over a while", "and back"],
)
def test_a_shocked_price_is_the_unshocked_one_times_its_factor_at_every_step(move, law, make_market):
    market = make_market("garch-t", HESTON, PEG, jumps="kou")
    calm, hit = both(market, {"kind": "price-shock", "assets": ["A0"], **move})
    factor = law(moments(GRID, GRID.steps + 1, GRID.dt))
    assert factor.min() < 1 or factor.max() > 1
    for asset, expected in (("A0", factor), ("A1", np.ones_like(factor)), ("A2", factor)):  # A2 is pegged to A0
        a = market.asset_names.index(asset)
        assert np.abs(hit.price[:, a] / (calm.price[:, a] * expected[:, None]) - 1).max() < 1e-14
    assert hit.volatility.tobytes() == calm.volatility.tobytes()


def test_a_depeg_moves_the_peg_alone(make_market):
    market = make_market("garch-t", PEG)
    calm, hit = both(market, {"kind": "depeg", "assets": ["A1"], "size": -0.13, "at": 0.0, "half_life": 20_000.0})
    s = moments(GRID, GRID.steps + 1, GRID.dt)
    factor = np.where(s > 0, 0.87 ** (2.0 ** (-s / 20_000)), 1.0)
    assert hit.price[:, 0].tobytes() == np.ascontiguousarray(calm.price[:, 0]).tobytes()
    assert np.abs(hit.price[:, 1] / (calm.price[:, 1] * factor[:, None]) - 1).max() < 1e-14


def test_price_moves_compose_in_any_order(make_market):
    market = make_market("garch-t", "brownian")
    parts = [
        {"kind": "price-shock", "assets": ["A0", "A1"], "size": -0.2, "at": 0.0, "over": 20_000.0},
        {"kind": "price-shock", "assets": ["A0"], "size": -0.4, "at": 40_000.0, "half_life": 5_000.0},
        {"kind": "volatility-spike", "multiplier": 2.0, "at": 0.0, "duration": 20_000.0},
        {"kind": "liquidity-drought", "depth_multiplier": 0.5, "at": 0.0, "duration": 9_000.0},
        {"kind": "liquidity-drought", "depth_multiplier": 0.4, "at": 0.0, "duration": 5_000.0, "assets": ["A1"]},
    ]
    _, one = both(market, *parts)
    _, other = both(market, *reversed(parts))
    assert np.abs(one.price / other.price - 1).max() < 1e-13
    assert one.depth_share.tobytes() == other.depth_share.tobytes()
    assert one.depth_share[GRID.burn_in_steps + 1].tolist() == [0.5, 0.2]


@pytest.mark.parametrize("substeps", [1, 3])
@pytest.mark.parametrize("process", ["garch-t", "gjr-t", EGARCH, "brownian"])
def test_a_spike_multiplies_shocks_and_volatility_and_is_forgotten(process, substeps, make_market):
    """Returns about their compensated growth, times the multiplier; the recursion of variance never hears of it."""
    grid = GRID.model_copy(update={"substeps": substeps})
    market = make_market(process)
    calm, hit = both(market, {"kind": "volatility-spike", "multiplier": 2.5, "at": HOUR, "duration": 5 * HOUR}, grid=grid)
    first = grid.burn_in_steps // substeps + 1
    inside = np.zeros(grid.market_steps, bool)
    inside[first : first + 5] = True
    ratio = hit.volatility[:, 0] / calm.volatility[:, 0]
    assert np.abs(ratio - np.where(inside, 2.5, 1.0)[:, None]).max() < 1e-12
    before, after = (np.diff(np.log(paths.price[::substeps, 0]), axis=0) for paths in (calm, hit))
    assert np.abs(after - before)[~inside].max() < 1e-12
    if process == "brownian":  # r = sigma sqrt(t) z - sigma^2 t / 2, whatever sigma
        h = 0.64 * HOUR / (365 * 86_400)
        z = (before[inside] + h / 2) / math.sqrt(h)
        assert np.abs(after[inside] - (2.5 * math.sqrt(h) * z - 2.5**2 * h / 2)).max() < 1e-12


@pytest.mark.parametrize("process", ["garch-t", "gjr-t", EGARCH, HESTON], ids=["garch-t", "gjr-t", "egarch", "heston"])
@pytest.mark.parametrize("multiplier", [0.5, 3.0])
def test_a_spike_leaves_the_expected_price(process, multiplier, make_market, score):
    """E[S] = S(0) with jumps too: growth is compensated at the variance of the spike. Days, where that variance is large."""
    grid = Grid(market_step=86_400.0, transition=1, horizon=8)
    spike = overlays({"kind": "volatility-spike", "multiplier": multiplier, "at": 0.0, "duration": 6 * 86_400.0})
    paths = stressed_paths(make_market(process, jumps="merton"), spike, None, grid, 5, "run", 0, 40_000)
    assert abs(score(paths.price[-1, 0], 1.0)) < 4


def test_a_spiked_heston_is_heston_with_that_volatility(make_market):
    """The same draws under variance and volatility of variance scaled: its returns are those of the spike, to rounding."""
    m = 2.0
    scaled = HESTON | {key: HESTON[key] * m for key in ("volatility", "volatility_today", "volatility_of_variance")}
    spike = {"kind": "volatility-spike", "multiplier": m, "at": 0.0, "duration": 1e9}
    grid = GRID.model_copy(update={"burn_in": 0.0})
    _, hit = both(make_market(HESTON), spike, grid=grid)
    same = stressed_paths(make_market(scaled), (), None, grid, 3, "run", 0, 40)
    assert np.abs(hit.price / same.price - 1).max() < 1e-12
    assert np.abs(hit.volatility / same.volatility - 1).max() < 1e-12


def test_a_correlation_shock_pulls_for_its_time_and_keeps_every_law(make_market):
    market = make_market("brownian", "brownian", correlation=[[1.0, 0.4], [0.4, 1.0]])
    parts = [{"kind": "correlation-shock", "level": level, "at": 0.0, "duration": 6 * HOUR} for level in (0.5, 0.8)]
    calm, hit = both(market, *parts, count=4_000)
    first = GRID.burn_in_steps // GRID.substeps
    assert np.abs(calm.correlation - 0.4).max() < 1e-12
    assert np.abs(hit.correlation[first : first + 6] - (1 - 0.6 * 0.5 * 0.2)).max() < 1e-12  # pulled one after the other
    assert np.abs(hit.correlation[first + 6 :] - 0.4).max() < 1e-12
    r = np.diff(np.log(hit.price[:: GRID.substeps]), axis=0)[first : first + 6]
    h = 0.64 * HOUR / (365 * 86_400)
    for a in range(2):
        assert abs(r[:, a].var() / h - 1) < 4 * math.sqrt(2 / r[:, a].size)
    found = np.corrcoef(r[:, 0].ravel(), r[:, 1].ravel())[0, 1]
    assert abs(found - 0.94) < 4 * (1 - 0.94**2) / math.sqrt(r[:, 0].size)


def test_droughts_and_halts_hold_from_at_for_their_duration(make_market):
    market = make_market("brownian", "brownian")
    _, hit = both(
        market,
        {"kind": "liquidity-drought", "depth_multiplier": 0.1, "at": 2_400.0, "duration": 3_600.0, "assets": ["A1"]},
        {"kind": "oracle-halt", "assets": ["A0"], "at": 1_200.0, "duration": 2_400.0},
        {"kind": "oracle-halt", "assets": ["A0"], "at": 12_000.0, "duration": 1_200.0},
    )
    s = moments(GRID, GRID.steps, GRID.dt)
    assert (hit.depth_share[:, 1] == np.where((s >= 2_400) & (s < 6_000), 0.1, 1.0)).all()
    assert (hit.depth_share[:, 0] == 1).all()
    assert (hit.oracle_halted[:, 0] == (((s >= 1_200) & (s < 3_600)) | ((s >= 12_000) & (s < 13_200)))).all()
    assert not hit.oracle_halted[:, 1].any()


def test_a_gas_spike_multiplies_price_and_room(make_market):
    market = make_market("garch-t")
    own = gas(spread=0.5, half_life=30_000.0, capacity=1e6, gas_per_liquidation=4e5)
    spike = {"kind": "gas-spike", "price_multiplier": 8.0, "capacity_multiplier": 0.25, "at": 3_600.0, "duration": 7_200.0}
    calm, hit = both(market, spike, gas=own)
    s = moments(GRID, GRID.steps, GRID.dt)
    inside = (s >= 3_600) & (s < 10_800)
    assert np.abs(hit.gas / calm.gas - np.where(inside, 8.0, 1.0)[:, None]).max() < 1e-15
    assert np.allclose(calm.block_capacity, 2.5 * GRID.dt, rtol=1e-15)
    assert np.allclose(hit.block_capacity, 2.5 * GRID.dt * np.where(inside, 0.25, 1.0), rtol=1e-15)


@pytest.mark.parametrize("block", [1, 7, 33])
def test_blocks_of_any_size_give_the_same_bytes(block, make_market):
    market = make_market("garch-t", HESTON, jumps="kou", correlation=[[1.0, 0.6], [0.6, 1.0]])
    parts = overlays(
        {"kind": "price-shock", "assets": ["A0"], "size": -0.3, "at": 0.0, "over": 9_000.0},
        {"kind": "volatility-spike", "multiplier": 2.0, "at": 0.0, "duration": 9_000.0},
        {"kind": "correlation-shock", "level": 0.5, "at": 0.0, "duration": 9_000.0},
    )
    own = gas(spread=0.5, half_life=30_000.0, volatility_elasticity=1.0, jump_intensity=50.0, jump_mean=1.0)
    whole = stressed_paths(market, parts, own, GRID, 3, "run", 0, 60)
    for first in range(0, 60, block):
        count = min(block, 60 - first)
        part = stressed_paths(market, parts, own, GRID, 3, "run", first, count)
        for key in ("price", "volatility", "correlation", "gas"):
            expected = np.ascontiguousarray(getattr(whole, key)[..., first : first + count])
            assert np.ascontiguousarray(getattr(part, key)).tobytes() == expected.tobytes(), key


@pytest.mark.parametrize(
    ("part", "key", "words"),
    [
        ({"kind": "price-shock", "assets": ["A9"], "size": -0.3, "at": 0.0}, "assets", "A9 is not an asset"),
        ({"kind": "price-shock", "assets": ["A0"], "size": -0.3, "at": 86_400.0}, "at", "`at < horizon`"),
        ({"kind": "oracle-halt", "assets": ["A0"], "at": 0.0, "duration": 1_000.0}, "duration", "at least a substep"),
        ({"kind": "volatility-spike", "multiplier": 2.0, "at": 0.0, "duration": 1_800.0}, "duration", "at least a market step"),
        ({"kind": "gas-spike", "price_multiplier": 2.0, "at": 0.0, "duration": 3_600.0}, "kind", r"\[gas\]"),
        ({"kind": "depeg", "assets": ["A0"], "size": -0.1, "at": 0.0}, "assets", "is no peg"),
        ({"kind": "volatility-spike", "multiplier": 20.0, "at": 0.0, "duration": 9e9}, "multiplier", "no expected price"),
    ],
)
def test_what_cannot_act_is_refused(part, key, words, make_market):
    wild = HESTON | {"volatility_of_variance": 1_314.0, "mean_reversion": 8_760.0, "leverage": 0.99}
    market = make_market("garch-t", PEG | {"base": None}, wild)
    ((place, found, message),) = overlay_problems(overlays(part), market, None, GRID)
    assert (place, found) == (0, key)
    assert words.replace("\\", "") in message
