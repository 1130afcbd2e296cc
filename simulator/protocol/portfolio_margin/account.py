"""One call for every method: equity, initial and maintenance requirement of whole accounts, along paths. See the package."""

from __future__ import annotations

import numpy as np

from simulator.kernel import rule, small_rule
from simulator.protocol.portfolio_margin import PortfolioMargin
from simulator.protocol.portfolio_margin.covariance import DeltaGammaMargin, ParametricMargin
from simulator.protocol.portfolio_margin.covariance_requirement import covariance_margin, covariance_method, fill_covariance
from simulator.protocol.portfolio_margin.expected_shortfall import ExpectedShortfallMargin
from simulator.protocol.portfolio_margin.grid_requirement import grid_margin
from simulator.protocol.portfolio_margin.grid_values import fill_grid, grid_method
from simulator.protocol.portfolio_margin.method import EXPECTED_SHORTFALL, GRID, NAKED, PARAMETRIC, STANDARD, Method
from simulator.protocol.portfolio_margin.naked import NakedMargin
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
from simulator.protocol.portfolio_margin.side_requirement import (
    fill_marks,
    fill_naked,
    naked_margin,
    naked_method,
    shortfall_method,
    side_margin,
)
from simulator.protocol.portfolio_margin.span import Span
from simulator.protocol.portfolio_margin.standard import StandardMargin
from simulator.protocol.portfolio_margin.standard_requirement import fill_standard, standard_margin, standard_method


def method_of(part: PortfolioMargin, underlyings: tuple[str, ...], collaterals: tuple[str, ...] = ()) -> Method:
    """`part` as kernels read it. Haircuts of collateral: of a scenario grid and of standard margin only."""
    if isinstance(part, StandardMargin):
        return standard_method(part, underlyings, collaterals)
    if isinstance(part, ExpectedShortfallMargin):
        return shortfall_method(part, underlyings)
    if isinstance(part, NakedMargin):
        return naked_method(part)
    if isinstance(part, ParametricMargin | DeltaGammaMargin):
        return covariance_method(part, underlyings)
    return grid_method(part.grid() if isinstance(part, Span) else part, underlyings, collaterals)


@small_rule
def work_rows(underlyings):
    """Rows of the scratch array of `account_margin`."""
    return 4 + underlyings


@rule
def fill_sheet(method, instruments, market, sheet):
    """Write `sheet` from one path's `market`, for the method at hand: once a path and step, before any account."""
    kind = method.kind[0]
    if kind == GRID:
        fill_grid(method, instruments, market, sheet)
    elif kind == STANDARD:
        fill_standard(method, instruments, market, sheet)
    elif kind == EXPECTED_SHORTFALL:
        fill_marks(instruments, market, sheet)
    elif kind == NAKED:
        fill_naked(method, instruments, market, sheet)
    else:
        fill_covariance(method, instruments, market, sheet)


@rule
def requirement(method, instruments, market, sheet, options, perpetuals, gains, deposits, opens, work):
    """(equity without cash, initial, maintenance) [usd] of one account's rows, by the method at hand.

    Initial is only right where the account `opens` something: what is costly is not worked out for those that are only looked at.
    """
    kind = method.kind[0]
    if kind == GRID:
        return grid_margin(method, instruments, market, sheet, options, perpetuals, gains, deposits, work)
    if kind == STANDARD:
        return standard_margin(method, instruments, market, sheet, options, perpetuals, gains, deposits)
    if kind == EXPECTED_SHORTFALL:
        return side_margin(method, instruments, market, sheet, options, perpetuals, gains, deposits)
    if kind == NAKED:
        return naked_margin(method, instruments, market, sheet, options, gains, deposits)
    is_linear = kind == PARAMETRIC
    return covariance_margin(method, instruments, market, sheet, options, perpetuals, gains, deposits, is_linear, opens, work)


@rule
def account_margin(method, instruments, market, sheet, cash, options, perpetuals, gains, deposits, work):
    """(equity, initial, maintenance) [usd] of one account's rows; `work` is `scratch(method, instruments)`."""
    found = requirement(method, instruments, market, sheet, options, perpetuals, gains, deposits, True, work)
    return cash + found[0], found[1], found[2]


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
    underlyings = len(instruments.first_expiry) - 1
    return np.zeros((work_rows(underlyings), max(len(method.scenario), underlyings, 1)))


def sheet_for(method: Method, instruments: Instruments) -> Sheet:
    """A blank sheet of the size that `fill_sheet` writes: one for all paths."""
    expiries, underlyings = len(instruments.first) - 1, len(instruments.first_expiry) - 1
    return blank_sheet(len(instruments.strike), expiries, underlyings, len(method.scenario))


def margins(method: Method, instruments: Instruments, market: Market, accounts: Accounts) -> np.ndarray:
    """float64 [path, account, (EQUITY, INITIAL, MAINTENANCE)] of every account on every path of `market`."""
    out = np.empty((market.spot.shape[0], accounts.cash.shape[1], 3))
    sheet, work = sheet_for(method, instruments), scratch(method, instruments)
    _each(method, instruments, market, sheet, accounts, work, out)
    return out
