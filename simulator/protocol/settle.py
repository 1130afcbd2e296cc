"""One step of the protocol over a block of paths: the loops that call the rules. docs/model.md section 4."""

from __future__ import annotations

import numpy as np

from simulator.kernel import rule, small_rule, uniform
from simulator.protocol.absorb import buy_absorbed, is_for_sale, reserves_left
from simulator.protocol.audit import audit
from simulator.protocol.bands.market import arbitrage_market
from simulator.protocol.book import (
    ACCOUNT,
    ARRIVAL,
    BASIS_TOTAL,
    BORROWED,
    COLLATERAL,
    CUT,
    DEBT_TOTAL,
    DEBT_VALUE,
    FOUND,
    FUND,
    FUND_MINIMUM,
    FUND_SPENT,
    GAS_COST,
    HEAD,
    HIGH_BAND,
    INDEX,
    LATENT,
    MAKER,
    MOVED,
    OPEN_INTEREST,
    OPEN_LONG,
    R_OPTION,
    STEPS,
    UNDER_WATER,
    UTILISATION_SUM,
    VAULT,
    WRITER,
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
)
from simulator.protocol.option_requests import grant_option
from simulator.protocol.pools import utilisation
from simulator.protocol.prices import begin, mark, move_permanently, observe, value, watch_variance
from simulator.protocol.queue import sort_queue
from simulator.protocol.requests import grant
from simulator.protocol.waterfall import settle_deficits, take_over, unwind_vault
from simulator.protocol.wind_down import equity_of, latent_loss

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
