"""Who bears a loss, in order: fund, auto-deleveraging, everybody. docs/model.md sections 4.8, 4.9, 5.6 and 5.7."""

from __future__ import annotations

import numpy as np

from simulator.kernel import rule
from simulator.protocol.book import (
    ADL_HAIRCUT,
    ADL_VOLUME,
    BASIS,
    BORROW_INDEX,
    CASH,
    CUT,
    DEBT_TOTAL,
    DEFICIT_CASH,
    DEFICIT_OUTSIDE,
    DEPOSIT_INDEX,
    DEPOSIT_TOTAL,
    FUND,
    FUND_DRAW,
    FUND_SPENT,
    HEAD,
    INDEX,
    LIQUIDITY,
    LOST,
    MAKER,
    MARGIN_PRICE,
    OPEN_LONG,
    OUTSIDE_CASH,
    REALISED,
    SOCIALISED,
    SPOT,
    SPOT_DEPTH,
    TAKEOVERS,
    UNCOVERED,
    UNCOVERED_CASH,
    USER_COST,
    VALUE,
    VAULT,
    enter,
    less,
)
from simulator.protocol.health import change, find_liquidatable, is_empty, is_frozen, maintenance
from simulator.protocol.loss_sharing.allocation import take_in_proportion
from simulator.protocol.loss_sharing.by_position import owe, share_out
from simulator.protocol.option_liquidation import give_options, options_notional, unwind_options
from simulator.protocol.rules import LINEAR, PRO_RATA, QUEUE
from simulator.protocol.trading import exchange, trade, trade_spot


@rule
def fund_pays(b, amount, rules):
    """Section 5.6: take up to `amount` of cash out of the fund, within its caps. Returns what it paid."""
    fund = b.accounts[rules.accounts + FUND]
    amount = min(amount, rules.fund_event, max(rules.fund_day - b.scalar[FUND_SPENT], 0.0))
    for k in range(rules.currencies):
        if fund[CASH] >= amount:
            break
        if fund[HEAD + k] <= 0.0:
            continue
        a = rules.currency_asset[k]
        missing = amount - fund[CASH]
        held = min(fund[HEAD + k] * b.currency[k, DEPOSIT_INDEX], b.currency[k, LIQUIDITY])
        price, depth = b.asset[a, SPOT], b.asset[a, SPOT_DEPTH]
        if rules.spot[a, LINEAR] == 0.0:
            tokens = missing / price
        elif missing >= depth:
            tokens = held
        else:
            tokens = -depth / price * np.log(1.0 - missing / depth)
        sell_deposit(b, rules.accounts + FUND, k, min(tokens, held), rules)
    paid = max(min(amount, fund[CASH]), 0.0)
    fund[CASH] -= paid
    b.scalar[FUND_SPENT] += paid
    return paid


@rule
def sell_deposit(b, i, k, tokens, rules):
    """A special record sells `tokens` of its deposit in the spot venue for cash."""
    row = b.accounts[i]
    received = -trade_spot(b, rules.currency_asset[k], -tokens, rules)
    row[CASH] += received
    b.scalar[OUTSIDE_CASH] -= received
    left = less(row[HEAD + k], tokens / b.currency[k, DEPOSIT_INDEX])
    b.currency[k, DEPOSIT_TOTAL] += left - row[HEAD + k]
    row[HEAD + k] = left
    b.currency[k, LIQUIDITY] -= tokens


@rule
def settle_deficits(b, terms, rules):
    """Section 4.8: the step's deficits are paid by the fund, then by everybody's cash or by nobody."""
    owed = b.scalar[DEFICIT_CASH] + b.scalar[DEFICIT_OUTSIDE]
    if owed <= 0.0:
        return
    paid = fund_pays(b, owed, rules)
    b.scalar[FUND_DRAW] += paid
    _cover(b, paid)
    rest = owed - paid
    if rest > 0.0 and rules.socialises:
        taken = socialise(b, rest, rules)
        b.scalar[SOCIALISED] += taken
        _cover(b, taken)
        rest -= taken
        b.scalar[CUT] = -1.0  # everybody changed: the watch list is made anew
    if rules.by_position > 0:
        taken = share_out(b, owed, rest, rules)
        b.scalar[SOCIALISED] += taken
        _cover(b, taken)
        rest -= taken
    b.scalar[UNCOVERED] += rest
    b.scalar[UNCOVERED_CASH] += b.scalar[DEFICIT_CASH]
    b.scalar[DEFICIT_CASH] = 0.0
    b.scalar[DEFICIT_OUTSIDE] = 0.0


@rule
def _cover(b, amount):
    """Money that covers deficits closes those of accounts first; what is owed OUTSIDE leaves."""
    inside = min(amount, b.scalar[DEFICIT_CASH])
    b.scalar[DEFICIT_CASH] -= inside
    b.scalar[DEFICIT_OUTSIDE] -= amount - inside
    b.scalar[OUTSIDE_CASH] += amount - inside


@rule
def socialise(b, amount, rules):
    """Take `amount` pro rata from the positive cash of the cohorts' accounts. Returns what was taken."""
    total = 0.0
    for i in range(rules.accounts):
        total += max(b.accounts[i, CASH], 0.0)
    if total <= 0.0:
        return 0.0
    taken = min(amount, total)
    keep = 1.0 - taken / total
    lost = 0.0
    for i in range(rules.accounts):
        if b.accounts[i, CASH] > 0.0:
            left = b.accounts[i, CASH] * keep
            lost += b.accounts[i, CASH] - left
            b.accounts[i, CASH] = left
    return lost


@rule
def take_over(b, terms, rules):
    """Section 4.9: every account that keepers left below the threshold goes to the vault, or to its counterparties."""
    last = -1
    while True:
        # deleveraging changes others, so the next account is looked for after each takeover
        n = find_liquidatable(b, terms, rules)
        best = rules.accounts
        for s in range(n):
            i = b.found[s]
            if last < i < best and not is_frozen(b, b.accounts[i], rules):
                _, equity, requirement, notional = maintenance(b, b.accounts[i], terms, rules)
                if notional > 0.0 and equity < rules.threshold * requirement:
                    best = i
        if best == rules.accounts:
            return
        _, equity, _, notional = maintenance(b, b.accounts[best], terms, rules)
        _take_over_one(b, best, equity, notional, terms, rules)
        last = best


@rule
def _take_over_one(b, i, equity, notional, terms, rules):
    """Section 5.7 for account `i`."""
    row = b.row
    for f in range(row.size):
        row[f] = b.accounts[i, f]
    loss, realised = max(0.0, -equity), b.scalar[REALISED]
    paid = fund_pays(b, loss, rules) if loss > 0.0 else 0.0
    b.scalar[FUND_DRAW] += paid
    row[CASH] += paid
    short = loss - paid
    vault = b.accounts[rules.accounts + VAULT]
    _standing, worth, _need, held = maintenance(b, vault, terms, rules)
    can = worth >= rules.vault_margin * (held + notional)
    if can:
        b.scalar[TAKEOVERS] += 1.0
        share = short / loss if loss > 0.0 else 0.0
        matched, unmatched = 0.0, 0.0
        if share > 0.0:
            matched, unmatched = deleverage(b, i, row, share, loss, notional, terms, rules)
            if rules.options > 0:  # options find no counterparty: their part of the loss is a deficit
                unmatched += share * loss * options_notional(b, row, rules) / notional
            row[CASH] += unmatched
            b.scalar[DEFICIT_CASH] += unmatched
            if rules.by_position > 0:
                owe(b, b.accounts[i], unmatched, rules)
        b.scalar[REALISED] += paid + matched + unmatched
        b.scalar[USER_COST] += max(equity, 0.0)
        _give_to_vault(b, row, rules)
    else:
        matched, unmatched = deleverage(b, i, row, 1.0, short, notional, terms, rules)
        b.scalar[REALISED] += paid + matched
        if is_empty(row, rules) and abs(row[CASH]) <= 1e-9 * max(1.0, notional):
            b.scalar[OUTSIDE_CASH] += row[CASH]  # a rounding residue: the account was closed at its bankruptcy price
            row[CASH] = 0.0
    enter(b, i, LOST, b.scalar[REALISED] - realised, equity)
    change(b, i, row, terms, rules)


@rule
def _give_to_vault(b, row, rules):
    """Add the whole record to the vault's and empty it."""
    K, M = rules.currencies, rules.markets
    vault = b.accounts[rules.accounts + VAULT]
    vault[CASH] += row[CASH]
    row[CASH] = 0.0
    row[BASIS] = 0.0
    for f in range(HEAD, HEAD + 2 * K):
        vault[f] += row[f]
        if f < HEAD + K:
            b.currency[f - HEAD, DEPOSIT_TOTAL] += row[f]
        else:
            b.currency[f - HEAD - K, DEBT_TOTAL] += row[f]
        row[f] = 0.0
    for m in range(M):
        q, c = HEAD + 2 * K + m, HEAD + 2 * K + M + m
        before = max(vault[q], 0.0)
        vault[q] += row[q]
        vault[c] += row[c]
        if vault[q] == 0.0:
            vault[CASH] -= vault[c]
            vault[c] = 0.0
        b.market[m, OPEN_LONG] += max(vault[q], 0.0) - before
        row[q] = 0.0
        row[c] = 0.0
    if rules.options > 0:
        give_options(b, row, rules)


@rule
def deleverage(b, i, row, share, loss, notional, terms, rules):
    """Close `share` of every position of `row` against its counterparties at the price that spreads `loss` over notional.

    Returns (haircut borne by counterparties, haircut that found none). No venue moves.
    """
    K, M = rules.currencies, rules.markets
    matched = 0.0
    unmatched = 0.0
    for m in range(M):
        q = row[HEAD + 2 * K + m]
        if q == 0.0:
            continue
        sign = 1.0 if q > 0.0 else -1.0
        per_base = loss * b.market[m, MARGIN_PRICE] / notional
        price = b.market[m, VALUE] + sign * per_base
        wanted = share * abs(q)
        closed = _match(b, i, m, sign, wanted, price, terms, rules)
        if closed > 0.0:
            exchange(row, HEAD + 2 * K + m, HEAD + 2 * K + M + m, -sign * closed, price)
        matched += closed * per_base
        unmatched += max(wanted - closed, 0.0) * per_base
        b.scalar[ADL_VOLUME] += closed * b.market[m, MARGIN_PRICE]
    b.scalar[ADL_HAIRCUT] += matched
    return matched, unmatched


@rule
def _match(b, i, m, sign, wanted, price, terms, rules):
    """Close up to `wanted` base of opposite positions in market `m` at `price`, as allocated. Returns what was closed."""
    K, M = rules.currencies, rules.markets
    place = HEAD + 2 * K + m
    n = 0
    for j in range(rules.accounts):
        if j != i and b.accounts[j, place] * sign < 0.0:
            _slack, equity, _requirement, held = maintenance(b, b.accounts[j], terms, rules)
            if equity > 0.0:
                b.order[n] = j
                if rules.adl_rule == QUEUE:
                    b.due[n] = _score(b, b.accounts[j], m, equity, held, rules)
                else:
                    b.due[n] = 1.0 if rules.adl_rule == PRO_RATA else held / max(equity, 1e-12)
                n += 1
    if rules.adl_rule == QUEUE:
        left = _match_in_turn(b, m, sign, wanted, price, n, terms, rules)
    else:
        left = _match_in_proportion(b, m, sign, wanted, price, n, terms, rules)
    maker = b.accounts[rules.accounts + MAKER]
    if left > 1e-12 * wanted and maker[place] * sign < 0.0:
        part = min(abs(maker[place]), left)
        before = max(maker[place], 0.0)
        exchange(maker, place, place + M, sign * part, price)
        b.market[m, OPEN_LONG] += max(maker[place], 0.0) - before
        left -= part
    return wanted - left


@rule
def _match_in_turn(b, m, sign, wanted, price, n, terms, rules):
    """The queue of `n` (`order`, scores in `due`) closes, the greatest score first. Returns what is left of `wanted`."""
    left = wanted
    while left > 1e-12 * wanted and n > 0:
        best = 0
        for s in range(1, n):
            if b.due[s] > b.due[best] or (b.due[s] == b.due[best] and b.order[s] < b.order[best]):
                best = s
        j = b.order[best]
        n -= 1
        b.order[best], b.due[best] = b.order[n], b.due[n]
        part = min(abs(b.accounts[j, HEAD + 2 * rules.currencies + m]), left)
        _close_other(b, j, m, sign * part, price, terms, rules)
        left -= part
    return left


@rule
def _match_in_proportion(b, m, sign, wanted, price, n, terms, rules):
    """All `n` (`order`, weights in `due`) close in proportion to size x weight. Returns what is left of `wanted`."""
    if n == 0:
        return wanted
    sizes, taken = b.requests[:n, 0], b.requests[:n, 1]  # no request is waiting any more
    for s in range(n):
        sizes[s] = abs(b.accounts[b.order[s], HEAD + 2 * rules.currencies + m])
    take_in_proportion(wanted, sizes, b.due[:n], taken)
    left = wanted
    for s in range(n):
        _close_other(b, b.order[s], m, sign * taken[s], price, terms, rules)
        left -= taken[s]
    return left if left > 1e-12 * wanted else 0.0


@rule
def _close_other(b, j, m, n, price, terms, rules):
    """Account `j` gets `n` base at `price`, against its position."""
    other, place = b.other, HEAD + 2 * rules.currencies + m
    for f in range(other.size):
        other[f] = b.accounts[j, f]
    exchange(other, place, place + rules.markets, n, price)
    change(b, j, other, terms, rules)


@rule
def _score(b, row, m, equity, notional, rules):
    """Profit in per cent of cost times leverage: the industry's queue. A loser with more leverage stands further back."""
    place = HEAD + 2 * rules.currencies + m
    cost = row[place + rules.markets]
    gain = (row[place] * b.market[m, VALUE] - cost) / max(abs(cost), 1e-12)
    leverage = max(notional / max(equity, 1e-12), 1e-12)
    return gain * leverage if gain > 0.0 else gain / leverage


@rule
def unwind_vault(b, rules):
    """Section 4.5: the vault trades a share of all that it holds back into the venues. Returns whether it held anything."""
    K, M = rules.currencies, rules.markets
    i = rules.accounts + VAULT
    vault = b.accounts[i]
    if is_empty(vault, rules):
        return False
    for m in range(M):
        q = vault[HEAD + 2 * K + m]
        if q != 0.0:
            share = 1.0 if abs(q) * b.market[m, MARGIN_PRICE] < 1.0 else rules.unwind
            before = max(q, 0.0)
            trade(b, vault, m, -share * q, rules)
            b.market[m, OPEN_LONG] += max(vault[HEAD + 2 * K + m], 0.0) - before
    if rules.options > 0:
        unwind_options(b, rules.unwind, rules)
    for k in range(K):
        index = b.asset[rules.currency_asset[k], INDEX]
        held = min(vault[HEAD + k] * b.currency[k, DEPOSIT_INDEX], b.currency[k, LIQUIDITY])
        if held > 0.0:
            sell_deposit(b, i, k, held if held * index < 1.0 else rules.unwind * held, rules)
        owed = vault[HEAD + K + k] * b.currency[k, BORROW_INDEX]
        if owed > 0.0:
            _buy_back(b, vault, k, owed if owed * index < 1.0 else rules.unwind * owed, rules)
    return True


@rule
def _buy_back(b, vault, k, tokens, rules):
    """The vault buys tokens in the spot venue and repays with them."""
    K = rules.currencies
    spent = trade_spot(b, rules.currency_asset[k], tokens, rules)
    vault[CASH] -= spent
    b.scalar[OUTSIDE_CASH] += spent
    left = less(vault[HEAD + K + k], tokens / b.currency[k, BORROW_INDEX])
    b.currency[k, DEBT_TOTAL] += left - vault[HEAD + K + k]
    vault[HEAD + K + k] = left
    b.currency[k, LIQUIDITY] += tokens
