"""Every row of the real tables of Aave v3 and Comet loads into parts and runs in a scenario: whatever rows the files hold."""

from __future__ import annotations

import csv
from collections import defaultdict

import numpy as np
import pytest

from simulator.checks import outcome_checks
from simulator.model import simulate
from simulator.scenario import Scenario

pytestmark = pytest.mark.shared_data

TOGETHER = 30  # currencies of one scenario at most
HEAD = """
name = "table"
seed = 3

[grid]
market_step = 3600.0
substeps = 2
transition = 0.5
horizon = 1.0

[market]
kind = "model"
"""
KEEPERS = '[[cohorts]]\nkind = "keepers"\nacts = "always"\n'


def rows_of(folder, name):
    path = folder / "vectors" / name
    if not path.is_file():
        pytest.skip(f"no {name} in the folder of real data; set SIMULATOR_DATA to run the table")
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def asset(name, price, volatility):
    process = f'{{ kind = "geometric-brownian", volatility = {volatility} }}'
    return f'[[market.assets]]\nname = "{name}"\nprice = {price}\nprocess = {process}\n'


def venue(name):
    return f'[protocol.venues."{name}"]\nspot = {{ kind = "linear", depth = 1e8 }}\n'


def borrowers(name, collateral, debt):
    return (
        f'[[cohorts]]\nkind = "borrowers"\nname = "{name}"\ncollateral = "{collateral}"\ndebt = "{debt}"\naccounts = 3\n'
        "wealth = { median = 20000 }\nuse = { low = 0.9, high = 0.99 }\nactivity = 4\nholding_days = 2\n"
    )


def suppliers(name, currency, wealth):
    return (
        f'[[cohorts]]\nkind = "suppliers"\nname = "{name}"\nasset = "{currency}"\naccounts = 2\n'
        f"wealth = {{ median = {wealth} }}\nactivity = 4\n"
    )


def is_dollar(row):
    return abs(float(row["oracle_price_usd"]) - 1) < 0.02


def reserve(row):
    """[parameters] of one row of Aave's table: basis points, tokens and dollar cents."""
    name = row["symbol"]
    bonus = max(int(row["liquidation_bonus_bps"]) - 10_000, 0) / 1e4
    text = (
        f'[parameters.collateral."{name}"]\ncollateral_factor = {int(row["ltv_bps"]) / 1e4}\n'
        f"liquidation_threshold = {int(row['liquidation_threshold_bps']) / 1e4}\nliquidation_bonus = {bonus}\n"
        f"debt_ceiling = {int(row['debt_ceiling_usd_cents']) / 100}\n"
    )
    if float(row["supply_cap"]) > 0:
        text += f"supply_cap = {float(row['supply_cap'])}\n"
    if row["borrowing_enabled"] != "1":
        return text
    text += f'[parameters.borrowing."{name}"]\nreserve_factor = {int(row["reserve_factor_bps"]) / 1e4}\n'
    if float(row["borrow_cap"]) > 0:
        text += f"borrow_cap = {float(row['borrow_cap'])}\n"
    if float(row["optimal_usage"]) in (0.0, 1.0):
        return text + f'kind = "flat"\nrate = {float(row["base_rate"])}\n'
    return text + (
        f"base_rate = {float(row['base_rate'])}\nslope_below = {float(row['slope1'])}\nslope_above = {float(row['slope2'])}\n"
        f"optimal_utilisation = {float(row['optimal_usage'])}\n"
    )


def aave(rows):
    """A scenario of some reserves: everyone borrows a dollar, or what there is, against each collateral."""
    lent = [row["symbol"] for row in rows if row["borrowing_enabled"] == "1"]
    dollars = [row["symbol"] for row in rows if row["borrowing_enabled"] == "1" and is_dollar(row)]
    modes = sorted({row["emode"] for row in rows if row["emode"] not in ("", "0")})
    members = {f"mode{mode}": [row["symbol"] for row in rows if row["emode"] == mode] for mode in modes}
    quoted = ", ".join(f'"{name}"' for name in dollars)
    text = HEAD + "".join(asset(row["symbol"], float(row["oracle_price_usd"]), 0.02 if is_dollar(row) else 1.5) for row in rows)
    text += f'[protocol]\ncounterparty = {{ kind = "outside" }}\n[protocol.lending]\nborrowable_in_isolation = [{quoted}]\n'
    text += "".join(f"categories.{name} = {str(names).replace(chr(39), chr(34))}\n" for name, names in members.items())
    text += "".join(venue(row["symbol"]) for row in rows) + "".join(reserve(row) for row in rows)
    for name in members:
        text += (
            f"[parameters.categories.{name}]\ncollateral_factor = 0.93\nliquidation_threshold = 0.95\nliquidation_bonus = 0.01\n"
        )
    text += "[parameters.liquidation]\nclose_factor = 0.5\nfull_below_value = 2000\nleast_leftover = 1000\nprotocol_share = 0.1\n"
    for n, row in enumerate(rows):
        debts = [name for name in (dollars or lent) + lent if name != row["symbol"]]
        if int(row["ltv_bps"]) > 0 and row["frozen"] != "1" and debts:
            text += borrowers(f"b{n}", row["symbol"], debts[0])
    return text + "".join(suppliers(f"s{n}", name, 1e6) for n, name in enumerate(lent)) + KEEPERS


def test_every_reserve_of_aave_v3_runs(shared_data):
    rows = rows_of(shared_data, "aave_v3_ethereum_params_20231031.csv")
    liquidations = 0.0
    for first in range(0, len(rows), TOGETHER):
        part = rows[first : first + TOGETHER]
        scenario = Scenario.from_text(aave(part), ".", "aave")
        for row in part:
            collateral = scenario.parameters.collateral[row["symbol"]]
            assert collateral.liquidation_threshold == int(row["liquidation_threshold_bps"]) / 1e4
            assert collateral.debt_ceiling == int(row["debt_ceiling_usd_cents"]) / 100
            assert (row["symbol"] in scenario.parameters.borrowing) == (row["borrowing_enabled"] == "1")
        outcomes = simulate(scenario, count=4)
        assert [name for name, check in outcome_checks(outcomes).items() if not check["passed"]] == []
        liquidations += outcomes.column("liquidations.whole").sum()
    assert liquidations > 0


def tokens(text, decimals):
    """A number of Comet's configuration in whole tokens: `7_500e18` of 18 decimals is 7,500."""
    return float(text.replace("_", "") or 0) / 10**decimals


def line(row, side):
    return (
        f"{{ base_rate = {float(row[f'{side}Base'])}, slope = {float(row[f'{side}SlopeLow'])}, "
        f"jump = {float(row[f'{side}SlopeHigh'])}, kink = {float(row[f'{side}Kink'])} }}"
    )


def comet(market, collaterals):
    """A scenario of one market; every price is 1 and moves, so that accounts are absorbed and resold."""
    names = [row["asset"] for row in collaterals]
    target = f"{market['targetReserves']}".replace("_", "").partition("e")[0]
    text = HEAD + asset("BASE", 1.0, 0.05) + "".join(asset(name, 1.0, 1.5) for name in names)
    text += '[protocol]\ncounterparty = { kind = "outside" }\n[protocol.lending]\nreserves = { BASE = 1000 }\n'
    text += "".join(venue(name) for name in ["BASE", *names]) + "[parameters.collateral.BASE]\n"
    for row in collaterals:
        text += (
            f'[parameters.collateral."{row["asset"]}"]\ncollateral_factor = {float(row["borrowCF"])}\n'
            f"liquidation_threshold = {float(row['liquidateCF'])}\nliquidation_factor = {float(row['liquidationFactor'])}\n"
            f"supply_cap = {tokens(row['supplyCap'], int(row['decimals']))}\n"
        )
    text += '[parameters.borrowing.BASE]\nkind = "independent-curves"\n'
    text += f"supply = {line(market, 'supply')}\nborrow = {line(market, 'borrow')}\n"
    text += '[parameters.liquidation.loans]\nkind = "absorb-and-resale"\n'
    text += f"storefront_factor = {float(market['storeFrontPriceFactor'])}\n"
    text += f"target_reserves = {float(target or 0)}\n"
    text += "".join(borrowers(f"b{n}", name, "BASE") for n, name in enumerate(names))
    return text + suppliers("s", "BASE", 1e6) + KEEPERS


def test_every_market_and_collateral_of_comet_runs(shared_data):
    markets = rows_of(shared_data, "comet_markets.csv")
    collaterals = defaultdict(list)
    for row in rows_of(shared_data, "comet_collaterals.csv"):
        collaterals[row["network"], row["market"]].append(row)
    absorbed, used = 0.0, 0
    curves = {(row["network"], row["market"]): row for row in markets}
    for market in {**curves, **{key: markets[0] for key in collaterals if key not in curves}}:
        rows = collaterals.get(market, [])
        scenario = Scenario.from_text(comet(curves.get(market, markets[0]), rows), ".", "comet")
        outcomes = simulate(scenario, count=4)
        assert [name for name, check in outcome_checks(outcomes).items() if not check["passed"]] == []
        absorbed += outcomes.column("liquidations.whole").sum()
        assert np.all(outcomes.column("borrowed.whole") > 0) or not rows
        used += len(rows)
    assert used == sum(map(len, collaterals.values()))
    assert absorbed > 0
