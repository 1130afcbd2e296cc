"""Rare events: paths drawn where losses are, each with the exact weight that leads back to the market's own law.

Importance sampling by a defensive mixture (Hesterberg 1995): a share of the paths is drawn plainly; of the others some have
one far innovation, and the rest `jumps` jumps on average, each moved by one of `shifts`. A path counts with the ratio of the
market's density to the mixture's, whose mean is 1 and which is never above 1 / `PLAIN_SHARE`. What is tilted happens after the
vote, but for the variance and the parameters that a far path starts with, which are high.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from pydantic import BeforeValidator, Field

from simulator.market.grid import Grid
from simulator.market.model import ModelMarket
from simulator.parameters import YEAR, Fraction, Part, tupled

if TYPE_CHECKING:
    import numpy as np

    from simulator.market.step_law import Law
    from simulator.market.tilt_kernel import Tilt

PLAIN_SHARE = 0.2  # of the paths, drawn from the market's own law: no weight is above 1 / this
MOST_OFTEN = 0.5  # of market steps of a tilted path that have a jump of one asset
SUREST = 1 - 1e-9  # chance of a jump in a step; nearer to 1, the ratio of one without would be lost
ONCE_IN = 0.01  # of paths: how far an innovation is that plans reckon with
LEAST_OWN = 0.05  # of an asset's normal that is its own, for it to be shifted
Shift = Annotated[float, Field(ge=-10, le=10)]


class RareEvents(Part):
    """How paths are tilted. They are weighted back, so no choice moves an expected result, only how surely it is known."""

    jumps: Annotated[float, Field(gt=0, le=100)] = 1.0  # [1] on a tilted path after the vote, of all assets together, on average
    shifts: Annotated[tuple[Shift, ...], BeforeValidator(tupled), Field(min_length=1, max_length=9)] = (
        -2.0,
        0.0,
        2.0,
    )  # [1] standard deviations by which sizes of jumps are moved; each path with more jumps has one of these
    far_share: Fraction = 0.5  # [1] of tilted paths: one far innovation instead of more jumps; all where no asset has jumps

    def share_of_far(self, market: ModelMarket) -> float:
        """`far_share`, as far as there are jumps."""
        return self.far_share if has_jumps(market) else 1.0

    def factor(self, market: ModelMarket, grid: Grid) -> float:
        """How many times as often a step of a path with more jumps has some; at least 1."""
        there = jumps_after_vote(market, grid)
        return max(1.0, self.jumps / there) if there > 0 else 1.0

    def problems(self, market: object, grid: Grid) -> Iterator[tuple[str, str]]:
        """(key, message) of why these paths cannot be tilted."""
        if not isinstance(market, ModelMarket):
            kind = getattr(market, "kind", "")
            yield "", f"draws jumps and innovations of a model, but [market] is of kind {kind!r}; leave this section out"
        elif has_jumps(market) and self.far_share < 1:
            there, often = jumps_after_vote(market, grid), max(_chances_in_a_step(market, grid))
            if self.jumps <= there:
                yield "jumps", f"must be above the {there:.3g} jumps that a path has anyway, but got {self.jumps:g}"
            elif self.factor(market, grid) * often > MOST_OFTEN:
                most = f"at most {MOST_OFTEN / often * there:.3g}"
                yield "jumps", f"must leave half of the market steps of an asset without jumps, but got {self.jumps:g}; {most}"

    def heaviest(self, market: ModelMarket, grid: Grid) -> float:
        """The most that a path counts which has one jump, or an innovation as far as one path in a hundred has: for plans."""
        far, steps, factor = self.share_of_far(market), _steps(grid), self.factor(market, grid)
        chances = _chances_in_a_step(market, grid)
        calm = math.exp(math.fsum(steps * (math.log1p(-min(factor * p, MOST_OFTEN)) - math.log1p(-p)) for p in chances))
        sizes = min(sum(math.exp(c * z / 10 - c * c / 2) for c in self.shifts) for z in range(-80, 81)) / len(self.shifts)
        draws = steps * len(market.assets)
        one_far = 0.25 * ((ONCE_IN / draws) ** -0.75 + draws - 1) / draws  # the density of v^4, least where it is least far
        ratios = [far * one_far + (1 - far) * calm]
        if has_jumps(market):
            ratios.append(far * 0.25 + (1 - far) * sizes * factor * calm)
        return min(1.0, 1 / (PLAIN_SHARE + (1 - PLAIN_SHARE) * min(ratios)))


def has_jumps(market: object) -> bool:
    """Whether paths of `market` jump."""
    return isinstance(market, ModelMarket) and any(_intensity(asset) > 0 for asset in market.assets)


def _intensity(asset: object) -> float:
    jumps = asset.real_world[1]  # type: ignore[attr-defined]
    return jumps.intensity if jumps else 0.0


def jumps_after_vote(market: ModelMarket, grid: Grid) -> float:
    """Expected jumps of all assets together from the vote to the horizon."""
    return math.fsum(map(_intensity, market.assets)) * grid.horizon_steps * grid.dt / YEAR


def _steps(grid: Grid) -> int:
    """Market steps after the vote."""
    return grid.horizon_steps // grid.substeps


def _chances_in_a_step(market: ModelMarket, grid: Grid) -> list[float]:
    """Of any jump, asset by asset."""
    return [min(SUREST, -math.expm1(-_intensity(asset) * grid.market_step / YEAR)) for asset in market.assets]


def make_tilt(
    rare: RareEvents, market: ModelMarket, grid: Grid, seed: int, purpose: str, first: int, law: Law, paths: int
) -> Tilt:
    """The tilt of paths `first` .. `first + paths - 1`."""
    import numpy as np

    from simulator.kernel import stream
    from simulator.market.tilt_kernel import Tilt, choose

    tail = _chance_of_jump(law)
    factor = min(rare.factor(market, grid), MOST_OFTEN / max(float(tail.max()), 1e-300))  # estimates may have more jumps
    found = Tilt(
        since=grid.burn_in_steps // grid.substeps,
        factor=factor,
        tail=tail,
        log_calm=np.log1p(-factor * tail) - np.log1p(-tail),
        lean=_lean(law.jumps.factor),
        **_untouched(paths),
    )
    key = stream(seed, purpose, "market", "rare events")
    choose(key, first, PLAIN_SHARE, rare.share_of_far(market), np.array(rare.shifts), _steps(grid), found)
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
    return np.minimum(SUREST, 1.0 - least if law.copula.independent else ndtr(-least))


def _untouched(paths: int) -> dict[str, np.ndarray]:
    """What plain paths draw of a tilted law."""
    import numpy as np

    nowhere = np.full((2, paths), -1)
    drawn = {"has_more": np.zeros(paths, np.bool_), "scale": np.zeros(paths), "far_step": nowhere[0], "far_asset": nowhere[1]}
    return {**drawn, "score": np.zeros((4, paths))}


def no_tilt(assets: int, paths: int) -> Tilt:
    """Plain paths."""
    import numpy as np

    from simulator.market.tilt_kernel import NEVER, Tilt

    nothing = np.zeros((assets, 1))
    return Tilt(NEVER, 1.0, nothing, nothing, np.zeros(assets), **_untouched(paths))


def weights(tilt: Tilt, rare: RareEvents, market: ModelMarket, grid: Grid) -> np.ndarray:
    """[path] the market's own density over the mixture's."""
    import numpy as np

    from simulator.market.tilt_kernel import weigh

    found = np.empty(len(tilt.scale))
    innovations = _steps(grid) * len(market.assets)
    weigh(tilt.score, PLAIN_SHARE, rare.share_of_far(market), np.array(rare.shifts), innovations, found)
    return found
