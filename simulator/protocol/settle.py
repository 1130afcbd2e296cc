"""One step of the protocol over a block of paths: the loops that call the rules. docs/model.md section 4."""

from __future__ import annotations

import numpy as np

from simulator.kernel import rule, small_rule, uniform
from simulator.protocol.absorb import buy_absorbed, is_for_sale, reserves_left
from simulator.protocol.bands.market import arbitrage_market
from simulator.protocol.bands.table import bands_imbalance, loan_of, loan_standing
from simulator.protocol.book import (
    ACCOUNT,
    ADL_HAIRCUT,
    ARRIVAL,
    BASIS_TOTAL,
    BORROW_INDEX,
    BORROWED,
    CASH,
    COLLATERAL,
    CUT,
    DEBT_TOTAL,
    DEBT_VALUE,
    DEFICIT_CASH,
    DEPOSIT_INDEX,
    DEPOSIT_TOTAL,
    FOUND,
    FUND,
    FUND_DRAW,
    FUND_MINIMUM,
    FUND_SPENT,
    FUNDING,
    GAS_COST,
    GROSS_FLOW,
    HEAD,
    HIGH_BAND,
    IMPACT_POOL,
    INDEX,
    LATENT,
    LATENT_LOST,
    LIQUIDITY,
    MAKER,
    MOST_OPEN,
    MOVED,
    OPEN_INTEREST,
    OPEN_LONG,
    OUTSIDE_CASH,
    OVERDRAWN,
    R_OPTION,
    REALISED,
    RESERVE,
    SOCIALISED,
    SPECIAL,
    SPOT,
    SPOT_DEPTH,
    STEPS,
    STOCK,
    TREASURY,
    UNBACKED,
    UNCOVERED,
    UNCOVERED_CASH,
    UNDER_WATER,
    UTILISATION_SUM,
    VAULT,
    WORST_IMBALANCE,
    WRITER,
    enter,
    path_of,
)
from simulator.protocol.close_growing import note_up
from simulator.protocol.conditions import meet
from simulator.protocol.health import REACH, find_liquidatable, maintenance, rebuild
from simulator.protocol.liquidate import serve
from simulator.protocol.market_numbers import GROWING
from simulator.protocol.option_auction import register
from simulator.protocol.option_expiry import start_options
from simulator.protocol.option_liquidation import (
    bought_notional,
    open_options,
    options_imbalance,
    worth_wound_down,
    wound_down,
)
from simulator.protocol.option_requests import grant_option
from simulator.protocol.pools import utilisation
from simulator.protocol.prices import begin, mark, move_permanently, observe, value, watch_variance
from simulator.protocol.rules import LINEAR
from simulator.protocol.trading import average, grant, quote
from simulator.protocol.waterfall import settle_deficits, take_over, unwind_vault

AUDIT_EVERY = 32  # steps
CENT = 0.01  # [usd] a fund is not under water by rounding


@rule
def start_step(state, t, price, volatility, known, conditions, terms, rules):
    """Sections 4.1 to 4.5 on every path. price: [step + 1, asset, path]; volatility, known: [market step, asset, path].

    `terms` and `rules` are handed over as arrays of one record, here and in `settle`.
    """
    terms, rules = terms[0], rules[0]
    now = t // rules.substeps
    for p in range(state.accounts.shape[0]):
        b = path_of(state, p)
        if t % rules.day_steps == 0:
            b.scalar[FUND_SPENT] = 0.0
        meet(b, t, p, price[t + 1, :, p], conditions, rules)
        begin(b, price[t + 1, :, p], price[t, :, p], volatility[now, :, p], known[now, :, p], terms, rules)
        if rules.options > 0:
            start_options(b, t, price[t + 1, :, p], price[t, :, p], rules)
        b.scalar[MOVED] = 1.0 if rules.has_vault and unwind_vault(b, rules) else 0.0
        if t % rules.substeps == 0:
            _set_cut(b, volatility[now, :, p], rules)
        state.waiting[p] = 0


@rule
def _set_cut(b, volatility, rules):
    """How far prices may move before the watch list is made anew. Only speed depends on it."""
    if b.scalar[CUT] < 0.0:
        return
    worst = 0.0
    for a in range(rules.assets):
        worst = max(worst, volatility[a])
    cut = min(max(REACH * worst * np.sqrt(rules.year), 0.002), 0.2)
    if cut > 2.0 * b.scalar[CUT] or cut < 0.5 * b.scalar[CUT]:
        b.scalar[CUT] = -1.0


@small_rule
def refresh_cut(b, volatility, t, p, terms, rules):
    """Make the watch list anew where something asked for it."""
    if b.scalar[CUT] >= 0.0:
        return
    worst = 0.0
    for a in range(rules.assets):
        worst = max(worst, volatility[t // rules.substeps, a, p])
    b.scalar[CUT] = min(max(REACH * worst * np.sqrt(rules.year), 0.002), 0.2)
    rebuild(b, terms, rules)


@rule
def settle(state, t, first, volatility, terms, rules, last_substep):
    """Sections 4.7 to 4.10 on every path; `first` is the id of path 0. Returns the worst relative imbalance found."""
    terms, rules = terms[0], rules[0]
    worst = 0.0
    for p in range(state.accounts.shape[0]):
        b = path_of(state, p)
        refresh_cut(b, volatility, t, p, terms, rules)
        waiting = state.waiting[p]
        moved = waiting > 0 or b.scalar[MOVED] != 0.0  # no venue moves in a step in which nobody trades
        for _turn in range(rules.max_rounds):
            served = play_round(b, t, first + p, waiting, terms, rules)
            moved = moved or served > 0
            waiting = 0
            if moved:
                observe(b, rules, 0.0)
                value(b, rules)
            if served == 0:
                break
        settle_deficits(b, terms, rules)
        # where nothing moved, the accounts that the round found liquidatable are those that there are
        if rules.has_vault and (moved or not rules.has_keepers or b.scalar[FOUND] > 0.0):
            refresh_cut(b, volatility, t, p, terms, rules)
            take_over(b, terms, rules)
            settle_deficits(b, terms, rules)
            moved = True
        if moved:
            move_permanently(b, rules)
            mark(b, rules)
            value(b, rules)
        record(b, volatility, t, p, moved, terms, rules)
        if last_substep:
            watch_variance(b, rules)
        if (t + 1) % AUDIT_EVERY == 0:
            worst = max(worst, audit(b, rules))
    return worst


@rule
def play_round(b, t, path, waiting, terms, rules):
    """Grant the requests of one round in the order of arrival. Returns how many liquidations were done."""
    n = 0
    for s in range(waiting):
        b.due[n] = b.requests[s, ARRIVAL]
        b.order[n] = 2 * int(b.requests[s, ACCOUNT]) + 1 + (s << 32)
        n += 1
    if rules.has_keepers:
        found = find_liquidatable(b, terms, rules)
        if rules.auctions:
            register(b, t, found, terms, rules)
        if rules.close_rule == GROWING:
            note_up(b, found, rules)
        if b.scalar[GAS_COST] > rules.gas_limit:
            found = 0
        for s in range(found):
            i = b.found[s]
            arrival = 0.0
            if rules.latency > 0.0:
                arrival = -rules.latency * np.log(uniform(rules.keeper_key, t, i, path, 0))
            if arrival < rules.dt:
                b.due[n] = arrival
                b.order[n] = 2 * i
                n += 1
    if (rules.absorbs or rules.bands > 0) and rules.has_keepers and b.scalar[GAS_COST] <= rules.gas_limit:
        n = queue_buyers(b, t, path, n, terms, rules)
    sort_queue(b.due, b.order, n)
    served = 0
    for s in range(n):
        code = b.order[s]
        if code & 1 == 0:
            i = code >> 1
            if serve(b, i, terms, rules) if i < rules.accounts else trade_with_pool(b, i - rules.accounts, terms, rules):
                served += 1
        elif b.requests[code >> 32, R_OPTION] >= 0.0:
            grant_option(b, b.requests[code >> 32], terms, rules)
        else:
            grant(b, b.requests[code >> 32], terms, rules)
    return served


@rule
def trade_with_pool(b, c, terms, rules):
    """A keeper buys absorbed collateral `c`, or trades its bands. Returns whether it did."""
    if rules.bands > 0:
        return arbitrage_market(b, c, terms, rules)
    return buy_absorbed(b, c, terms, rules)


@rule
def queue_buyers(b, t, path, n, terms, rules):
    """Buyers of absorbed collateral, or of bands, stand in the queue as keepers do, after all accounts. Returns its length."""
    for c in range(rules.currencies):
        if b.currency[c, HIGH_BAND] > 0.0 if rules.bands > 0 else is_for_sale(b, c, terms, rules):
            arrival = 0.0
            if rules.latency > 0.0:
                arrival = -rules.latency * np.log(uniform(rules.keeper_key, t, rules.accounts + c, path, 0))
            if arrival < rules.dt:
                b.due[n] = arrival
                b.order[n] = 2 * (rules.accounts + c)
                n += 1
    return n


@small_rule
def is_before(due, order, r, s):
    """Whether place r of the queue comes before place s: by arrival, then account, then keeper before user."""
    if due[r] != due[s]:
        return due[r] < due[s]
    return (order[r] & 0xFFFFFFFF) < (order[s] & 0xFFFFFFFF)


@small_rule
def swap(due, order, r, s):
    """Exchange two places of the queue."""
    due[r], due[s] = due[s], due[r]
    order[r], order[s] = order[s], order[r]


@rule
def sort_queue(due, order, n):
    """Sort the first n places: by insertion where few, as a heap where many."""
    if n <= 24:
        for s in range(1, n):
            r = s
            while r > 0 and is_before(due, order, r, r - 1):
                swap(due, order, r, r - 1)
                r -= 1
        return
    for root in range(n // 2 - 1, -1, -1):
        _sift(due, order, root, n)
    for end in range(n - 1, 0, -1):
        swap(due, order, 0, end)
        _sift(due, order, 0, end)


@rule
def _sift(due, order, root, n):
    while True:
        child = 2 * root + 1
        if child >= n:
            return
        if child + 1 < n and is_before(due, order, child, child + 1):
            child += 1
        if not is_before(due, order, root, child):
            return
        swap(due, order, root, child)
        root = child


@rule
def equity_of(b, i, terms, rules):
    """Equity of a record at the values of the path."""
    return maintenance(b, b.accounts[i], terms, rules)[1]


@rule
def record(b, volatility, t, p, moved, terms, rules):
    """Section 7: what is added up every step."""
    n = int(b.scalar[FOUND])
    if moved or not rules.has_keepers:
        refresh_cut(b, volatility, t, p, terms, rules)
        n = find_liquidatable(b, terms, rules)
    latent = 0.0
    held = 0.0
    for s in range(n):
        _slack, equity, _requirement, _notional = maintenance(b, b.accounts[b.found[s]], terms, rules)
        latent += max(0.0, -equity)
        for m in range(rules.markets):
            q = b.accounts[b.found[s], HEAD + 2 * rules.currencies + m]
            held += max(q, 0.0) * b.asset[rules.market_asset[m], INDEX]
        if rules.options > 0:
            held += bought_notional(b, b.accounts[b.found[s]], rules)
    if rules.has_vault:
        latent += max(0.0, -equity_of(b, rules.accounts + VAULT, terms, rules))
    if rules.is_maker:
        latent += max(0.0, -equity_of(b, rules.accounts + MAKER, terms, rules))
    if rules.options > 0:
        latent += max(0.0, -equity_of(b, rules.accounts + WRITER, terms, rules))
    fund = equity_of(b, rules.accounts + FUND, terms, rules)
    if rules.absorbs:
        reserves = reserves_left(b, rules)
        latent += max(0.0, -reserves)
        fund += max(0.0, reserves)
    b.scalar[LATENT] = latent
    if latent > fund + CENT:
        b.scalar[UNDER_WATER] += rules.dt / 3600.0
    b.scalar[FUND_MINIMUM] = min(b.scalar[FUND_MINIMUM], fund)
    interest = -held
    for m in range(rules.markets):
        interest += b.market[m, OPEN_LONG] * b.asset[rules.market_asset[m], INDEX]
    if rules.options > 0:
        interest += open_options(b, rules)
    borrowed = 0.0
    used = 0.0
    for k in range(rules.currencies):
        borrowed += b.currency[k, DEBT_TOTAL] * b.currency[k, DEBT_VALUE]
        if rules.borrowable[k] == 1:
            used = max(used, utilisation(b, k))
    b.scalar[OPEN_INTEREST] += interest
    b.scalar[BORROWED] += borrowed
    b.scalar[UTILISATION_SUM] += used
    b.scalar[COLLATERAL] += b.scalar[BASIS_TOTAL]
    b.scalar[STEPS] += 1.0


@rule
def audit(b, rules):
    """Sum every record against the running totals. Returns the worst imbalance, relative to gross stock plus gross flow."""
    K, M = rules.currencies, rules.markets
    n = rules.accounts + SPECIAL
    cash = b.scalar[OUTSIDE_CASH] - b.scalar[DEFICIT_CASH] - b.scalar[UNCOVERED_CASH]
    gross = abs(b.scalar[OUTSIDE_CASH]) + b.scalar[GROSS_FLOW] + 1.0
    for m in range(M):
        cash += b.market[m, IMPACT_POOL]
    for i in range(n):
        cash += b.accounts[i, CASH]
        gross += abs(b.accounts[i, CASH])
        for m in range(M):
            cash -= b.accounts[i, HEAD + 2 * K + M + m]
            gross += abs(b.accounts[i, HEAD + 2 * K + M + m])
    worst = abs(cash) / gross
    for k in range(K):
        worst = max(worst, _pool_imbalance(b, k, rules))
    for m in range(M):
        net = 0.0
        size = b.market[m, MOST_OPEN] + 1e-12  # an emptied market keeps the rounding of what it once held
        long = 0.0
        for i in range(n):
            q = b.accounts[i, HEAD + 2 * K + m]
            net += q
            size += abs(q)
            long += max(q, 0.0)
        b.market[m, MOST_OPEN] = max(b.market[m, MOST_OPEN], long)
        worst = max(worst, abs(net) / size, abs(long - b.market[m, OPEN_LONG]) / size)
    if rules.bands > 0:
        worst = max(worst, bands_imbalance(b, rules))
    for j in range(rules.options):
        worst = max(worst, options_imbalance(b, j, n, rules))
    classified = b.scalar[FUND_DRAW] + b.scalar[ADL_HAIRCUT] + b.scalar[SOCIALISED] + b.scalar[UNCOVERED]
    worst = max(worst, abs(classified - b.scalar[REALISED]) / (gross + b.scalar[REALISED]))
    if not (worst < 1e300) or b.accounts[rules.accounts + FUND, CASH] < 0.0:
        worst = np.inf
    b.scalar[WORST_IMBALANCE] = max(b.scalar[WORST_IMBALANCE], worst)
    return worst


@rule
def _pool_imbalance(b, k, rules):
    """Tokens supplied + reserve - borrowed = liquidity, for one currency, and its running totals."""
    K = rules.currencies
    supplied = 0.0
    borrowed = 0.0
    for i in range(rules.accounts + SPECIAL):
        supplied += b.accounts[i, HEAD + k]
        borrowed += b.accounts[i, HEAD + K + k]
    currency = b.currency[k]
    size = supplied + borrowed + 1e-12
    worst = max(abs(supplied - currency[DEPOSIT_TOTAL]), abs(borrowed - currency[DEBT_TOTAL])) / (size + currency[STOCK])
    supplied *= currency[DEPOSIT_INDEX]
    borrowed *= currency[BORROW_INDEX]
    gap = supplied + currency[RESERVE] - borrowed - currency[LIQUIDITY] - currency[UNBACKED]
    return max(worst, abs(gap) / (supplied + borrowed + abs(currency[LIQUIDITY]) + currency[STOCK] + 1e-12))


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
                price = b.asset[a, SPOT]
                if rules.spot[a, LINEAR] != 0.0:
                    price *= average(tokens[k] * price / b.asset[a, SPOT_DEPTH])
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
    a = rules.currency_asset[c]
    price = b.asset[a, SPOT]
    if rules.spot[a, LINEAR] != 0.0:
        price *= average(tokens[c] * price / b.asset[a, SPOT_DEPTH])
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
            price = b.asset[a, SPOT]
            if rules.spot[a, LINEAR] != 0.0:
                price *= average(tokens[k] * price / b.asset[a, SPOT_DEPTH])
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


@rule
def close_window(state, out, terms, rules):
    """out[path]: (latent bad debt, fund equity, vault equity) of every path."""
    for p in range(state.accounts.shape[0]):
        b = path_of(state, p)
        out[p, 0] = latent_loss(b, terms, rules)
        out[p, 1] = equity_of(b, rules.accounts + FUND, terms, rules)
        out[p, 2] = equity_of(b, rules.accounts + VAULT, terms, rules)
        if audit(b, rules) > 1e-9:
            out[p, 0] = np.nan


@rule
def count_newly_liquidatable(state, out, current, candidate, rules, changed):
    """out[path] = accounts healthy under `current` and liquidatable under `candidate` with `changed` rules, at today's values."""
    for p in range(state.accounts.shape[0]):
        b = path_of(state, p)
        value(b, rules)
        healthy = 0  # all under one set of terms, then under the other: a portfolio margin makes its sheet anew for each
        for i in range(rules.accounts):
            if maintenance(b, b.accounts[i], current, rules)[0] >= 0.0:
                b.found[healthy] = i
                healthy += 1
        for n in range(healthy):
            if maintenance(b, b.accounts[b.found[n]], candidate, changed)[0] < 0.0:
                out[p] += 1.0


@rule
def forget(state):
    """The terms changed: every watch list must be made anew."""
    for p in range(state.accounts.shape[0]):
        state.scalar[p, CUT] = -1.0
