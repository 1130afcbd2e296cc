"""Rare events: paths drawn where jumps are, each with the exact weight that leads back to the market's own law.

Importance sampling by a defensive mixture (Hesterberg 1995): a share of the paths is drawn plainly; the others have
`jumps` of them on average, each moved by one of `shifts`. A path counts with the ratio of the market's density to the
mixture's, whose mean is 1 and which is never above 1 / `PLAIN_SHARE`. Only what happens after the vote is tilted.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from pydantic import BeforeValidator, Field

from simulator.market.grid import Grid
from simulator.market.model import ModelMarket
from simulator.parameters import YEAR, Part, tupled

if TYPE_CHECKING:
    import numpy as np

    from simulator.market.step_law import Law
    from simulator.market.tilt_kernel import Tilt

PLAIN_SHARE = 0.2  # of the paths, drawn from the market's own law: no weight is above 1 / this
MOST_OFTEN = 0.5  # of market steps of a tilted path that have a jump of one asset
LEAST_OWN = 0.05  # of an asset's normal that is its own, for it to be shifted
Shift = Annotated[float, Field(ge=-10, le=10)]


class RareEvents(Part):
    """How paths are tilted. They are weighted back, so no choice moves an expected result, only how surely it is known."""

    jumps: Annotated[float, Field(gt=0, le=100)] = 1.0  # [1] on a tilted path after the vote, of all assets together, on average
    shifts: Annotated[tuple[Shift, ...], BeforeValidator(tupled), Field(min_length=1, max_length=9)] = (
        -2.0,
        0.0,
        2.0,
    )  # [1] standard deviations by which sizes are moved; each tilted path has one of these

    def factor(self, market: ModelMarket, grid: Grid) -> float:
        """How many times as often a step of a tilted path has jumps; at least 1."""
        return max(1.0, self.jumps / jumps_after_vote(market, grid))

    def problems(self, market: object, grid: Grid) -> Iterator[tuple[str, str]]:
        """(key, message) of why these paths cannot be tilted."""
        if not has_jumps(market):
            yield "", "draws paths with more jumps, but no asset of [market] has any; give one `jumps`, or leave this section out"
            return
        assert isinstance(market, ModelMarket)
        there, often = jumps_after_vote(market, grid), max(_chances_in_a_step(market, grid))
        if self.jumps <= there:
            yield "jumps", f"must be above the {there:.3g} jumps that a path has anyway, but got {self.jumps:g}"
        elif self.factor(market, grid) * often > MOST_OFTEN:
            most = MOST_OFTEN / often * there
            yield (
                "jumps",
                f"must leave half of the market steps of an asset without jumps, but got {self.jumps:g}; at most {most:.3g}",
            )

    def heaviest(self, market: ModelMarket, grid: Grid) -> float:
        """The most that a path with one jump counts, whatever its size: what plans go by. A path without jumps counts more."""
        factor, steps = self.factor(market, grid), grid.horizon_steps // grid.substeps
        chances = _chances_in_a_step(market, grid)
        calm = math.fsum(steps * (math.log1p(-min(factor * p, MOST_OFTEN)) - math.log1p(-p)) for p in chances)
        sizes = min(sum(math.exp(c * z / 10 - c * c / 2) for c in self.shifts) for z in range(-80, 81)) / len(self.shifts)
        return min(1.0, 1 / (PLAIN_SHARE + (1 - PLAIN_SHARE) * sizes * factor * math.exp(calm)))


def has_jumps(market: object) -> bool:
    """Whether paths of `market` can be tilted."""
    return isinstance(market, ModelMarket) and any(_intensity(asset) > 0 for asset in market.assets)


def _intensity(asset: object) -> float:
    jumps = asset.real_world[1]  # type: ignore[attr-defined]
    return jumps.intensity if jumps else 0.0


def jumps_after_vote(market: ModelMarket, grid: Grid) -> float:
    """Expected jumps of all assets together from the vote to the horizon."""
    return math.fsum(map(_intensity, market.assets)) * grid.horizon_steps * grid.dt / YEAR


def _chances_in_a_step(market: ModelMarket, grid: Grid) -> list[float]:
    """Of any jump, asset by asset."""
    return [-math.expm1(-_intensity(asset) * grid.market_step / YEAR) for asset in market.assets]


def make_tilt(
    rare: RareEvents, market: ModelMarket, grid: Grid, seed: int, purpose: str, first: int, law: Law, paths: int
) -> Tilt:
    """The tilt of paths `first` .. `first + paths - 1`."""
    import numpy as np

    from simulator.kernel import stream
    from simulator.market.tilt_kernel import Tilt, choose

    tail = _chance_of_jump(law)
    factor = min(rare.factor(market, grid), MOST_OFTEN / float(tail.max()))  # estimated parameters may have more jumps
    found = Tilt(
        since=grid.burn_in_steps // grid.substeps,
        factor=factor,
        tail=tail,
        log_calm=np.log1p(-factor * tail) - np.log1p(-tail),
        lean=_lean(law.jumps.factor),
        is_tilted=np.zeros(paths, np.bool_),
        scale=np.zeros(paths),
        score=np.zeros((3, paths)),
    )
    key = stream(seed, purpose, "market", "rare events")
    choose(key, first, PLAIN_SHARE, np.array(rare.shifts), found.is_tilted, found.scale)
    return found


def _lean(factor: np.ndarray) -> np.ndarray:
    """[asset] shifts of independent normals that `factor` turns into one of 1 for each asset, by forward substitution.

    An asset that the others determine follows them, whatever its own shift.
    """
    import numpy as np

    lean = np.zeros(len(factor))
    for a in range(len(factor)):
        if factor[a, a] > LEAST_OWN:
            lean[a] = (1.0 - sum(factor[a, b] * lean[b] for b in range(a))) / factor[a, a]
    return lean


def _chance_of_jump(law: Law) -> np.ndarray:
    """[asset, draw], from where the first threshold of numbers of jumps stands."""
    import numpy as np
    from scipy.special import ndtr

    least = law.jumps.counts[:, :, 0]
    return np.ascontiguousarray(1.0 - least if law.copula.independent else ndtr(-least))


def no_tilt(assets: int, paths: int) -> Tilt:
    """Plain paths."""
    import numpy as np

    from simulator.market.tilt_kernel import NEVER, Tilt

    nothing = np.zeros((assets, 1))
    return Tilt(NEVER, 1.0, nothing, nothing, np.zeros(assets), np.zeros(paths, np.bool_), np.zeros(paths), np.zeros((3, paths)))


def weights(tilt: Tilt, rare: RareEvents) -> np.ndarray:
    """[path] the market's own density over the mixture's."""
    import numpy as np

    from simulator.market.tilt_kernel import weigh

    found = np.empty(len(tilt.scale))
    weigh(tilt.score, PLAIN_SHARE, np.array(rare.shifts), found)
    return found
