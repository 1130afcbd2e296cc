"""What was studied: the book and its market, the range that paths reached, and later history."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from simulator.calibration.calibrate import Calibration
from simulator.calibration.confirmation import Confirmation
from simulator.calibration.world import World
from simulator.outcomes import QUANTITIES
from simulator.risk import measures
from simulator.risk.measures import PerPath

if TYPE_CHECKING:
    from simulator.outcomes import Outcomes

BOOK = ("open_interest", "borrowed", "collateral", "utilisation", "fund_end")


def context(calibration: Calibration) -> dict[str, Any]:
    """What the vote is about: accounts, the book under current parameters (means of the confirmation paths), and depth [usd]."""
    world, confirmation = calibration.world, calibration.confirmation
    rows = [] if confirmation is None else [{"quantity": name, **asdict(_mean(confirmation.outcomes[1], name))} for name in BOOK]
    return {"accounts": world.account_count, "book": rows, "depth_usd": dict(world.depths)}


def _mean(outcomes: Outcomes, quantity: str) -> measures.Estimate:
    return measures.mean(PerPath.of(outcomes, f"{quantity}.whole"))


def later_history(calibration: Calibration) -> dict[str, Any] | None:
    """What [backtest] showed, window by window: one history, so no interval; and how often moves passed a margin."""
    past, asked = calibration.past, calibration.world.backtest
    if past is None or asked is None:
        return None
    return {
        "since": past.windows[0].begin.isoformat(),
        "until": past.windows[-1].end.isoformat(),
        "paths_a_window": asked.paths,
        "windows": [
            {
                "vote": one.vote.isoformat(),
                "worst_fall": one.worst_fall,
                "seen": one.seen,
                "before": one.current,
                "after": one.proposed,
            }
            for one in past.windows
        ],
        "limits": [{"condition": name, "before": now, "after": then} for name, now, then in past.broken],
        "margin": {"period": asked.period, "confidence": asked.confidence, "rows": [asdict(one) for one in past.margins]},
    }


def data(world: World) -> dict[str, Any] | None:
    """The price file behind the market, its window and hash; None where the market names none."""
    provenance = getattr(getattr(world, "market", None), "provenance", None)
    return {name: getattr(provenance, name) for name in ("prices", "sha256", "since", "until", "rows")} if provenance else None


STUDIED = ("open_interest", "borrowed", "collateral", "utilisation", "liquidated_notional", "user_cost")


def studied_range(confirmation: Confirmation) -> list[dict[str, Any]]:
    """The central 99 % of the confirmation paths under the candidate, by quantity: outside it nothing was studied."""
    found = [_range(confirmation, f"{name}.whole", name, QUANTITIES[name][0]) for name in STUDIED]
    return [one for one in found if one["high"] > 0]


def _range(confirmation: Confirmation, column: str, name: str, unit: str) -> dict[str, Any]:
    values = PerPath.of(confirmation.outcomes[0], column)
    low, high = (measures.quantile(values, level).value for level in (0.005, 0.995))
    return {"quantity": name, "unit": unit, "low": low, "high": high}


def studied_volatility(confirmation: Confirmation, assets: Sequence[str]) -> list[dict[str, Any]]:
    """The same of realised volatility [1/sqrt(year)] over a horizon, asset by asset, where outcomes hold it."""
    columns = {asset: f"external_variance.{asset}.whole" for asset in assets}
    if assets and columns[assets[0]] not in confirmation.outcomes[0].columns:
        columns = {assets[0]: "external_variance.whole"}
    there = {asset: name for asset, name in columns.items() if name in confirmation.outcomes[0].columns}
    found = [_range(confirmation, name, asset, "1/sqrt(year)") for asset, name in there.items()]
    return [{**one, "low": math.sqrt(one["low"]), "high": math.sqrt(one["high"])} for one in found]


def in_words(studied: Sequence[dict[str, Any]]) -> list[str]:
    """The range of the book as triggers: leaving it is a reason to calibrate again."""
    names = {"open_interest": "open interest", "borrowed": "borrowing"}
    return [
        f"{names[one['quantity']]} leaves {one['low']:,.0f} to {one['high']:,.0f} USD, the central 99 % of the paths studied"
        for one in studied
        if one["quantity"] in names
    ]
