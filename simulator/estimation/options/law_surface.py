"""A law of the underlying as a surface: Heston, Bates, Merton or Kou fitted to all expiries, and what it makes of each smile."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from simulator.estimation.options.model_fit import ModelFit, fit_model
from simulator.estimation.options.quotes import Quotes
from simulator.pricing.black_scholes import implied_volatility
from simulator.pricing.fourier import price
from simulator.pricing.laws import Law

LAW_MODELS = ("heston", "bates", "merton", "kou")
LAW_LOSSES = {"volatility": "implied-volatility", "price": "price"}
LEAST_PREMIUM = 1e-13  # of the forward


def fit_law(quotes: Quotes, model: str, method: str, loss: str) -> ModelFit:
    """The law of least weighted loss, `loss` in the words of `simulator fit-options`."""
    return fit_model(quotes, model, method=method, loss=LAW_LOSSES[loss])


def smile_of(law: Law) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Black's volatility at log-moneyness k [quote]; `years` [quote] holds one value, an expiry's."""

    def volatility(k: np.ndarray, years: np.ndarray) -> np.ndarray:
        strike, t = np.exp(k), float(np.max(years))
        premium = np.maximum(price(law, 1.0, strike, t, k >= 0), LEAST_PREMIUM)
        return implied_volatility(premium, 1.0, strike, t, k >= 0)

    return volatility


def asset_lines(law: Law) -> dict[str, dict[str, object]]:
    """The fields that the market's Heston process and Merton jumps have for this law; {} where the market has no such process.

    Only stochastic variance may carry a risk-neutral measure there: `variance_now` and `long_run_variance` as volatilities.
    """
    values = dict(zip(law.names(), (float(value) for value in law.values), strict=True))
    if "mean_reversion" not in values:
        return {}
    process = {
        "kind": "heston",
        "volatility": values["long_run_variance"] ** 0.5,
        "volatility_today": values["variance_now"] ** 0.5,
        "mean_reversion": values["mean_reversion"],
        "volatility_of_variance": values["volatility_of_variance"],
        "leverage": values["correlation"],
    }
    if "intensity" not in values:
        return {"process": process}
    jumps = {
        "kind": "merton",
        "intensity": values["intensity"],
        "mean": values["jump_mean"],
        "deviation": values["jump_deviation"],
    }
    return {"process": process, "jumps": jumps}
