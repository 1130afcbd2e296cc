"""Estimators of volatility that follow data as they come: what is known of a step's variance before the step.

One interface: `variances(returns, step)` takes log returns [t, path] (NaN where missing) over `step` [s] and gives variances
[t + 1, path]; entry t is known before return t, the last is that of the step to come. None looks at the return it stands
before or at later ones. A missing return leaves what the estimator expects.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from simulator.parameters import DAY, YEAR, Part

if TYPE_CHECKING:
    import numpy as np

    from simulator.market.paths import MarketPaths

Volatility = Annotated[float, Field(gt=0, le=1_000)]


class Ewma(Part):
    """Exponentially weighted mean of squares (RiskMetrics 1996): h[t+1] = k h[t] + (1 - k) r[t]^2, k = 2^(-step / half_life)."""

    kind: Literal["ewma"] = "ewma"
    volatility_today: Volatility  # [1/sqrt(year)] before the first return
    half_life: Annotated[float, Field(gt=0)] = DAY  # [s]

    def variances(self, returns: np.ndarray, step: float) -> np.ndarray:
        """Variances [t + 1, path] known before each return."""
        from simulator.market.online_kernel import filtered

        kept = 2.0 ** (-step / self.half_life)
        return filtered(returns, self.volatility_today**2 * step / YEAR, 0.0, 1 - kept, 0.0, kept, math.inf)


class Rolling(Part):
    """Mean square of the last `window` seconds; `volatility_today` stands for what is older than the first return."""

    kind: Literal["rolling"] = "rolling"
    volatility_today: Volatility  # [1/sqrt(year)] before the first return
    window: Annotated[float, Field(gt=0)] = 7 * DAY  # [s]

    def variances(self, returns: np.ndarray, step: float) -> np.ndarray:
        """Variances [t + 1, path] known before each return."""
        from simulator.market.online_kernel import rolled

        return rolled(returns, self.volatility_today**2 * step / YEAR, max(1, round(self.window / step)))


class GarchFilter(Part):
    """The recursion of GARCH or GJR with fixed parameters; see `market.processes.Garch`."""

    kind: Literal["garch-filter"] = "garch-filter"
    volatility: Volatility  # [1/sqrt(year)] stationary
    alpha: Annotated[float, Field(ge=0)]  # [1]
    beta: Annotated[float, Field(ge=0)]  # [1]
    gamma: float = 0.0  # [1] added to alpha after a fall
    volatility_today: Volatility  # [1/sqrt(year)] before the first return
    ceiling: Annotated[float, Field(gt=1)] = 10.0  # [1] of conditional volatility over the stationary one

    def variances(self, returns: np.ndarray, step: float) -> np.ndarray:
        """Variances [t + 1, path] known before each return."""
        from simulator.market.online_kernel import filtered

        level = self.volatility**2 * step / YEAR
        omega = level * (1 - self.alpha - self.beta - self.gamma / 2)
        start = self.volatility_today**2 * step / YEAR
        return filtered(returns, start, omega, self.alpha, self.gamma, self.beta, self.ceiling**2 * level)


class GarchRefit(Part):
    """GARCH(1,1) whose numbers are estimated anew every `every` seconds from the last `window` seconds of the path itself.

    The level is the window's mean square, alpha and beta maximise the likelihood given it (Student-t with `degrees_of_freedom`,
    else normal), their sum at most `persistence`; the filter then starts at the level where the window starts. Nothing is fitted
    before a window has passed: until then the numbers are those stated. Work: about 15 passes over the window, each time.
    """

    kind: Literal["garch-refit"] = "garch-refit"
    volatility: Volatility  # [1/sqrt(year)] stationary, until the first fit
    alpha: Annotated[float, Field(ge=0)]  # [1] until the first fit
    beta: Annotated[float, Field(ge=0)]  # [1]
    volatility_today: Volatility  # [1/sqrt(year)] before the first return
    window: Annotated[float, Field(gt=0)] = 30 * DAY  # [s]
    every: Annotated[float, Field(gt=0)] = DAY  # [s]
    degrees_of_freedom: Annotated[float, Field(gt=2)] | None = None  # [1] taken as known; absent: normal
    persistence: Annotated[float, Field(gt=0, lt=1)] = 0.995  # [1] the largest, a day
    ceiling: Annotated[float, Field(gt=1)] = 10.0  # [1] of conditional volatility over the stationary one

    @model_validator(mode="after")
    def _stationary(self) -> GarchRefit:
        if self.alpha + self.beta >= 1:
            raise ValueError(f"`alpha + beta < 1` must hold, but got {self.alpha + self.beta:.10g}")
        return self

    def steps(self, step: float) -> int:
        """Returns that a fit sees, over market steps of `step` [s]."""
        return max(1, round(self.window / step))

    def variances(self, returns: np.ndarray, step: float) -> np.ndarray:
        """Variances [t + 1, path] known before each return."""
        import numpy as np

        from simulator.market.online_kernel import columns
        from simulator.market.refit_kernel import refitted

        r = columns(returns)
        out = np.empty((len(r) + 1, r.shape[1]))
        level, today = (v**2 * step / YEAR for v in (self.volatility, self.volatility_today))
        every, largest = max(1, round(self.every / step)), self.persistence ** (step / DAY)
        tail = 1 / self.degrees_of_freedom if self.degrees_of_freedom else 0.0
        refitted(r, today, level, self.alpha, self.beta, self.steps(step), every, tail, largest, self.ceiling, out)
        return out


Estimator = Annotated[Ewma | Rolling | GarchFilter | GarchRefit, Field(discriminator="kind")]


class VolatilityFeed(Part):
    """What somebody outside the protocol estimates from external prices at market steps, published now and then, and late.

    An asset without an estimator has its path's conditional volatility, published the same way: the truth, out of date.
    """

    estimator: dict[str, Estimator] = Field(default_factory=dict)  # by asset
    refresh: Annotated[float, Field(ge=0)] = 0.0  # [s] between two estimates; less than a market step: every market step
    lag: Annotated[float, Field(ge=0)] = 0.0  # [s] from an estimate to its use

    def known(self, market: MarketPaths) -> np.ndarray:
        """Volatility [1/sqrt(year)] in use in every market step, float64 [market step, asset, path]."""
        import numpy as np

        step = market.dt * market.substeps
        now = market.volatility.copy()
        for a, name in enumerate(market.assets):
            if name in self.estimator:
                returns = np.diff(np.log(np.ascontiguousarray(market.price[:: market.substeps, a])), axis=0)
                now[:, a] = np.sqrt(self.estimator[name].variances(returns, step)[:-1] * (YEAR / step))
        return now[in_use(len(now), step, self.refresh, self.lag)]


def in_use(steps: int, step: float, refresh: float, lag: float) -> np.ndarray:
    """Before which step the estimate was made that is in use in each of `steps` steps of `step` [s], int64 [steps]."""
    import numpy as np

    every, late = max(round(min(refresh / step, steps)), 1), round(min(lag / step, steps))
    return np.maximum((np.arange(steps) - late) // every * every, 0)
