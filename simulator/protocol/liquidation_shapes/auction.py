"""Derive's auction of a portfolio (derivexyz/v2-core @7736900): first for a falling price, then against a rising payment.

Values are as Derive states them: mark-to-market M, net maintenance margin MM <= M (negative: liquidatable), both in dollars.
"""

from __future__ import annotations

from simulator.kernel import small_rule


@small_rule
def buffer_margin(maintenance, marked, buffer):
    """MM + b (MM - M): the margin at which an account stops being auctioned."""
    return maintenance + buffer * (maintenance - marked)


@small_rule
def solvent_discount(elapsed, start, fast_end, fast, slow):
    """The share of mark-to-market that a bidder pays: `start` to `fast_end` in `fast` seconds, to nothing in `slow` more."""
    if elapsed < fast:
        return start - (start - fast_end) * elapsed / fast
    return max(fast_end * (1.0 - (elapsed - fast) / slow), 0.0)


@small_rule
def greatest_share(buffered, marked, discount, reserved):
    """The share of the portfolio that one may buy: what brings the buffer margin to zero, given the cash `reserved` by bids."""
    if buffered >= 0.0:
        return 0.0
    return min(buffered / (buffered - marked * discount - reserved * (1.0 - discount)), 1.0)


@small_rule
def insolvent_payment(elapsed, maintenance, marked, duration):
    """What a bidder for the whole is paid: from the hole in mark-to-market to the whole maintenance shortfall."""
    start = min(marked, 0.0)
    return -(start + (maintenance - start) * min(elapsed / duration, 1.0))
