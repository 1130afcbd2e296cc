"""The book at load: accounts with what they hold, pools, fund, vault, maker. docs/model.md section 6, "Load"."""

from __future__ import annotations

import numpy as np

from simulator.protocol import Protocol, book
from simulator.protocol.backstop import Maker, VaultBackstop
from simulator.protocol.book import HEAD, State
from simulator.protocol.rules import Rules, Terms


class LoadError(ValueError):
    """The book of a scenario cannot exist: which pool lends more than it holds."""


def load(state: State, rules: Rules, terms: Terms, protocol: Protocol, keepers, cohorts, market, currencies: list[str]) -> None:
    """Fill a zeroed `state`: the same book on every path, at the first prices of `market`. Raises LoadError."""
    price = market.price[0]  # [asset, path]
    state.asset[:, :, book.EXTERNAL] = state.asset[:, :, book.SPOT] = state.asset[:, :, book.INDEX] = price.T
    state.asset[:, :, book.VARIANCE] = rules.reference_volatility**2
    state.asset[:, :, book.SPOT_DEPTH] = rules.spot[:, 1]
    state.market[:, :, book.DEPTH] = rules.perpetual[:, 1]
    state.currency[:, :, [book.DEPOSIT_INDEX, book.BORROW_INDEX, book.INDEX_PEAK]] = 1.0
    for m, a in enumerate(rules.market_asset):
        state.market[:, m, [book.MARK, book.MARGIN_PRICE, book.VALUE]] = price[a][:, None]
    for k, a in enumerate(rules.currency_asset):
        state.currency[:, k, [book.DEPOSIT_VALUE, book.DEBT_VALUE]] = price[a][:, None]
    for kind, holders, side in cohorts:
        _FILL[kind](state, rules, terms, holders, side, price)
    _special(state, rules, protocol, keepers)
    for name, amount in protocol.fund.tokens.items():
        state.accounts[:, rules.accounts + book.FUND, HEAD + currencies.index(name)] = amount
    _total(state, rules)
    scalar = state.scalar
    scalar[:, book.CUT] = -1.0
    scalar[:, book.CAPACITY] = rules.capital
    fund = state.accounts[:, rules.accounts + book.FUND]
    scalar[:, book.FUND_MINIMUM] = fund[:, book.CASH]
    for k in range(rules.currencies):
        scalar[:, book.FUND_MINIMUM] += fund[:, HEAD + k] * state.currency[:, k, book.DEPOSIT_VALUE]
    first = price[0]
    scalar[:, book.LAST_EXTERNAL] = scalar[:, book.LAST_OBSERVED] = first
    if (state.currency[:, :, book.LIQUIDITY] < 0.0).any():
        poor = int(np.argmin(state.currency[0, :, book.LIQUIDITY]))
        raise LoadError(f"more {currencies[poor]} is borrowed than supplied at load; add suppliers or lend less")


def _traders(state, rules, terms, holders, side, price):
    k, count = holders.first, len(holders.markets)
    credit = terms.initial_weight[k] if k >= 0 else 1.0
    maker = state.accounts[:, rules.accounts + book.MAKER]
    for j in np.flatnonzero(np.abs(side).sum(axis=1)):
        row = state.accounts[:, holders.start + j]
        row[:, book.BASIS] = holders.wealth[j]
        if k >= 0:
            row[:, HEAD + k] = holders.wealth[j] / price[rules.currency_asset[k]]
        else:
            row[:, book.CASH] = holders.wealth[j]
        for s, m in zip(side[j], holders.markets, strict=True):
            p = price[rules.market_asset[m]]  # [path]
            leverage = min(holders.appetite[j], (1.0 - holders.margin_buffer) * credit / terms.initial_ratio[m])
            position, cost = HEAD + 2 * rules.currencies + m, HEAD + 2 * rules.currencies + rules.markets + m
            size = s * holders.wealth[j] / count * leverage / p
            row[:, position] = size
            row[:, cost] = size * p
            maker[:, position] -= size
            maker[:, cost] -= size * p


def _borrowers(state, rules, terms, holders, side, price):
    k, d = holders.first, holders.second
    pk, pd = price[rules.currency_asset[k]], price[rules.currency_asset[d]]
    for j in np.flatnonzero(side[:, 0]):
        row = state.accounts[:, holders.start + j]
        row[:, HEAD + k] = holders.wealth[j] / pk
        row[:, book.BASIS] = holders.wealth[j]
        base = holders.wealth[j] * terms.counted[k] / terms.debt_weight[d]
        row[:, HEAD + rules.currencies + d] = min(holders.appetite[j], 0.999) * terms.factor[k] * base / pd


def _suppliers(state, rules, terms, holders, side, price):
    k = holders.first
    for j in range(holders.accounts):
        row = state.accounts[:, holders.start + j]
        row[:, HEAD + k] = holders.wealth[j] / price[rules.currency_asset[k]]
        row[:, book.BASIS] = holders.wealth[j]


_FILL = {"perp-traders": _traders, "borrowers": _borrowers, "suppliers": _suppliers}


def _special(state, rules, protocol: Protocol, keepers) -> None:
    special = state.accounts[:, rules.accounts :]
    if isinstance(protocol.counterparty, Maker):
        special[:, book.MAKER, book.CASH] = protocol.counterparty.capital
        for m in range(rules.markets):
            position = special[:, book.MAKER, HEAD + 2 * rules.currencies + m]
            state.market[:, m, book.HEDGE] = -protocol.counterparty.hedge_ratio * position
    if isinstance(protocol.backstop, VaultBackstop):
        special[:, book.VAULT, book.CASH] = protocol.backstop.capital
    special[:, book.FUND, book.CASH] = protocol.fund.cash
    if keepers is not None:
        special[:, book.KEEPER, book.CASH] = keepers.capital


def _total(state, rules) -> None:
    """Running totals and pots from the records: OUTSIDE holds the other side of everything put in."""
    K, M, accounts = rules.currencies, rules.markets, state.accounts
    cash = np.zeros(accounts.shape[0])
    basis = np.zeros(accounts.shape[0])
    for i in range(accounts.shape[1]):
        cash += accounts[:, i, book.CASH]
        basis += accounts[:, i, book.BASIS]
        for k in range(K):
            state.currency[:, k, book.DEPOSIT_TOTAL] += accounts[:, i, HEAD + k]
            state.currency[:, k, book.DEBT_TOTAL] += accounts[:, i, HEAD + K + k]
        for m in range(M):
            cash -= accounts[:, i, HEAD + 2 * K + M + m]
            state.market[:, m, book.OPEN_LONG] += np.maximum(accounts[:, i, HEAD + 2 * K + m], 0.0)
    state.market[:, :, book.MOST_OPEN] = state.market[:, :, book.OPEN_LONG]
    state.scalar[:, book.OUTSIDE_CASH] = -cash
    state.scalar[:, book.BASIS_TOTAL] = basis
    totals = state.currency
    totals[:, :, book.LIQUIDITY] = totals[:, :, book.DEPOSIT_TOTAL] - totals[:, :, book.DEBT_TOTAL]
    totals[:, :, book.STOCK] = totals[:, :, book.DEPOSIT_TOTAL]
