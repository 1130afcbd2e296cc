"""What the fit of a law makes small, always in units of volatility: errors of implied volatility, or of the premium."""

from __future__ import annotations

import math

import numpy as np

from simulator.estimation.options.quotes import Quotes
from simulator.pricing.black_scholes import implied_volatility

LOSSES = ("implied-volatility", "price", "vega-weighted price")
FLOOR = 1e-13  # [1] of forward: a time value below it counts as this, so that a search may pass through nonsense
LEAST_VEGA = 1e-3  # of a quote's own: what a model vega, and of the mean: what a quote's vega counts as at least


class PremiumLoss:
    """sqrt(weight) x (model - quote) for model premia [quote], and its slope.

    "implied-volatility": of Black's volatilities. "price": of premia, over the mean vega. "vega-weighted price": of premia, each
    over its own vega, which is the first to first order and needs no inversion.
    """

    def __init__(self, name: str, quotes: Quotes) -> None:
        if name not in LOSSES:
            raise ValueError(f"loss must be one of {', '.join(LOSSES)}, but got {name!r}")
        self.name, self.quotes = name, quotes
        self.root_weight = np.sqrt(quotes.weight)
        self.premium = quotes.price
        mean = float(np.mean(quotes.vega))
        self.unit = np.full(len(quotes), mean) if name == "price" else np.maximum(quotes.vega, LEAST_VEGA * mean)
        self._last: tuple[bytes, np.ndarray] = (b"", np.zeros(0))

    def volatility(self, premium: np.ndarray) -> np.ndarray:
        """Black's volatility of model premia; of the nearest possible premium where there is none."""
        key = premium.tobytes()
        if key != self._last[0]:
            q = self.quotes
            inner = np.maximum(np.where(q.is_call, q.forward - q.strike, q.strike - q.forward), 0.0)
            most = np.minimum(q.forward, q.strike) * (1 - 1e-9)
            value = np.clip(np.nan_to_num(premium / q.discount - inner), FLOOR * q.forward, most)
            out = q.strike >= q.forward
            near = self._last[1] if len(self._last[1]) else q.volatility
            self._last = key, implied_volatility(value, q.forward, q.strike, q.years, out, near=near)
        return self._last[1]

    def residuals(self, premium: np.ndarray) -> np.ndarray:
        """[quote]"""
        if self.name == "implied-volatility":
            return self.root_weight * (self.volatility(premium) - self.quotes.volatility)
        return self.root_weight * (premium - self.premium) / self.unit

    def slope(self, premium: np.ndarray) -> np.ndarray:
        """Derivatives of the residuals by the premium, [quote]."""
        if self.name != "implied-volatility":
            return self.root_weight / self.unit
        q = self.quotes
        s = self.volatility(premium) * np.sqrt(q.years)
        d = np.log(q.forward / q.strike) / s + 0.5 * s
        vega = q.discount * q.forward * np.sqrt(q.years / (2 * math.pi)) * np.exp(-0.5 * d * d)
        return self.root_weight / np.maximum(vega, LEAST_VEGA * self.unit)
