"""One call for every method: equity, initial and maintenance requirement of whole accounts, along paths. See the package."""

from __future__ import annotations

import numpy as np

from simulator.kernel import rule
from simulator.protocol.portfolio_margin.grid_requirement import grid_margin
from simulator.protocol.portfolio_margin.grid_values import fill_grid
from simulator.protocol.portfolio_margin.method import Method
from simulator.protocol.portfolio_margin.records import (
    EQUITY,
    INITIAL,
    MAINTENANCE,
    Accounts,
    Instruments,
    Market,
    Sheet,
    blank_sheet,
    market_at,
)


@rule
def fill_sheet(method, instruments, market, sheet):
    """Write `sheet` from one path's `market`, for the method at hand: once a path and step, before any account."""
    fill_grid(method, instruments, market, sheet)


@rule
def account_margin(method, instruments, market, sheet, cash, options, perpetuals, gains, deposits, work):
    """(equity, initial, maintenance) [usd] of one account's rows; `work` is scratch of `scratch(method, instruments)`'s shape."""
    equity, initial, maintenance = grid_margin(method, instruments, market, sheet, options, perpetuals, gains, deposits, work)
    return cash + equity, initial, maintenance


@rule
def _each(method, instruments, market, sheet, accounts, work, out):
    for p in range(out.shape[0]):
        its = market_at(market, p)
        fill_sheet(method, instruments, its, sheet)
        b = p if accounts.cash.shape[0] > 1 else 0
        for n in range(out.shape[1]):
            equity, initial, maintenance = account_margin(
                method, instruments, its, sheet, accounts.cash[b, n], accounts.options[b, n], accounts.perpetuals[b, n],
                accounts.gains[b, n], accounts.deposits[b, n], work,
            )  # fmt: skip
            out[p, n, EQUITY], out[p, n, INITIAL], out[p, n, MAINTENANCE] = equity, initial, maintenance


def scratch(method: Method, instruments: Instruments) -> np.ndarray:
    """The scratch array that `account_margin` needs: one for all accounts and paths."""
    return np.zeros((2, max(len(method.scenario), len(instruments.strike), 8)))


def sheet_for(method: Method, instruments: Instruments) -> Sheet:
    """A blank sheet of the size that `fill_sheet` writes: one for all paths."""
    return blank_sheet(len(instruments.strike), len(instruments.first) - 1, len(method.scenario))


def margins(method: Method, instruments: Instruments, market: Market, accounts: Accounts) -> np.ndarray:
    """float64 [path, account, (EQUITY, INITIAL, MAINTENANCE)] of every account on every path of `market`."""
    out = np.empty((market.spot.shape[0], accounts.cash.shape[1], 3))
    sheet, work = sheet_for(method, instruments), scratch(method, instruments)
    _each(method, instruments, market, sheet, accounts, work, out)
    return out
