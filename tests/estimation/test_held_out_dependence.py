"""Candidates of dependence on later rows: scores as plain loops give them, the truth ahead of what it is not, no look ahead."""

import json
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from scipy import stats

from simulator.cli import main
from simulator.estimation.fit import MarketFit, fit_market
from simulator.estimation.held_out_dependence import facts, held_out_dependence
from simulator.estimation.next_return import NextReturn, variances
from simulator.estimation.returns import Window, log_returns
from simulator.estimation.settings import FitSettings
from simulator.market.price_file import PriceTable

DAY, SEEN, LATER = 86_400.0, 1_500, 900
START = datetime(2015, 1, 1, tzinfo=UTC)
UNTIL = START + timedelta(days=SEEN)
SETTINGS = FitSettings(innovation="normal", jumps="none", dependence="auto", copula="auto")


def moving(rows: int, seed: int) -> np.ndarray:
    """Returns [t, asset] of two GARCH assets whose normal scores follow Engle's recursion, in a loop."""
    rng = np.random.default_rng(seed)
    s = np.array([[1.0, 0.5], [0.5, 1.0]])
    q, h, found = s.copy(), np.ones(2), []
    for _ in range(rows):
        scale = np.sqrt(np.diag(q))
        w = np.linalg.cholesky(q / np.outer(scale, scale)) @ rng.standard_normal(2)
        found.append(0.02 * np.sqrt(h) * w)
        h = 0.05 + 0.1 * h * w * w + 0.85 * h
        q = 0.04 * s + 0.08 * np.outer(w, w) + 0.88 * q
    return np.array(found)


@pytest.fixture(scope="module")
def seen() -> tuple[PriceTable, MarketFit]:
    prices = 100 * np.exp(np.vstack([np.zeros(2), np.cumsum(moving(SEEN + LATER, 6), axis=0)]))
    moments = int(START.timestamp()) * 10**9 + round(DAY * 1e9) * np.arange(len(prices))
    table = PriceTable(("A", "B"), moments, prices, DAY, "ab" * 32, ())
    return table, fit_market(table, until=UNTIL, settings=SETTINGS, paths=0)


def probabilities(table: PriceTable, fit: MarketFit) -> tuple[np.ndarray, np.ndarray]:
    """(u [t, asset], strain [t]) of later rows."""
    r = log_returns(table, Window(START + timedelta(days=SEEN + LATER), UNTIL), DAY).returns
    columns, ratios = [], []
    for k, asset in enumerate(fit.market.assets):
        h = variances(asset, r[:, k], DAY, "filter", math.inf)
        columns.append(NextReturn(asset, DAY).probability(r[:, k], h))
        ratios.append(h / (asset.process.volatility**2 / 365))
    return np.column_stack(columns), np.mean(ratios, axis=0)


def test_scores_are_those_of_plain_loops(seen):
    table, fit = seen
    found = held_out_dependence(table, fit)
    u, strain = probabilities(table, fit)
    w = stats.norm.ppf(u)
    assert found.rows == LATER
    scores = {row.model: row.log_score for row in found.candidates}
    laws = {law.name: law for law in fit.dependence.laws}
    assert set(scores) == set(laws) == {f"{a}, {b}" for a in ("constant", "dcc", "converging") for b in ("gaussian", "student-t")}
    assert next(iter(scores)) == f"{fit.dependence.dynamics}, {fit.dependence.copula}"

    def density(x: np.ndarray, rho: float, degrees: float | None) -> float:
        matrix = [[1.0, rho], [rho, 1.0]]
        if degrees is None:
            return stats.multivariate_normal.logpdf(x, cov=matrix) - stats.norm.logpdf(x).sum()
        return stats.multivariate_t.logpdf(x, shape=matrix, df=degrees) - stats.t.logpdf(x, degrees).sum()

    for which, law in laws.items():
        degrees = law.numbers.get("copula_degrees_of_freedom")
        x = w if degrees is None else stats.t.ppf(u, degrees)
        rhos, s = [], law.correlation[0, 1]
        if law.dynamics == "constant":
            rhos = [s] * LATER
        elif law.dynamics == "dcc":
            ranks = np.column_stack([stats.rankdata(a.residuals) / (SEEN + 1) for a in fit.assets])
            a, b = law.numbers["dcc_alpha"], law.numbers["dcc_beta"]
            q = np.array([1.0, 1.0, s])  # of A, of B, of both
            for one, two in np.vstack([stats.norm.ppf(ranks), w]):
                rhos.append(q[2] / math.sqrt(q[0] * q[1]))
                q = (1 - a - b) * np.array([1.0, 1.0, s]) + a * np.array([one * one, two * two, one * two]) + b * q
            rhos = rhos[SEEN:]
        else:
            begin, full, level, half_life = (
                law.numbers[f"converging_{n}"] for n in ("starts_at", "full_at", "level", "half_life")
            )
            kept, c = 0.5 ** (DAY / half_life), 0.0
            before = np.mean([a.relative_variance for a in fit.assets], axis=0)
            for v in np.concatenate([before, strain]):
                c = kept * c + (1 - kept) * min(max((v - begin) / (full - begin), 0.0), 1.0)
                rhos.append(s + level * c * (1 - s))
            rhos = rhos[SEEN:]
        slow = np.mean([density(row, rho, degrees) for row, rho in zip(x, rhos, strict=True)])
        assert scores[which] == pytest.approx(slow, abs=1e-9), which


def test_the_truth_leads_and_no_row_looks_ahead(seen):
    table, fit = seen
    found = held_out_dependence(table, fit)
    by_name = {row.model: row for row in found.candidates}
    assert fit.dependence.dynamics == "dcc"
    assert by_name["constant, gaussian"].behind > 2 * by_name["constant, gaussian"].error > 0
    assert not by_name["constant, gaussian"].in_set
    spoilt = table.prices.copy()
    spoilt[: SEEN - 1] = 1.0
    assert held_out_dependence(replace(table, prices=spoilt), fit) == found
    json.dumps(facts(found), allow_nan=False)


def test_without_a_choice_there_is_nothing_to_compare(seen):
    table, fit = seen
    assert held_out_dependence(table, replace(fit, dependence=None)) is None
    alone = replace(fit.dependence, laws=fit.dependence.laws[:1])
    assert held_out_dependence(table, replace(fit, dependence=alone)) is None


def test_the_command_prints_the_candidates(write_prices, tmp_path, capsys):
    path, out = write_prices(moving(1_300, 8), ("AAA", "BBB"), step=86_400), tmp_path / "m.toml"
    until = (datetime(2022, 1, 1, tzinfo=UTC) + timedelta(days=700)).isoformat()
    arguments = ["fit", str(path), "--until", until, "--paths", "0", "--held-out", "--innovation", "normal", "--out", str(out)]
    assert main([*arguments, "--dependence", "constant", "--copula", "auto"]) == 0
    printed = capsys.readouterr().out
    assert "Dependence on 600 later rows" in printed
    assert "constant, student-t" in printed
    assert max(len(line.rstrip()) for line in printed.splitlines() if not line.startswith("written: ")) <= 80
    assert main([*arguments, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["held_out_dependence"] is None
