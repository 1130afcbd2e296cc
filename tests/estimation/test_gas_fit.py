"""The fit of gas: it finds the numbers of simulated gas, and those of the real chain make sense."""

import csv
import math
import os
from pathlib import Path

import numpy as np
import pytest

from simulator.estimation.gas_fit import fit_gas
from simulator.market import Grid, ModelMarket
from simulator.market.gas import MeanRevertingGas
from simulator.market.stress import stressed_paths

DATA = Path(os.environ.get("SIMULATOR_DATA", "../shared")) / "data" / "onchain" / "ethereum_gas_daily.csv"
DAY = 86_400.0


@pytest.mark.parametrize("jumps", [0.0, 12.0])
def test_it_finds_the_numbers_of_simulated_gas(jumps):
    process = {"kind": "garch", "volatility": 0.8, "alpha": 0.1, "beta": 0.85, "volatility_today": 0.8}
    market = ModelMarket.model_validate({"assets": [{"name": "ETH", "price": 1.0, "process": process}]})
    grid = Grid(market_step=DAY, transition=1, horizon=1_500)
    own = {"level": 30.0, "spread": 0.7, "half_life": 9 * DAY, "volatility_elasticity": 0.9}
    truth = MeanRevertingGas(kind="mean-reverting", asset="ETH", jump_intensity=jumps, jump_mean=1.5, **own)
    paths = stressed_paths(market, (), truth, grid, 3, "fit", 0, 20)
    fits = [fit_gas(paths.gas[:, i], paths.volatility[:, 0, i], 0.8, DAY) for i in range(20)]
    kept = 2.0 ** (-1 / 9)
    assert sum(abs(fit.volatility_elasticity - 0.9) < 4 * fit.elasticity_error for fit in fits) == 20
    assert sum(abs(fit.kept - kept) < 4 * fit.kept_error for fit in fits) == 20
    spreads = np.array([fit.spread for fit in fits])
    assert abs(spreads.mean() - 0.7) < 4 * spreads.std(ddof=1) / math.sqrt(20) + 0.05  # kept is a little low in any sample
    if jumps:
        found = np.array([fit.jump_intensity for fit in fits])
        # a third of exponential jumps of mean 1.5 is below four deviations of 0.19 of noise
        assert jumps * 0.4 < found.mean() < jumps
    else:
        assert np.mean([fit.jump_intensity for fit in fits]) < 0.2


@pytest.mark.shared_data
@pytest.mark.skipif(not DATA.exists(), reason=f"{DATA.name} is not among the shared data")
def test_real_gas_answers_to_volatility_and_its_level_is_of_its_time():
    with open(DATA) as file:
        rows = [row for row in csv.DictReader(file) if min(float(row["eth_usd"]), float(row["avg_gas_price_gwei"])) > 0]
    gwei, price = (np.array([float(row[key]) for row in rows]) for key in ("avg_gas_price_gwei", "eth_usd"))
    returns, kept = np.diff(np.log(price)), 0.5 ** (1 / 5)
    variance = np.full(len(price), returns[:30].var())
    for i, r in enumerate(returns):
        variance[i + 1] = kept * variance[i] + (1 - kept) * r * r
    volatility, days = np.sqrt(variance * 365), np.array([row["ts"][:10] for row in rows])
    levels = []
    for since, until in (("2021-01-01", "2022-09-15"), ("2025-01-01", "2026-06-30")):
        inside = (days >= since) & (days < until)
        reference = math.sqrt((volatility[inside] ** 2).mean())
        fit = fit_gas(gwei[inside], volatility[inside], reference, DAY)
        assert fit.volatility_elasticity > 3 * fit.elasticity_error  # on the same day, at last week's level
        assert 3 * DAY < fit.half_life < 30 * DAY
        levels.append(fit.level)
    assert levels[0] > 10 * levels[1]
