"""Markets made by a model: assets with their processes, moving together through one correlation matrix."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from simulator.market.dependence import check_correlation
from simulator.market.grid import Grid
from simulator.market.jumps import Jumps
from simulator.market.law import ParameterLaw, coordinates
from simulator.market.paths import MarketPaths
from simulator.market.processes import Process
from simulator.market.sequences import Matrix, Names, tupled
from simulator.parameters import YEAR, Part

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_JUMPS = 50.0  # [1] expected in one market step: above it the step is too long for a jump model to mean anything
LARGEST_CREDIBLE_VOLATILITY = 10.0  # [1/sqrt(year)] above it a person probably wrote percent


class Asset(Part):
    """One asset: its price now, its expected growth and the law of its returns.

    E[S(T)] = S(0) exp(drift T) whatever the process: the compensators of innovations and jumps are exact.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$")]
    price: Annotated[float, Field(gt=0)]  # [usd] at the start
    drift: Annotated[float, Field(ge=-20, le=20)] = 0.0  # [1/year] growth of the expected price
    process: Process
    jumps: Jumps | None = None
    parameter_law: ParameterLaw | None = None

    @model_validator(mode="after")
    def _law_fits(self) -> Asset:
        if self.parameter_law is not None:
            there = coordinates(self.process, self.jumps)
            for name in self.parameter_law.names:
                if name not in there:
                    raise ValueError(f"`parameter_law` names `{name}`, which this asset does not have; it has {', '.join(there)}")
        return self

    @property
    def volatility(self) -> float:
        """Stationary annualised volatility of log returns, diffusion and jumps [1/sqrt(year)]."""
        jump_variance = self.jumps.intensity * self.jumps.second_moment if self.jumps else 0.0
        return math.sqrt(self.process.volatility**2 + jump_variance)


class Provenance(Part):
    """Where fitted numbers come from, as `simulator fit` writes it. Windows named here are *seen*: they cannot confirm."""

    prices: str  # name of the price file, without a folder
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    since: str  # ISO 8601 with offset: the first row used
    until: str  # the last row used
    exclude: Names = ()  # windows left out, "A..B"
    rows: Annotated[int, Field(ge=1)]
    step: Annotated[float, Field(gt=0)]  # [s] market step of the fit
    method: str


def _start(value: Any) -> Any:
    if value in ("today", "stationary") or (isinstance(value, float) and 0 < value < 1):
        return value
    raise ValueError(f"expected today, stationary or a percentile between 0 and 1 such as 0.9, but got {str(value)[:40]}")


Start = Annotated[Literal["today", "stationary"] | float, BeforeValidator(_start)]


class ModelMarket(Part):
    """Assets whose log returns are a diffusive part plus jumps, tied by a Gaussian copula of `correlation`.

    The copula joins innovations, numbers of jumps, their sizes and their moments; each marginal law stays as stated.
    """

    kind: Literal["model"] = "model"
    assets: Annotated[tuple[Asset, ...], BeforeValidator(tupled), Field(min_length=1, max_length=64)]
    correlation: Matrix | None = None  # [1] absent: independent
    start: Start = "today"  # or a percentile of the stationary conditional variance
    parameter_law_off: bool = False  # every path at the point estimate
    provenance: Provenance | None = None

    @model_validator(mode="after")
    def _relations(self) -> ModelMarket:
        names = self.asset_names
        for i, name in enumerate(names):
            if name in names[:i]:
                raise ValueError(f"the asset {name} is there twice; every asset has one entry")
        if self.correlation is not None:
            check_correlation(self.correlation, names)
        draws = {asset.parameter_law.draws for asset in self.assets if asset.parameter_law}
        if len(draws) > 1:
            raise ValueError(f"`draws` must be one number for all assets, but got {', '.join(map(str, sorted(draws)))}")
        return self

    @property
    def asset_names(self) -> tuple[str, ...]:
        return tuple(asset.name for asset in self.assets)

    def with_point_parameters(self) -> ModelMarket:
        """This market without parameter laws: every path at the point estimate."""
        assets = tuple(asset.model_copy(update={"parameter_law": None}) for asset in self.assets)
        return self.model_copy(update={"assets": assets})

    def reference_volatility(self, name: str) -> float:
        """Stationary annualised volatility of `name` [1/sqrt(year)]. Raises KeyError for an unknown asset."""
        return {asset.name: asset.volatility for asset in self.assets}[name]

    def problems(self, grid: Grid) -> list[str]:
        """Why no paths can be made on `grid`, one line each; empty if they can."""
        return [*self._fitted_at_another_step(grid), *self._too_many_jumps(grid)]

    def _fitted_at_another_step(self, grid: Grid) -> Iterator[str]:
        if self.provenance is not None and self.provenance.step != grid.market_step:
            yield (
                "provenance.step: `step = grid.market_step` must hold, but got "
                f"{self.provenance.step:g} and {grid.market_step:g} s; a process is simulated at the step that it was fitted at"
            )

    def _too_many_jumps(self, grid: Grid) -> list[str]:
        return [
            f"assets.{i}.jumps.intensity: `intensity x market step <= {MOST_JUMPS:g}` must hold, but got "
            f"{asset.jumps.intensity * grid.market_step / YEAR:g} jumps in one step; lower the intensity or the step"
            for i, asset in enumerate(self.assets)
            if asset.jumps and asset.jumps.intensity * grid.market_step / YEAR > MOST_JUMPS
        ]

    def notices(self) -> list[str]:
        """What is accepted but suspicious, one line each."""
        return list(self._suspicious_volatilities())

    def _suspicious_volatilities(self) -> Iterator[str]:
        for i, asset in enumerate(self.assets):
            for key in ("volatility", "volatility_today"):
                value = getattr(asset.process, key)
                if value > LARGEST_CREDIBLE_VOLATILITY and key in type(asset.process).model_fields:
                    yield (
                        f"assets.{i}.process.{key}: {value:g} is {100 * value:,.0f} percent a year; did you mean {value / 100:g}?"
                    )

    def paths(self, grid: Grid, seed: int, purpose: str, first: int, count: int) -> MarketPaths:
        """Paths `first` .. `first + count - 1`. The bytes of a path depend on `seed`, `purpose` and its id, on nothing else.

        Raises ValueError for a grid these assets cannot live on (`problems`).
        """
        problems = self.problems(grid)
        if problems:
            raise ValueError("; ".join(problems))
        from simulator.market.generation import generate

        return generate(self, grid, seed, purpose, first, count)
