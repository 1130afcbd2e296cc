"""Implied-volatility surfaces that move with spot and variance, free of static arbitrage by construction.

SSVI (Gatheral and Jacquier 2014) with phi(theta) = eta / sqrt(theta (1 + theta)). It has no butterfly and no calendar arbitrage
for every rising theta(T) when eta (1 + |rho|) <= 2 (remark 4.4). What moves is (short and long variance, rho, eta): two logs
and two coordinates that cannot leave these bounds.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from simulator.market.paths import MarketPaths
from simulator.parameters import DAY, YEAR, Part

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

Days = Annotated[float, Field(gt=0, le=3650)]
Noise = Annotated[float, Field(ge=0, le=50)]
Response = Annotated[float, Field(ge=-50, le=50)]
SHORT, LONG, RHO, ETA = range(4)  # parameters of a surface, in this order


class ImpliedSurface(Part):
    """How one asset's surface answers to its path, at the market step; Delta in years, r the log return of the step.

        u = log short volatility; target = log(premium v0 (v / v0)^elasticity), v the path's conditional volatility, v0 stationary
        u    <- u + (1 - 2^(-Delta/half-life)) (target - u)  - level_response r     + level_noise     sqrt(Delta) z1
        s = atanh rho, c = logit(eta (1 + |rho|) / 2)
        s, c <- the same towards atanh(skew), logit(curvature) + skew_response r, + curvature_response r, noises z2, z3

    The forward variance runs from the short one to (long_premium v0)^2 at `term_reversion`. The surface is what options are
    marked on, the path is what happens: `premium` is the whole difference of measure, and is yours to state.

    Defaults: bitcoin. Fitted to Deribit, 2025-12-30 to 2026-04-30, every six hours (at-the-money volatility, 25-delta
    risk reversal and butterfly; 481 snapshots, 5 days to a year): theta by non-negative, (rho, eta) by plain least squares,
    then least squares on changes; v by an average of squared returns with a half-life of 3 days. Standard errors: level_response
    0.12, skew_response 0.05, curvature_response 0.35. Ether in the same way: premium 1.01, elasticity 0.43, long_premium 1.05,
    level 9.2, 0.86 (0.08), 1.07; skew -0.164, 4.0, 0.41, 0.38; curvature 0.43, 3.9, -2.3, 2.6.
    """

    premium: Annotated[float, Field(gt=0, le=10)] = 0.985  # [1] implied over conditional volatility at its stationary level
    elasticity: Annotated[float, Field(ge=0, le=2)] = 0.48  # [1] of the level to conditional volatility
    long_premium: Annotated[float, Field(gt=0, le=10)] = 1.02  # [1] long-dated implied over stationary volatility
    term_reversion: Annotated[float, Field(ge=0.01, le=1000)] = 8.0  # [1/year] of the forward variance, along expiries
    level_half_life: Days = 6.5  # [day]
    level_response: Response = 1.86  # [1] log level lost a unit of log return
    level_noise: Noise = 1.25  # [1/sqrt(year)]
    skew: Annotated[float, Field(gt=-1, lt=1)] = -0.273  # [1] rho that it returns to
    skew_half_life: Days = 7.9  # [day]
    skew_response: Response = 0.69  # [1]
    skew_noise: Noise = 0.56  # [1/sqrt(year)]
    curvature: Annotated[float, Field(gt=0, lt=1)] = 0.469  # [1] share of the greatest eta without arbitrage that it returns to
    curvature_half_life: Days = 3.3  # [day]
    curvature_response: Response = -2.4  # [1]
    curvature_noise: Noise = 3.7  # [1/sqrt(year)]
    source: str = ""  # where the numbers come from, if not the defaults


def make_surfaces(
    parts: Mapping[str, ImpliedSurface],
    paths: MarketPaths,
    reference_volatility: Sequence[float],
    seed: int,
    purpose: str,
    first: int,
) -> np.ndarray:
    """float64 [market step + 1, surface, parameter, path] of `parts`, in their order: SHORT, LONG [1/year], RHO, ETA.

    Row n is known once the price of market step n is: row 0 at the start. `reference_volatility` is that of every asset of
    `paths`; `first` the id of path 0. A path's bytes depend on its own prices, `seed`, `purpose` and its id.
    """
    import numpy as np

    from simulator.kernel import stream
    from simulator.market.surface_kernel import fill_surface

    steps = paths.volatility.shape[0]
    out = np.empty((steps + 1, len(parts), 4, paths.n_paths))
    years = paths.dt * paths.substeps / YEAR
    for s, (name, part) in enumerate(parts.items()):
        a = paths.assets.index(name)
        key = stream(seed, purpose, "surface", name)
        law = _law(part, reference_volatility[a], years)
        fill_surface(out[:, s], paths.price[:: paths.substeps, a], paths.volatility[:, a], key, first, law)
    return out


def _law(part: ImpliedSurface, reference: float, years: float) -> np.ndarray:
    """The numbers of one market step, in the order in which the kernel reads them."""
    import numpy as np

    root = math.sqrt(years)

    def pull(days: float) -> float:
        return -math.expm1(-math.log(2) * years * YEAR / DAY / days)

    return np.array(
        [
            math.log(part.premium * reference),
            part.elasticity,
            reference,
            (part.long_premium * reference) ** 2,
            pull(part.level_half_life),
            -part.level_response,
            part.level_noise * root,
            math.atanh(part.skew),
            pull(part.skew_half_life),
            part.skew_response,
            part.skew_noise * root,
            math.log(part.curvature / (1 - part.curvature)),
            pull(part.curvature_half_life),
            part.curvature_response,
            part.curvature_noise * root,
        ]
    )
