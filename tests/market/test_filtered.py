"""Filtered historical simulation: a second writing in plain loops, its closed forms, and rows kept whole."""

import math
import sys
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from arch.univariate import EGARCH
from pydantic import TypeAdapter, ValidationError
from scipy import optimize, stats

from simulator.kernel import stream, uniform, uniform_pair
from simulator.market import Grid, Market, filtered, window_kernel
from simulator.market.filters import AnyFilter

sys.path.insert(0, str(Path(__file__).parent))

YEAR = 365 * 86_400
BEGIN = datetime(2021, 1, 1, tzinfo=UTC)
HOURS = Grid(market_step=3600.0, transition=1, horizon=2)
DAYS = Grid(market_step=86_400.0, transition=1, horizon=20)
GJR = {"alpha": 0.05, "gamma": 0.06, "beta": 0.88}
PLAIN = {"alpha": 0.1, "beta": 0.85, "volatility": 0.9}
NELSON = {"kind": "egarch", "alpha": 0.15, "gamma": -0.05, "beta": 0.9}
FALLING = {"kind": "egarch", "alpha": -0.02, "gamma": 0.05, "beta": -0.4, "volatility": 0.9}  # no memory, all signs turned


def history(rows=700, seed=2, step=3600, scale=0.01):
    """Prices of two assets with fat, skewed, clustered returns that move together, and one row missing."""
    draw = np.random.default_rng(seed)
    shock = draw.standard_t(4.0, (rows, 2))
    shock[:, 1] = 0.8 * shock[:, 0] + 0.6 * shock[:, 1] - 0.3 * np.maximum(shock[:, 0], 0.0)
    calm = np.exp(0.5 * np.sin(np.arange(rows) / 40.0))
    prices = 100.0 * np.exp(np.cumsum(scale * calm[:, None] * shock, axis=0))
    moments = [BEGIN + timedelta(seconds=step * i) for i in range(rows)]
    return [(m, row) for i, (m, row) in enumerate(zip(moments, prices, strict=True)) if i != 300]


def write(folder, rows):
    lines = [f"{moment.isoformat()},{float(a)!r},{float(b)!r}" for moment, (a, b) in rows]
    (folder / "prices.csv").write_text("\n".join(["timestamp,A0,A1", *lines]) + "\n")


def market(folder, **fields):
    values = {
        "kind": "filtered-history",
        "file": "prices.csv",
        "from": "2021-01-01T00:00:00Z",
        "until": "2024-01-01T00:00:00Z",
        "assets": ["A0", "A1"],
        "filters": [PLAIN, GJR],
        "max_gap": 1e9,
        **fields,
    }
    return TypeAdapter(Market).validate_python(values, context={"folder": folder})


class PlainFilteredHistory:
    """The law in loops, from the rows of the file: residuals, today's variance, and one path."""

    def __init__(self, rows, filters, step):
        pairs = [(a, b) for a, b in pairwise(rows) if (b[0] - a[0]).total_seconds() == step]
        realised = [sum(math.log(b[1][a] / x[1][a]) ** 2 for x, b in pairwise(rows)) for a in range(2)]
        span = (rows[-1][0] - rows[0][0]).total_seconds()
        self.z, self.today, self.laws, self.step = [], [], [], step
        for a, own in enumerate(filters):
            r = [math.log(b[1][a] / x[1][a]) for x, b in pairs]
            mean = math.fsum(r) / len(r)
            e = [x - mean for x in r]
            level = own["volatility"] ** 2 * step / YEAR if "volatility" in own else realised[a] / span * step
            h = self.variances(e, own, level)
            z = [x / math.sqrt(v) for x, v in zip(e, h, strict=False)]
            centre = math.fsum(z) / len(z)
            spread = math.sqrt(math.fsum((x - centre) ** 2 for x in z) / len(z))
            z = [(x - centre) / spread for x in z]
            self.z.append(z)
            self.today.append(h[-1])
            self.laws.append({**own, "gamma": own.get("gamma", 0.0), "level": level, **self.own_moments(z, own, level)})

    @staticmethod
    def variances(e, own, level):
        """Before every return and after the last; of an EGARCH with the constant that leaves a mean square of one."""
        alpha, gamma, beta = own["alpha"], own.get("gamma", 0.0), own["beta"]

        def garch():
            h = [level]
            for x in e:
                answer = (alpha + (gamma if x < 0 else 0.0)) * x * x
                h.append(level * (1 - alpha - gamma / 2 - beta) + answer + beta * h[-1])
            return h

        def egarch(constant):
            h = [level]
            for x in e:
                z = x / math.sqrt(h[-1])
                h.append(math.exp(constant + alpha * abs(z) + gamma * z + beta * math.log(h[-1])))
            return h

        def excess(constant):
            return math.fsum(x * x / v for x, v in zip(e, egarch(constant), strict=False)) / len(e) - 1

        if own.get("kind") != "egarch":
            return garch()
        middle = (1 - beta) * math.log(level) - alpha * math.sqrt(2 / math.pi)
        return egarch(optimize.brentq(excess, middle - (1 - beta), middle + 3 * (1 - beta), xtol=1e-15, rtol=1e-14))

    @staticmethod
    def own_moments(z, own, level):
        """omega and what remains of a variance, by the residuals themselves."""
        alpha, gamma, beta = own["alpha"], own.get("gamma", 0.0), own["beta"]
        if own.get("kind") != "egarch":
            kept = alpha + gamma * math.fsum(x * x for x in z if x < 0) / len(z) + beta
            return {"omega": level * (1 - kept), "kept": kept}
        size = math.fsum(abs(x) for x in z) / len(z)
        grown, share = 0.0, 1.0
        while abs(share) > 1e-8:
            grown += math.log(math.fsum(math.exp(share * (alpha * (abs(x) - size) + gamma * x)) for x in z) / len(z))
            share *= beta
        return {"omega": (1 - beta) * (math.log(level) - grown), "size": size}

    def next_variance(self, a, h, z):
        law = self.laws[a]
        if law.get("kind") == "egarch":
            answer = law["alpha"] * (abs(z) - law["size"]) + law["gamma"] * z
            return math.exp(law["omega"] + answer + law["beta"] * math.log(h))
        return law["omega"] + (law["alpha"] + (law["gamma"] if z < 0 else 0.0)) * h * z * z + law["beta"] * h

    def log_mean(self, a, h):
        return math.log(math.fsum(math.exp(math.sqrt(h) * z) for z in self.z[a]) / len(self.z[a]))

    def path(self, seed, path, steps, mean_block, drift, spike=None, pull=None):
        """[step][asset] log returns and volatilities."""
        blocks, joined = (stream(seed, "run", "market", name) for name in ("blocks", "joined"))
        n, row, h = len(self.z[0]), 0, list(self.today)
        order = [sorted(range(n), key=lambda i, a=a: self.z[a][i]) for a in range(2)]
        returns, volatility = [], []
        for t in range(steps):
            u, v = uniform_pair(blocks, t, 0, path, 0)
            row = int(v * n) if t == 0 or u < 1 / mean_block else (row + 1) % n
            together = pull is not None and pull[t] > 0 and uniform(joined, t, 0, path, 0) < pull[t]
            moved, known = [], []
            for a in range(2):
                m = spike[t][a] if spike is not None else 1.0
                place = order[a][order[0].index(row)] if together else row
                wide = h[a] * m * m
                known.append(math.sqrt(wide / self.step * YEAR))
                z = self.z[a][place]
                moved.append(drift * self.step / YEAR - self.log_mean(a, wide) + math.sqrt(wide) * z)
                h[a] = self.next_variance(a, h[a], z)
            returns.append(moved)
            volatility.append(known)
        return np.array(returns), np.array(volatility)


@pytest.mark.parametrize("filters", [[PLAIN, GJR], [NELSON, FALLING], [PLAIN, NELSON]], ids=["garch", "egarch", "both"])
@pytest.mark.parametrize("mean_block", [1.0, 6.0])
@pytest.mark.parametrize(("grid", "step", "scale"), [(HOURS, 3600, 0.01), (DAYS, 86_400, 0.12)], ids=["hours", "wild days"])
def test_paths_are_those_of_the_plain_loop(grid, step, scale, mean_block, filters, tmp_path):
    rows = history(step=step, scale=scale)
    write(tmp_path, rows)
    own = market(tmp_path, mean_block=mean_block, drift=0.5, filters=filters)
    plain = PlainFilteredHistory(rows, filters, step)
    spike = np.ones((grid.market_steps, 2))
    spike[3:8, 0], spike[5:9, 1] = 2.0, 0.5
    pull = np.where(np.arange(grid.market_steps) % 3 == 1, 0.6, 0.0)
    for path in (0, 1, 400):
        for pressure in ({}, {"spike": spike}, {"convergence": pull}):
            found = own.paths(grid, 7, "run", path, 1, **pressure)
            names = {"spike": "spike", "convergence": "pull"}
            returns, volatility = plain.path(
                7, path, grid.market_steps, mean_block, 0.5, **{names[key]: value for key, value in pressure.items()}
            )
            assert np.abs(np.diff(np.log(found.price[:, :, 0]), axis=0) - returns).max() < 1e-9
            assert np.abs(found.volatility[:, :, 0] / volatility - 1).max() < 1e-9
            assert found.price[0, :, 0].tolist() == rows[-1][1].tolist()


def test_rows_of_residuals_stay_whole(tmp_path):
    rows = history()
    write(tmp_path, rows)
    own, plain = market(tmp_path, mean_block=5.0), PlainFilteredHistory(rows, [PLAIN, GJR], 3600)
    there = {(round(a, 8), round(b, 8)): i for i, (a, b) in enumerate(zip(*plain.z, strict=True))}
    paths = own.paths(HOURS, 3, "run", 0, 20)
    h = paths.volatility**2 * 3600 / YEAR
    for path in range(20):
        places = []
        for t in range(HOURS.market_steps):
            r = np.log(paths.price[t + 1, :, path] / paths.price[t, :, path])
            growth = [plain.log_mean(a, h[t, a, path]) for a in range(2)]
            pair = [(r[a] + growth[a]) / math.sqrt(h[t, a, path]) for a in range(2)]
            near = [key for key in there if abs(key[0] - pair[0]) < 1e-6 and abs(key[1] - pair[1]) < 1e-6]
            assert len(near) == 1
            places.append(there[near[0]])
        if path == 0:
            follows = [b == (a + 1) % len(there) for a, b in pairwise(places)]
            assert 0.5 < np.mean(follows) < 1.0  # blocks of five on average


@pytest.mark.parametrize(("grid", "step", "scale"), [(HOURS, 3600, 0.01), (DAYS, 86_400, 0.12)], ids=["hours", "wild days"])
def test_expected_price_and_variance_are_those_of_the_law(grid, step, scale, tmp_path, score):
    """E[S] = S(0) exp(drift T), and E[h] goes from today's to its stationary level as kept^t; both exact for single rows."""
    rows = history(step=step, scale=scale)
    write(tmp_path, rows)
    filters = [PLAIN | {"ceiling": 1e4}, GJR | {"ceiling": 1e4}]
    paths = market(tmp_path, filters=filters, drift=0.3).paths(grid, 1, "run", 0, 40_000)
    plain, years = PlainFilteredHistory(rows, filters, step), grid.steps * step / YEAR
    for a in range(2):
        assert abs(score(paths.price[-1, a] / paths.price[0, a], math.exp(0.3 * years))) < 4
        h = paths.volatility[:, a] ** 2 * step / YEAR
        level, kept = plain.laws[a]["level"], plain.laws[a]["kept"]
        for t in (1, 5, grid.market_steps - 1):
            assert abs(score(h[t], level + (plain.today[a] - level) * kept**t)) < 4


def test_an_egarch_filter_is_archs(tmp_path):
    """Every conditional variance of the history as arch's recursion has it, at the same omega; residuals of mean square one."""
    rows = history()
    write(tmp_path, rows)
    e = np.diff([math.log(row[0]) for _, row in rows])
    e -= e.mean()
    for fields in (NELSON, FALLING, {"kind": "egarch", "alpha": 0.3, "gamma": -0.2, "beta": 0.98}):
        own = TypeAdapter(AnyFilter).validate_python(fields)
        h = own.variances(e, float(np.mean(e**2)))
        theirs, constant = np.empty(len(e)), _constant(h, e, own)
        omega = constant + own.alpha * math.sqrt(2 / math.pi)
        start = (math.log(h[0]) - omega) / own.beta
        wide = np.tile([1e-300, 1e300], (len(e), 1))
        EGARCH(1, 1, 1).compute_variance(np.array([omega, own.alpha, own.gamma, own.beta]), e, theirs, start, wide)
        assert np.abs(h[:-1] / theirs - 1).max() < 1e-10
        assert np.mean(e**2 / h[:-1]) == pytest.approx(1, abs=1e-6)


def _constant(h, e, own):
    """Read off the last step: log h less what the last return and variance say."""
    z = e[-1] / math.sqrt(h[-2])
    return math.log(h[-1]) - own.alpha * abs(z) - own.gamma * z - own.beta * math.log(h[-2])


@pytest.mark.parametrize("own", [NELSON, FALLING, {**NELSON, "gamma": -0.15, "beta": 0.5}], ids=["memory", "none", "leverage"])
def test_an_egarch_filters_variance_has_the_level_stated_and_its_price_no_drift(own, tmp_path, score):
    """E[h] = volatility^2 step once today is forgotten, and the mean of log h is exactly omega / (1 - beta) from there."""
    rows = history()
    write(tmp_path, rows)
    fields = {**own, "volatility": 0.9, "ceiling": 1e4}
    paths = market(tmp_path, filters=[fields, PLAIN], drift=0.3).paths(HOURS, 1, "run", 0, 20_000)
    law = PlainFilteredHistory(rows, [fields, PLAIN], 3600).laws[0]
    h = paths.volatility[-1, 0] ** 2 * 3600 / YEAR  # beta^47 of today is left
    assert abs(score(np.log(h), law["omega"] / (1 - law["beta"]))) < 4 + 47 * abs(law["beta"]) ** 47
    assert abs(score(h / law["level"], 1.0)) < 4
    assert abs(score(paths.price[-1, 0] / paths.price[0, 0], math.exp(0.3 * HOURS.steps * 3600 / YEAR))) < 4


@pytest.mark.parametrize(("alpha", "beta"), [(-1.0, 0.9), (1.0, -0.9)])
def test_returns_that_no_constant_balances_are_refused(alpha, beta):
    """The larger the residual the smaller the next variance, and so the larger the next residual: no filter at all."""
    own = TypeAdapter(AnyFilter).validate_python({"kind": "egarch", "alpha": alpha, "beta": beta})
    e = 0.01 * np.random.default_rng(3).standard_t(4.0, 700)
    with pytest.raises(ValueError, match="no constant of the recursion leaves residuals of mean square one"):
        own.variances(e - e.mean(), 1e-4)


def test_the_first_step_has_the_quantiles_of_the_residuals(tmp_path):
    """Kolmogorov's distance between 40,000 first returns and the law: residuals at today's variance, each as likely."""
    rows = history()
    write(tmp_path, rows)
    paths, plain = market(tmp_path).paths(HOURS, 9, "run", 0, 40_000), PlainFilteredHistory(rows, [PLAIN, GJR], 3600)
    for a in range(2):
        r = np.log(paths.price[1, a] / paths.price[0, a])
        law = np.sort(np.array(plain.z[a])) * math.sqrt(plain.today[a]) - plain.log_mean(a, plain.today[a])
        place = np.searchsorted(law, r + 1e-9)  # 1 .. n, evenly
        assert stats.chisquare(np.bincount(place, minlength=len(law) + 1)[1:]).pvalue > 1e-4


@pytest.mark.parametrize("block", [1, 7, 33])
def test_blocks_of_any_size_give_the_same_bytes(block, tmp_path):
    write(tmp_path, history())
    own, grid = market(tmp_path, mean_block=4.0), HOURS.model_copy(update={"substeps": 3})
    pull, spike = np.full(grid.market_steps, 0.5), np.full((grid.market_steps, 2), 1.5)
    whole = own.paths(grid, 4, "run", 0, 60, pull, spike)
    for first in range(0, 60, block):
        count = min(block, 60 - first)
        part = own.paths(grid, 4, "run", first, count, pull, spike)
        assert part.price.tobytes() == np.ascontiguousarray(whole.price[:, :, first : first + count]).tobytes()
        assert part.volatility.tobytes() == np.ascontiguousarray(whole.volatility[:, :, first : first + count]).tobytes()


@pytest.mark.parametrize("kind", ["bootstrap", "filtered-history"])
def test_joined_assets_keep_their_own_law(kind, tmp_path):
    """A pull of one: every asset draws its own rows evenly, all at the same rank."""
    rows = history()
    write(tmp_path, rows)
    fields = {"kind": "bootstrap", "filters": None} if kind == "bootstrap" else {}
    values = {key: value for key, value in fields.items() if value is not None}
    own = market(tmp_path, **values) if kind != "bootstrap" else _bootstrap(tmp_path)
    calm, pulled = (own.paths(HOURS, 4, "run", 0, 20_000, convergence=np.full(48, c)) for c in (0.0, 1.0))
    first = [np.log(paths.price[1] / paths.price[0]) for paths in (calm, pulled)]
    assert np.array_equal(first[0][0], first[1][0])  # the first asset keeps its rows
    assert stats.ks_2samp(first[0][1], first[1][1]).pvalue > 1e-4
    assert stats.spearmanr(first[1][0], first[1][1])[0] > 0.999 > stats.spearmanr(first[0][0], first[0][1])[0] + 0.05


def _bootstrap(folder):
    values = {"file": "prices.csv", "from": "2021-01-01T00:00:00Z", "until": "2024-01-01T00:00:00Z", "assets": ["A0", "A1"]}
    values |= {"kind": "bootstrap", "mean_block": 1.0, "max_gap": 1e9}
    return TypeAdapter(Market).validate_python(values, context={"folder": folder})


def test_a_spike_on_rows_keeps_the_growth_that_was_stated(tmp_path, score):
    write(tmp_path, history(step=86_400, scale=0.1))
    spike = np.ones((20, 2))
    spike[4:15] = 2.0
    paths = _bootstrap(tmp_path).paths(DAYS, 4, "run", 0, 40_000, spike=spike)
    for a in range(2):
        assert abs(score(paths.price[-1, a] / paths.price[0, a], 1.0)) < 4
    calm = _bootstrap(tmp_path).paths(DAYS, 4, "run", 0, 40_000)
    assert np.abs(paths.volatility / calm.volatility - spike[:, :, None]).max() < 1e-12
    assert paths.price[:5].tobytes() == calm.price[:5].tobytes()


def test_a_spike_on_a_replay_multiplies_its_log_returns(tmp_path):
    rows = history()
    write(tmp_path, rows)
    values = {"kind": "replay", "file": "prices.csv", "from": "2021-01-03T00:00:00Z", "until": "2021-01-09T00:00:00Z"}
    own = TypeAdapter(Market).validate_python(values | {"assets": ["A0", "A1"]}, context={"folder": tmp_path})
    spike = np.ones((48, 2))
    spike[10:20] = 3.0
    calm, hit = own.paths(HOURS, 1, "run", 0, 1), own.paths(HOURS, 1, "run", 0, 1, spike=spike)
    before, after = (np.diff(np.log(paths.price[:, :, 0]), axis=0) for paths in (calm, hit))
    assert np.abs(after - before * spike).max() < 1e-12


def test_a_constant_price_and_too_few_rows_are_refused(tmp_path):
    rows = [(moment, np.array([100.0, b])) for moment, (_, b) in history()]
    write(tmp_path, rows)
    (problem,) = market(tmp_path).problems(HOURS)
    assert "filters: A0: the price never changes" in problem
    write(tmp_path, history(rows=60))
    (problem,) = market(tmp_path).problems(HOURS)
    assert "filtered-history with mean_block = 1 needs >= 100 returns" in problem


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"filters": [PLAIN]}, "`filters` must hold one entry for each of A0, A1"),
        ({"filters": [PLAIN, {"alpha": 0.2, "beta": 0.85}]}, "`alpha + gamma/2 + beta < 1` must hold"),
        ({"filters": [PLAIN, {"alpha": 0.05, "gamma": -0.1, "beta": 0.5}]}, "`alpha + gamma >= 0` must hold"),
        ({"filters": [PLAIN, {"kind": "egarch", "alpha": 0.1, "beta": 1.0}]}, "less than 1"),
        ({"filters": [PLAIN, {"kind": "ewma", "alpha": 0.1, "beta": 0.5}]}, "does not match any of the expected tags"),
        ({"mean_block": 0.5}, "greater than or equal to 1"),
        ({"prices": [1.0]}, "`prices` must hold one entry"),
    ],
)
def test_what_means_nothing_is_refused(fields, words, tmp_path):
    write(tmp_path, history(rows=3))
    with pytest.raises(ValidationError, match=words.replace("+", r"\+").replace("(", r"\(")):
        market(tmp_path, **fields)


def no_compensation(h, drift, offset, table, held, left, out):
    out[:] = drift


def rows_apart(values, rows, joined, ranked, a, step, at, out):
    out[:] = values[(rows[step, at : at + len(out)] + 17 * a) % len(values), a]


def as_yesterday(h, e, omega, alpha, gamma, beta, ceiling):
    h[:] = h


DEFECTS = {"no compensation": ("compensate", no_compensation), "rows apart": ("place_rows", rows_apart)}
DEFECTS |= {"variance stands still": ("recur", as_yesterday)}
DEFECTS |= {"log variance stands still": ("recur_logarithm", lambda *_: None)}


@pytest.mark.parametrize("defect", [None, *DEFECTS])
def test_the_plain_loop_sees_a_wrong_one(defect, tmp_path, monkeypatch):
    """Tests of the tests: the loop in Python, one rule in it exchanged."""
    rows = history(step=86_400, scale=0.1)
    write(tmp_path, rows)
    monkeypatch.setattr(filtered, "fill_filtered", getattr(window_kernel.fill_filtered, "py_func", window_kernel.fill_filtered))
    if defect is not None:
        monkeypatch.setattr(window_kernel, *DEFECTS[defect])
    found = market(tmp_path, filters=[GJR, NELSON]).paths(DAYS, 7, "run", 3, 1)
    returns, _ = PlainFilteredHistory(rows, [GJR, NELSON], 86_400).path(7, 3, 20, 1.0, 0.0)
    apart = np.abs(np.diff(np.log(found.price[:, :, 0]), axis=0) - returns).max()
    assert apart < 1e-9 if defect is None else apart > 1e-4
