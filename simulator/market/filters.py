"""What standardises an asset's returns in a filtered history, and what its paths make their variance of."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from pydantic import Discriminator, Field, Tag, model_validator

from simulator.market.processes import Volatility
from simulator.parameters import Part

if TYPE_CHECKING:
    import numpy as np

MOST_DOUBLINGS = 8  # of the bracket in which a constant is looked for
HALVINGS = 60
BALANCED = 1e-6  # of a mean square that must be one


class Recursion(NamedTuple):
    """The variance of the next step from that of this one, as `fill_filtered` reads it."""

    family: int  # LINEAR: h itself; EXPONENTIAL: its logarithm
    omega: float
    alpha: float
    gamma: float
    beta: float
    mean_size: float = 0.0  # E|z|, of an EXPONENTIAL


class Filter(Part):
    """The variance that standardises an asset's returns and that its paths make anew: GARCH(1,1), GJR with `gamma`.

    h[t+1] = omega + (alpha + gamma 1[e < 0]) e[t]^2 + beta h[t]; omega follows from the stationary level.
    """

    kind: Literal["garch"] = "garch"
    alpha: Annotated[float, Field(ge=0)]  # [1]
    beta: Annotated[float, Field(ge=0)]  # [1]
    gamma: float = 0.0  # [1] added to alpha after a fall
    volatility: Volatility | None = None  # [1/sqrt(year)] stationary; absent: of the window's returns
    ceiling: Annotated[float, Field(gt=1)] = 10.0  # [1] conditional volatility is held at this many times the stationary one

    @model_validator(mode="after")
    def _stationary(self) -> Filter:
        if self.alpha + self.gamma < 0:
            raise ValueError(f"`alpha + gamma >= 0` must hold, but got {self.alpha:g} and {self.gamma:g}")
        if self.alpha + self.gamma / 2 + self.beta >= 1:
            raise ValueError(
                f"`alpha + gamma/2 + beta < 1` must hold, but got {self.alpha + self.gamma / 2 + self.beta:.10g}: "
                "variance would have no stationary level"
            )
        return self

    def variances(self, centred: np.ndarray, level: float) -> np.ndarray:
        """Variances [row + 1] of `centred` returns, from the level on, with half of the falls below 0."""
        import numpy as np

        from simulator.market.window_kernel import filtered_variances

        h = np.empty(len(centred) + 1)
        omega = level * (1 - self.alpha - self.gamma / 2 - self.beta)
        filtered_variances(centred, omega, self.alpha, self.gamma, self.beta, level, h)
        return h

    def recursion(self, residuals: np.ndarray, level: float) -> Recursion:
        """That of paths whose E[h] is `level`: omega knows the share of variance that falls of `residuals` (mean 0, variance 1)
        truly have. Raises ValueError if variance has no stationary level with it."""
        from simulator.market.step_law import LINEAR

        falls = math.fsum(residuals[residuals < 0] ** 2) / len(residuals)
        kept = self.alpha + self.gamma * falls + self.beta
        if kept >= 1:
            raise ValueError(
                f"`alpha + gamma x share of falls + beta < 1` must hold, but got {kept:.10g} with the residuals' "
                f"own share {falls:.3g}: variance would have no stationary level"
            )
        return Recursion(LINEAR, level * (1 - kept), self.alpha, self.gamma, self.beta)


class ExponentialFilter(Part):
    """As `Filter`, EGARCH(1,1) of Nelson (1991): log h[t+1] = omega + alpha (|z[t]| - E|z|) + gamma z[t] + beta log h[t].

    Over the history the constant omega - alpha E|z| is the one that leaves residuals of mean square one: only it can be told
    from data. On paths E|z| and E[h] are those of the residuals themselves, and omega follows from the stationary level.
    """

    kind: Literal["egarch"]
    alpha: Annotated[float, Field(ge=-1, le=1)]  # [1] answer to the size of a move
    gamma: Annotated[float, Field(ge=-1, le=1)] = 0.0  # [1] answer to its sign: below 0 falls raise variance
    beta: Annotated[float, Field(gt=-1, lt=1)]  # [1] what remains of the log variance after one market step
    volatility: Volatility | None = None  # [1/sqrt(year)] stationary; absent: of the window's returns
    ceiling: Annotated[float, Field(gt=1)] = 10.0  # [1] conditional volatility is held at this many times the stationary one

    def variances(self, centred: np.ndarray, level: float) -> np.ndarray:
        """Variances [row + 1] of `centred` returns, from the level on. Raises ValueError if no constant balances them."""
        import numpy as np

        from simulator.market.window_kernel import filtered_logarithms

        h = np.empty(len(centred) + 1)

        def excess(shift: float) -> float:
            """Mean square of residuals over one, the level of log variance moved by `shift`."""
            constant = (1 - self.beta) * (math.log(level) + shift) - self.alpha * math.sqrt(2 / math.pi)
            filtered_logarithms(centred, constant, self.alpha, self.gamma, self.beta, level, h)
            return math.fsum(centred**2 / h[:-1]) / len(centred) - 1

        low, high = _bracket(excess)
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            low, high = (middle, high) if excess(middle) > 0 else (low, middle)
        if abs(excess(high)) > BALANCED:
            raise ValueError(UNBALANCED)
        return h

    def recursion(self, residuals: np.ndarray, level: float) -> Recursion:
        """That of paths whose E[h] is `level`, innovations being `residuals` (mean 0, variance 1), each as likely."""
        import numpy as np

        from simulator.market.egarch import smooth_log_growth
        from simulator.market.step_law import EXPONENTIAL

        even = np.full(len(residuals), 1 / len(residuals))
        size = math.fsum(np.abs(residuals)) / len(residuals)
        growth = smooth_log_growth(residuals, even, self.alpha, self.gamma, self.beta)
        omega = (1 - self.beta) * (math.log(level) - growth)
        return Recursion(EXPONENTIAL, omega, self.alpha, self.gamma, self.beta, size)


UNBALANCED = (
    "no constant of the recursion leaves residuals of mean square one: variance answers these returns too strongly to be "
    "filtered; make alpha and gamma smaller"
)


def _bracket(excess: Any) -> tuple[float, float]:
    """Two shifts of log variance with residuals too large at the first and too small at the second. Raises ValueError."""
    for doubling in range(MOST_DOUBLINGS):
        reach = float(2**doubling)
        if excess(-reach) > 0 >= excess(reach):
            return -reach, reach
    raise ValueError(UNBALANCED)


def _kind(value: Any) -> Any:
    """A table without a kind is a GARCH."""
    return value.get("kind", "garch") if isinstance(value, dict) else getattr(value, "kind", None)


AnyFilter = Annotated[Annotated[Filter, Tag("garch")] | Annotated[ExponentialFilter, Tag("egarch")], Discriminator(_kind)]
