"""The book at load: accounts with what they hold, pools, fund, vault, maker. docs/model.md section 6, "Load"."""

from __future__ import annotations

import numpy as np

from simulator.kernel import rule
from simulator.protocol import Protocol, book
from simulator.protocol.backstop import Maker, VaultBackstop
from simulator.protocol.bands.table import start_bands
from simulator.protocol.book import HEAD, State, path_of
from simulator.protocol.categories import factor_of
from simulator.protocol.fee_numbers import ONE_SIDED
from simulator.protocol.margin import load_ratios
from simulator.protocol.option_rules import FIRST_EXPIRY, SLOT_UNDERLYING, U_ASSET
from simulator.protocol.oracles import AT_FIRST_PRICE


class LoadError(ValueError):
    """The book of a scenario cannot exist: which pool lends more than it holds."""


def load(
    state: State,
    rules: np.record,
    terms: np.record,
    protocol: Protocol,
    keepers,
    cohorts,
    market,
    known: np.ndarray,
    currencies: list[str],
    markets: list[str],
) -> None:
    """Fill a zeroed `state`: the same book on every path, at the first prices and `known` volatilities. Raises LoadError."""
    price = market.price[0]  # [asset, path]
    state.asset[:, :, book.EXTERNAL] = state.asset[:, :, book.SPOT] = state.asset[:, :, book.INDEX] = price.T
    state.asset[:, :, book.VARIANCE] = rules.reference_volatility[: rules.assets] ** 2
    if rules.reads_known:
        state.asset[:, :, book.VARIANCE] = known[0].T ** 2
    state.asset[:, :, book.DEPTH_SHARE] = 1.0
    for field in (*AT_FIRST_PRICE, *range(book.ASSET_FIELDS, state.asset.shape[2])):
        state.asset[:, :, field] = price.T
    state.asset[:, :, book.SPOT_DEPTH] = rules.spot[: rules.assets, 1]
    state.market[:, :, book.DEPTH] = rules.perpetual[: rules.markets, 1]
    state.currency[:, :, [book.DEPOSIT_INDEX, book.BORROW_INDEX, book.INDEX_PEAK]] = 1.0
    pools = [getattr(protocol.venues[name].perpetual, "pool", 0.0) for name in markets]
    forgotten = terms.fee[0] if terms.fee_kind == ONE_SIDED else 0.0  # no step of the oracle is remembered
    state.market[:, :, book.FEE_POOL] = getattr(protocol.funding, "fees_at_load", 0.0)
    state.currency[:, :, book.AT_TARGET] = terms.initial_rate[: rules.currencies]
    for m, a in enumerate(rules.market_asset[: rules.markets]):
        state.market[:, m, [book.MARK, book.MARGIN_PRICE, book.VALUE]] = price[a][:, None]
        state.market[:, m, [book.FEE_LAST, book.FEE_REFERENCE]] = price[a][:, None]
        state.market[:, m, book.MARGIN_VARIANCE] = state.asset[:, a, book.VARIANCE]
        state.market[:, m, book.FEE_FACTOR] = 1.0
        state.market[:, m, book.FEE_CROSSED] = forgotten
        state.market[:, m, book.IMPACT_POOL] = pools[m]
    for k, a in enumerate(rules.currency_asset[: rules.currencies]):
        state.currency[:, k, [book.DEPOSIT_VALUE, book.DEBT_VALUE]] = price[a][:, None]
    for kind, holders, side in cohorts:
        _FILL[kind](state, rules, terms, holders, side, price)
    _special(state, rules, protocol, keepers)
    for name, amount in protocol.fund.tokens.items():
        state.accounts[:, rules.accounts + book.FUND, HEAD + currencies.index(name)] = amount
    if rules.bands:
        lay_loans(state, terms, rules)
    tally(state, rules)
    for name, amount in protocol.lending.reserves.items():
        state.currency[:, currencies.index(name), [book.RESERVE, book.LIQUIDITY, book.STOCK]] += amount
    scalar = state.scalar
    scalar[:, book.CUT] = -1.0
    scalar[:, book.CORRELATION] = -2.0
    scalar[:, book.CAPACITY] = rules.capital
    scalar[:, book.GAS_COST] = rules.gas
    scalar[:, book.ROOM] = np.inf if market.block_capacity is None else 0.0
    fund = state.accounts[:, rules.accounts + book.FUND]
    scalar[:, book.FUND_MINIMUM] = fund[:, book.CASH]
    for k in range(rules.currencies):
        scalar[:, book.FUND_MINIMUM] += fund[:, HEAD + k] * state.currency[:, k, book.DEPOSIT_VALUE]
    state.asset[:, :, book.LAST_EXTERNAL] = state.asset[:, :, book.LAST_OBSERVED] = price.T
    if (state.currency[:, :, book.LIQUIDITY] < 0.0).any():
        poor = int(np.argmin(state.currency[0, :, book.LIQUIDITY]))
        raise LoadError(f"more {currencies[poor]} is borrowed than supplied at load; add suppliers or lend less")


def _traders(state, rules, terms, holders, side, price):
    k, count, rows = holders.first, len(holders.markets), _rows(holders)
    credit = terms.initial_weight[k] if k >= 0 else 1.0
    wealth = np.where(np.abs(side).sum(axis=1) > 0.0, holders.wealth, 0.0)
    state.accounts[:, rows, book.BASIS] = wealth
    if k >= 0:
        state.accounts[:, rows, HEAD + k] = wealth / price[rules.currency_asset[k]][:, None]
    else:
        state.accounts[:, rows, book.CASH] = wealth
    for s, m in enumerate(holders.markets):
        p = price[rules.market_asset[m]][:, None]  # [path, 1]
        needed = terms.initial_ratio[m]
        if rules.scales_margin:
            variance = state.market[:, m, book.MARGIN_VARIANCE]
            needed = load_ratios(terms.margin[m], holders.appetite * wealth / count, p[:, 0], variance, needed)
        leverage = np.minimum(holders.appetite, (1.0 - holders.margin_buffer) * credit / needed)
        size = side[:, s] * wealth / count * leverage / p
        state.accounts[:, rows, HEAD + 2 * rules.currencies + m] = size
        state.accounts[:, rows, HEAD + 2 * rules.currencies + rules.markets + m] = size * p


def _borrowers(state, rules, terms, holders, side, price):
    k, d, rows = holders.first, holders.debts[0], _rows(holders)
    wealth = np.where(side[:, 0] != 0.0, holders.wealth, 0.0)
    base = wealth * terms.counted[k] / terms.debt_weight[d]
    factor = holders.carries * factor_of(k, holders.debts, terms, rules)
    owed = np.minimum(holders.appetite, 0.999) * factor * base / len(holders.debts)
    state.accounts[:, rows, book.BASIS] = wealth
    state.accounts[:, rows, HEAD + k] = wealth / price[rules.currency_asset[k]][:, None]
    state.accounts[:, rows, HEAD + rules.currencies + d] = owed / price[rules.currency_asset[d]][:, None]
    if rules.bands:
        state.accounts[:, rows, HEAD + 2 * rules.currencies + book.LOAN_BANDS] = holders.bands


def _suppliers(state, rules, terms, holders, side, price):
    k, rows = holders.first, _rows(holders)
    state.accounts[:, rows, book.BASIS] = holders.wealth
    state.accounts[:, rows, HEAD + k] = holders.wealth / price[rules.currency_asset[k]][:, None]


def _rows(holders):
    return slice(holders.start, holders.start + holders.accounts)


def _nobody(state, rules, terms, holders, side, price):
    """Who deals in options is flat at load."""


_FILL = {
    "perp-traders": _traders,
    "borrowers": _borrowers,
    "suppliers": _suppliers,
    "option-buyers": _nobody,
    "option-writers": _nobody,
    "option-hedgers": _nobody,
}


def _special(state, rules, protocol: Protocol, keepers) -> None:
    special = state.accounts[:, rules.accounts :]
    if isinstance(protocol.counterparty, Maker):
        special[:, book.MAKER, book.CASH] = protocol.counterparty.capital
    if isinstance(protocol.backstop, VaultBackstop):
        special[:, book.VAULT, book.CASH] = protocol.backstop.capital
    special[:, book.FUND, book.CASH] = protocol.fund.cash
    if protocol.options is not None:
        special[:, book.WRITER, book.CASH] = protocol.options.writer.capital
        list_options(state, rules)
    if keepers is not None:
        special[:, book.KEEPER, book.CASH] = keepers.capital


def list_options(state, rules) -> None:
    """Every option at its first listing, around the first index."""
    option, slot = rules.option[: rules.options], rules.slot[: rules.slots]
    book.option_part(state, rules, "slots")[:, :, book.EXPIRES] = slot[:, FIRST_EXPIRY]
    book.option_part(state, rules, "slots")[:, :, book.YEARS] = slot[:, FIRST_EXPIRY] * rules.year
    for j, (e, moneyness, _) in enumerate(option):
        a = int(rules.underlying[int(slot[int(e), SLOT_UNDERLYING]), U_ASSET])
        state.option[:, j, book.STRIKE] = moneyness * state.asset[:, a, book.INDEX]


@rule
def lay_loans(state, terms, rules):
    """Every loan at load lies in bands."""
    for p in range(state.accounts.shape[0]):
        start_bands(path_of(state, p), terms, rules)


@rule
def tally(state, rules):
    """The maker takes the other side of every position; running totals and pots follow, OUTSIDE holds what was put in."""
    K, M = rules.currencies, rules.markets
    for p in range(state.accounts.shape[0]):
        accounts, market, currency = state.accounts[p], state.market[p], state.currency[p]
        maker = accounts[rules.accounts + book.MAKER]
        cash, basis = 0.0, 0.0
        for m in range(M):
            cash += market[m, book.IMPACT_POOL]
            position, cost = HEAD + 2 * K + m, HEAD + 2 * K + M + m
            for i in range(rules.accounts):
                maker[position] -= accounts[i, position]
                maker[cost] -= accounts[i, cost]
            market[m, book.HEDGE] = -rules.hedge_ratio * maker[position]
            for i in range(accounts.shape[0]):
                market[m, book.OPEN_LONG] += max(accounts[i, position], 0.0)
                cash -= accounts[i, cost]
            market[m, book.MOST_OPEN] = market[m, book.OPEN_LONG]
        for i in range(accounts.shape[0]):
            cash += accounts[i, book.CASH]
            basis += accounts[i, book.BASIS]
        for k in range(K):
            for i in range(accounts.shape[0]):
                currency[k, book.DEPOSIT_TOTAL] += accounts[i, HEAD + k]
                currency[k, book.DEBT_TOTAL] += accounts[i, HEAD + K + k]
            currency[k, book.LIQUIDITY] = currency[k, book.DEPOSIT_TOTAL] - currency[k, book.DEBT_TOTAL]
            currency[k, book.STOCK] = currency[k, book.DEPOSIT_TOTAL]
        state.scalar[p, book.OUTSIDE_CASH] = -cash
        state.scalar[p, book.BASIS_TOTAL] = basis
