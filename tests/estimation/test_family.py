"""The GARCH family: filter, likelihood and free fit are arch's for every law, levels the market's; the choice finds the truth."""

import json
import math

import numpy as np
import pytest
from arch import arch_model
from arch.univariate import EGARCH, GARCH, Normal, SkewStudent, StudentsT
from scipy.integrate import quad

from simulator.cli import main
from simulator.estimation.asset_fit import fit_asset
from simulator.estimation.coordinates import DEGREES, PERSISTENCE, SHARE, SKEW, jacobian, natural
from simulator.estimation.cut_law import cut_law, innovation_numbers
from simulator.estimation.exponential import log_growth
from simulator.estimation.fit import fit_market
from simulator.estimation.garch_fit import FREE, Restriction, fit_garch
from simulator.estimation.innovation_density import nodes, shape
from simulator.estimation.likelihood import NATURAL, Natural, filter_variance, log_likelihood, scores
from simulator.estimation.model_choice import choose
from simulator.estimation.next_return import variances
from simulator.estimation.settings import FitSettings
from simulator.estimation.specification import GARCH_T, Specification, specifications
from simulator.estimation.tail import TailBound
from simulator.market import Asset, Grid, ModelMarket
from simulator.market import egarch as market_egarch
from simulator.market.generation import _table_over_normals
from simulator.market.innovations import SkewedT, StudentT

EVERY = specifications("auto", "auto")
DAY = 86_400.0
ARCH = {"normal": (Normal, []), "student-t": (StudentsT, [5.2]), "skewed-t": (SkewStudent, [5.2, -0.15])}
VOLATILITY = {"garch": (GARCH, (1, 0, 1)), "gjr": (GARCH, (1, 1, 1)), "egarch": (EGARCH, (1, 1, 1))}
POINT = {
    "garch": Natural(0.02, 0.06, 0.0, 0.9, 5.2),
    "gjr": Natural(0.02, 0.03, 0.05, 0.9, 5.2),
    "egarch": Natural(0.01, 0.15, -0.06, 0.97, 5.2, is_exponential=True),
}
SHAPE = {"normal": (math.inf, 0.0), "student-t": (5.2, 0.0), "skewed-t": (5.2, -0.15)}


def point(specification: Specification) -> Natural:
    degrees, skew = SHAPE[specification.innovation]
    return Natural(**{**vars(POINT[specification.process]), "degrees_of_freedom": degrees, "skew": skew})


def archs(specification: Specification, p: Natural) -> np.ndarray:
    gamma = [p.gamma] if specification.is_asymmetric else []
    return np.array([p.omega, p.alpha, *gamma, p.beta])


@pytest.fixture(scope="module")
def percent(make_returns) -> np.ndarray:
    return 100 * make_returns(3000, 61, alpha=0.06, beta=0.9, nu=5.0)[:, 0]


@pytest.mark.parametrize("specification", EVERY, ids=str)
def test_filter_and_likelihood_are_archs_step_by_step(percent, specification):
    p = point(specification)
    make, order = VOLATILITY[specification.process]
    process = make(*order)
    theirs = np.empty(percent.size)
    process.compute_variance(
        archs(specification, p), percent, theirs, process.backcast(percent), process.variance_bounds(percent)
    )
    assert np.max(np.abs(filter_variance(percent, p)[:-1] / theirs - 1)) < 1e-12
    law, shape = ARCH[specification.innovation]
    assert log_likelihood(percent, p)[0] == pytest.approx(law().loglikelihood(np.array(shape), percent, theirs), abs=1e-6)


@pytest.mark.parametrize("specification", EVERY, ids=str)
def test_gradients_are_derivatives_and_sums_of_scores_also_over_gaps(percent, specification):
    y = percent[:1500].copy()
    y[200:230] = np.nan
    p = Natural(**{**vars(point(specification)), "mean_size": 0.72})
    gradient, each = log_likelihood(y, p)[1], scores(y, p)
    assert np.allclose(each.sum(axis=0), gradient, rtol=1e-9, atol=1e-9)
    names = (*NATURAL, "mean_size") if p.is_exponential else NATURAL
    for i, name in enumerate(names):
        if specification.is_normal and name in ("degrees_of_freedom", "skew"):
            continue
        value = getattr(p, name)
        step = 1e-5 * max(abs(value), 0.1)
        up, down = (log_likelihood(y, Natural(**{**vars(p), name: value + sign * step}))[0] for sign in (1, -1))
        assert (up - down) / (2 * step) == pytest.approx(gradient[i], rel=1e-4, abs=1e-3)


@pytest.mark.parametrize("specification", EVERY, ids=str)
def test_without_restrictions_every_law_fits_as_arch_does(percent, specification):
    _, (p, o, q) = VOLATILITY[specification.process]
    dist = {"normal": "normal", "student-t": "t", "skewed-t": "skewt"}[specification.innovation]
    vol = "EGARCH" if specification.is_exponential else "GARCH"
    model = arch_model(percent, mean="Zero", vol=vol, p=p, o=o, q=q, dist=dist, rescale=False)
    theirs = model.fit(disp="off", tol=1e-13, options={"maxiter": 5000})
    ours = fit_garch(percent / 100, FREE, specification=specification)
    found = ours.natural
    omega = found.omega + (1 - found.beta) * math.log(1e4) if specification.is_exponential else 1e4 * found.omega
    mine = {"omega": omega, "alpha[1]": found.alpha, "gamma[1]": found.gamma, "beta[1]": found.beta}
    mine |= {"nu": found.degrees_of_freedom, "eta": found.degrees_of_freedom, "lambda": found.skew}
    assert ours.log_likelihood == pytest.approx(theirs.loglikelihood, abs=1e-6)
    for name, value in theirs.params.items():
        assert mine[name] == pytest.approx(value, abs=1e-4)


@pytest.mark.parametrize(("degrees", "skew", "cut"), [(3.4, 0.0, 30.0), (6.0, -0.3, 20.0), (4.0, 0.4, 60.0)])
def test_innovations_are_those_that_the_market_draws(degrees, skew, cut):
    innovation = SkewedT(degrees_of_freedom=degrees, skew=skew, max_move=cut) if skew else None
    innovation = innovation or StudentT(degrees_of_freedom=degrees, max_move=cut)
    theirs, probability = market_egarch.nodes(_table_over_normals(innovation))
    ours, mass = nodes(*innovation_numbers(innovation))
    for function in (np.abs, np.square, lambda z: np.exp(0.2 * z), lambda z: z**3):
        # a table of polynomials rounds the kink at the mode of a skewed law
        assert np.sum(mass * function(ours)) == pytest.approx(np.sum(probability * function(theirs)), rel=5e-5, abs=5e-5)
    law, points = cut_law(innovation), np.linspace(-8, 8, 81)
    mode = shape(degrees, skew).mode
    low, high = (-cut - law.mean) / law.deviation, (cut - law.mean) / law.deviation
    size = quad(lambda z: abs(z) * float(law.pdf(np.array(z))), low, high, points=[mode, 0.0], limit=500, epsabs=1e-12)[0]
    assert np.sum(mass * np.abs(ours)) == pytest.approx(size, rel=2e-6)
    slope = (law.cdf(points + 1e-6) - law.cdf(points - 1e-6)) / 2e-6
    assert np.allclose(law.pdf(points), slope, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("beta", [0.5, 0.95, 0.999])
@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_the_level_of_an_egarch_is_the_markets(alpha, beta):
    innovation = SkewedT(degrees_of_freedom=4.0, skew=-0.1, max_move=25.0)
    z, mass = market_egarch.nodes(_table_over_normals(innovation))
    theirs = market_egarch.log_growth(z, mass, alpha, -0.03, beta)
    assert log_growth(alpha, -0.03, beta, *innovation_numbers(innovation)) == pytest.approx(theirs, rel=2e-4)
    if beta < 0.999:  # the definition, term by term
        g = alpha * (np.abs(z) - np.sum(mass * np.abs(z))) - 0.03 * z
        plain = math.fsum(math.log(np.sum(mass * np.exp(beta**i * g))) for i in range(700))
        assert log_growth(alpha, -0.03, beta, *innovation_numbers(innovation)) == pytest.approx(plain, rel=1e-6)


@pytest.mark.parametrize("targeted", [True, False])
@pytest.mark.parametrize("innovation", ["normal", "skewed-t"])
def test_derivatives_of_exponential_coordinates(targeted, innovation):
    law = Specification("egarch", innovation)
    x = np.array([-0.3, 2.0, 0.15, -0.05, 0.7, 0.1])
    exact = jacobian(x, targeted, law)
    for c in range(6):
        if innovation == "normal" and c in (DEGREES, SKEW):
            continue
        step = np.zeros(6)
        step[c] = 1e-6
        up, down = (natural(x + sign * step, targeted, law) for sign in (1, -1))
        for row, name in enumerate((*NATURAL, "mean_size")):
            if innovation == "normal" and name == "degrees_of_freedom":
                continue  # infinite
            assert (getattr(up, name) - getattr(down, name)) / 2e-6 == pytest.approx(exact[row, c], rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("specification", EVERY, ids=str)
def test_bounds_hold_for_every_law_and_units_do_not_matter(percent, specification):
    tail = TailBound(5.0, 25.0, specification)
    restriction = Restriction(0.9, tail=tail, max_move=25.0)
    fit = fit_garch(percent / 100, restriction, specification=specification)
    assert fit.natural.persistence <= 0.9 + 1e-9
    assert tail.growth(fit.x) < 1e-9
    again = fit_garch(percent, restriction, specification=specification)
    has = [c for c in range(6) if c != DEGREES or not specification.is_normal]
    assert np.allclose(again.x[has], fit.x[has], atol=1e-6)
    assert again.variance(percent)[-1] == pytest.approx(1e4 * fit.variance(percent / 100)[-1], rel=1e-6)


def test_a_tail_bound_binds_an_egarch_too(percent):
    law = Specification("egarch", "student-t")
    tail = TailBound(16.0, 40.0, law)
    fit = fit_garch(percent, Restriction(0.995, tail=tail), specification=law)
    assert fit.tied
    assert abs(tail.growth(fit.x)) < 1e-9
    slope, step = tail.slope(fit.x), np.zeros(6)
    step[PERSISTENCE] = 1e-4
    up, down = (tail.share(fit.x + sign * step) for sign in (1, -1))
    assert (up - down) / 2e-4 == pytest.approx(slope[PERSISTENCE], rel=1e-4)
    assert fit.log_likelihood < fit_garch(percent, Restriction(0.995), specification=law).log_likelihood
    assert fit.x[SHARE] < fit_garch(percent, Restriction(0.995), specification=law).x[SHARE]


TRUE = {
    "garch": {"kind": "garch", "alpha": 0.1, "beta": 0.85},
    "gjr": {"kind": "garch", "alpha": 0.03, "gamma": 0.2, "beta": 0.82},
    "egarch": {"kind": "egarch", "alpha": 0.3, "gamma": -0.15, "beta": 0.95},
}
INNOVATION = {
    "normal": {"kind": "normal"},
    "student-t": {"kind": "student-t", "degrees_of_freedom": 5.0, "max_move": 30.0},
    "skewed-t": {"kind": "skewed-t", "degrees_of_freedom": 5.0, "skew": -0.25, "max_move": 30.0},
}


def simulated(specification: Specification, days: int = 3000, path: int = 0) -> np.ndarray:
    process = {**TRUE[specification.process], "volatility": 0.6, "volatility_today": 0.6}
    process["innovation"] = INNOVATION[specification.innovation]
    asset = Asset.model_validate({"name": "A", "price": 100.0, "process": process})
    market = ModelMarket(assets=(asset,), start="stationary")
    paths = market.paths(Grid(market_step=DAY, transition=days, horizon=days), 5, "family", path, 1)
    return np.diff(np.log(paths.price[:, 0, 0]))


@pytest.mark.parametrize(
    "truth",
    [Specification("garch", "normal"), Specification("gjr", "student-t"), Specification("egarch", "skewed-t")],
    ids=str,
)
def test_the_choice_finds_the_law_that_made_the_returns(truth):
    returns = simulated(truth)
    found = choose(returns, DAY, FitSettings(process="auto", innovation="auto"))
    assert found.bounded.fit.specification == truth
    assert len(found.candidates) == 9
    for row in found.candidates:
        k, n = row.specification.parameters, returns.size
        assert row.aic == pytest.approx(2 * k - 2 * row.log_likelihood)
        assert row.bic == pytest.approx(k * math.log(n) - 2 * row.log_likelihood)


def test_a_fit_of_an_egarch_is_a_market_that_filters_the_same():
    returns = simulated(Specification("egarch", "skewed-t"))
    settings = FitSettings(process="egarch", innovation="skewed-t", tail_index=None)
    asset = fit_asset("A", 100.0, returns, DAY, settings)
    fitted = asset_of(returns, settings)
    process = fitted.process
    assert (process.kind, process.innovation.kind) == ("egarch", "skewed-t")
    assert asset.law.names[:4] == ("log_volatility", "atanh_beta", "egarch_alpha", "egarch_gamma")
    assert asset.law.names[4:] == ("log_degrees_above_two", "atanh_skew")
    started = fitted.model_copy(update={"process": process.model_copy(update={"volatility_today": process.volatility})})
    again = variances(started, returns, DAY, "filter", 1e9)
    ours = (returns / asset.residuals) ** 2
    assert np.abs(again[500:] / ours[500:] - 1).max() < 1e-6


def asset_of(returns: np.ndarray, settings: FitSettings) -> Asset:
    from datetime import UTC, datetime

    from simulator.market.price_file import PriceTable

    prices = 100 * np.exp(np.concatenate([[0.0], np.cumsum(returns)]))
    moments = (1_640_995_200 + 86_400 * np.arange(prices.size)) * 10**9
    table = PriceTable(("A",), moments, prices[:, None], DAY, "ab" * 32, ())
    return fit_market(table, until=datetime(2040, 1, 1, tzinfo=UTC), settings=settings, paths=0).market.assets[0]


def test_what_does_not_converge_is_said_and_not_chosen(monkeypatch, percent):
    from simulator.estimation import model_choice
    from simulator.estimation.errors import NotConverged

    real = model_choice.fit_garch

    def broken(returns, restriction, *, specification=GARCH_T, near=None):
        if specification.process == "egarch":
            raise NotConverged("the likelihood has no maximum")
        return real(returns, restriction, specification=specification, near=near)

    monkeypatch.setattr(model_choice, "fit_garch", broken)
    found = choose(percent / 100, DAY, FitSettings(process="auto"))
    (lost,) = (row for row in found.candidates if row.specification.process == "egarch")
    assert (lost.converged, lost.note) == (False, "no maximum")
    assert found.bounded.fit.specification.process != "egarch"
    with pytest.raises(NotConverged, match="no maximum"):
        choose(percent / 100, DAY, FitSettings(process="egarch"))


def test_the_command_shows_every_candidate(make_returns, write_prices, tmp_path, capsys):
    path = write_prices(make_returns(1200, 62, alpha=0.06, beta=0.9, nu=5.0, paths=2))
    arguments = ["fit", str(path), "--assets", "AAA", "--until", "2023-01-01T00:00:00Z", "--paths", "0"]
    chosen = ["--process", "auto", "--innovation", "auto", "--criterion", "aic", "--out", str(tmp_path / "m.toml")]
    assert main([*arguments, *chosen]) == 0
    printed = capsys.readouterr().out
    assert "AAA: candidates, under the same bounds" in printed
    assert printed.count("taken") == 1
    assert max(len(line.rstrip()) for line in printed.splitlines() if not line.startswith("written: ")) <= 80
    assert main([*arguments, *chosen, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["candidates"]
    assert len(rows) == 9
    best = min((row for row in rows if not row["note"]), key=lambda row: row["aic"])
    assert best["taken"]
