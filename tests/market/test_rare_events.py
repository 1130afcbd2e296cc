"""Tilted paths: prices and weights against a second writing, closed forms and plain paths; where there is nothing to tilt."""

import math
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from simulator.kernel import stream, uniform_pair
from simulator.market import Grid
from simulator.market.rare_events import PLAIN_SHARE, RareEvents
from simulator.parameters import YEAR

sys.path.insert(0, str(Path(__file__).parent))
from plain_paths import PlainMarket, innovations_of, phi

MATRIX = [[1.0, 0.7, 0.4], [0.7, 1.0, 0.1], [0.4, 0.1, 1.0]]
GRID = Grid(market_step=86_400.0, burn_in=2, transition=1, horizon=10, substeps=2)
MERTON = {"kind": "merton", "intensity": 6.0, "mean": -0.05, "deviation": 0.06}
KOU = {"kind": "kou", "intensity": 6.0, "up_probability": 0.3, "eta_up": 12.0, "eta_down": 8.0}
MARKETS = {
    "without jumps": (("garch-t", "brownian"), {"correlation": [[1.0, 0.6], [0.6, 1.0]]}),
    "alone": (("brownian",), {"jumps": MERTON}),
    "apart": (("garch-t", "brownian"), {"jumps": KOU}),
    "tied": (("garch", "brownian", "garch"), {"jumps": MERTON, "correlation": MATRIX}),
    "tied by t": (
        ("garch", "brownian", "garch"),
        {"jumps": KOU, "correlation": MATRIX, "copula": {"kind": "student-t", "degrees_of_freedom": 4.0}},
    ),
}


class TiltedPath(PlainMarket):
    """The tilted law from the words of docs/calibration.md, densities by scipy."""

    def __init__(self, rare: RareEvents, *arguments) -> None:
        super().__init__(*arguments)
        _, grid, seed, purpose, path = arguments
        self.since, self.steps = grid.burn_in_steps // grid.substeps, grid.horizon_steps // grid.substeps
        days = grid.horizon * 86_400 / YEAR
        self.often = [state.jumps.intensity if state.jumps else 0.0 for state in self.states]
        self.times = rare.jumps / (sum(self.often) * days) if sum(self.often) else 1.0
        self.far_share = rare.far_share if sum(self.often) else 1.0
        key = stream(seed, purpose, "market", "rare events")
        place = (uniform_pair(key, 0, 0, path, 0)[0] - PLAIN_SHARE) / (1 - PLAIN_SHARE)
        when, whose = uniform_pair(key, 0, 1, path, 0)
        self.has_more, self.far, self.shift = place >= self.far_share, None, 0.0
        if self.has_more:
            self.shift = rare.shifts[int((place - self.far_share) / (1 - self.far_share) * len(rare.shifts))]
        elif place >= 0:
            self.far = self.since + int(when * self.steps), int(whose * len(self.states))
        self.lean = np.linalg.solve(np.linalg.cholesky(self.own), np.ones(len(self.own)))
        self.ratio = np.zeros(len(rare.shifts))  # log density of every shift's part over the market's own
        self.far_ratios = 0.0  # of every step and asset as the one with the far innovation
        self.shifts = rare.shifts

    def normals(self, stream_name, step, n=0):
        first, second = super().normals(stream_name, step, n)
        if step >= self.since and stream_name == "steps":
            first = np.array([self.moved_far(step, a, z) for a, z in enumerate(first)])
            second = np.array([self.moved(a, phi(z)) for a, z in enumerate(second)])
        if step >= self.since and stream_name == "jumps":
            first = first + self.shift * self.lean
        return first, second

    def moved_far(self, step, a, z):
        tail = 2 * phi(-abs(z))
        if self.far == (step, a):
            tail, z = tail**4, math.copysign(stats.norm.isf(tail**4 / 2), z)
        self.far_ratios += tail ** (1 / 4 - 1) / 4  # the density of v^4
        return z

    def moved(self, a, v):
        p = -math.expm1(-self.often[a] * self.years)
        q = self.times * p
        if self.has_more:
            v = 1 - (1 - v) / self.times if v > 1 - q else v * (1 - p) / (1 - q)
        if p > 0:
            self.ratio += math.log(q / p if v > 1 - p else (1 - q) / (1 - p))
        return stats.norm.ppf(v)

    def jumps(self, step, counts):
        if step >= self.since:
            many = [int(stats.poisson.ppf(phi(c), often * self.years)) for c, often in zip(counts, self.often, strict=True)]
            factor = np.linalg.cholesky(self.own)
            for n in range(max(many)):
                z = self.normals("jumps", step, n)[0]
                for b in range(len(many)):
                    if any(many[a] > n and factor[a, b] != 0 for a in range(len(many))):
                        for j, shift in enumerate(self.shifts):
                            self.ratio[j] += stats.norm.logpdf(z[b], shift * self.lean[b]) - stats.norm.logpdf(z[b])
        return super().jumps(step, counts)

    @property
    def weight(self):
        far = self.far_ratios / (self.steps * len(self.states))
        return 1 / (PLAIN_SHARE + (1 - PLAIN_SHARE) * (self.far_share * far + (1 - self.far_share) * np.exp(self.ratio).mean()))


def _market(name, make_market):
    processes, fields = MARKETS[name]
    return make_market(*processes, **fields)


@pytest.mark.parametrize("name", MARKETS)
def test_prices_and_weights_equal_the_second_writing(name, make_market):
    rare, market = RareEvents(jumps=3.0, shifts=(-2.0, 0.5)), _market(name, make_market)
    found = market.paths(GRID, 5, "run", 0, 12, rare=rare)
    for path in range(12):
        plain = TiltedPath(rare, market, GRID, 5, "run", path)
        assert np.abs(found.price[:, :, path] / plain.run()[0] - 1).max() < 1e-8
        assert found.weight[path] == pytest.approx(plain.weight, rel=1e-6)


@pytest.mark.parametrize("name", MARKETS)
def test_any_block_gives_the_same_bytes_and_the_plain_share_is_plain(name, make_market):
    rare, market = RareEvents(), _market(name, make_market)
    whole, plain = market.paths(GRID, 4, "run", 0, 300, rare=rare), market.paths(GRID, 4, "run", 0, 300)
    for first, count in ((0, 1), (7, 33), (255, 45)):
        part = market.paths(GRID, 4, "run", first, count, rare=rare)
        assert part.price.tobytes() == np.ascontiguousarray(whole.price[:, :, first : first + count]).tobytes()
        assert part.weight.tobytes() == whole.weight[first : first + count].tobytes()
    before = GRID.burn_in_steps + 1
    assert whole.price[:before].tobytes() == plain.price[:before].tobytes()
    chosen = [uniform_pair(stream(4, "run", "market", "rare events"), 0, 0, path, 0)[0] for path in range(300)]
    left = np.array(chosen) < PLAIN_SHARE
    assert 30 < left.sum() < 90
    assert whole.price[:, :, left].tobytes() == plain.price[:, :, left].tobytes()
    assert whole.weight.max() <= 1 / PLAIN_SHARE
    assert whole.rows(slice(3, 5)).weight.tobytes() == whole.weight[3:5].tobytes()
    assert plain.weight is None


def merton_below(level, sigma, intensity, mean, deviation, years):
    """P(log S < level), drift 0, S a martingale: a Poisson mixture of normals (Merton 1976)."""
    growth = -intensity * math.expm1(mean + deviation**2 / 2) - sigma**2 / 2
    total = 0.0
    for n in range(60):
        centre, spread = growth * years + n * mean, math.sqrt(sigma**2 * years + n * deviation**2)
        total += stats.poisson.pmf(n, intensity * years) * stats.norm.cdf((level - centre) / spread)
    return total


@pytest.mark.parametrize("far_share", [0.0, 0.5])
@pytest.mark.parametrize(("price", "least_gain"), [(0.85, 3), (0.75, 15), (0.65, 100)])
def test_a_rare_fall_is_merton_s_and_known_better_than_from_plain_paths(price, least_gain, far_share, make_market):
    jumps = {"kind": "merton", "intensity": 2.0, "mean": -0.1, "deviation": 0.08}
    calm = {"kind": "geometric-brownian", "volatility": 0.3}
    market, grid, n = make_market(calm, jumps=jumps), Grid(market_step=21_600.0, transition=1, horizon=3), 20_000
    paths = market.paths(grid, 6, "run", 0, n, rare=RareEvents(far_share=far_share))
    counted = paths.weight * (paths.price[-1, 0] < price)
    truth = merton_below(math.log(price), 0.3, 2.0, -0.1, 0.08, 3 / 365)
    assert abs(counted.mean() - truth) <= 4 * counted.std() / math.sqrt(n)
    assert truth * (1 - truth) / counted.var() > least_gain  # how many plain paths one is worth
    assert abs(paths.weight.mean() - 1) <= 4 * paths.weight.std() / math.sqrt(n)


def t_fall(level, market, grid):
    """P(log S < level) after one step of one Student-t innovation that is cut at `max_move`."""
    process = market.assets[0].process
    h, nu = process.volatility_today**2 * grid.market_step / YEAR, process.innovation.degrees_of_freedom
    plain = innovations_of(process.innovation)
    raw = (level + plain.cumulant(h)) / math.sqrt(h) * plain.scale * math.sqrt(nu / (nu - 2))
    return (stats.t.cdf(raw, nu) - plain.low) / (plain.high - plain.low)


@pytest.mark.parametrize(("price", "least_gain"), [(0.9, 3), (0.85, 10), (0.8, 20)])
def test_a_rare_fall_without_jumps_is_student_s(price, least_gain, make_market):
    """One step of a day: the far innovation is that step's."""
    market, grid, n = make_market("garch-t"), Grid(market_step=86_400.0, transition=1, horizon=1), 20_000
    paths = market.paths(grid, 8, "run", 0, n, rare=RareEvents())
    counted = paths.weight * (paths.price[-1, 0] < price)
    truth = t_fall(math.log(price), market, grid)
    assert abs(counted.mean() - truth) <= 4 * counted.std() / math.sqrt(n)
    assert truth * (1 - truth) / counted.var() > least_gain


def test_what_one_innovation_does_is_known_better_without_jumps(make_market):
    """Two days of hours: an hour's fall of 8 % is one innovation on a volatile day, a fall of 20 % by the end takes many."""
    market, grid = make_market("garch-t"), Grid(market_step=3_600.0, transition=1, horizon=2)
    tilted, plain = market.paths(grid, 6, "run", 0, 20_000, rare=RareEvents()), market.paths(grid, 7, "run", 0, 200_000)
    for seen, gain in (
        (lambda price: np.diff(np.log(price[:, 0]), axis=0).min(axis=0) < -0.08, 3),
        (lambda price: price[-1, 0] < 0.8, 2),
    ):
        counted, there = tilted.weight * seen(tilted.price), seen(plain.price)
        apart = math.sqrt(counted.var() / 20_000 + there.var() / 200_000)
        assert 10 < there.sum() < 1_000
        assert abs(counted.mean() - there.mean()) <= 4 * apart
        assert there.var() / counted.var() > gain


def test_far_paths_start_in_higher_variance_and_are_weighed_back_for_it(make_market):
    law = {"names": ["log_volatility"], "covariance": [[0.09]], "draws": 50}
    market = make_market("garch-t", "garch-t", start="stationary", parameter_law=law, correlation=[[1.0, 0.5], [0.5, 1.0]])
    grid, n = Grid(market_step=3_600.0, burn_in=1, transition=1, horizon=2), 20_000
    tilted, plain = market.paths(grid, 6, "run", 0, n, rare=RareEvents()), market.paths(grid, 6, "run", n, 4 * n)
    assert abs(tilted.weight.mean() - 1) <= 4 * tilted.weight.std() / math.sqrt(n)
    for seen, gain in (
        (lambda paths: paths.volatility[0, 0] > 1.6, 1.5),
        (lambda paths: paths.price[-1, 0] < 0.7 * paths.price[24, 0], 1.5),
        (lambda paths: paths.price[-1].max(axis=0) < 0.85, 1.2),
    ):
        counted, there = tilted.weight * seen(tilted), seen(plain)
        assert 20 < there.sum() < 4_000
        assert abs(counted.mean() - there.mean()) <= 4 * math.sqrt(counted.var() / n + there.var() / 4 / n)
        assert there.var() / counted.var() > gain
    part = market.paths(grid, 6, "run", 300, 40, rare=RareEvents())
    assert part.price.tobytes() == np.ascontiguousarray(tilted.price[:, :, 300:340]).tobytes()
    assert part.weight.tobytes() == tilted.weight[300:340].tobytes()


@pytest.mark.parametrize("name", ["without jumps", "apart", "tied", "tied by t"])
def test_what_plain_paths_see_they_see_as_often(name, make_market):
    market, n = _market(name, make_market), 20_000
    tilted, plain = market.paths(GRID, 6, "run", 0, n, rare=RareEvents()), market.paths(GRID, 7, "run", 0, n)
    for seen in (
        lambda price: price[-1, 0] < 0.8,
        lambda price: price[-1, -1] > 1.2,
        lambda price: price[-1].max(axis=0) < 0.95,
        lambda price: price.min(axis=(0, 1)) < 0.75,
    ):
        counted, there = tilted.weight * seen(tilted.price), seen(plain.price)
        apart = math.sqrt((counted.var() + there.var()) / n)
        assert there.sum() > 20
        assert abs(counted.mean() - there.mean()) <= 4 * apart


@pytest.mark.parametrize("far_share", [0.0, 0.5])
def test_a_path_with_one_jump_counts_at_most_what_is_planned(far_share, make_market):
    """Every jump is a fall that the diffusion cannot make."""
    jumps = {"kind": "merton", "intensity": 1.0, "mean": -0.4, "deviation": 0.05}
    calm = {"kind": "geometric-brownian", "volatility": 0.001}
    market, grid = make_market(calm, jumps=jumps), Grid(market_step=86_400.0, transition=1, horizon=3)
    rare = RareEvents(far_share=far_share)
    paths = market.paths(grid, 3, "run", 0, 5_000, rare=rare)
    jumped = np.log(paths.price[-1, 0]) < -0.05
    assert paths.weight[jumped].max() <= rare.heaviest(market, grid) * (1 + 1e-9)
    assert np.median(paths.weight[~jumped]) > rare.heaviest(market, grid)
    assert jumped.sum() > 800


def test_an_innovation_as_far_as_one_path_in_a_hundred_has_counts_at_most_what_is_planned(make_market):
    market, grid = make_market("brownian"), Grid(market_step=86_400.0, transition=1, horizon=4)
    paths = market.paths(grid, 3, "run", 0, 5_000, rare=RareEvents())
    moves = np.abs(np.diff(np.log(paths.price[:, 0]), axis=0) + 0.8**2 / 2 / 365) / (0.8 / math.sqrt(365))
    far = moves.max(axis=0) > stats.norm.isf(0.01 / 4 / 2)
    assert far.sum() > 800
    assert paths.weight[far].max() <= RareEvents().heaviest(market, grid)


def test_what_cannot_be_tilted_is_said(make_market):
    def said(rare, market, grid=GRID):
        return [f"{key}: {message}" for key, message in rare.problems(market, grid)]

    assert said(RareEvents(jumps=0.1), _market("alone", make_market)) == [
        "jumps: must be above the 0.164 jumps that a path has anyway, but got 0.1"
    ]
    assert "without jumps, but got 20; at most" in said(RareEvents(jumps=20), _market("alone", make_market))[0]
    for name in MARKETS:
        assert said(RareEvents(), _market(name, make_market)) == []
