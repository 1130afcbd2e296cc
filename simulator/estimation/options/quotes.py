"""The quotes that a fit of an option model sees: one expiry after another, strikes upwards."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import NamedTuple

import numpy as np


class Slice(NamedTuple):
    """One expiry of a chain: what a smile is fitted to."""

    expiry: int  # its number in the chain, 0 the nearest
    years: float
    forward: float  # [usd]
    quotes: Quotes


@dataclass(frozen=True, eq=False)
class Quotes:
    """Cleaned quotes of one currency at one moment. Volatilities are Black 1976, annualised, as fractions.

    `weight` is what a fit multiplies a squared residual by; it is scaled so that weights sum to the number of quotes.
    `bid` and `ask` are volatilities too, NaN where a side is missing. The measure behind every one of them is risk-neutral.
    """

    expiry_index: np.ndarray  # int64 [quote]: 0 is the nearest expiry
    strike: np.ndarray  # float64 [quote] [usd]
    years: np.ndarray  # float64 [quote]: to expiry, in years of 365 days
    forward: np.ndarray  # float64 [quote] [usd]: of the quote's expiry
    discount: np.ndarray  # float64 [quote]: exp(-rate x years)
    is_call: np.ndarray  # bool [quote]
    volatility: np.ndarray  # float64 [quote] [1/sqrt(year)]: of the mid or the mark
    bid: np.ndarray  # float64 [quote]: volatility of the bid, or NaN
    ask: np.ndarray  # float64 [quote]: volatility of the ask, or NaN
    vega: np.ndarray  # float64 [quote] [usd]: of `volatility`, discounted
    weight: np.ndarray  # float64 [quote] [1]
    as_of: datetime
    currency: str
    spot: float  # [usd]

    def __post_init__(self) -> None:
        lengths = {name: len(getattr(self, name)) for name in ARRAYS}
        if len(set(lengths.values())) != 1:
            raise ValueError(f"columns of quotes must be equally long, but got {lengths}")
        if self.as_of.tzinfo is None:
            raise ValueError(f"as_of: {self.as_of} has no offset")

    def __len__(self) -> int:
        return len(self.strike)

    @property
    def log_moneyness(self) -> np.ndarray:
        """k = log(strike / forward), float64 [quote]."""
        return np.log(self.strike / self.forward)

    @property
    def total_variance(self) -> np.ndarray:
        """w = volatility^2 x years, float64 [quote]."""
        return self.volatility**2 * self.years

    @property
    def price(self) -> np.ndarray:
        """Premium of `volatility` by Black 1976 [usd], float64 [quote]."""
        from simulator.pricing.black_scholes import price

        return np.asarray(price(self.forward, self.strike, self.years, self.volatility, self.is_call, self.discount))

    def slices(self) -> Iterator[Slice]:
        """The expiries, the nearest first."""
        for expiry in np.unique(self.expiry_index):
            quotes = self.where(self.expiry_index == expiry)
            yield Slice(int(expiry), float(quotes.years[0]), float(quotes.forward[0]), quotes)

    def where(self, mask: np.ndarray) -> Quotes:
        """The quotes for which `mask` is true."""
        return replace(self, **{name: getattr(self, name)[mask] for name in ARRAYS})

    def weighted(self, weight: np.ndarray) -> Quotes:
        """The same quotes under other weights, scaled so that they sum to the number of quotes."""
        total = float(np.sum(weight))
        if not (np.all(np.isfinite(weight)) and np.all(weight >= 0) and total > 0):
            raise ValueError("weights of quotes must be finite, not negative, and not all zero")
        return replace(self, weight=weight * (len(self) / total))


ARRAYS = tuple(field.name for field in fields(Quotes) if field.type == "np.ndarray")
