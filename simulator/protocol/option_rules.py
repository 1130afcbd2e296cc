"""The fixed numbers of the options of a protocol, as kernels read them: part of the `RULES` record."""

from __future__ import annotations

from typing import Any

import numpy as np

from simulator.parameters import RiskParameters
from simulator.protocol.liquidation_shapes import DutchAuction
from simulator.protocol.options import MOST_INSTRUMENTS, MOST_SLOTS, OptionMargin, OptionRules, StandardMargin, VenueClose
from simulator.protocol.portfolio_margin.account import method_of
from simulator.protocol.portfolio_margin.scenario_grid import MOST_SCENARIOS

SLOT, MONEYNESS, IS_CALL = range(3)  # columns of the table of options
SLOT_UNDERLYING, FIRST_EXPIRY, RENEWAL, SLOT_FIRST, SLOT_END = range(5)  # columns of the table of expiry slots
U_ASSET, U_MARKET, U_WINDOW = range(3)  # columns of the table of underlyings
O_DEPTH, O_DEPTH_WING, O_KEEP, O_SPREAD, O_SPREAD_EXPIRY, O_SPREAD_WING = range(6)  # of the venue
AUCTION_START, AUCTION_FAST_END, AUCTION_FAST, AUCTION_SLOW, AUCTION_INSOLVENT, AUCTION_FEE, AUCTION_BUFFER = range(7)
MOST_UNDERLYINGS = 32
MOST_NUMBERS = 64  # of a method, padded
UNDERLYING_COLUMNS = 3  # at most, of a method

OPTION_COLUMNS = (
    ("options", "i8"),  # instruments; 0: a protocol without options
    ("slots", "i8"),
    ("underlyings", "i8"),
    ("option", "f8", (MOST_INSTRUMENTS, 3)),
    ("slot", "f8", (MOST_SLOTS, 5)),  # times in substeps
    ("underlying", "f8", (MOST_UNDERLYINGS, 3)),  # the perpetual market of an underlying is -1 where it has none
    ("volatility_venue", "f8", (6,)),
    ("writer_hedge", "f8"),
    ("offsets", "?"),  # an expiry needs no more than it can lose (of the standard margin)
    ("unpaired", "f8", (2,)),  # [1] of the index of a call short net of all calls: initial, maintenance
    ("grid", "i8"),  # rows of scenarios of a portfolio margin, forwards' moves included, at least 1; 0: the standard margin
    ("grid_kind", "i8", (1,)),
    ("grid_number", "f8", (MOST_NUMBERS,)),
    ("grid_scenario", "f8", (MOST_SCENARIOS + 2, 3)),
    ("grid_underlying", "f8", (MOST_UNDERLYINGS, UNDERLYING_COLUMNS)),
    ("grid_correlation", "f8", (MOST_UNDERLYINGS, MOST_UNDERLYINGS)),
    ("auctions", "?"),  # accounts with options are auctioned; else closed in the venue
    ("auction", "f8", (7,)),
    ("slot_first", "i8", (MOST_SLOTS + 1,)),  # option at which a slot begins
    ("first_slot", "i8", (MOST_UNDERLYINGS + 1,)),  # slot at which an underlying begins
)


def option_rules(
    part: OptionRules | None, parameters: RiskParameters, assets: dict[str, int], markets: list[str], dt: float
) -> dict[str, Any]:
    """Fields of the `RULES` record; options in the order of underlying, expiry slot, strike, call before put."""
    if part is None:
        none = np.zeros((0, 5))
        return {
            "options": 0, "slots": 0, "underlyings": 0, "option": none[:, :3], "slot": none, "underlying": none[:, :3],
            "volatility_venue": np.zeros(6), "writer_hedge": 0.0, **_margin(StandardMargin(), ()),
            "auctions": False, "auction": np.zeros(7), "slot_first": np.zeros(1), "first_slot": np.zeros(1),
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
        "auctions": isinstance(part.liquidation, DutchAuction),
        "auction": _auction(part.liquidation),
        **_margin(part.margin, tuple(parameters.options)),
        "slot_first": np.array([*(row[SLOT_FIRST] for row in slots), len(options)], np.int64),
        "first_slot": np.searchsorted([row[SLOT_UNDERLYING] for row in slots], np.arange(len(underlyings) + 1)),
    }


def _auction(part: VenueClose | DutchAuction) -> list[float]:
    """The numbers of the auction, in the order of the part."""
    return [*part.model_dump(exclude={"kind"}).values()] if isinstance(part, DutchAuction) else [0.0] * 7


def _margin(part: OptionMargin, underlyings: tuple[str, ...]) -> dict[str, Any]:
    """The numbers of the margin method of accounts that hold options."""
    if isinstance(part, StandardMargin):
        unpaired = [part.initial_unpaired, part.maintenance_unpaired]
        return {
            "offsets": part.offsets, "unpaired": unpaired, "grid": 0, "grid_kind": [0], "grid_number": [],
            "grid_scenario": np.zeros((0, 3)), "grid_underlying": np.zeros((0, UNDERLYING_COLUMNS)),
            "grid_correlation": np.zeros((0, MOST_UNDERLYINGS)),
        }  # fmt: skip
    method, count = method_of(part, underlyings), len(underlyings)
    underlying, correlation = np.zeros((count, UNDERLYING_COLUMNS)), np.zeros((count, MOST_UNDERLYINGS))
    underlying[:, : method.underlying.shape[1]] = method.underlying if len(method.underlying) else 0.0
    correlation[:, :count] = method.correlation if len(method.correlation) else 0.0
    return {
        "offsets": False,
        "unpaired": [0.0, 0.0],
        "grid": max(len(method.scenario), 1),
        "grid_kind": method.kind,
        "grid_number": method.number,
        "grid_scenario": method.scenario,
        "grid_underlying": underlying,
        "grid_correlation": correlation,
    }
