"""Markets made by a model: assets with their processes, moving together through one correlation matrix."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from simulator.market.dependence import ConstantCorrelation, Copula, Dynamics, GaussianCopula, check_correlation
from simulator.market.grid import Grid
from simulator.market.jumps import Jumps
from simulator.market.law import ParameterLaw, coordinates
from simulator.market.paths import MarketPaths
from simulator.market.processes import GeometricBrownian, Heston, OrnsteinUhlenbeck, Process
from simulator.market.sequences import Matrix, Names, tupled
from simulator.parameters import YEAR, Part

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

    from simulator.market.rare_events import RareEvents

MOST_JUMPS = 50.0  # [1] expected in one market step: above it the step is too long for a jump model to mean anything
CONSTANT_VARIANCE = (GeometricBrownian, OrnsteinUhlenbeck)
LARGEST_CREDIBLE_VOLATILITY = 10.0  # [1/sqrt(year)] above it a person probably wrote percent


Premium = Annotated[float, Field(gt=0, le=100)]


class Asset(Part):
    """One asset: its price now, its expected growth and the law of its returns.

    E[S(T)] = S(0) exp(drift T) whatever the process, pegs apart: the compensators of innovations and jumps are exact.
    `measure` says what the numbers were fitted to. Paths live in the real world; numbers fitted to options need stated premia:
    long-run variance and mean reversion change by `variance_premium` (Heston 1993), jump intensity by `jump_premium`.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$")]
    price: Annotated[float, Field(gt=0)]  # [usd] at the start
    drift: Annotated[float, Field(ge=-20, le=20)] = 0.0  # [1/year] growth of the expected price
    process: Process
    jumps: Jumps | None = None
    measure: Literal["real-world", "risk-neutral"] = "real-world"
    variance_premium: Premium | None = None  # [1] risk-neutral over real-world long-run variance
    jump_premium: Premium | None = None  # [1] risk-neutral over real-world jump intensity
    parameter_law: ParameterLaw | None = None
    external_share: Annotated[float, Field(gt=0, le=10)] = 1.0  # [1] of the volatility fitted; trading here adds the rest

    @model_validator(mode="after")
    def _pegs_do_not_drift(self) -> Asset:
        if isinstance(self.process, OrnsteinUhlenbeck) and self.drift != 0:
            raise ValueError(f"`drift = 0` must hold for a peg, but got {self.drift:g}: what drifts is its base")
        return self

    @model_validator(mode="after")
    def _premia_are_stated(self) -> Asset:
        premia = {"variance_premium": self.variance_premium, "jump_premium": self.jump_premium}
        if self.measure == "real-world":
            for name, value in premia.items():
                if value is not None:
                    raise ValueError(f'`{name}` needs measure = "risk-neutral"; real-world numbers have no premium to take off')
            return self
        if not isinstance(self.process, (GeometricBrownian, Heston)):
            raise ValueError(f"a process of kind {self.process.kind!r} is fitted to returns; its measure is real-world")
        if self.variance_premium is None:
            raise ValueError("`variance_premium` must be stated for numbers fitted to options: paths live in the real world")
        if self.jumps is not None and self.jump_premium is None:
            raise ValueError("`jump_premium` must be stated for jumps fitted to options: paths live in the real world")
        return self

    @property
    def real_world(self) -> tuple[Process, Jumps | None]:
        """Process and jumps as paths have them: premia taken off."""
        if self.measure == "real-world":
            return self.process, self.jumps
        assert self.variance_premium is not None
        change: dict[str, float] = {"volatility": self.process.volatility / math.sqrt(self.variance_premium)}
        if isinstance(self.process, Heston):
            change["mean_reversion"] = self.process.mean_reversion * self.variance_premium
        process, jumps = self.process.model_copy(update=change), self.jumps
        if jumps is not None and self.jump_premium is not None:
            jumps = jumps.model_copy(update={"intensity": jumps.intensity / self.jump_premium})
        return process, jumps

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
        """Stationary annualised volatility of log returns, diffusion and jumps [1/sqrt(year)]; of a peg, without its base."""
        process, jumps = self.real_world
        jump_variance = jumps.intensity * jumps.second_moment if jumps else 0.0
        return math.sqrt(process.volatility**2 + jump_variance)


class Provenance(Part):
    """Where fitted numbers come from, as `simulator fit` writes it. Windows named here are *seen*: they cannot confirm."""

    prices: str  # name of the price file, without a folder
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    since: str  # ISO 8601 with offset: the first row used
    until: str  # the last row used
    exclude: Names = ()  # windows left out, "A..B"
    looked_at: Names = ()  # later windows on which the fit was back-tested, "A..B": whoever chose it has seen them
    rows: Annotated[int, Field(ge=1)]
    step: Annotated[float, Field(gt=0)]  # [s] market step of the fit
    method: str


def _start(value: Any) -> Any:
    if value in ("today", "stationary") or (isinstance(value, float) and 0 < value < 1):
        return value
    raise ValueError(f"expected today, stationary or a percentile between 0 and 1 such as 0.9, but got {str(value)[:40]}")


Start = Annotated[Literal["today", "stationary"] | float, BeforeValidator(_start)]


class ModelMarket(Part):
    """Assets whose log returns are a diffusive part plus jumps, tied by a copula of `correlation`, which may move.

    The copula joins innovations, Heston's variances and numbers of jumps; sizes and moments of jumps are joined by the Gaussian
    copula of `correlation` as it stands. Each marginal law stays as stated.
    """

    kind: Literal["model"] = "model"
    assets: Annotated[tuple[Asset, ...], BeforeValidator(tupled), Field(min_length=1, max_length=64)]
    correlation: Matrix | None = None  # [1] absent: independent
    copula: Copula = GaussianCopula()
    correlation_dynamics: Dynamics = ConstantCorrelation()
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
        for problem in (*self._wrong_bases(), *self._wrong_dynamics()):
            raise ValueError(problem)
        draws = {asset.parameter_law.draws for asset in self.assets if asset.parameter_law}
        if len(draws) > 1:
            raise ValueError(f"`draws` must be one number for all assets, but got {', '.join(map(str, sorted(draws)))}")
        return self

    def _wrong_bases(self) -> Iterator[str]:
        pegs = {asset.name: asset.process for asset in self.assets if isinstance(asset.process, OrnsteinUhlenbeck)}
        for name, peg in pegs.items():
            if peg.base is None:
                continue
            if peg.base not in self.asset_names or peg.base == name:
                others = ", ".join(other for other in self.asset_names if other != name)
                yield f"{name} is pegged to {peg.base}, which is no other asset; there are {others or 'none'}"
            elif peg.base in pegs:
                yield f"{name} is pegged to {peg.base}, which is pegged itself; peg both to the same base"

    def _wrong_dynamics(self) -> Iterator[str]:
        kind = self.correlation_dynamics.kind
        if kind != "constant" and self.correlation is None:
            yield f"`correlation_dynamics` of kind {kind!r} need a `correlation` to move around"
        if kind == "converging" and all(isinstance(asset.process, CONSTANT_VARIANCE) for asset in self.assets):
            yield "correlation can only converge with a variance that moves; give an asset a garch, egarch or heston process"

    @property
    def asset_names(self) -> tuple[str, ...]:
        return tuple(asset.name for asset in self.assets)

    def with_point_parameters(self) -> ModelMarket:
        """This market without parameter laws: every path at the point estimate."""
        assets = tuple(asset.model_copy(update={"parameter_law": None}) for asset in self.assets)
        return self.model_copy(update={"assets": assets})

    def reference_volatility(self, name: str) -> float:
        """Stationary annualised volatility of `name` [1/sqrt(year)], of a peg with its base. Raises KeyError for no asset."""
        assets = {asset.name: asset for asset in self.assets}
        asset, process = assets[name], assets[name].process
        if not isinstance(process, OrnsteinUhlenbeck) or process.base is None:
            return asset.volatility
        i, j = (self.asset_names.index(other) for other in (name, process.base))
        rho = self.correlation[i][j] if self.correlation is not None else 0.0
        base = assets[process.base]
        together = 2 * rho * process.volatility * base.real_world[0].volatility
        return math.sqrt(asset.volatility**2 + base.volatility**2 + together)

    def problems(self, grid: Grid) -> list[str]:
        """Why no paths can be made on `grid`, one line each; empty if they can."""
        return [*self._fitted_at_another_step(grid), *self._too_many_jumps(grid), *self._no_martingale(grid)]

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

    def _no_martingale(self, grid: Grid) -> Iterator[str]:
        for i, asset in enumerate(self.assets):
            process = asset.real_world[0]
            if isinstance(process, Heston) and process.explosion(grid.market_step / YEAR) >= 1:
                yield (
                    f"assets.{i}.process.leverage: with leverage {process.leverage:g} and volatility_of_variance "
                    f"{process.volatility_of_variance:g} a step of {grid.market_step:g} s has no expected price; shorten the step"
                )

    def notices(self) -> list[str]:
        """What is accepted but suspicious, one line each."""
        return [*self._suspicious_volatilities(), *self._variances_at_zero()]

    def _variances_at_zero(self) -> Iterator[str]:
        for i, asset in enumerate(self.assets):
            if isinstance(asset.process, Heston) and asset.process.feller < 1:
                yield (
                    f"assets.{i}.process: 2 mean_reversion volatility^2 / volatility_of_variance^2 is "
                    f"{asset.process.feller:.3g}, below 1 (Feller): the variance touches zero; paths stay right"
                )

    def _suspicious_volatilities(self) -> Iterator[str]:
        for i, asset in enumerate(self.assets):
            for key in ("volatility", "volatility_today"):
                value = getattr(asset.process, key)
                if value > LARGEST_CREDIBLE_VOLATILITY and key in type(asset.process).model_fields:
                    yield (
                        f"assets.{i}.process.{key}: {value:g} is {100 * value:,.0f} percent a year; did you mean {value / 100:g}?"
                    )

    def paths(
        self,
        grid: Grid,
        seed: int,
        purpose: str,
        first: int,
        count: int,
        convergence: np.ndarray | None = None,
        spike: np.ndarray | None = None,
        rare: RareEvents | None = None,
    ) -> MarketPaths:
        """Paths `first` .. `first + count - 1`. The bytes of a path depend on `seed`, `purpose` and its id, on nothing else.

        `convergence` [market step] pulls every correlation that share of the way to one, on top of its own dynamics; `spike`
        [market step, asset] multiplies diffusive returns, and volatility with them, without feeding the recursion of variance.
        `rare` tilts jumps after the vote, and gives every path its weight.
        Raises ValueError for a grid these assets cannot live on (`problems`).
        """
        problems = self.problems(grid)
        if problems:
            raise ValueError("; ".join(problems))
        from simulator.market.generation import generate

        return generate(self, grid, seed, purpose, first, count, convergence, spike, rare)
