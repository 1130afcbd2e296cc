"""`fit --kind filtered-history`: the block is a market of the file's own rows, filtered as the fit filters them."""

import math
import tomllib
from datetime import UTC, datetime

import numpy as np
import pytest
from pydantic import TypeAdapter

from simulator.cli import main
from simulator.estimation.fit import fit_market
from simulator.estimation.returns import Window, log_returns, read_each
from simulator.estimation.settings import FitSettings
from simulator.market import Grid, Market
from simulator.market.filtered import residuals_of
from simulator.parameters import YEAR

TRUE = {"alpha": 0.06, "beta": 0.9, "nu": 5.0}
UNTIL = datetime(2022, 4, 1, tzinfo=UTC)
HOURS = Grid(market_step=3600.0, transition=1.0, horizon=1.0)


@pytest.fixture
def prices(make_returns, write_prices):
    return write_prices(make_returns(2500, 41, **TRUE, paths=2))


def read(text, folder):
    return TypeAdapter(Market).validate_python(tomllib.loads(text)["market"], context={"folder": folder})


@pytest.mark.parametrize("process", ["gjr", "egarch"])
def test_the_history_filters_as_the_fit_does(prices, process):
    """Residuals and today's variance of the block's market beside the fit's, which knows no mean and starts otherwise."""
    settings, table = FitSettings(process=process, jumps="none"), read_each(prices)
    fit = fit_market(table, until=UNTIL, settings=settings, file=prices.name, folder=prices.parent, paths=0)
    market = read(fit.toml(), prices.parent)
    assert market == fit.history
    found, returns = residuals_of(market, HOURS), log_returns(table, Window(UNTIL)).returns
    for a, own in enumerate(fit.assets):
        assert np.corrcoef(found.values[500:, a], own.residuals[500:])[0, 1] > 0.99999
        today = own.estimates["volatility_today"].value
        assert math.sqrt(found.today[a] * YEAR / 3600) == pytest.approx(today, rel=0.02)
        level = math.sqrt(np.mean(returns[:, a] ** 2) * YEAR / 3600)
        assert market.reference_volatility(own.name) == pytest.approx(level, rel=1e-6)


def test_the_command_compares_the_history_itself_and_writes_its_gaps(prices, tmp_path, capsys):
    lines = prices.read_text().splitlines()
    lines[300] = lines[300].rpartition(",")[0] + ","
    del lines[700:710]
    prices.write_text("\n".join(lines) + "\n")
    arguments = ["fit", str(prices), "--until", UNTIL.isoformat(), "--paths", "3", "--out", str(tmp_path / "market.toml")]
    assert main([*arguments, "--kind", "filtered-history"]) == 0
    as_history = capsys.readouterr().out
    assert main(arguments) == 0
    assert as_history != capsys.readouterr().out
    assert main([*arguments, "--kind", "filtered-history"]) == 0
    market = read((tmp_path / "market.toml").read_text(), tmp_path)
    assert (market.blanks, market.max_gap) == (True, 11 * 3600.0)
    assert market.problems(HOURS) == []


def test_what_bends_the_rows_has_no_place_beside_it(prices, tmp_path, capsys):
    more = ["--jumps", "kou", "--copula", "student-t", "--exclude", "2022-01-05T00:00:00Z..2022-01-06T00:00:00Z"]
    arguments = ["fit", str(prices), "--until", UNTIL.isoformat(), "--kind", "filtered-history", *more]
    assert main([*arguments, "--out", str(tmp_path / "m.toml")]) == 2
    assert capsys.readouterr().err.splitlines() == [
        f"{prices}: --exclude: has no place beside --kind filtered-history: its rows are one stretch of the file",
        f"{prices}: --jumps: has no place beside --kind filtered-history: its residuals hold the jumps",
        f"{prices}: --copula: has no place beside --kind filtered-history: its rows stay whole, and so does what ties them",
    ]
