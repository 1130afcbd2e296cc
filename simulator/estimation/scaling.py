"""A fitted law of returns with every return multiplied: what happens outside, where the fit saw it amplified here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from simulator.estimation.asset_fit import AssetFit
from simulator.estimation.jumps import JumpFit
from simulator.estimation.peg_fit import PegFit
from simulator.estimation.standard_errors import Estimate
from simulator.market.jumps import Kou
from simulator.market.law import ParameterLaw

OneFit = TypeVar("OneFit", bound=AssetFit | PegFit)
POWERS = {"volatility": 1, "volatility_today": 1, "total_volatility": 1, "mean": 1, "deviation": 1, "eta_up": -1, "eta_down": -1}


@dataclass(frozen=True)
class Feedback:
    """What a protocol's own trading does to the volatility of one asset, and what takes it out."""

    asset: str
    fitted: float  # [1/sqrt(year)] volatility of the data, which the observable price must have
    amplified: float  # [1] observable over external volatility, were nothing corrected
    factor: float  # [1] by which every external return is multiplied
    reached: float  # [1] observable volatility over the fitted one afterwards
    error: float  # standard error of `reached` over paths

    @property
    def note(self) -> str:
        """A sentence for the block."""
        return (
            f"{self.asset}: trading here multiplies volatility by {self.amplified:.3f}; every external return is therefore "
            f"multiplied by {self.factor:.4f}, and the observable volatility is {self.reached:.4f} (standard error "
            f"{self.error:.2g}) of the data's {self.fitted:.4g}"
        )


def scaled(asset: OneFit, factor: float) -> OneFit:
    """The fit of `factor` times the returns of `asset`; what has no size (tails, persistence, number of jumps) stays."""
    estimates = {key: _scaled(key.removeprefix("jump_"), value, factor) for key, value in asset.estimates.items()}
    jumps = None if asset.jumps is None else _jumps(asset.jumps, factor)
    return replace(asset, estimates=estimates, jumps=jumps, law=_law(asset, jumps, factor))


def _scaled(key: str, estimate: Estimate, factor: float) -> Estimate:
    by = factor ** POWERS.get(key, 0)
    error = None if estimate.standard_error is None else estimate.standard_error * by
    limits = None if estimate.limits is None else (estimate.limits[0] * by, estimate.limits[1] * by)
    return replace(estimate, value=estimate.value * by, standard_error=error, limits=limits)


def _jumps(found: JumpFit, factor: float) -> JumpFit:
    changed = {key: value * factor ** POWERS[key] for key, value in found.jumps if key in POWERS}
    estimates = {key: _scaled(key, value, factor) for key, value in found.estimates.items()}
    return replace(found, jumps=found.jumps.model_copy(update=changed), estimates=estimates)


def _law(asset: AssetFit | PegFit, jumps: JumpFit | None, factor: float) -> ParameterLaw:
    """Coordinates in logs keep their law; the mean jump scales, and the distance of `eta_up` from one changes its slope."""
    slopes = {"jump_mean": factor}
    if asset.jumps is not None and jumps is not None and isinstance(asset.jumps.jumps, Kou) and isinstance(jumps.jumps, Kou):
        before, after = asset.jumps.jumps.eta_up, jumps.jumps.eta_up
        slopes["log_eta_up_above_one"] = after / (after - 1) * (before - 1) / before
    by = np.array([slopes.get(name, 1.0) for name in asset.law.names])
    covariance = np.array(asset.law.covariance) * np.outer(by, by)
    return asset.law.model_copy(update={"covariance": tuple(tuple(float(value) for value in row) for row in covariance)})
