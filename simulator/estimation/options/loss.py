"""What a fit makes small: errors of volatility, of total variance, or of price, all in units of volatility."""

from __future__ import annotations

import numpy as np

from simulator.estimation.options.quotes import Quotes

LOSSES = ("volatility", "total-variance", "price")
WEIGHTS = ("uniform", "vega", "spread")
NARROWEST = 1e-3  # [1/sqrt(year)] a spread below it counts as this


class Loss:
    """Weighted residuals of a smile given as total variance w [quote]. Constants make each loss an error of volatility:
    total variance is divided by the mean of 2 volatility x years, price by the mean vega."""

    def __init__(self, name: str, quotes: Quotes) -> None:
        if name not in LOSSES:
            raise ValueError(f"loss must be one of {', '.join(LOSSES)}, but got {name!r}")
        self.name, self.quotes = name, quotes
        self.root_weight = np.sqrt(quotes.weight)
        self.unit = float(np.mean(2 * quotes.volatility * quotes.years if name == "total-variance" else quotes.vega))
        self.quoted_price = quotes.price if name == "price" else None

    def residuals(self, w: np.ndarray) -> np.ndarray:
        """sqrt(weight) x (model - quote)."""
        q = self.quotes
        if self.name == "total-variance":
            return self.root_weight * (w - q.total_variance) / self.unit
        volatility = np.sqrt(np.maximum(w, 1e-14) / q.years)
        if self.name == "volatility":
            return self.root_weight * (volatility - q.volatility)
        from simulator.pricing.black_scholes import price

        model = price(q.forward, q.strike, q.years, volatility, q.is_call, q.discount)
        return self.root_weight * (model - self.quoted_price) / self.unit

    def slope(self, w: np.ndarray) -> np.ndarray:
        """Derivatives of the residuals by w."""
        q = self.quotes
        if self.name == "total-variance":
            return self.root_weight / self.unit
        volatility = np.sqrt(np.maximum(w, 1e-14) / q.years)
        by_w = 1 / (2 * volatility * q.years)
        if self.name == "volatility":
            return self.root_weight * by_w
        d = (np.log(q.forward / q.strike) + w / 2) / np.sqrt(w)
        vega = q.discount * q.forward * np.sqrt(q.years / (2 * np.pi)) * np.exp(-(d**2) / 2)
        return self.root_weight * vega * by_w / self.unit


def weigh(quotes: Quotes, name: str) -> Quotes:
    """The quotes under weights named `uniform`, `vega` (squared: errors of price) or `spread` (1 / (ask - bid)^2).

    Raises ValueError where the quotes lack what the name asks for.
    """
    if name == "uniform":
        return quotes.weighted(np.ones(len(quotes)))
    if name == "vega":
        return quotes.weighted(quotes.vega**2)
    if name != "spread":
        raise ValueError(f"weights must be one of {', '.join(WEIGHTS)}, but got {name!r}")
    spread = quotes.ask - quotes.bid
    if np.any(np.isnan(spread)):
        raise ValueError(f"{int(np.sum(np.isnan(spread)))} quotes have one side only; weights by spread need bid and ask")
    return quotes.weighted(1 / np.maximum(spread, NARROWEST) ** 2)
