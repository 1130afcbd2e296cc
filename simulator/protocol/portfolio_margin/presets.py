"""Published scenario grids as parts. Numbers: derivexyz/v2-core @7736900 (PMRM_2, its test parameters) and dated copies of
Deribit's and Paradex's documentation of portfolio margin; what a venue does not publish is off."""

from __future__ import annotations

from typing import Literal

from simulator.protocol.portfolio_margin.scenario_grid import AddOns, ScenarioGrid, Shock, VolatilityShock
from simulator.protocol.portfolio_margin.span import AS_MARKED, NO_BASIS, NOTHING_ADDED

Way = Literal["up", "none", "down"]
WAYS: tuple[Way, ...] = ("down", "none", "up")


def derive_pmrm2() -> ScenarioGrid:
    """Derive: +-18 % in steps of 4.5 %, six far moves covered in part, two tilts of the smile."""
    near = [Shock(spot=spot, volatility=way) for spot in (1.135, 1.09, 1.045, 1.0, 0.955, 0.91, 0.865) for way in WAYS]
    edges = [Shock(spot=spot, volatility="up") for spot in (1.18, 0.82)]
    tails = ((0.34, 0.6 / 11), (0.67, 1.2 / 11), (1.5, 0.072), (2.0, 0.036), (3.0, 0.018), (4.0, 0.012))
    far = [Shock(spot=spot, volatility="up", share=share) for spot, share in tails]
    tilts = [Shock(volatility="linear-skew"), Shock(volatility="absolute-skew")]
    return ScenarioGrid(
        kind="scenario-grid", scenarios=(*near, *edges, *far, *tilts), volatility=VolatilityShock(down=0.275, least_up=0.45),
        add_ons=AddOns(maintenance_perpetual=0.015, initial_perpetual=0.005),
    )  # fmt: skip


def deribit() -> ScenarioGrid:
    """Deribit: nine buckets to +-16 %, volatility up and down by 45 % (30 / d)^0.3 and 30 %, 1 % of short options."""
    buckets = [Shock(spot=1 + 0.04 * n, volatility=way) for n in range(-4, 5) for way in WAYS]
    return ScenarioGrid(
        kind="scenario-grid", scenarios=tuple(buckets), volatility=VolatilityShock(up=0.45, down=0.3, least_up=0.0),
        discount=AS_MARKED, basis=NO_BASIS, add_ons=NOTHING_ADDED.model_copy(update={"maintenance_option": 0.01}),
    )  # fmt: skip


def deribit_older() -> ScenarioGrid:
    """Deribit's older published set: five buckets to +-10 %, volatility by 38 % (30 / d)^0.3 both ways."""
    buckets = [Shock(spot=1 + 0.05 * n, volatility=way) for n in range(-2, 3) for way in WAYS]
    shock = VolatilityShock(up=0.38, down=0.38, long_power=0.3, least_up=0.0)
    return ScenarioGrid(
        kind="scenario-grid",
        scenarios=tuple(buckets),
        volatility=shock,
        discount=AS_MARKED,
        basis=NO_BASIS,
        add_ons=NOTHING_ADDED,
    )


def paradex() -> ScenarioGrid:
    """Paradex: eight moves with three volatilities each, the same power law, maintenance half of initial."""
    moves = [Shock(spot=1 + 0.04 * n, volatility=way) for n in (-4, -3, -2, -1, 1, 2, 3, 4) for way in WAYS]
    return ScenarioGrid(
        kind="scenario-grid", scenarios=tuple(moves), maintenance_factor=0.5, volatility=VolatilityShock(up=0.45, least_up=0.0),
        discount=AS_MARKED, basis=NO_BASIS, add_ons=NOTHING_ADDED,
    )  # fmt: skip
