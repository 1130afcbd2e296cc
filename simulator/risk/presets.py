"""Appetites that have a name: each is a few limits that a vote can read, and nothing else.

Three for protocols, by how much may be lost and how surely; two in the manner of the European rules for clearing houses
(Commission Delegated Regulation (EU) No 153/2013, articles 24 and 26): margin covers the exposure with 99.5 % over five
days for over-the-counter derivatives, with 99 % over two days for others. There `cover` is read as: no bad debt at all.
"""

from __future__ import annotations

from typing import Any, Literal

PresetName = Literal["conservative", "balanced", "aggressive", "emir-otc", "emir-listed"]

MEANINGS: dict[PresetName, str] = {
    "conservative": "hardly ever a loss that users would notice, and a vote that closes almost nobody",
    "balanced": "one bad path in a hundred may lose a thousandth of collateral",
    "aggressive": "one path in twenty may lose half a percent of collateral: for protocols with a large fund of their own",
    "emir-otc": "EU 153/2013, articles 24 and 26, over-the-counter: no bad debt with 99.5 % over 5 days",
    "emir-listed": "EU 153/2013, articles 24 and 26, other instruments: no bad debt with 99 % over 2 days",
}
LIQUIDATION_DAYS: dict[PresetName, float] = {"emir-otc": 5.0, "emir-listed": 2.0}  # [day] that the horizon must reach


def expanded(preset: PresetName) -> dict[str, Any]:
    """The fields of the appetite that `preset` stands for."""
    return {"confidence": _CONFIDENCE[preset], "limits": [dict(limit) for limit in _LIMITS[preset]]}


def _loss(threshold: float, probability: float, window: str = "each") -> dict[str, Any]:
    return {
        "kind": "probability", "quantity": "loss", "window": window, "of": "collateral",
        "threshold": threshold, "probability": probability,
    }  # fmt: skip


def _evicted(share: float, probability: float) -> dict[str, Any]:
    return {
        "kind": "probability", "quantity": "newly_liquidatable", "window": "transition", "of": "accounts",
        "threshold": share, "probability": probability,
    }  # fmt: skip


_CONFIDENCE: dict[PresetName, float] = {
    "conservative": 0.99, "balanced": 0.95, "aggressive": 0.95, "emir-otc": 0.95, "emir-listed": 0.95,
}  # fmt: skip
_LIMITS: dict[PresetName, tuple[dict[str, Any], ...]] = {
    "conservative": (_loss(0.0005, 0.005), _evicted(0.01, 0.01)),
    "balanced": (_loss(0.001, 0.01), _evicted(0.02, 0.02)),
    "aggressive": (_loss(0.005, 0.05), _evicted(0.05, 0.05)),
    "emir-otc": (_loss(0.0, 0.005, "whole"),),
    "emir-listed": (_loss(0.0, 0.01, "whole"),),
}
