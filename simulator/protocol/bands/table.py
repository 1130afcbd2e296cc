"""The bands of a whole protocol: one table a collateral, in which loans have shares. docs/model.md 5.9."""

from __future__ import annotations

import numpy as np

from simulator.kernel import rule, small_rule
from simulator.protocol.bands.band import all_debt_asset, upper_price
from simulator.protocol.book import (
    BAND_DOWN,
    BAND_FLOW,
    BAND_FROM,
    BAND_SHARES,
    BAND_UP,
    BAND_X,
    BAND_Y,
    BORROW_INDEX,
    HEAD,
    HIGH_BAND,
    IN_BANDS,
    INDEX,
    LOAN_BANDS,
    LOAN_CURRENCY,
    LOAN_FIRST,
    LOAN_SHARE,
    LOW_BAND,
    REFERENCE_DEBT,
    REFERENCE_DEPOSIT,
)

NOTHING = 1e-12  # of the shares of a band: what is left is rounding


@small_rule
def loan_of(row, rules):
    """(collateral, first row, share) of a record; a share of 0 is no loan."""
    f = HEAD + 2 * rules.currencies
    return int(row[f + LOAN_CURRENCY]), int(row[f + LOAN_FIRST]), row[f + LOAN_SHARE]


@small_rule
def bands_of(row, rules):
    """How many bands a loan of this record lies in, or would."""
    return int(row[HEAD + 2 * rules.currencies + LOAN_BANDS])


@small_rule
def oracle_price(b, c, rules):
    """p: the index of collateral `c` in units of the debt asset."""
    return b.asset[rules.currency_asset[c], INDEX] / b.asset[rules.currency_asset[rules.base_currency], INDEX]


@small_rule
def upper(b, c, r, rules):
    """The upper price of row `r`: bands rise with the interest on what is owed against them."""
    return b.band[c, r, BAND_UP] * b.currency[rules.base_currency, BORROW_INDEX]


@rule
def value_band(b, c, r, p, rules):
    """Refresh x_down of one share of row `r` at oracle price `p`."""
    band = b.band[c, r]
    up, shares = upper(b, c, r, rules), band[BAND_SHARES]
    x, y = 0.0, 1.0
    if shares > 0.0:
        x, y = band[BAND_X] / shares, band[BAND_Y] / shares
    down = up * (rules.amplification - 1.0) / rules.amplification
    if x == 0.0 and p >= up:
        band[BAND_DOWN] = y * np.sqrt(down * up)
    elif y == 0.0 and p <= down:
        band[BAND_DOWN] = x
    else:
        band[BAND_DOWN] = all_debt_asset(x, y, p, up, rules.amplification)


@rule
def value_bands(b, rules):
    """x_down of every band in use."""
    for c in range(rules.currencies):
        if b.currency[c, HIGH_BAND] > 0.0:
            p = oracle_price(b, c, rules)
            for r in range(int(b.currency[c, LOW_BAND]), int(b.currency[c, HIGH_BAND])):
                if b.band[c, r, BAND_SHARES] > 0.0:
                    value_band(b, c, r, p, rules)


@rule
def loan_standing(b, row, rules):
    """(x, y, x_down) of the loan of a record [asset]; zeros without one."""
    c, first, share = loan_of(row, rules)
    x, y, down = 0.0, 0.0, 0.0
    if share > 0.0:
        for r in range(first, first + bands_of(row, rules)):
            band = b.band[c, r]
            part = share / band[BAND_SHARES]
            x += part * band[BAND_X]
            y += part * band[BAND_Y]
            down += share * band[BAND_DOWN]
    return x, y, down


@rule
def loan_credit(b, row, terms, rules):
    """(credit, value) [usd] that the bands of a record add to its maintenance slack and to its equity."""
    c, _first, share = loan_of(row, rules)
    if share <= 0.0:
        return 0.0, 0.0
    x, y, down = loan_standing(b, row, rules)
    index = b.asset[rules.currency_asset[rules.base_currency], INDEX]
    return (1.0 - terms.liquidation_discount) * down * index, x * index + y * b.asset[rules.currency_asset[c], INDEX]


@rule
def loan_watch(b, row, slack, falls, rises, terms, rules):
    """(slack, falls) of a record for the watch list: a loan changes with prices only once the oracle reaches its bands.

    Until then its x_down and its debt rise together, and the sign of its slack stays. A loan that holds debt asset, or whose
    bands the oracle has reached, is always looked at.
    """
    c, first, share = loan_of(row, rules)
    if share <= 0.0:
        return slack, falls
    base = rules.base_currency
    x, _y, down = loan_standing(b, row, rules)
    reference = b.currency[base, REFERENCE_DEBT]
    gap = 1.0 - b.band[c, first, BAND_UP] * reference / b.currency[c, REFERENCE_DEPOSIT]
    slack += (1.0 - terms.liquidation_discount) * down / b.currency[base, BORROW_INDEX] * reference
    if x > 0.0 or gap < 1e-6 or slack <= 0.0:
        return -1e300, falls
    return slack, max(falls, rises, slack / gap)


@small_rule
def collateral_per_share(b, c, r):
    """Y of one share of a row without debt asset; 1 where it is empty."""
    shares = b.band[c, r, BAND_SHARES]
    return b.band[c, r, BAND_Y] / shares if shares > 0.0 else 1.0


@rule
def carried(b, c, first, bands, y, rules):
    """x_down of `y` collateral laid in equal shares into so many bands from row `first` on, above which the oracle is."""
    held, down = 0.0, 0.0
    keep = np.sqrt((rules.amplification - 1.0) / rules.amplification)
    for r in range(first, first + bands):
        g = collateral_per_share(b, c, r)
        held += g
        down += g * upper(b, c, r, rules) * keep
    return y * down / held


@rule
def place(b, c, bands, y, debt, terms, rules):
    """The lowest so many bands in which `y` collateral carries `debt` tokens: their first row, -1 if none does."""
    p = oracle_price(b, c, rules)
    r = 0
    for n in range(int(b.currency[c, LOW_BAND]), int(b.currency[c, HIGH_BAND])):
        if b.band[c, n, BAND_X] > 0.0:
            r = n + 1
    last = rules.band_rows - bands
    while r <= last and upper(b, c, r, rules) > p:
        r += 1
    if r > last or carried(b, c, r, bands, y, rules) * (1.0 - terms.loan_discount) < debt:
        return -1
    while r < last and carried(b, c, r + 1, bands, y, rules) * (1.0 - terms.loan_discount) >= debt:
        r += 1
    return r


@rule
def lay_in(b, row, c, first, y, rules):
    """Lay `y` collateral into the bands from row `first` on, and write the loan into `row`, which must hold none."""
    held, end = 0.0, first + bands_of(row, rules)
    for r in range(first, end):
        held += collateral_per_share(b, c, r)
    share = y / held
    for r in range(first, end):
        band = b.band[c, r]
        band[BAND_Y] += share * collateral_per_share(b, c, r)
        fresh = band[BAND_SHARES] == 0.0
        band[BAND_SHARES] += share
        if fresh:
            value_band(b, c, r, oracle_price(b, c, rules), rules)
    low = b.currency[c, LOW_BAND]
    b.currency[c, LOW_BAND] = first if b.currency[c, HIGH_BAND] == 0.0 else min(low, first)
    b.currency[c, HIGH_BAND] = max(b.currency[c, HIGH_BAND], end)
    flow(b, c, y)
    f = HEAD + 2 * rules.currencies
    row[f + LOAN_CURRENCY], row[f + LOAN_FIRST], row[f + LOAN_SHARE] = c, first, share


@small_rule
def flow(b, k, tokens):
    """Tokens of currency `k` went into bands (< 0: out)."""
    b.currency[k, IN_BANDS] += tokens
    b.currency[k, BAND_FLOW] += abs(tokens)


@rule
def take_out(b, c, first, bands, share, rules):
    """Take `share` of each of so many bands from row `first` on out: (x, y)."""
    x, y = 0.0, 0.0
    for r in range(first, first + bands):
        band = b.band[c, r]
        part = share / band[BAND_SHARES]
        if band[BAND_SHARES] - share <= NOTHING * band[BAND_SHARES]:
            part = 1.0
        x += part * band[BAND_X]
        y += part * band[BAND_Y]
        band[BAND_X] *= 1.0 - part
        band[BAND_Y] *= 1.0 - part
        band[BAND_SHARES] = band[BAND_SHARES] - share if part < 1.0 else 0.0
    flow(b, c, -y)
    flow(b, rules.base_currency, -x)
    return x, y


@rule
def start_bands(b, terms, rules):
    """At load: bands around the first price, and the collateral of every borrower in them."""
    K, base = rules.currencies, rules.base_currency
    for c in range(K):
        b.currency[c, BAND_FROM] = oracle_price(b, c, rules)
        for r in range(rules.band_rows):
            n = r - (rules.band_rows - rules.bands) // 2
            b.band[c, r, BAND_UP] = upper_price(oracle_price(b, c, rules), rules.amplification, n)
    for i in range(rules.accounts):
        row = b.accounts[i]
        if row[HEAD + K + base] > 0.0:
            for c in range(K):
                if c != base and row[HEAD + c] > 0.0:
                    first = place(b, c, bands_of(row, rules), row[HEAD + c], row[HEAD + K + base], terms, rules)
                    lay_in(b, row, c, first, row[HEAD + c], rules)
                    row[HEAD + c] = 0.0


@rule
def bands_imbalance(b, rules):
    """The worst relative gap between what bands hold and what went in, and between their shares and those of loans."""
    K, base = rules.currencies, rules.base_currency
    worst, debt_asset = 0.0, 0.0
    for c in range(K):
        collateral, shares = 0.0, 0.0
        for r in range(int(b.currency[c, LOW_BAND]), int(b.currency[c, HIGH_BAND])):
            collateral += b.band[c, r, BAND_Y]
            debt_asset += b.band[c, r, BAND_X]
            shares += b.band[c, r, BAND_SHARES]
        size = shares + 1e-12 * b.currency[c, BAND_FLOW] + 1e-12
        for i in range(rules.accounts):
            of, _first, share = loan_of(b.accounts[i], rules)
            if of == c:
                shares -= bands_of(b.accounts[i], rules) * share
        if c != base:
            gap = abs(collateral - b.currency[c, IN_BANDS]) / (b.currency[c, BAND_FLOW] + 1e-12)
            worst = max(worst, gap, abs(shares) / size if size > 1e-9 else 0.0)
    return max(worst, abs(debt_asset - b.currency[base, IN_BANDS]) / (b.currency[base, BAND_FLOW] + 1e-12))
