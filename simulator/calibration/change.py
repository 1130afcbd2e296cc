"""The change itself: the table of a vote, its bounds, and what follows a step that only reduces risk."""

from __future__ import annotations

from typing import Any

from simulator.calibration.calibrate import Calibration
from simulator.calibration.confirmation import REDUCING

STEPS_SHOWN = 3  # of the sequence that a risk-reducing step begins
YEARLY = ("rate", "slope_below", "slope_above", "slope", "jump", "adjustment_speed")  # of interest
UNITS = {  # of numbers that are no fractions
    "size_factor": "asset^-1/2",
    "skew_scale": "asset",
    "open_interest_factor": "1/usd",
    "lower_open_interest": "usd",
    "upper_open_interest": "usd",
    "lower_bound": "usd",
    "minimum_margin": "usd",
    "minimum_collateral": "usd",
    "middle_1": "tick^2",
    "middle_2": "tick^2",
    "width_1": "tick^2",
    "width_2": "tick^2",
    "filter_period": "s",
    "decay_period": "s",
    "delay": "s",
    "fee_delay": "s",
    "debt_ceiling": "usd",
    "full_below_value": "usd",
    "least_leftover": "usd",
    "supply_cap": "asset",
    "borrow_cap": "asset",
    "half_life": "s",
    "reference_volatility": "1/sqrt(year)",
    "stressed_volatility": "1/sqrt(year)",
    "cash": "usd",
    "gains.cap": "usd",
    "gas_limit": "usd",
    "minimum_notional": "usd",
    "large": "usd",
    "least_notional": "usd",
    "most_notional": "usd",
    "most_insurance_lost": "usd",
    "heartbeat": "s",
    "stale_after": "s",
    "interval": "s",
    "volatility_half_life": "s",
    "unwind_half_life": "s",
    "cooldown": "s",
    "window": "s",
    "fast": "s",
    "slow": "s",
    "insolvent": "s",
    "multiplier": "1/s",
    "funding.cap": "1/year",
    "convergence_hours": "h",
    "hourly_interest": "1/h",
    "hourly_cap": "1/h",
    "hourly_band": "1/h",
    "greatest_velocity": "1/day^2",
    "increase": "1/s^2",
    "decrease": "1/s^2",
    "least": "1/s",
    "greatest": "1/s",
    "target_reserves": "asset",
    "most_open": "asset",
    "most_open_in_expiry": "asset",
    "most_vega": "usd",
    "most_gamma": "usd",
}


def summary(calibration: Calibration) -> str:
    """Old to new in one sentence."""
    if calibration.proposed is None:
        return "No change is proposed: " + "; ".join(calibration.reasons) + "."
    rows = zip(calibration.space.names, calibration.space.current_point, calibration.proposed, strict=True)
    changes = [f"{name} from {was:g} to {now:g}" for name, was, now in rows if was != now]
    return f"Change {', '.join(changes)}." if changes else "Keep every parameter."


def table(calibration: Calibration) -> list[dict[str, Any]]:
    """Parameter | Instance | Asset | Current | Proposed; `proposed` is None where nothing is proposed."""
    proposed = calibration.proposed or (None,) * len(calibration.space.names)
    rows = []
    for name, was, now in zip(calibration.space.names, calibration.space.current_point, proposed, strict=True):
        place, parameter = parts_of(name)
        rows.append(
            {
                "name": name,
                "parameter": parameter,
                "instance": place[0] if place else "",
                "asset": ".".join(place[1:]),
                "current": was,
                "proposed": now,
                "change": None if now is None else now - was,
                "unit": unit_of(name),
            }
        )
    return rows


def unit_of(name: str) -> str:
    """The unit of a parameter: rates and slopes of interest are per year, most others are fractions."""
    if name.startswith(("borrowing.", "overdraft.")) and name.endswith(YEARLY):
        return "1/year"
    *_, last = name.split(".")
    return UNITS.get(".".join(name.split(".")[-2:]), UNITS.get(last, "1"))


def parts_of(name: str) -> tuple[list[str], str]:
    """(section and asset, parameter) of a dotted name; a number of a list belongs to the parameter: `tiers.0.lower_bound`."""
    *place, parameter = name.split(".")
    while place and place[-1].isdecimal():
        parameter = ".".join((*place[-2:], parameter))
        place = place[:-2]
    return place, parameter


def step_bounds(calibration: Calibration) -> list[dict[str, Any]]:
    """Whether every change is on the grid, in its range and within the largest change."""
    rows = []
    for i, wanted in enumerate(calibration.space.search):
        was = calibration.space.current_point[i]
        now = calibration.proposed[i] if calibration.proposed else was
        step = abs(now - was)
        rows.append(
            {
                "name": wanted.parameter,
                "change": now - was,
                "step": wanted.step,
                "max_change": wanted.max_change,
                "range": [wanted.low, wanted.high],
                "on_grid": now == was or abs(now / wanted.step - round(now / wanted.step)) < 1e-6,
                "within": wanted.low <= now <= wanted.high
                and (wanted.max_change is None or step <= wanted.max_change * (1 + 1e-9)),
            }
        )
    return rows


def sequence(calibration: Calibration) -> list[dict[str, Any]]:
    """What follows a risk-reducing step: the same step again, each time only after a calibration of its own."""
    if calibration.verdict != REDUCING or calibration.proposed is None:
        return []
    space, rows = calibration.space, []
    step = [now - was for now, was in zip(calibration.proposed, space.current_point, strict=True)]
    point = calibration.proposed
    for number in range(2, STEPS_SHOWN + 1):
        moved = tuple(
            min(max(value + by, wanted.low), wanted.high) for value, by, wanted in zip(point, step, space.search, strict=True)
        )
        point = tuple(float(f"{value:.12g}") for value in moved)
        if space.parameters(point) is None:
            break
        rows.append({"step": number, "values": dict(zip(space.names, point, strict=True)), "needs": "its own calibration"})
    return rows
