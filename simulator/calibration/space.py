"""The search space: which numbers may change, the chain's grid they live on, and a design that covers it.

A point is a tuple of values in the order of the space's names. Grid values are exact decimal multiples of the step.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from pydantic import ValidationError

from simulator.calibration.world import Votable
from simulator.calibration_settings import SearchParameter, unsearchable

Point = tuple[float, ...]


@dataclass(frozen=True)
class SearchSpace:
    """The values that candidates may take, around `current`. Raises ValueError for a search that cannot be searched."""

    current: Votable
    search: tuple[SearchParameter, ...]

    def __post_init__(self) -> None:
        found = [f"calibration.search.{i}: {reason}" for i, reason in unsearchable(self.search, dict(self.current.items()))]
        if found:
            raise ValueError("\n".join(found))

    @functools.cached_property
    def names(self) -> tuple[str, ...]:
        """Dotted names, in the order of a point."""
        return tuple(wanted.parameter for wanted in self.search)

    @functools.cached_property
    def current_point(self) -> Point:
        """Candidate 0: the current values as they are, on the grid or not."""
        return tuple(self.current.get(name) for name in self.names)

    @functools.cached_property
    def multiples(self) -> tuple[range, ...]:
        """The grid of every parameter, as multiples of its step."""
        return tuple(wanted.multiples(self.current.get(wanted.parameter)) for wanted in self.search)

    @property
    def size(self) -> int:
        """How many grid points there are, valid or not."""
        return math.prod(len(multiples) for multiples in self.multiples)

    def point(self, multiples: Sequence[int]) -> Point:
        """The values at these multiples: exact decimals, so that 7 x 0.005 is 0.035."""
        return tuple(float(Decimal(repr(wanted.step)) * int(k)) for wanted, k in zip(self.search, multiples, strict=True))

    def round(self, point: Point) -> Point:
        """The nearest grid point inside the range."""
        return self.point(self.multiples_of(point))

    def multiples_of(self, point: Point) -> tuple[int, ...]:
        """The multiples nearest to a point, inside the range."""
        rows = zip(self.search, self.multiples, point, strict=True)
        return tuple(min(max(round(value / wanted.step), ks[0]), ks[-1]) for wanted, ks, value in rows)

    def parameters(self, point: Point) -> Votable | None:
        """`current` with the values of `point`; None where they break a relation between parameters."""
        if point not in self._made:
            try:
                self._made[point] = self.current.replace(dict(zip(self.names, point, strict=True)))
            except ValidationError:
                self._made[point] = None
        return self._made[point]

    @functools.cached_property
    def _made(self) -> dict[Point, Votable | None]:
        return {}

    def design(self, count: int, seed: int) -> list[Point]:
        """Up to `count` different valid points: the current one, then a scrambled Sobol sequence (Owen 1998) on the grid."""
        from scipy.stats import qmc

        points = dict.fromkeys([self.current_point])
        sobol, grid = qmc.Sobol(len(self.search), rng=seed), self.multiples
        draws = 2 ** max(3, math.ceil(math.log2(count)))
        # Invalid and repeated points are skipped; a space with few valid points ends the sequence early.
        for power in range(6):
            for row in sobol.random(draws if power == 0 else draws * 2 ** (power - 1)):
                if len(points) >= min(count, self.size + 1):
                    return list(points)
                candidate = self.point([ks[min(int(u * len(ks)), len(ks) - 1)] for u, ks in zip(row, grid, strict=True)])
                if self.parameters(candidate) is not None:
                    points[candidate] = None
        return list(points)

    def neighbours(self, point: Point) -> list[tuple[str, int, Point]]:
        """(name, -1 or +1, point) one grid step away in each parameter, valid ones only, outside the range or not."""
        found = []
        for i, wanted in enumerate(self.search):
            for sign in (-1, 1):
                moved = float(Decimal(repr(point[i])) + sign * Decimal(repr(wanted.step)))
                candidate = (*point[:i], moved, *point[i + 1 :])
                if self.parameters(candidate) is not None:
                    found.append((wanted.parameter, sign, candidate))
        return found
