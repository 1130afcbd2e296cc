"""The fixed numbers of the options of a protocol, as kernels read them: part of the `RULES` record."""

from __future__ import annotations

from typing import Any

import numpy as np

from simulator.parameters import RiskParameters
from simulator.protocol.options import MOST_INSTRUMENTS, MOST_SLOTS, OptionRules

SLOT, MONEYNESS, IS_CALL = range(3)  # columns of the table of options
SLOT_UNDERLYING, FIRST_EXPIRY, RENEWAL, SLOT_FIRST, SLOT_END = range(5)  # columns of the table of expiry slots
U_ASSET, U_MARKET, U_WINDOW = range(3)  # columns of the table of underlyings
O_DEPTH, O_DEPTH_WING, O_KEEP, O_SPREAD, O_SPREAD_EXPIRY, O_SPREAD_WING = range(6)  # of the venue
MOST_UNDERLYINGS = 32

OPTION_COLUMNS = (
    ("options", "i8"),  # instruments; 0: a protocol without options
    ("slots", "i8"),
    ("underlyings", "i8"),
    ("option", "f8", (MOST_INSTRUMENTS, 3)),
    ("slot", "f8", (MOST_SLOTS, 5)),  # times in substeps
    ("underlying", "f8", (MOST_UNDERLYINGS, 3)),  # the perpetual market of an underlying is -1 where it has none
    ("volatility_venue", "f8", (6,)),
    ("writer_hedge", "f8"),
)


def option_rules(
    part: OptionRules | None, parameters: RiskParameters, assets: dict[str, int], markets: list[str], dt: float
) -> dict[str, Any]:
    """Fields of the `RULES` record; options in the order of underlying, expiry slot, strike, call before put."""
    if part is None:
        none = np.zeros((0, 5))
        return {
            "options": 0, "slots": 0, "underlyings": 0, "option": none[:, :3], "slot": none, "underlying": none[:, :3],
            "volatility_venue": np.zeros(6), "writer_hedge": 0.0,
        }  # fmt: skip
    options: list[list[float]] = []
    slots: list[list[float]] = []
    underlyings: list[list[float]] = []
    for u, name in enumerate(parameters.options):
        market = part.markets[name]
        window = max(1.0, round(market.settlement_window / dt))
        underlyings.append([assets[name], markets.index(name) if name in markets else -1, window])
        for first, renewal in market.slots():
            start = len(options)
            options += [[len(slots), strike, call] for strike in market.strikes for call in (1.0, 0.0)]
            slots.append([u, round(first / dt), round(renewal / dt), start, len(options)])
    venue = part.venue
    keep = 2.0 ** (-dt / venue.half_life)
    return {
        "options": len(options),
        "slots": len(slots),
        "underlyings": len(underlyings),
        "option": np.array(options),
        "slot": np.array(slots, float),
        "underlying": np.array(underlyings, float),
        "volatility_venue": np.array([venue.depth, venue.depth_wing, keep, venue.spread, venue.spread_expiry, venue.spread_wing]),
        "writer_hedge": part.writer.hedge_ratio,
    }
