"""MarketPaths: prices that no agent can move, as arrays with the path axis last."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from simulator.parameters import YEAR

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike


@dataclass(frozen=True, eq=False)
class MarketPaths:
    """External prices and what was known of their volatility.

    `price` [usd] is float64 [substep + 1, asset, path], C-contiguous, row 0 the initial price; `volatility` [1/sqrt(year)]
    is float64 [market step, asset, path], the conditional standard deviation (diffusion and jumps) known at the *start* of
    that market step. `correlation` [market step, path] is the mean over pairs of the correlation of normal scores known at the
    start of that step; None where there is one asset or nothing is known.

    What overlays and gas add is None where there is nothing of it: `depth_share` [substep, asset], what is left of the depth of
    venues; `oracle_halted` [substep, asset], where nothing is published; `gas` [substep, path] in gwei; `block_capacity`
    [substep], how many liquidations blocks have room for. `weight` [path] is what a path counts where it was drawn from another
    law (rare_events.py), `weight_of_unseen` the most that one with a single jump does.
    """

    assets: tuple[str, ...]
    dt: float  # [s] length of a substep
    substeps: int  # substeps in one market step
    price: np.ndarray
    volatility: np.ndarray
    correlation: np.ndarray | None = None
    depth_share: np.ndarray | None = None
    oracle_halted: np.ndarray | None = None
    gas: np.ndarray | None = None
    block_capacity: np.ndarray | None = None
    weight: np.ndarray | None = None
    weight_of_unseen: float = 1.0

    def rows(self, paths: slice) -> MarketPaths:
        """These arrays for some of the paths."""
        import numpy as np

        def part(array: np.ndarray | None) -> np.ndarray | None:
            return None if array is None else np.ascontiguousarray(array[..., paths])

        price, volatility = (np.ascontiguousarray(array[..., paths]) for array in (self.price, self.volatility))
        correlation, gas, weight = (part(array) for array in (self.correlation, self.gas, self.weight))
        return replace(self, price=price, volatility=volatility, correlation=correlation, gas=gas, weight=weight)

    @property
    def n_paths(self) -> int:
        return int(self.price.shape[2])

    @property
    def n_steps(self) -> int:
        """Substeps; `price` has one row more."""
        return int(self.price.shape[0]) - 1

    @staticmethod
    def from_prices(
        assets: Sequence[str], price: ArrayLike, dt: float, substeps: int = 1, volatility: ArrayLike | None = None
    ) -> MarketPaths:
        """Paths from explicit prices [usd], [substep + 1, asset, path]; `dt` [s] is the length of a substep.

        Without `volatility` each path gets one constant: its own realised volatility over the whole array, which looks
        ahead; pass what was known at the time where a rule reads it. Raises ValueError for shapes that do not fit and for
        a price that is not positive and finite.
        """
        import numpy as np

        names = tuple(assets)
        array = np.array(price, dtype=np.float64, order="C")
        _check_prices(array, names, dt, substeps)
        steps = (array.shape[0] - 1) // substeps
        if volatility is None:
            returns = np.diff(np.log(array), axis=0)
            constant = np.sqrt(np.mean(returns * returns, axis=0) * (YEAR / dt))
            known = np.repeat(constant[np.newaxis], steps, axis=0)
        else:
            known = np.array(volatility, dtype=np.float64, order="C")
        if known.shape != (steps, *array.shape[1:]):
            raise ValueError(
                f"`volatility` must be [market step, asset, path] = {(steps, *array.shape[1:])}, but is {known.shape}"
            )
        if not (np.isfinite(known).all() and (known >= 0).all()):
            raise ValueError("every volatility must be finite and not negative")
        return MarketPaths(names, float(dt), substeps, array, np.ascontiguousarray(known))


def _check_prices(price: np.ndarray, assets: tuple[str, ...], dt: float, substeps: int) -> None:
    if price.ndim != 3 or price.shape[0] < 2 or price.shape[1] != len(assets) or price.shape[2] < 1:
        raise ValueError(f"`price` must be [substep + 1, asset, path] with {len(assets)} assets, but its shape is {price.shape}")
    if not (math.isfinite(dt) and dt > 0):
        raise ValueError(f"`dt > 0` must hold, but got {dt} s")
    if substeps < 1 or (price.shape[0] - 1) % substeps:
        raise ValueError(f"{price.shape[0] - 1} substeps must be a whole number of market steps of {substeps} substeps")
    if not ((price > 0).all() and (price < math.inf).all()):
        raise ValueError("every price must be positive and finite")
