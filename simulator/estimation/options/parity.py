"""Forwards from put-call parity, and what raw quotes say that no market free of arbitrage can."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from simulator.estimation.options.chain import Chain, iso

PAIRS = 5  # calls and puts at the same strike, nearest to parity, that a forward is the median of


def forwards(chain: Chain, discount: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """The forward of each row [usd]: as the file gives it, otherwise from put-call parity at that expiry; NaN without either.

    In usd F = K + (C - P) / discount; in coin, where premia are paid in the underlying, F = K / (1 - (C - P)). C and P are
    mids (marks where a side is missing), and the forward is the median over the `PAIRS` strikes where C and P are nearest.
    """
    forward = chain.forward.copy()
    notes = []
    for expiry in np.unique(chain.expiry[np.isnan(forward)]):
        rows = np.flatnonzero(chain.expiry == expiry)
        given = forward[rows][~np.isnan(forward[rows])]
        found = float(np.median(given)) if len(given) else _by_parity(chain, rows, discount)
        forward[rows[np.isnan(forward[rows])]] = found
        if np.isnan(found):
            notes.append(f"{iso(int(expiry))}: no forward in the file and no strike with both a call and a put; left out")
        elif not len(given):
            notes.append(f"{iso(int(expiry))}: forward {found:,.6g} by put-call parity")
    return forward, notes


def _by_parity(chain: Chain, rows: np.ndarray, discount: np.ndarray) -> float:
    mid = np.where(np.isnan(chain.bid + chain.ask), chain.mark, (chain.bid + chain.ask) / 2)
    puts = {float(chain.strike[i]): i for i in rows if not chain.is_call[i]}
    found = []
    for i in rows[chain.is_call[rows]]:
        j = puts.get(float(chain.strike[i]))
        if j is None or np.isnan(gap := mid[i] - mid[j]):
            continue
        level = chain.strike[i] / (1 - gap) if chain.premium == "coin" else chain.strike[i] + gap / discount[i]
        if level > 0:
            found.append((abs(gap), float(level)))
    found.sort()
    return float(np.median([level for _, level in found[:PAIRS]])) if found else float("nan")


class Violation(NamedTuple):
    """A profit at the quotes themselves: premia of one expiry, bought at the ask and sold at the bid."""

    kind: str
    expiry: str
    strike: float
    profit: float  # [usd, at expiry]


def violations(chain: Chain, forward: np.ndarray, discount: np.ndarray) -> list[Violation]:
    """Vertical spreads, butterflies and conversions of one snapshot that pay whatever happens, before costs of trading."""
    unit = forward if chain.premium == "coin" else 1 / discount
    bid, ask = chain.bid * unit, chain.ask * unit
    found: list[Violation] = []
    for expiry in np.unique(chain.expiry):
        for call in (True, False):
            rows = np.flatnonzero((chain.expiry == expiry) & (chain.is_call == call))
            rows = rows[np.argsort(chain.strike[rows])]
            found += _along_strikes(iso(int(expiry)), call, chain.strike[rows], bid[rows], ask[rows])
        found += _conversions(chain, np.flatnonzero(chain.expiry == expiry), forward, bid, ask)
    return found


def _along_strikes(expiry: str, call: bool, strike: np.ndarray, bid: np.ndarray, ask: np.ndarray) -> Iterator[Violation]:
    kind = "call" if call else "put"
    for i in range(len(strike) - 1):
        low, high = (i, i + 1) if call else (i + 1, i)  # the dearer of the two first
        width = strike[i + 1] - strike[i]
        if (profit := bid[high] - ask[low]) > 0:
            yield Violation(f"{kind} spread below zero", expiry, float(strike[i]), float(profit))
        if (profit := bid[low] - ask[high] - width) > 1e-9 * strike[i]:
            yield Violation(f"{kind} spread above its width", expiry, float(strike[i]), float(profit))
    for i in range(1, len(strike) - 1):
        share = (strike[i + 1] - strike[i]) / (strike[i + 1] - strike[i - 1])
        if (profit := bid[i] - share * ask[i - 1] - (1 - share) * ask[i + 1]) > 0:
            yield Violation(f"{kind} butterfly below zero", expiry, float(strike[i]), float(profit))


def _conversions(chain: Chain, rows: np.ndarray, forward: np.ndarray, bid: np.ndarray, ask: np.ndarray) -> Iterator[Violation]:
    puts = {float(chain.strike[i]): i for i in rows if not chain.is_call[i]}
    for i in rows[chain.is_call[rows]]:
        j = puts.get(float(chain.strike[i]))
        if j is None:
            continue
        parity = (forward[i] + forward[j]) / 2 - chain.strike[i]
        profit = max(bid[i] - ask[j] - parity, parity - ask[i] + bid[j])
        if profit > 0:
            yield Violation("put-call parity", iso(int(chain.expiry[i])), float(chain.strike[i]), float(profit))
