"""Pegs on rows their fit never saw: densities against scipy, scores against a loop, truths that pass and changes that do not."""

import json
import math
import sys
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from simulator.cli import main
from simulator.estimation.fit import MarketFit, fit_market
from simulator.estimation.held_out import held_out
from simulator.estimation.next_return import NextReturn
from simulator.estimation.plan import Plan
from simulator.estimation.scaling import scaled
from simulator.estimation.settings import FitSettings
from simulator.estimation.staleness import staleness
from simulator.estimation.walk_forward import walk_forward
from simulator.market import Grid, ModelMarket
from simulator.market.model import Asset
from simulator.parameters import YEAR

sys.path.insert(0, str(Path(__file__).parent))
from test_peg_fit import DEPEGS, FAR, HOUR, PEG, TRUE, distances, table_of

START = datetime(2022, 1, 1, tzinfo=UTC)
MERTON = {"kind": "merton", "intensity": 900.0, "mean": -0.03, "deviation": 0.01}
KOU = {"kind": "kou", "intensity": 900.0, "up_probability": 0.3, "eta_up": 60.0, "eta_down": 25.0}


def peg_asset(jumps: dict) -> Asset:
    return Asset.model_validate({"name": "USDX", "price": 1.0, "process": {"kind": "ornstein-uhlenbeck", **TRUE}, "jumps": jumps})


@pytest.mark.parametrize("jumps", [MERTON, KOU])
def test_a_move_is_a_normal_with_or_without_a_jump(jumps):
    """Merton's sum is normal again; Kou's is scipy's exponentially modified normal on either side."""
    h, r = np.full(41, 4e-6), np.linspace(-0.1, 0.1, 41)
    law, chance, root = NextReturn(peg_asset(jumps), HOUR), -math.expm1(-900 * HOUR / YEAR), 2e-3
    if jumps is MERTON:
        jumped = stats.norm(-0.03, math.hypot(0.01, root))
        density, below = jumped.pdf(r), jumped.cdf(r)
    else:
        up, down = (stats.exponnorm(1 / (eta * root), scale=root) for eta in (60.0, 25.0))
        density, below = 0.3 * up.pdf(r) + 0.7 * down.pdf(-r), 0.3 * up.cdf(r) + 0.7 * down.sf(-r)
    plain = stats.norm(0, root)
    assert np.allclose(law.density(r, h), (1 - chance) * plain.pdf(r) + chance * density, rtol=1e-9, atol=1e-280)
    assert np.allclose(law.probability(r, h), (1 - chance) * plain.cdf(r) + chance * below, rtol=1e-9, atol=1e-15)


@pytest.fixture(scope="module")
def seen() -> tuple[np.ndarray, MarketFit]:
    x = distances(6_000, 41)
    return x, fit_market(table_of(x), until=START + timedelta(hours=4_000), settings=PEG, paths=0)


def test_later_moves_are_scored_as_a_loop_would(seen):
    x, fit = seen
    (found,) = held_out(table_of(x), fit)
    process, jumps = fit.market.assets[0].process, fit.market.assets[0].jumps
    rate = math.log(2) / (process.half_life / HOUR)
    kept, chance = math.exp(-rate), 1 - math.exp(-jumps.intensity * HOUR / YEAR)
    h = process.volatility**2 * HOUR / YEAR * (1 - kept**2) / (2 * rate)
    total, falls = 0.0, 0
    for before, after in pairwise(x[4_000:]):
        surprise = (after - math.log(process.peg)) - kept * (before - math.log(process.peg))
        deviation = math.sqrt(h + jumps.deviation**2)
        both = [(1 - chance, 0.0, math.sqrt(h)), (chance, jumps.mean, deviation)]
        total += math.log(sum(share * stats.norm.pdf(surprise, mean, spread) for share, mean, spread in both))
        falls += sum(share * stats.norm.cdf(surprise, mean, spread) for share, mean, spread in both) < 0.01
    own = found.scores[0]
    assert (own.strategy, found.returns) == ("transition", 2_000)
    assert own.log_score == pytest.approx(total / 2_000, rel=1e-9)
    assert own.coverage["falls", 0.01].exceeded == falls


def test_the_truth_keeps_its_var_and_a_pull_is_worth_its_share(seen):
    """Without a pull of 1 - k the variance of a move is (1 - k)^2 Var[x] too small: half of it over h is lost of the score."""
    x, fit = seen
    (found,) = held_out(table_of(x), fit)
    by_name = {score.strategy: score for score in found.scores}
    assert all(c.exact_p > 1e-3 and c.independence_p > 1e-3 for c in found.coverage.values())
    assert by_name["no-pull"].behind_low < by_name["no-pull"].behind < by_name["no-pull"].behind_high
    assert by_name["no-pull"].behind > 0
    assert by_name["ewma"].behind > 0
    rows = staleness(table_of(x), fit)
    assert (rows[0].estimator, rows[0].refresh, rows[0].lost) == ("the peg's own", "never", 0.0)
    assert {row.returns for row in rows} == {2_000}


def test_a_peg_to_another_asset_is_scored_on_their_ratio(make_returns):
    ether = np.concatenate([[7.0], 7.0 + np.cumsum(make_returns(3_000, 4, alpha=0.05, beta=0.9, nu=8.0)[:, 0])])
    x, until = distances(3_000, 5), START + timedelta(hours=2_000)
    settings = FitSettings(pegs=(("stETH", "ETH"),))
    table = table_of(ether + x, ether, names=("stETH", "ETH"))
    staked, other = held_out(table, fit_market(table, until=until, settings=settings, paths=0))
    (alone,) = held_out(table_of(x), fit_market(table_of(x), until=until, settings=PEG, paths=0))
    assert [s.log_score for s in staked.scores] == pytest.approx([s.log_score for s in alone.scores], rel=1e-6)
    assert [s.strategy for s in other.scores] == ["filter", "ewma", "still"]
    walk = walk_forward(table, Plan(folds=2), until=until, settings=settings)
    ratio = walk_forward(table_of(x), Plan(folds=2), until=until, settings=PEG)
    assert walk.assets[0].out_of_sample == pytest.approx(ratio.assets[0].out_of_sample, rel=1e-6)
    assert walk.assets[0].folds[0].drift == ratio.assets[0].folds[0].drift or walk.assets[0].folds[0].drift.p > 0.01


def test_walking_refits_the_peg_and_hears_what_changes():
    x = distances(4_000, 42)
    (walk,) = walk_forward(table_of(x), Plan(folds=2), until=FAR, settings=PEG).assets
    assert len({fold.estimates["half_life"].value for fold in walk.folds}) == 2
    assert abs(walk.difference) < 4 * walk.difference_error
    assert all(c.exact_p > 1e-4 for c in walk.coverage.values())
    assert next(m for m in walk.models if m.model == "constant, normal").behind > 0
    assert walk.power["volatility doubled"] > 0.9
    assert 0.05 < walk.power["pull lost"] <= 1
    wild = x.copy()
    wild[3_000:] = wild[3_000] + np.cumsum(2 * np.diff(x[2_999:]))
    assert walk_forward(table_of(wild), Plan(folds=2), until=FAR, settings=PEG).assets[0].folds[1].drift.alarm


def test_a_peg_with_every_move_multiplied_is_as_far_away_again(seen):
    """What `fit --with-feedback` does to it: distances of one seed, from the peg, twice as long; none of them reverts faster."""
    _, fit = seen
    grid = Grid(market_step=HOUR, transition=5, horizon=5)
    peg = fit.market.assets[0].process.peg

    def path(one) -> np.ndarray:
        found = MarketFit((one,), fit.correlation, fit.correlation_rows, fit.source, fit.block).market
        asset = found.assets[0].model_copy(update={"price": peg, "parameter_law": None})
        return np.log(ModelMarket(assets=(asset,)).paths(grid, 1, "scaled", 0, 4).price[:, 0] / peg)

    assert np.allclose(path(scaled(fit.assets[0], 2.0)), 2 * path(fit.assets[0]), rtol=1e-6, atol=1e-12)
    assert set(DEPEGS) <= set(fit.assets[0].estimates)


def test_the_command_back_tests_a_market_with_a_peg(write_prices, make_returns, tmp_path, capsys):
    r = np.column_stack([np.diff(distances(3_000, 9)), make_returns(3_000, 10, alpha=0.05, beta=0.9, nu=8.0)[:, 0]])
    path, out = write_prices(r, ("USDX", "BTC")), tmp_path / "m.toml"
    until = (START + timedelta(hours=2_400)).isoformat()
    looks = ["--pegs", "USDX", "--held-out", "--online", "--walk-forward", "1"]
    arguments = ["fit", str(path), "--until", until, "--out", str(out), "--paths", "0", *looks]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    for word in ("USDX: one-step VaR on 600 later returns", "no-pull", "the peg's own", "half-life", "pull lost"):
        assert word in printed
    assert max(len(line.rstrip()) for line in printed.splitlines() if not line.startswith("written: ")) <= 80
    assert main([*arguments, "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert [score["strategy"] for score in data["held_out"][0]["scores"]] == ["transition", "ewma", "no-pull"]
    assert "looked_at" in out.read_text()
