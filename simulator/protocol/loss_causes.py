"""Why an account's bad debt came about, asset by asset: watched step by step where a ledger is kept. docs/model.md section 7.1.

What was there before anybody closed the account is split by when it was first seen liquidatable; what closing it added is the
cost of closing. The parts of an account's loss add up to the loss.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from simulator.kernel import rule
from simulator.protocol.book import (
    DEBT_VALUE,
    DEPOSIT_VALUE,
    GAS_COST,
    HEAD,
    INDEX,
    LATENT_LOST,
    LATENT_SUNK,
    LOST,
    MARGIN_PRICE,
    ROOM,
    SUNK,
    path_of,
)
from simulator.protocol.health import is_frozen, maintenance

if TYPE_CHECKING:
    from simulator.protocol.book import State

# the causes of simulator.outcomes.CAUSES, in their order, then what is remembered
GAP, CASCADE, STALE_ORACLE, FULL, GAS_LIMIT, UNSERVED, CLOSING, OTHERS, IS_SEEN, FIRST, LOST_BEFORE, SUNK_BEFORE = range(12)
# then: substeps for which each of four things held keepers up, what each asset took, and losses by asset
HELD_UP, BY_ASSET = 12, 16


def make_sight(state: State, rules) -> np.ndarray:
    """float64 [path, account, field]: nothing seen yet; prices now are those that falls are measured from (of the last row)."""
    sight = np.zeros((*state.ledger.shape[:2], BY_ASSET + 2 * rules.assets))
    sight[:, -1, BY_ASSET : BY_ASSET + rules.assets] = state.asset[:, :, INDEX]
    return sight


@rule
def watch(state, sight, kept, terms, rules, have_acted):
    """Who of the paths `kept` is liquidatable, how far below zero, by which assets; after everybody acted also why it lost.

    Called twice a step: after the market moved, before anybody acts, and at its end, when what holds keepers up is seen.
    """
    terms, rules = terms[0], rules[0]
    for p in range(state.accounts.shape[0]):
        if not kept[p]:
            continue
        b = path_of(state, p)
        for i in range(rules.accounts):
            row, its, then = b.accounts[i], sight[p, i], sight[p, -1, BY_ASSET:]
            if have_acted:
                _explain(b, b.ledger[i], row, its, then, rules)
            slack, equity, _requirement, _notional = maintenance(b, row, terms, rules)
            if slack >= 0.0:
                its[IS_SEEN] = 0.0
            elif have_acted and its[IS_SEEN] != 0.0:
                its[HELD_UP + _obstacle(b, row, rules)] += 1.0
            else:
                if not have_acted and its[IS_SEEN] == 0.0:
                    its[IS_SEEN] = 1.0
                    its[FIRST] = max(0.0, -equity)
                    its[HELD_UP:BY_ASSET] = 0.0
                _weigh(b, row, its, then, rules)


@rule
def _explain(b, ledger, row, its, then, rules):
    """Causes of what a record's ledger gained in this step."""
    lost, sunk = ledger[LOST] - its[LOST_BEFORE], ledger[SUNK] - its[SUNK_BEFORE]
    if lost > 0.0:
        if its[IS_SEEN] == 0.0:
            _weigh(b, row, its, then, rules)
        _divide(its, lost, sunk, rules)
        its[LOST_BEFORE], its[SUNK_BEFORE] = ledger[LOST], ledger[SUNK]


@rule
def _weigh(b, row, its, then, rules):
    """What each asset's move since the vote took from a record at its exposure [usd]; exposures where none took anything."""
    K = rules.currencies
    taken = 0.0
    for turn in range(2):
        its[BY_ASSET : BY_ASSET + rules.assets] = 0.0
        for k in range(K):
            a = rules.currency_asset[k]
            its[BY_ASSET + a] += row[HEAD + k] * b.currency[k, DEPOSIT_VALUE] - row[HEAD + K + k] * b.currency[k, DEBT_VALUE]
        for m in range(rules.markets):
            its[BY_ASSET + rules.market_asset[m]] += row[HEAD + 2 * K + m] * b.market[m, MARGIN_PRICE]
        for a in range(rules.assets):
            held = its[BY_ASSET + a]
            its[BY_ASSET + a] = max(0.0, held * (then[a] / b.asset[a, INDEX] - 1.0)) if turn == 0 else abs(held)
            taken += its[BY_ASSET + a]
        if taken > 0.0:
            return


@rule
def _obstacle(b, row, rules):
    """What keeps keepers from a liquidatable record at the end of a step: 0 oracle, 1 blocks, 2 gas, 3 anything else."""
    if is_frozen(b, row, rules):
        return 0
    if b.scalar[ROOM] < 1.0:
        return 1
    return 2 if b.scalar[GAS_COST] > rules.gas_limit else 3


@rule
def _divide(its, lost, sunk, rules):
    """Add a loss to its causes and assets. What is left over at the end of each is a remainder, so that parts add up."""
    gap = min(sunk, its[FIRST]) if its[IS_SEEN] != 0.0 else 0.0
    its[FIRST] -= gap
    its[GAP] += gap
    its[CLOSING] += lost - sunk
    waited = 0.0
    for n in range(HELD_UP, BY_ASSET):
        waited += its[n]
    if its[IS_SEEN] == 0.0 or waited == 0.0:
        its[CASCADE] += sunk - gap
    else:
        for n in range(4):
            its[STALE_ORACLE + n] += (sunk - gap) * its[HELD_UP + n] / waited
    fallen = 0.0
    for a in range(rules.assets):
        fallen += its[BY_ASSET + a]
    for a in range(rules.assets):
        share = its[BY_ASSET + a] / fallen if fallen > 0.0 else 1.0 / rules.assets
        its[BY_ASSET + rules.assets + a] += share * lost


@rule
def causes_of_latent(state, sight, rules):
    """The same of what was still open at the horizon; special records are a cause of their own."""
    for p in range(state.accounts.shape[0]):
        for i in range(state.ledger.shape[1]):
            lost, sunk = state.ledger[p, i, LATENT_LOST], state.ledger[p, i, LATENT_SUNK]
            if lost <= 0.0:
                continue
            if i >= rules.accounts:
                sight[p, i, OTHERS] += lost
            else:
                _divide(sight[p, i], lost, sunk, rules)


@rule
def sum_up(state, sight, cohort, parts, rules):
    """Losses of every path by cause, by asset and by cohort, side by side in `parts` [path, part]; `cohort`: of every record."""
    causes, assets = OTHERS + 1, rules.assets
    for p in range(state.accounts.shape[0]):
        for i in range(state.ledger.shape[1]):
            for n in range(causes):
                parts[p, n] += sight[p, i, n]
            for a in range(assets):
                parts[p, causes + a] += sight[p, i, BY_ASSET + assets + a]
            parts[p, causes + assets + cohort[i]] += state.ledger[p, i, LOST] + state.ledger[p, i, LATENT_LOST]
