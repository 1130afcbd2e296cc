"""The book: what an account record and a path record hold, by name, and how many paths of it lie in memory.

Account state is `[path, account, field]`: a liquidation touches one record at random, so a record is contiguous. Field
numbers never stand bare in a rule: fixed ones are the constants below, those of currency k and market m are
`HEAD + k` (deposit), `HEAD + K + k` (debt), `HEAD + 2K + m` (position), `HEAD + 2K + M + m` (cost); options j follow,
`HEAD + 2K + 2M + j` (signed number held).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from simulator.kernel import small_rule

CASH, BASIS, HEAD = 0, 1, 2  # account fields [usd], [usd]
MAKER, VAULT, FUND, KEEPER, TREASURY, WRITER, SPECIAL = 0, 1, 2, 3, 4, 5, 6  # records after the cohorts' accounts

# asset fields, of the path record `asset[path, asset, field]`
EXTERNAL, SPOT_PERMANENT, SPOT_TRANSIENT, SPOT_FLOW, SPOT, SPOT_DEPTH, INDEX, ORACLE_AGE, VARIANCE, LAST_INDEX = range(10)
DEPTH_SHARE, HALTED, STALE = 10, 11, 12
# of market steps: squared log returns so far and the last price, outside and as people here observe it
EXTERNAL_SQUARES, OBSERVED_SQUARES, LAST_EXTERNAL, LAST_OBSERVED = range(13, 17)
VOLATILITY_NOW = 17  # [1/sqrt(year)] conditional, of this market step
# what an oracle and a circuit breaker remember; the prices of an oracle's window follow
ORACLE_CURSOR, ORACLE_CAP, ORACLE_SNAPSHOT, BREAK_REFERENCE, BREAK_AGE, HALT_LEFT, UNSURE = range(18, 25)
DOUBT = 25  # [1] of the index: by how much health counts what is held lower and what is owed higher
ASSET_FIELDS = 26

# market fields: MARGIN_PRICE is M and VALUE is P = M - F of docs/model.md; REFERENCE_* are as the watch list last saw them
PERMANENT, TRANSIENT, FLOW, DEPTH, MARK, FUNDING, MARGIN_PRICE, VALUE, OPEN_LONG, HEDGE = range(10)
REFERENCE_PRICE, REFERENCE_VALUE, REFERENCE_FUNDING, MOST_OPEN = 10, 11, 12, 13
# what rules of funding, impact and fees keep: docs/model.md sections 2, 4.4 and 5.1
FUNDING_RATE, IMPACT_POOL, FEE_FACTOR, FEE_LAST, FEE_REFERENCE, FEE_KEPT, FEE_CROSSED = range(14, 21)
WINDOW_LEFT = 21  # [asset] what may still be liquidated in this step
# of a margin that follows volatility: its smoothed variance [1/year], and the greatest factor that the watch list allows for
MARGIN_VARIANCE, REFERENCE_FACTOR = 22, 23
FEE_POOL = 24  # [usd] of fees and funding that the maker of a market has earned
DUE_ALL, DUE_LONGS, DUE_SHORTS = 25, 26, 27  # [usd] of the step's deficits, by who pays them
MARKET_FIELDS = 28

# currency fields: DEPOSIT_VALUE is X = A index and DEBT_VALUE is Y = B index
DEPOSIT_INDEX, BORROW_INDEX, LIQUIDITY, RESERVE, DEPOSIT_TOTAL, DEBT_TOTAL, DEPOSIT_VALUE, DEBT_VALUE, INDEX_PEAK = range(9)
BORROW_RATE, UTILISATION, REFERENCE_DEPOSIT, REFERENCE_DEBT, UNBACKED, STOCK = 9, 10, 11, 12, 13, 14
AT_TARGET = 15  # [1/year] the moving rate of an adaptive curve
# where loans lie in bands: of a collateral the first row in use and the one after the last; of any currency what bands hold
# of it, and what ever went in or out [asset]
LOW_BAND, HIGH_BAND, IN_BANDS, BAND_FLOW = range(16, 20)
DEPOSIT_DOUBT, DEBT_DOUBT = 20, 21  # X and Y x the doubt of the asset
BAND_FROM, BAND_AGE = 22, 23  # the oracle price of a collateral in bands before it last moved, and how long ago [s]
CURRENCY_FIELDS = 24
# fields of a band: its upper price without interest, debt asset, collateral, shares, and x_down of one share
BAND_UP, BAND_X, BAND_Y, BAND_SHARES, BAND_DOWN = range(5)
BAND_FIELDS = 5
# after HEAD + 2K of an account whose loan lies in bands
LOAN_CURRENCY, LOAN_FIRST, LOAN_SHARE, LOAN_BANDS, LOAN_FIELDS = range(5)

# option fields: what an option is, and what one path makes of it now
STRIKE, SURFACE_VOLATILITY, OPTION_VALUE, DELTA, VEGA, HALF_SPREAD, VEGA_DEPTH, OPTION_OPEN, OPTION_TRADED = range(9)
# of a portfolio margin: the volatility of the mark, its mark, delta and gamma; columns of shocked values follow
MARK_VOLATILITY, SHEET_MARK, SHEET_DELTA, SHEET_GAMMA, SHEET_SHORT = 9, 10, 11, 12, 13
OPTION_FIELDS = 15
SCRATCH, LEAST_SCRATCH = 5, 64  # rows (and two an underlying) and columns of scratch of a portfolio margin
# fields of an expiry slot, a row after those of options: the substep at which it expires, years from now, what trades moved its
# volatility by, the sum and number of indices that settle it
EXPIRES, YEARS, IMPACT, INDEX_SUM, INDEX_COUNT = range(5)
# of a portfolio margin: forward, what of it is fixed, rate, confidence, and three factors of the expiry
FORWARD, FIXED, RATE, SURE, SHEET_EXPIRY = 5, 6, 7, 8, 9
# fields of an underlying of options, a row after those of slots: its surface now, and the writer's hedge
SURFACE_SHORT, SURFACE_LONG, SURFACE_RHO, SURFACE_ETA, SURFACE_REVERSION, OPTION_HEDGE = range(6)
# of a portfolio margin: prices and confidences of the underlying, an account's size and gain, and (of 0) the terms of the sheet
U_SPOT, U_PERPETUAL, U_SPOT_SURE, U_PERPETUAL_SURE, U_VOLATILITY, U_SIZE, U_GAIN, SHEET_STAMP = range(6, 14)

# pots, running totals and counters of a path: COUNTERS are what section 7 of docs/model.md records
OUTSIDE_CASH, DEFICIT_CASH, DEFICIT_OUTSIDE, UNCOVERED_CASH, CAPACITY, BASIS_TOTAL, GROSS_FLOW, CUT, LIST_LENGTH = range(9)
REALISED, FUND_DRAW, ADL_HAIRCUT, ADL_VOLUME, SOCIALISED, UNCOVERED, LIQUIDATIONS, LIQUIDATED, TAKEOVERS = range(9, 18)
PENALTIES, FEES, GAS, USER_COST, UNDER_WATER, OPEN_INTEREST, BORROWED, COLLATERAL, UTILISATION_SUM = range(18, 27)
FUND_MINIMUM, STEPS, LATENT, WORST_IMBALANCE = range(27, 31)
FOUND = 31  # accounts found liquidatable by the last look
MOVED = 32  # 1: the vault traded in this step
REFUSED = 33  # requests that a cap, a debt ceiling or isolation refused
OVERDRAWN = 34  # [usd] bad debt of absorbed accounts that reserves could not pay
GAS_COST = 35  # [usd] of one liquidation in this step
ROOM = 36  # [liquidations] that blocks still have room for
ANY_STALE = 37  # 1: some oracle is stale
CLOCK = 38  # [s] since the load
A_CLOCK = 39  # the step, as auctions count it
CORRELATION = 40  # mean of pairs of assets in this market step; below -1: the paths carry none
FUND_SPENT = 41  # [usd] what the fund paid today
SCALARS = 42
# of an auction: since which step, since which without equity (-1: it has some), the last step in which the account was found
STARTED, INSOLVENT, LAST_SEEN = range(3, 6)  # fields of the watch

# ledger fields [usd]: what a record's bad debt came to, realised and latent, and what of each was there before anybody closed it
LOST, SUNK, LATENT_LOST, LATENT_SUNK, LEDGER_FIELDS = range(5)

UP_SINCE, UP_LAST, FREED = -3, -2, -1  # of an account under a liquidation whose fee grows: [s], [s], [usd]

# request fields (docs/model.md 5.1)
ACCOUNT, ARRIVAL, R_MARKET, QUANTITY, R_CASH, R_CURRENCY, TOKENS, R_DEBT, BORROW, EXIT, REDUCE = range(11)
R_OPTION, COUNT = 11, 12  # the option asked for, and how many (< 0: sold)
REQUEST_FIELDS = 13


MOVING = 11  # arrays of a State that carry over from step to step; the rest is scratch


class State(NamedTuple):
    """A block of paths: arrays, path first (a path's record is worked on whole while it is in cache)."""

    accounts: np.ndarray  # float64 [path, account, field]
    asset: np.ndarray  # float64 [path, asset, field]
    market: np.ndarray  # float64 [path, market, field]
    currency: np.ndarray  # float64 [path, currency, field]
    scalar: np.ndarray  # float64 [path, field]
    watch: np.ndarray  # float64 [path, account, 3 or 6]: slack at the reference, sensitivity to falls, to rises; an auction
    listed: np.ndarray  # int32 [path, account]: the accounts that may be reached before the cut
    is_listed: np.ndarray  # uint8 [path, account]
    option: np.ndarray  # float64 [path, options, then expiry slots, underlyings and rows of scratch; field]
    band: np.ndarray  # float64 [path, currency, band, field], where loans lie in bands
    ledger: np.ndarray  # float64 [path, account, field]: who lost what; no accounts where nobody asked
    requests: np.ndarray  # float64 [path, slot, field]
    waiting: np.ndarray  # int64 [path]: requests made in this step
    row: np.ndarray  # float64 [field]: the copy on which a change is worked out
    other: np.ndarray  # float64 [field]: the copy of a counterparty
    order: np.ndarray  # int64 [slot]: scratch of the queue
    due: np.ndarray  # float64 [slot]: scratch of the queue
    found: np.ndarray  # int64 [account]: scratch, accounts found liquidatable


class Path(NamedTuple):
    """One path of a State: views."""

    accounts: np.ndarray
    asset: np.ndarray
    market: np.ndarray
    currency: np.ndarray
    scalar: np.ndarray
    watch: np.ndarray
    listed: np.ndarray
    is_listed: np.ndarray
    option: np.ndarray
    band: np.ndarray
    ledger: np.ndarray
    requests: np.ndarray
    row: np.ndarray
    other: np.ndarray
    order: np.ndarray
    due: np.ndarray
    found: np.ndarray


@small_rule
def path_of(state, p):
    """The views of path `p`."""
    return Path(
        state.accounts[p],
        state.asset[p],
        state.market[p],
        state.currency[p],
        state.scalar[p],
        state.watch[p],
        state.listed[p],
        state.is_listed[p],
        state.option[p],
        state.band[p],
        state.ledger[p],
        state.requests[p],
        state.row,
        state.other,
        state.order,
        state.due,
        state.found,
    )


def make_state(
    paths: int,
    accounts: int,
    assets: int,
    markets: int,
    currencies: int,
    options: int = 0,
    slots: int = 0,
    underlyings: int = 0,
    timers: int = 0,
    grid: int = 0,
    auctions: bool = False,
    bands: int = 0,
    remembered: int = 0,
    keeps_ledger: bool = False,
) -> State:
    """A zeroed block for `accounts` cohort accounts (special records are added); a timer is the last field of a record."""
    fields = HEAD + 2 * currencies + 2 * markets + options + (LOAN_FIELDS if bands else 0) + timers
    rows = options + slots + 3 * underlyings + SCRATCH if options else 0
    return State(
        accounts=np.zeros((paths, accounts + SPECIAL, fields)),
        asset=np.zeros((paths, assets, ASSET_FIELDS + remembered)),
        market=np.zeros((paths, markets, MARKET_FIELDS)),
        currency=np.zeros((paths, currencies, CURRENCY_FIELDS)),
        scalar=np.zeros((paths, SCALARS)),
        watch=np.full((paths, accounts, 6 if auctions else 3), -2.0),
        listed=np.zeros((paths, accounts), np.int32),
        is_listed=np.zeros((paths, accounts), np.uint8),
        option=np.zeros((paths, rows, max(OPTION_FIELDS + grid, options, LEAST_SCRATCH) if grid else OPTION_FIELDS)),
        band=np.zeros((paths, currencies if bands else 0, bands, BAND_FIELDS)),
        ledger=np.zeros((paths, (accounts + SPECIAL) * keeps_ledger, LEDGER_FIELDS)),
        requests=np.empty((paths, accounts, REQUEST_FIELDS)),
        waiting=np.zeros(paths, np.int64),
        row=np.zeros(fields),
        other=np.zeros(fields),
        order=np.zeros(2 * accounts + 1 + currencies, np.int64),
        due=np.zeros(max(2 * accounts + 1 + currencies, options)),
        found=np.zeros(accounts + 1, np.int64),
    )


@small_rule
def slot_row(e, rules):
    """The row of expiry slot `e` in `option`."""
    return rules.options + e


@small_rule
def underlying_row(u, rules):
    """The row of underlying `u` in `option`."""
    return rules.options + rules.slots + u


def option_part(state: State, rules, name: str) -> np.ndarray:
    """Views of `state.option` [path, row, field]: the rows of the "options", "slots" or "underlyings"."""
    ends = {"options": rules.options, "slots": rules.options + rules.slots}
    ends["underlyings"] = ends["slots"] + rules.underlyings
    starts = {"options": 0, "slots": ends["options"], "underlyings": ends["slots"]}
    return state.option[:, starts[name] : ends[name]]


@small_rule
def commit(b, i, row, rules):
    """Write `row` over record `i` and carry its change into the running totals of the path."""
    old = b.accounts[i]
    K, M = rules.currencies, rules.markets
    b.scalar[BASIS_TOTAL] += row[BASIS] - old[BASIS]
    for k in range(K):
        b.currency[k, DEPOSIT_TOTAL] += row[HEAD + k] - old[HEAD + k]
        b.currency[k, DEBT_TOTAL] += row[HEAD + K + k] - old[HEAD + K + k]
    for m in range(M):
        b.market[m, OPEN_LONG] += max(row[HEAD + 2 * K + m], 0.0) - max(old[HEAD + 2 * K + m], 0.0)
    for j in range(rules.options):
        o = HEAD + 2 * K + 2 * M + j
        b.option[j, OPTION_OPEN] += max(row[o], 0.0) - max(old[o], 0.0)
    for f in range(row.size):
        old[f] = row[f]


@small_rule
def enter(b, i, first, lost, equity):
    """Write into the ledger, if there is one, what record `i` lost; `equity` is its equity before anybody closed anything."""
    if b.ledger.shape[0] > 0 and lost > 0.0:
        b.ledger[i, first] += lost
        b.ledger[i, first + 1] += min(lost, max(0.0, -equity))


@small_rule
def less(former, taken):
    """`former` - `taken` of something that cannot be negative; a rounding residue is nothing."""
    left = former - taken
    return left if left > 1e-12 * former else 0.0
