"""The arrays of a margin computation: instruments, the market along paths, what a path makes of each instrument, holdings.

Axes, in this order: path, account, then instrument i, expiry e, underlying u, collateral k, or scenario s. All float64 and
C-contiguous unless said otherwise. Instruments are options; a perpetual is a number an underlying.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from simulator.kernel import small_rule


class Instruments(NamedTuple):
    """Every option there is, sorted by underlying, expiry and strike: what stays as it is along a path."""

    strike: np.ndarray  # [i] [usd]
    is_call: np.ndarray  # [i] 1 or 0
    first: np.ndarray  # int64 [e + 1]: expiry e has the instruments first[e] .. first[e + 1] - 1
    first_expiry: np.ndarray  # int64 [u + 1]: underlying u has the expiries first_expiry[u] .. first_expiry[u + 1] - 1


class Market(NamedTuple):
    """What the protocol reads off its oracles, by path; a path's own (`market_at`) lacks the first axis."""

    spot: np.ndarray  # [path, u] [usd] index price
    perpetual: np.ndarray  # [path, u] [usd] price at which perpetuals are shocked
    spot_confidence: np.ndarray  # [path, u] [1] of the oracle; 1 where there is no such thing
    perpetual_confidence: np.ndarray  # [path, u] [1]
    volatility: np.ndarray  # [path, u] [1/sqrt(year)] of the underlying now, for the methods that rest on it
    forward: np.ndarray  # [path, e] [usd], all of it that still moves
    fixed_forward: np.ndarray  # [path, e] [usd] part of the settlement average that is already known
    years: np.ndarray  # [path, e] to expiry
    rate: np.ndarray  # [path, e] [1/year]; options are discounted at max(rate, 0)
    expiry_confidence: np.ndarray  # [path, e] [1] the least of forward, rate and volatility
    implied: np.ndarray  # [path, i] [1/sqrt(year)] mark volatility
    collateral_price: np.ndarray  # [path, k] [usd]
    collateral_confidence: np.ndarray  # [path, k] [1]
    settlement: np.ndarray  # [path, 1] [usd] price of the asset that cash is in


class Sheet(NamedTuple):
    """What one path's market makes of each instrument, worked out once a path and read by every account."""

    mark: np.ndarray  # [i] [usd] value of one
    shocked: np.ndarray  # [i, s] [usd] value of one in each scenario, then with forwards up and down
    delta: np.ndarray  # [i] [1] d mark / d spot
    gamma: np.ndarray  # [i] [1/usd]
    short: np.ndarray  # [i, 2] [usd] isolated (initial, maintenance) requirement of one short, beside its mark
    expiry: np.ndarray  # [e, 3] factors of an expiry, by method
    covariance: np.ndarray  # [u, u] [1] of returns over the margin period


class Accounts(NamedTuple):
    """Holdings, [path or 1, account, ...]: a first axis of 1 is the same book on every path."""

    cash: np.ndarray  # [path, account] [usd]
    options: np.ndarray  # [path, account, i] signed number of options
    perpetuals: np.ndarray  # [path, account, u] signed size [asset]
    gains: np.ndarray  # [path, account, u] [usd] of perpetuals, unrealised, funding included
    deposits: np.ndarray  # [path, account, k] amount of each collateral


EQUITY, INITIAL, MAINTENANCE = range(3)  # columns of a result [usd]


def instruments(underlying, expiry, strike, is_call, underlyings: int | None = None, expiries=None) -> Instruments:
    """`Instruments` from a row an option: number of its underlying, number of its expiry (over all underlyings), strike, call?

    `expiries`: the underlying of each expiry, where some have no option. Raises ValueError unless the rows are sorted by
    underlying, expiry and strike, and every expiry has one underlying.
    """
    underlying, expiry = np.asarray(underlying, int), np.asarray(expiry, int)
    strike, is_call = np.asarray(strike, float), np.asarray(is_call, float)
    order = np.lexsort((strike, expiry, underlying))
    if (order != np.arange(len(strike))).any() and (strike[order] != strike).any():
        raise ValueError("options must be sorted by underlying, expiry and strike")
    if expiries is None:
        expiries = [underlying[expiry == e][0] for e in range(int(expiry.max(initial=-1)) + 1)]
    expiries = np.asarray(expiries, int)
    if (np.diff(expiries) < 0).any() or (underlying != expiries[expiry]).any():
        raise ValueError("expiries must be numbered by underlying, and all options of one have its underlying")
    count = underlyings if underlyings is not None else int(expiries.max(initial=-1)) + 1
    first = np.searchsorted(expiry, np.arange(len(expiries) + 1)).astype(np.int64)
    return Instruments(strike, is_call, first, np.searchsorted(expiries, np.arange(count + 1)).astype(np.int64))


def blank_sheet(options: int, expiries: int, underlyings: int, columns: int) -> Sheet:
    """A sheet of zeros, to be filled path after path."""
    return Sheet(
        mark=np.zeros(options), shocked=np.zeros((options, columns)), delta=np.zeros(options), gamma=np.zeros(options),
        short=np.zeros((options, 2)), expiry=np.zeros((expiries, 3)), covariance=np.zeros((underlyings, underlyings)),
    )  # fmt: skip


@small_rule
def market_at(market, p):
    """Path `p` of a market: views. Only inside a rule; elsewhere `Market(*(x[p] for x in market))`."""
    return Market(
        market.spot[p],
        market.perpetual[p],
        market.spot_confidence[p],
        market.perpetual_confidence[p],
        market.volatility[p],
        market.forward[p],
        market.fixed_forward[p],
        market.years[p],
        market.rate[p],
        market.expiry_confidence[p],
        market.implied[p],
        market.collateral_price[p],
        market.collateral_confidence[p],
        market.settlement[p],
    )
