"""Latent bad debt: what a wind-down of all that is liquidatable would leave unpaid. docs/model.md section 7."""

from __future__ import annotations

from simulator.kernel import rule, small_rule
from simulator.protocol.bands.table import loan_of, loan_standing
from simulator.protocol.book import (
    CASH,
    DEBT_VALUE,
    DEPOSIT_INDEX,
    FUNDING,
    HEAD,
    INDEX,
    LATENT_LOST,
    MAKER,
    OVERDRAWN,
    RESERVE,
    SPOT,
    SPOT_DEPTH,
    TREASURY,
    VAULT,
    WRITER,
    enter,
)
from simulator.protocol.health import maintenance
from simulator.protocol.option_liquidation import worth_wound_down, wound_down
from simulator.protocol.rules import LINEAR
from simulator.protocol.trading import average, quote


@rule
def equity_of(b, i, terms, rules):
    """Equity of a record at the values of the path."""
    return maintenance(b, b.accounts[i], terms, rules)[1]


@small_rule
def sold_at(b, a, n, rules):
    """The mean price of `n` tokens of asset `a` (< 0: sold) in its spot venue, without doing it."""
    price = b.asset[a, SPOT]
    if rules.spot[a, LINEAR] == 0.0:
        return price
    return price * average(n * price / b.asset[a, SPOT_DEPTH])


@rule
def latent_loss(b, terms, rules):
    """Latent bad debt of a path [usd]: what a wind-down of all that is liquidatable would leave unpaid. Section 7."""
    K, M = rules.currencies, rules.markets
    net, tokens = b.row[HEAD + 2 * K :], b.other[HEAD:]
    net[:M] = 0.0
    b.ledger[:, LATENT_LOST:] = 0.0
    tokens[:K] = 0.0
    n = 0
    for i in range(rules.accounts):
        row = b.accounts[i]
        if maintenance(b, row, terms, rules)[0] < 0.0:
            b.found[n] = i
            n += 1
            for m in range(M):
                net[m] -= row[HEAD + 2 * K + m]
            if _owes(row, K):
                for k in range(K):
                    tokens[k] -= row[HEAD + k] * b.currency[k, DEPOSIT_INDEX]
            if rules.bands > 0:
                tokens[loan_of(row, rules)[0]] -= loan_standing(b, row, rules)[1]
    if rules.options > 0:
        wound_down(b, n, rules)
    total = 0.0
    if rules.absorbs:
        total = _latent(b, rules.accounts + TREASURY, -_unbacked_reserves(b, tokens, rules), 0.0)
    for s in range(n):
        row = b.accounts[b.found[s]]
        owes = _owes(row, K)
        equity = row[CASH]
        for k in range(K):
            a = rules.currency_asset[k]
            price = b.asset[a, INDEX]
            if owes:
                price = sold_at(b, a, tokens[k], rules)
            equity += row[HEAD + k] * b.currency[k, DEPOSIT_INDEX] * price - row[HEAD + K + k] * b.currency[k, DEBT_VALUE]
        if rules.bands > 0:
            equity += _bands_sold(b, row, tokens, rules)
        for m in range(M):
            price = quote(b, m, net[m], rules)[1]
            equity += row[HEAD + 2 * K + m] * (price - b.market[m, FUNDING]) - row[HEAD + 2 * K + M + m]
        if rules.options > 0:
            equity += worth_wound_down(b, row, rules)
        total += _latent(b, b.found[s], equity, maintenance(b, row, terms, rules)[1] if b.ledger.shape[0] > 0 else 0.0)
    if rules.has_vault:
        total += _latent(b, rules.accounts + VAULT, equity_of(b, rules.accounts + VAULT, terms, rules), 0.0)
    if rules.is_maker:
        total += _latent(b, rules.accounts + MAKER, equity_of(b, rules.accounts + MAKER, terms, rules), 0.0)
    if rules.options > 0:
        total += _latent(b, rules.accounts + WRITER, equity_of(b, rules.accounts + WRITER, terms, rules), 0.0)
    return total


@small_rule
def _latent(b, i, equity, before):
    """What a wind-down of record `i` leaves unpaid; `before` is its equity at the values of the path."""
    lost = max(0.0, -equity)
    enter(b, i, LATENT_LOST, lost, before)
    return lost


@rule
def _bands_sold(b, row, tokens, rules):
    """What the bands of a record bring [usd]: the debt asset at the index, collateral sold together with all `tokens`."""
    x, y, _down = loan_standing(b, row, rules)
    c = loan_of(row, rules)[0]
    price = sold_at(b, rules.currency_asset[c], tokens[c], rules)
    return x * b.asset[rules.currency_asset[rules.base_currency], INDEX] + y * price


@rule
def _unbacked_reserves(b, tokens, rules):
    """Bad debt in the reserves of an absorbing pool, their collateral sold together with `tokens` [asset] in the venues."""
    worth = b.scalar[OVERDRAWN]
    for k in range(rules.currencies):
        a = rules.currency_asset[k]
        held = b.currency[k, RESERVE]
        if rules.borrowable[k] == 0:
            tokens[k] -= held
    for k in range(rules.currencies):
        a = rules.currency_asset[k]
        price = b.asset[a, INDEX]
        if rules.borrowable[k] == 0:
            price = sold_at(b, a, tokens[k], rules)
        worth += b.currency[k, RESERVE] * price
    return max(0.0, -worth)


@rule
def _owes(row, K):
    """Whether a record has debts or negative cash."""
    if row[CASH] < 0.0:
        return True
    for k in range(K):
        if row[HEAD + K + k] > 0.0:
            return True
    return False
