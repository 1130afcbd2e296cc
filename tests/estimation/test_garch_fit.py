"""The fit: arch's where nothing binds, bounds kept where they do, no unit, and an error instead of a wrong maximum."""

import math

import numpy as np
import pytest
from arch import arch_model

from simulator.estimation.coordinates import DEGREES, NAMES, PERSISTENCE, SHARE, jacobian, natural
from simulator.estimation.errors import NotConverged
from simulator.estimation.garch_fit import FREE, STARTS, Restriction, Surface, fit_garch
from simulator.estimation.innovation_density import nodes
from simulator.estimation.likelihood import NATURAL
from simulator.estimation.specification import Specification
from simulator.estimation.tail import TailBound

DAILY = Restriction(0.995)


@pytest.fixture(scope="module")
def returns(make_returns):
    return make_returns(3000, 5, alpha=0.06, beta=0.9, nu=5.0)[:, 0]


def arch_fit(returns: np.ndarray, o: int):
    model = arch_model(100 * returns, mean="Zero", vol="GARCH", p=1, o=o, q=1, dist="t", rescale=False)
    return model.fit(disp="off", tol=1e-12, options={"maxiter": 2000})


def test_there_are_at_least_five_starts():
    assert len(STARTS) >= 5


@pytest.mark.parametrize("asymmetric", [False, True])
def test_without_restrictions_it_is_archs_fit(returns, asymmetric):
    theirs = arch_fit(returns, int(asymmetric))
    ours = fit_garch(returns, FREE, specification=Specification("gjr" if asymmetric else "garch"))
    p = ours.natural
    assert ours.log_likelihood == pytest.approx(theirs.loglikelihood, abs=1e-3)
    assert ours.log_likelihood > theirs.loglikelihood - 1e-5
    named = {"alpha[1]": p.alpha, "beta[1]": p.beta, "nu": p.degrees_of_freedom, "omega": 1e4 * p.omega}
    if asymmetric:
        named["gamma[1]"] = p.gamma
    for name, value in named.items():
        assert value == pytest.approx(theirs.params[name], abs=0.05 * theirs.std_err[name])


def test_under_targeting_it_is_the_best_of_archs_likelihood_with_that_level(returns):
    """arch offers no targeting; its likelihood at our parameters is ours, and no neighbour with our level is better."""
    ours = fit_garch(returns, DAILY)
    p = ours.natural
    assert p.omega == pytest.approx(np.mean(returns**2) * (1 - p.persistence), rel=1e-9)
    model = arch_model(100 * returns, mean="Zero", vol="GARCH", p=1, q=1, dist="t", rescale=False)

    def theirs(alpha: float, beta: float, nu: float) -> float:
        omega = 1e4 * np.mean(returns**2) * (1 - alpha - beta)
        return model.fix([omega, alpha, beta, nu]).loglikelihood

    top = theirs(p.alpha, p.beta, p.degrees_of_freedom)
    assert ours.log_likelihood == pytest.approx(top, abs=1e-6)
    for change in np.eye(3) * 1e-3:
        for sign in (1, -1):
            a, b, c = sign * change
            assert theirs(p.alpha + a, p.beta + b, p.degrees_of_freedom * (1 + c)) < top


def test_the_unit_of_the_returns_does_not_matter(returns):
    """M22 and arch#632: returns x c give volatility x c and nothing else."""
    one = fit_garch(returns, DAILY)
    for c in (0.01, 100.0):
        other = fit_garch(c * returns, DAILY)
        assert other.scale == pytest.approx(c * one.scale, rel=1e-12)
        for name in ("alpha", "beta", "degrees_of_freedom"):
            assert getattr(other.natural, name) == pytest.approx(getattr(one.natural, name), rel=1e-6)
        assert other.variance(c * returns)[-1] == pytest.approx(c * c * one.variance(returns)[-1], rel=1e-6)


def test_every_start_leads_to_the_same_maximum(returns):
    all_starts = fit_garch(returns, DAILY)
    again = fit_garch(returns, DAILY, near=all_starts)
    assert again.log_likelihood == pytest.approx(all_starts.log_likelihood, abs=1e-7)
    assert np.allclose(again.x, all_starts.x, atol=1e-5)


def test_persistence_keeps_its_bound_and_says_so(returns):
    fit = fit_garch(returns, Restriction(0.9))
    assert fit.natural.persistence == pytest.approx(0.9, rel=1e-9)
    assert fit.at_bound == (PERSISTENCE,)
    assert fit.log_likelihood < fit_garch(returns, DAILY).log_likelihood


def test_a_tail_bound_that_does_not_bind_changes_nothing(returns):
    plain = fit_garch(returns, DAILY)
    bounded = fit_garch(returns, Restriction(0.995, tail=TailBound(2.05, 30.0)))
    assert not bounded.tied
    assert np.allclose(bounded.x, plain.x, atol=1e-9)


def test_a_tail_bound_that_binds_is_kept_exactly_at_the_best_point_on_it(returns):
    tail = TailBound(6.0, 30.0)
    fit = fit_garch(returns, Restriction(0.995, tail=tail))
    assert fit.tied
    assert abs(tail.growth(fit.x)) < 1e-9
    surface = fit.surface(returns)
    top = surface.gradient(fit.x)[0]
    for c in (PERSISTENCE, DEGREES):
        for sign in (1, -1):
            moved = fit.x.copy()
            moved[c] += sign * 0.01
            assert surface.gradient(moved)[0] < top


def test_the_tail_bound_is_the_tail_index_of_the_stationary_law():
    """Kesten's equation by quadrature against the closed form for a fourth moment: E[(alpha z^2 + beta)^2] = 1."""
    z, mass = nodes(8.0, 0.0, 200.0)
    z2 = z * z
    assert np.sum(mass * z2) == pytest.approx(1.0, rel=1e-12)
    fourth = np.sum(mass * z2**2)
    assert fourth == pytest.approx(3 * (8 - 2) / (8 - 4), rel=1e-4)  # Student-t, hardly cut
    tail = TailBound(4.0, 200.0)
    x = np.array([0.0, math.log(0.95 / 0.05), 0.0, 0.0, math.log(6.0), 0.0])
    x[SHARE] = tail.share(x)
    p = natural(x, True)
    assert p.alpha**2 * fourth + 2 * p.alpha * p.beta + p.beta**2 == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("targeted", [True, False])
def test_derivatives_of_the_coordinates(targeted):
    x = np.array([-0.3, 3.0, -2.0, 0.2, 0.7, 0.1])
    exact = jacobian(x, targeted)
    for c in range(len(NAMES)):
        step = np.zeros(6)
        step[c] = 1e-6
        up, down = (np.array([getattr(natural(x + sign * step, targeted), n) for n in NATURAL]) for sign in (1, -1))
        assert np.allclose((up - down) / 2e-6, exact[:, c], rtol=1e-6, atol=1e-9)


def test_the_slope_of_the_tied_share_is_a_derivative():
    tail = TailBound(3.0, 25.0)
    x = np.array([0.0, 4.0, 0.0, 0.1, 0.4, 0.0])
    x[SHARE] = tail.share(x)
    slope = Surface(np.zeros(1), True, tail).spread(x)[SHARE]
    for c in (PERSISTENCE, DEGREES):
        step = np.zeros(6)
        step[c] = 1e-4
        assert (tail.share(x + step) - tail.share(x - step)) / 2e-4 == pytest.approx(slope[c], rel=1e-5)


def test_returns_without_clustering_fit_as_constant_variance():
    fit = fit_garch(np.random.default_rng(0).normal(0, 0.01, 3000), DAILY)
    assert fit.natural.alpha < 0.02
    assert set(fit.at_bound) >= {DEGREES}


def test_a_stale_price_is_an_error():
    """Few moves only: the density grows without end as degrees of freedom fall to two."""
    stuck = np.zeros(800)
    stuck[::200] = 0.05
    with pytest.raises(NotConverged, match="degrees of freedom fall to 2"):
        fit_garch(stuck, DAILY)


def test_a_search_that_reaches_no_maximum_is_an_error(returns, monkeypatch):
    monkeypatch.setattr("simulator.estimation.ascent.MOST_ITERATIONS", 1)
    monkeypatch.setattr("simulator.estimation.ascent.NEWTON_STEPS", 1)
    with pytest.raises(NotConverged, match="no maximum that any of 6 starts reached"):
        fit_garch(returns, DAILY)
