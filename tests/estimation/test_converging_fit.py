"""Correlation that converges: the law of the market step by step, the density of a matrix a step, recovery, choice, intervals."""

import math
import tomllib
from functools import partial

import numpy as np
import pytest
from scipy import stats

from simulator.cli import main
from simulator.cli.fit_tables import _ends
from simulator.estimation.converging_fit import _estimate, fit_converging
from simulator.estimation.converging_intervals import held, intervals, mean_lost, redrawn, stretched
from simulator.estimation.converging_likelihood import FULL_AT, HALF_LIFE, LEVEL, NAMES, OUTSIDE, STARTS_AT, Strained, risen
from simulator.estimation.copula_fit import fit_dependence
from simulator.estimation.dependence_law import Strain, gaussian_densities
from simulator.estimation.errors import FitError
from simulator.estimation.profile import CHI_SQUARE
from simulator.estimation.settings import FitSettings
from simulator.estimation.standard_errors import Estimate
from simulator.market import Grid, ModelMarket
from simulator.market.dependence import Converging

DAY = 86_400.0
TRUE = {"starts_at": 1.2, "full_at": 2.5, "level": 0.8, "half_life": 2 * DAY}
S = np.array([[1.0, 0.5, 0.3], [0.5, 1.0, 0.4], [0.3, 0.4, 1.0]])
ALPHA, BETA = 0.15, 0.83


def sample(days: int, seed: int, level: float = TRUE["level"]) -> tuple[np.ndarray, np.ndarray]:
    """(normal scores [t, asset], strain [t]) of GARCH assets tied as the market's docstring says, in a loop."""
    rng, kept = np.random.default_rng(seed), 2 ** (-DAY / TRUE["half_life"])
    h, c, scores, strains = np.ones(3), 0.0, [], []
    for _ in range(days + 300):
        strain = float(np.mean(h))
        wanted = min(max((strain - TRUE["starts_at"]) / (TRUE["full_at"] - TRUE["starts_at"]), 0.0), 1.0)
        c = kept * c + (1 - kept) * wanted
        w = np.linalg.cholesky((1 - level * c) * S + level * c) @ rng.standard_normal(3)
        scores.append(w)
        strains.append(strain)
        h = 1 - ALPHA - BETA + ALPHA * h * w * w + BETA * h
    return np.array(scores[300:]), np.array(strains[300:])


def strained(w: np.ndarray, strain: np.ndarray) -> Strained:
    return Strained(w, np.corrcoef(w, rowvar=False), strain, np.ones(len(w), dtype=bool), DAY)


AT_TRUTH = np.array([math.log(TRUE["starts_at"]), math.log(TRUE["full_at"]), math.log(4.0), math.log(TRUE["half_life"])])


def test_the_likelihood_is_that_of_a_matrix_a_step():
    w, strain = sample(400, 1)
    seen = strained(w, strain)
    drawn = seen.drawn(AT_TRUTH)
    calm = seen.calm(drawn)
    path = calm + drawn[:, np.newaxis, np.newaxis] * (1 - calm)
    assert drawn.max() > 0.2
    assert seen.loss(AT_TRUTH) == pytest.approx(-float(np.sum(gaussian_densities(w, path))), rel=1e-10)
    assert seen.loss(AT_TRUTH + 1e3 * np.eye(4)[HALF_LIFE]) == OUTSIDE


def law_of(law: Converging) -> tuple[float, float, float]:
    return law.starts_at, law.full_at, law.half_life


def test_what_has_risen_is_what_the_market_simulates():
    """Step by step, from the volatility that the market shows: its own mean correlation of every step."""
    process = {"kind": "garch", "volatility": 0.6, "alpha": ALPHA, "beta": BETA, "volatility_today": 1.1}
    assets = [{"name": f"A{i}", "price": 1.0, "process": process} for i in range(3)]
    tied = {"correlation": S.tolist(), "correlation_dynamics": {"kind": "converging", **TRUE}}
    market = ModelMarket.model_validate({"assets": assets, **tied})
    paths = market.paths(Grid(market_step=DAY, transition=400, horizon=400), 5, "converging", 0, 1)
    strain = np.mean((paths.volatility[:, :, 0] / 0.6) ** 2, axis=1)
    drawn = TRUE["level"] * risen(strain, law_of(Converging(**TRUE)), DAY)
    mean = S[np.tril_indices(3, -1)].mean()
    assert drawn.max() > 0.3
    assert np.allclose(mean + drawn * (1 - mean), paths.correlation[:, 0], rtol=1e-9)


def test_the_truth_is_not_rejected_and_correlation_in_calm_is_recovered():
    """Twice the lead of the fit over the truth is chi-square of four degrees; correlation in calm is that of S."""
    w, strain = sample(2_500, 2)
    seen = strained(w, strain)
    fit = fit_converging(w, seen.target, strain, DAY, with_intervals=False)
    assert 0 <= fit.log_likelihood + seen.loss(AT_TRUTH) < stats.chi2(4).ppf(0.9999) / 2
    assert np.abs(fit.correlation - S).max() < 4 / math.sqrt(2_500)
    assert np.allclose(fit.path.mean(axis=0), seen.target, atol=1e-9)
    assert fit.log_likelihood == pytest.approx(float(np.sum(gaussian_densities(w, fit.path))), rel=1e-9)


def test_samples_of_a_fit_have_its_correlation_step_by_step():
    """Products of scores over 400 samples: their mean at every step is (1 - m) S + m, within four errors of 400."""
    w, strain = sample(60, 9)
    seen, generator = strained(w, strain), np.random.default_rng(1)
    drawn = np.linspace(0.0, 0.9, 60)
    made = np.array([redrawn(seen, drawn, np.linalg.cholesky(S), generator).scores for _ in range(400)])
    products = made[:, :, 0] * made[:, :, 2]
    z = (products.mean(axis=0) - (S[0, 2] + drawn * (1 - S[0, 2]))) / (products.std(axis=0) / 20)
    assert np.abs(z).max() < 4
    assert np.abs(made.var(axis=0) - 1).max() < 5 * math.sqrt(2 / 400)


def test_what_a_level_held_at_the_truth_loses_is_chi_square_of_one_degree():
    """The likelihood is smooth in it: twice the loss has mean one. A sum of 100 is chi-square of 100 degrees, its |z| <= 4."""
    w, strain = sample(2_000, 2)
    (mean,) = mean_lost(strained(w, strain), AT_TRUTH, 100, (LEVEL,))
    low, high = stats.chi2(100).ppf(stats.norm.cdf([-4, 4])) / 100
    assert low < mean < high


def test_a_cut_is_stretched_by_what_samples_lose_and_an_interval_holds_its_number():
    w, strain = sample(800, 12)
    seen = strained(w, strain)
    x, loss = seen.top(seen.best_starts(2))
    cuts = stretched(seen, x, 6)
    means = mean_lost(seen, x, 6, (STARTS_AT, FULL_AT))
    assert max(means) > 1  # so that the next line sees more than the floor
    assert cuts == {STARTS_AT: CHI_SQUARE * max(means[0], 1.0), FULL_AT: CHI_SQUARE * max(means[1], 1.0)}
    top, least, limits = intervals(seen, x, loss, 6)
    assert least <= loss
    law = seen.law(top)
    assert all(limits[name][0] < getattr(law, name) < limits[name][1] for name in NAMES)


def test_an_interval_is_open_where_the_end_of_the_search_is_not_rejected():
    """A half-life far below a step cannot be told from one of a twentieth; one of a quarter of the rows can."""
    w, strain = sample(800, 12)
    seen = strained(w, strain)
    x, loss, limits = intervals(seen, *seen.top(seen.best_starts(2)), 6)
    shortest, longest = (end[HALF_LIFE] for end in seen.box)
    assert held(seen, x, HALF_LIFE, shortest + 1e-6)[1] - loss < CHI_SQUARE < held(seen, x, HALF_LIFE, longest - 1e-6)[1] - loss
    low, high = limits["half_life"]
    assert low == 0.0
    assert high < math.exp(longest)


def test_an_open_end_is_printed_as_open():
    found = _estimate(2.0, (0.5, math.inf))
    assert found.note == "95 % by profile: 0.5 to open"
    assert _ends(found) == "0.5 .. open"


@pytest.mark.parametrize(("c", "pushed"), [(STARTS_AT, FULL_AT), (FULL_AT, STARTS_AT)])
def test_a_threshold_is_held_past_the_other_which_gives_way(c, pushed):
    w, strain = sample(800, 12)
    seen = strained(w, strain)
    x, loss = seen.top(seen.best_starts(2))
    at, least = held(seen, x, c, float(x[pushed]))
    assert at[c] == x[pushed]
    assert loss <= least < OUTSIDE / 2


@pytest.mark.parametrize(("level", "taken"), [(TRUE["level"], "converging"), (0.0, "constant")])
def test_the_choice_takes_it_where_it_is(level, taken):
    w, strain = sample(2_500, 2, level)
    settings = FitSettings(dependence="auto")
    found = fit_dependence(w, ["A", "B", "C"], settings, 1.0, Strain(strain, DAY))
    assert found.dynamics == taken
    assert {row.dynamics for row in found.candidates} >= {"constant", "converging"}  # a DCC may have no maximum here
    for name, estimate in found.estimates.items():
        low, high = estimate.interval
        assert low < estimate.value < high, name


def test_gaps_leave_the_strain_and_where_none_moves_it_is_refused():
    w, strain = sample(1_000, 4)
    holed = w.copy()
    holed[200:260, 1] = np.nan
    target = np.corrcoef(np.delete(w, slice(200, 260), axis=0), rowvar=False)
    fit = fit_converging(holed, target, strain, DAY, with_intervals=False)
    assert len(fit.path) == 940
    whole = risen(strain, law_of(fit.law), DAY)
    assert np.allclose(fit.path[200, 0, 1], fit.correlation[0, 1] + fit.law.level * whole[260] * (1 - fit.correlation[0, 1]))
    for none in (None, Strain(np.ones(1_000), DAY), Strain(np.empty(0), DAY)):
        with pytest.raises(FitError, match="no asset of the fit has one that moves"):
            fit_dependence(w, ["A", "B", "C"], FitSettings(dependence="converging"), 1.0, none)


def test_the_command_writes_a_market_that_converges(write_prices, make_returns, tmp_path, capsys):
    w, strain = sample(1_000, 6)
    r = 0.02 * np.sqrt(strain)[:, np.newaxis] * w[:, :2]
    path, out = write_prices(r, ("AAA", "BBB"), step=86_400), tmp_path / "m.toml"
    arguments = ["fit", str(path), "--until", "2030-01-01T00:00:00Z", "--paths", "0", "--out", str(out)]
    assert main([*arguments, "--innovation", "normal", "--dependence", "converging"]) == 0
    printed = capsys.readouterr().out
    assert "converging_half_life" in printed
    assert max(len(line.rstrip()) for line in printed.splitlines() if not line.startswith("written: ")) <= 80
    market = tomllib.loads(out.read_text())["market"]
    law = market["correlation_dynamics"]
    assert law["kind"] == "converging"
    assert 0 < law["starts_at"] < law["full_at"]
    assert "95 % by profile" in out.read_text()
    made = ModelMarket.model_validate(market)
    assert made.paths(Grid(market_step=DAY, transition=5, horizon=5), 1, "test", 0, 2).correlation.shape == (5, 2)


def refit(days: int, number: int) -> dict[str, Estimate]:
    w, strain = sample(days, 100 + number)
    estimates = fit_converging(w, np.corrcoef(w, rowvar=False), strain, DAY).estimates
    return {key.removeprefix("converging_"): estimate for key, estimate in estimates.items()}


@pytest.mark.slow
def test_95_percent_intervals_cover_200_refits(uncovered):
    assert not uncovered(partial(refit, 2_000), TRUE, 200)
