"""Back-tests against published tables, exact enumeration, and their own promise of size."""

import json
import math

import numpy as np
import pytest
from scipy import stats

from simulator.risk import backtests as tests

FOUND = {
    "kupiec_pof_LR": lambda c: tests.kupiec_ratio(c["n"], c["x"], c["p"]),
    "kupiec_pof_pvalue": lambda c: tests.chi_square_tail(tests.kupiec_ratio(c["n"], c["x"], c["p"])),
    "christoffersen_cci_pvalue": lambda c: tests.chi_square_tail(
        tests.christoffersen_ratio(c["n00"], c["n01"], c["n10"], c["n11"])
    ),
    "christoffersen_cci_LR": lambda c: tests.christoffersen_ratio(c["n00"], c["n01"], c["n10"], c["n11"]),
    "kupiec_nonrejection_95%_low": lambda c: tests.acceptance(c["T"], c["p"])[0],
    "kupiec_nonrejection_95%_high": lambda c: tests.acceptance(c["T"], c["p"])[1],
    "basel_traffic_light_cum_prob": lambda c: tests.cumulative(c["x"]),
}


def read(folder, file):
    path = folder / file
    if not path.is_file():
        pytest.skip(f"{path.name} is not among the shared data")
    return json.loads(path.read_text())


@pytest.mark.shared_data
def test_published_values(shared_data):
    """Every case of a test that we have, within its tolerance."""
    cases = [case for case in read(shared_data / "reference", "var_backtests.json")["cases"] if case["test"] in FOUND]
    assert len(cases) >= 10
    for case in cases:
        assert abs(FOUND[case["test"]](case) - case["value"]) <= case["tol"], case


@pytest.mark.shared_data
def test_published_tables(shared_data):
    tables = read(shared_data / "vectors", "backtest_tables.json")
    for row in tables["kupiec"]["rows"]:
        assert tests.acceptance(row["T"], row["p"]) == (row["accept_low"], row["accept_high"])
    basel = tables["basel_traffic_light"]
    for zone, (low, high) in basel["zones"].items():
        for count in range(low, (high or low + 10) + 1):
            assert tests.basel_zone(count, basel["T"], basel["p"]) == zone
    for count, value in basel["cumulative_probability"].items():
        if count.isdigit():
            assert tests.cumulative(int(count), basel["T"], basel["p"]) == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize(("n", "size", "accepted", "against_double", "against_triple"), [(250, 0.095, (1, 6), 0.24, 0.63)])
def test_kupiecs_true_size_and_power_are_those_enumerated(n, size, accepted, against_double, against_triple):
    """VERIFICATION L21: at nominal 5 %, 250 days and 1 %, the test rejects 9.5 % of sound models."""
    low, high = tests.acceptance(n, 0.01)
    assert (low, high) == accepted
    for truth, expected in ((0.01, size), (0.02, against_double), (0.03, against_triple)):
        rejected = 1 - sum(stats.binom.pmf(x, n, truth) for x in range(low, high + 1))
        assert rejected == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize(("n", "p"), [(250, 0.01), (1_000, 0.005), (2_500, 0.05)])
def test_the_exact_test_keeps_its_level(n, p):
    """It rejects a sound model at most as often as it says, and has the power that it states, by enumeration."""
    verdicts = np.array([tests.exact_p(n, x, p) <= 0.05 for x in range(n + 1)])
    assert stats.binom.pmf(np.arange(n + 1), n, p)[verdicts].sum() <= 0.05
    assert tests.power(n, p, 2 * p) == pytest.approx(stats.binom.pmf(np.arange(n + 1), n, 2 * p)[verdicts].sum(), abs=1e-9)
    assert tests.exact_p(n, round(n * p), p) > 0.9


def test_independence_has_its_size_and_sees_clusters():
    """By simulated critical values: rejects 5 % of independent series (within 4 SE), and most where one brings the next."""
    n, p, count = 1_000, 0.02, 400
    rng = np.random.default_rng(1)
    sound = np.mean([tests.coverage(rng.random(n) < p, p).independence_p <= 0.05 for _ in range(count)])
    assert sound <= 0.05 + 4 * math.sqrt(0.05 * 0.95 / count)
    clustered = []
    for _ in range(count):
        hits = np.zeros(n, bool)
        for t in range(1, n):
            hits[t] = rng.random() < (0.3 if hits[t - 1] else 0.015)
        clustered.append(tests.coverage(hits, p).independence_p <= 0.05)
    assert np.mean(clustered) > 0.8


def test_transitions_count_every_pair_once():
    hits = np.array([0, 1, 1, 0, 0, 1], bool)
    assert tests.transitions(hits) == (1, 2, 1, 1)
    assert math.isnan(tests.coverage(np.zeros(100, bool), 0.01).independence_ratio)


def test_engles_test_is_a_regression_of_squares():
    """One lag: n times the squared correlation of neighbours. It keeps its level on noise and sees ARCH."""
    rng = np.random.default_rng(2)
    x = rng.standard_normal(2_000)
    statistic, p = tests.arch_lm(x)
    assert statistic == pytest.approx(1_999 * np.corrcoef(x[1:] ** 2, x[:-1] ** 2)[0, 1] ** 2, rel=1e-9)
    assert p == pytest.approx(stats.chi2.sf(statistic, 1), rel=1e-12)
    assert p > 1e-3
    for t in range(1, len(x)):
        x[t] *= math.sqrt(0.5 + 0.4 * min(x[t - 1] ** 2, 9))
    assert tests.arch_lm(x, 5)[1] < 1e-6


def test_a_sound_shortfall_has_z_zero_and_a_small_one_is_negative():
    """Student-t losses with 4 degrees: VaR 2.6495, ES 3.6915 at 99 % (VERIFICATION L24)."""
    rng, n = np.random.default_rng(3), 200_000
    losses = rng.standard_t(4, n) / math.sqrt(2)
    q = stats.t.ppf(0.99, 4)
    es = stats.t.pdf(q, 4) / 0.01 * (4 + q * q) / 3 / math.sqrt(2)
    var = np.full(n, q / math.sqrt(2))
    assert (var[0], es) == (pytest.approx(2.6495, abs=1e-4), pytest.approx(3.6915, abs=1e-4))
    beyond = np.where(losses > var, losses / es, 0.0)
    assert abs(tests.shortfall_z(losses, var, np.full(n, es), 0.01)) < 4 * beyond.std() / 0.01 / math.sqrt(n)
    assert tests.shortfall_z(losses, 0.8 * var, np.full(n, 0.8 * es), 0.01) < -0.5


@pytest.mark.parametrize(("hits", "p"), [(np.zeros(0, bool), 0.01), (np.zeros((2, 2), bool), 0.01), (np.zeros(5, bool), 0.0)])
def test_what_cannot_be_tested_is_refused(hits, p):
    with pytest.raises(ValueError, match="must"):
        tests.coverage(hits, p)
