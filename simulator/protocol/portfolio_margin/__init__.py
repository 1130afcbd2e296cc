"""Margin of a whole account by one portfolio method: the parts that a scenario may name, and how the rules are called.

Every method gives three numbers of an account [usd]: equity (cash and everything else at its mark), the initial requirement
(needed to open or enlarge) and the maintenance requirement (liquidatable below it). An account is in order when its equity is
at least the requirement; options count at their mark in equity, so a requirement holds only what could be lost from there.

A part becomes numbers once (`account.method_of`), instruments are sorted once (`records.instruments`). Then, for each path:

    its = market_at(market, p)                                         # records.py: prices, surface, confidences of the path
    fill_sheet(method, instruments, its, sheet)                        # account.py: each instrument in each scenario, once a path
    equity, initial, maintenance = account_margin(                     # account.py: a sum over the account's positions
        method, instruments, its, sheet, cash, options, perpetuals, gains, deposits, work)

`fill_sheet` and `account_margin` are rules (they allocate nothing): call them from a rule, with `sheet = sheet_for(method,
instruments)` and `work = scratch(method, instruments)` made outside. `account.margins` does it for arrays [path, account].
`cash` is a number; `options` [i], `perpetuals` [u], `gains` [u] and `deposits` [k] are an account's rows. Where collateral is
valued elsewhere, hand over `deposits` of length 0 and put its counted value into `cash`.
Instruments may be changed between steps (an expiry gone, a strike listed): make `Instruments`, sheet and scratch anew.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from simulator.protocol.portfolio_margin.covariance import DeltaGammaMargin, ParametricMargin
from simulator.protocol.portfolio_margin.expected_shortfall import ExpectedShortfallMargin
from simulator.protocol.portfolio_margin.naked import NakedMargin
from simulator.protocol.portfolio_margin.scenario_grid import ScenarioGrid
from simulator.protocol.portfolio_margin.span import Span
from simulator.protocol.portfolio_margin.standard import StandardMargin

PortfolioMargin = Annotated[
    ScenarioGrid | Span | StandardMargin | ExpectedShortfallMargin | NakedMargin | ParametricMargin | DeltaGammaMargin,
    Field(discriminator="kind"),
]
