"""Who trades with the bands: arbitrage against the spot venues, and keepers of loans below health 0. docs/model.md 5.9."""

from __future__ import annotations

import numpy as np

from simulator.kernel import rule, small_rule
from simulator.protocol.bands.band import moved_to, price_of
from simulator.protocol.bands.fee import fee_of
from simulator.protocol.bands.table import bands_of, flow, loan_of, loan_standing, oracle_price, take_out, upper, value_band
from simulator.protocol.book import (
    BAND_X,
    BAND_Y,
    BORROW_INDEX,
    CAPACITY,
    CASH,
    CUT,
    GAS,
    GAS_COST,
    HEAD,
    HIGH_BAND,
    INDEX,
    KEEPER,
    LIQUIDATED,
    LIQUIDITY,
    LOAN_SHARE,
    LOW_BAND,
    OUTSIDE_CASH,
    ROOM,
    SPOT,
    SPOT_DEPTH,
    USER_COST,
    less,
)
from simulator.protocol.keeper_trade import LEAST, trade_for_keeper
from simulator.protocol.rules import LINEAR

HALVINGS = 50  # of the way from the price of the bands to that of the market


@rule
def edge_price(b, c, buys, p, rules):
    """The price at which collateral `c` may be bought of the bands (sold to them); -1 where there is none (nothing) to give."""
    low, high = int(b.currency[c, LOW_BAND]), int(b.currency[c, HIGH_BAND])
    for s in range(high - low):
        r = low + s if buys else high - 1 - s
        band = b.band[c, r]
        if band[BAND_Y if buys else BAND_X] > 0.0:
            return price_of(band[BAND_X], band[BAND_Y], p, upper(b, c, r, rules), rules.amplification)
    return -1.0


@rule
def traded_to(b, c, price, buys, p, does, fee, rules):
    """(debt asset, collateral) paid and taken when the bands are traded to `price`, fee included; `does`: it is done."""
    debt_asset, collateral = 0.0, 0.0
    for r in range(int(b.currency[c, LOW_BAND]), int(b.currency[c, HIGH_BAND])):
        band = b.band[c, r]
        x, y = band[BAND_X], band[BAND_Y]
        if (y if buys else x) <= 0.0:
            continue
        up = upper(b, c, r, rules)
        now = price_of(x, y, p, up, rules.amplification)
        if (now >= price) if buys else (now <= price):
            if buys:
                break  # bands further down are dearer
            continue
        new_x, new_y = moved_to(x, y, price, p, up, rules.amplification)
        if buys:
            new_x = x + (new_x - x) / (1.0 - fee)
        else:
            new_y = y + (new_y - y) / (1.0 - fee)
        debt_asset += abs(new_x - x)
        collateral += abs(new_y - y)
        if does:
            if x == 0.0 and new_x > 0.0:
                b.scalar[CUT] = -1.0  # loans in this band change by themselves from now on: the watch list is made anew
            band[BAND_X], band[BAND_Y] = max(new_x, 0.0), max(new_y, 0.0)
            value_band(b, c, r, p, rules)
    return debt_asset, collateral


@small_rule
def spot_after(b, a, tokens, rules):
    """The spot price of asset `a` once `tokens` of it are bought (< 0: sold)."""
    if rules.spot[a, LINEAR] == 0.0:
        return b.asset[a, SPOT]
    return b.asset[a, SPOT] * np.exp(tokens * b.asset[a, SPOT] / b.asset[a, SPOT_DEPTH])


@rule
def pays(b, c, price, buys, p, fee, rules):
    """Whether the last unit traded with the bands up to `price` still pays in the venues, and keepers can afford all of it."""
    base = rules.base_currency
    ac, ad = rules.currency_asset[c], rules.currency_asset[base]
    debt_asset, collateral = traded_to(b, c, price, buys, p, False, fee, rules)
    keep = 1.0 - fee
    if buys:
        market = spot_after(b, ac, -collateral, rules) / spot_after(b, ad, debt_asset, rules)
        return price / keep <= market and debt_asset * b.asset[ad, INDEX] <= b.scalar[CAPACITY]
    market = spot_after(b, ac, collateral, rules) / spot_after(b, ad, -debt_asset, rules)
    return price * keep >= market and collateral * b.asset[ac, INDEX] <= b.scalar[CAPACITY]


@rule
def arbitrage_market(b, c, terms, rules):
    """A keeper trades the bands of collateral `c` towards the venues as far as it pays. Returns whether it did."""
    if b.currency[c, HIGH_BAND] == 0.0 or b.scalar[ROOM] < 1.0:
        return False
    base = rules.base_currency
    ac, ad = rules.currency_asset[c], rules.currency_asset[base]
    p = oracle_price(b, c, rules)
    fee = fee_of(b, c, p, terms)
    keep = 1.0 - fee
    market = b.asset[ac, SPOT] / b.asset[ad, SPOT]
    buys = True
    start, end = edge_price(b, c, True, p, rules), market * keep
    if start < 0.0 or start >= end:
        buys = False
        start, end = edge_price(b, c, False, p, rules), market / keep
        if start <= end:
            return False
    done, never = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = 0.5 * (done + never)
        if pays(b, c, start * (end / start) ** middle, buys, p, fee, rules):
            done = middle
        else:
            never = middle
    price = start * (end / start) ** done
    debt_asset, collateral = traded_to(b, c, price, buys, p, False, fee, rules)
    spent, given = debt_asset * b.asset[ad, INDEX], collateral * b.asset[ac, INDEX]
    x = spent if buys else given
    if x < LEAST:
        return False
    if buys:
        did = trade_for_keeper(b, ac, ad, False, collateral, debt_asset, x, rules)
    else:
        did = trade_for_keeper(b, ad, ac, False, debt_asset, collateral, x, rules)
    if not did:
        return False
    traded_to(b, c, price, buys, p, True, fee, rules)
    sign = 1.0 if buys else -1.0
    flow(b, base, sign * debt_asset)
    flow(b, c, -sign * collateral)
    b.scalar[USER_COST] += sign * (given - spent)
    b.scalar[ROOM] -= 1.0
    b.accounts[rules.accounts + KEEPER, CASH] -= b.scalar[GAS_COST]
    b.scalar[OUTSIDE_CASH] += b.scalar[GAS_COST]
    b.scalar[GAS] += b.scalar[GAS_COST]
    return True


@rule
def liquidate_bands(b, row, terms, rules):
    """A keeper repays a loan below health 0 with what its bands hold and money of its own, and keeps the rest."""
    K, base = rules.currencies, rules.base_currency
    c, first, share = loan_of(row, rules)
    ad, ac = rules.currency_asset[base], rules.currency_asset[c]
    index = b.asset[ad, INDEX]
    debt = row[HEAD + K + base] * b.currency[base, BORROW_INDEX]
    if share <= 0.0 or debt <= 0.0:
        return False
    x, y, _down = loan_standing(b, row, rules)
    f, part, h = 1.0, 1.0, terms.liquidation_discount
    if (debt - x) * index > b.scalar[CAPACITY]:
        f = b.scalar[CAPACITY] / (debt * index)
        part = ((1.0 + 0.5 * h) / (1.0 + h) * (1.0 - f) + f) * f
    if f * debt * index < LEAST:
        return False
    need = f * debt - part * x
    if not trade_for_keeper(b, ac, ad, False, part * y, need, max(need, 0.0) * index, rules):
        return False
    take_out(b, c, first, bands_of(row, rules), part * share, rules)
    row[HEAD + 2 * K + LOAN_SHARE] = share - part * share if part < 1.0 else 0.0
    row[HEAD + K + base] = less(row[HEAD + K + base], f * debt / b.currency[base, BORROW_INDEX]) if f < 1.0 else 0.0
    b.currency[base, LIQUIDITY] += f * debt
    b.scalar[LIQUIDATED] += f * debt * index
    b.scalar[USER_COST] += max(part * (x * index + y * b.asset[ac, INDEX]) - f * debt * index, 0.0)
    return True
