"""Markets made of one price file: the history itself, a block bootstrap of its rows, filtered historical simulation."""

from __future__ import annotations

from abc import abstractmethod
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, PrivateAttr, ValidationInfo, model_validator

from simulator.market.filters import AnyFilter
from simulator.market.grid import Grid
from simulator.market.paths import MarketPaths
from simulator.market.price_file import PriceFileError, file_inside
from simulator.market.processes import Volatility
from simulator.market.sequences import Names, tupled
from simulator.parameters import Part

if TYPE_CHECKING:
    import numpy as np

    from simulator.market.filtered import Residuals
    from simulator.market.window import Window


def _moment(value: Any) -> Any:
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            raise ValueError(f"expected a moment such as 2021-01-01T00:00:00Z, but got {value[:40]!r}") from None
    return value


def _with_offset(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError(f"{value.isoformat()} has no offset; write {value.isoformat()}Z")
    return value


Moment = Annotated[datetime, BeforeValidator(_moment), AfterValidator(_with_offset)]
Seconds = Annotated[float, Field(gt=0)]
Price = Annotated[float, Field(gt=0)]


class History(Part):
    """A window of a price file inside the scenario's folder; what a market does with it is its own affair.

    The folder comes at validation, through the context `{"folder": Path}`, or later through `resolve`.
    """

    model_config = ConfigDict(populate_by_name=True)

    file: str  # CSV: timestamp and a column an asset
    since: Annotated[Moment, Field(alias="from")]  # the first row
    until: Moment  # the last; none after it is read
    assets: Annotated[Names, Field(min_length=1, max_length=64)]  # columns of the file
    blanks: bool = False  # a row without a price for an asset is a gap, not an error
    max_gap: Seconds = 21_600.0  # [s] a longer stretch without a price is an error
    _folder: Path | None = PrivateAttr(None)

    @abstractmethod
    def window(self, grid: Grid) -> Window | Residuals:
        """The rows that paths on `grid` are made of. Raises ValueError if the file cannot serve it."""

    @model_validator(mode="after")
    def _window(self, info: ValidationInfo) -> Self:
        if self.since >= self.until:
            raise ValueError(f"`from < until` must hold, but got {self.since.isoformat()} and {self.until.isoformat()}")
        for i, name in enumerate(self.assets):
            if name == "timestamp" or name in self.assets[:i]:
                raise ValueError(f"`assets` must name each column of prices once, but {name} is there twice or is no price")
        folder = (info.context or {}).get("folder")
        if folder is not None:
            file_inside(Path(folder), self.file)
            self._folder = Path(folder)
        return self

    def resolve(self, folder: Path) -> Self:
        """This market with its file looked for in `folder`. Raises ValueError if it leads out of it."""
        file_inside(folder, self.file)
        copy = self.model_copy()
        copy._folder = folder
        return copy

    @property
    def path(self) -> Path:
        """Where the file is. Raises ValueError before the folder is known."""
        if self._folder is None:
            raise ValueError(f"the folder of {self.file} is not known; call resolve(folder) first")
        return file_inside(self._folder, self.file)

    @property
    def asset_names(self) -> tuple[str, ...]:
        return self.assets

    def reference_volatility(self, name: str) -> float:
        """Realised volatility of the whole window [1/sqrt(year)]. Raises KeyError for an unknown asset."""
        from simulator.market.window import realised_volatility

        return realised_volatility(self)[name]

    def problems(self, grid: Grid) -> list[str]:
        """Why no paths can be made on `grid`, one line each; empty if they can."""
        try:
            self.window(grid)
        except PriceFileError as problem:
            return [f"file: {self.file}: {line}" for line in problem.problems]
        except ValueError as problem:
            return [str(problem)]
        return []

    def notices(self) -> list[str]:
        """What is accepted but suspicious in the file, one line each."""
        from simulator.market.window import table_of

        return [f"file: {self.file}: {warning}" for warning in table_of(self).warnings]


class Replay(History):
    """One history, no interval: every path has the prices of the file from `from` on.

    Between two rows a price holds still. With substeps, the bridge inside a market step differs by path, with the variance
    known at its start. That volatility is exponentially weighted (half-life a day) over the rows before; nothing looks ahead.
    """

    kind: Literal["replay"] = "replay"
    volatility_today: Annotated[tuple[Volatility, ...], BeforeValidator(tupled)] | None = None  # [1/sqrt(year)] if no rows before

    @model_validator(mode="after")
    def _one_volatility_each(self) -> Replay:
        if self.volatility_today is not None and len(self.volatility_today) != len(self.assets):
            raise ValueError(f"`volatility_today` must hold one number for each of {', '.join(self.assets)}")
        return self

    def window(self, grid: Grid) -> Window:
        from simulator.market.window import replay_window

        return replay_window(self, grid)

    def paths(self, grid: Grid, seed: int, purpose: str, first: int, count: int, spike: np.ndarray | None = None) -> MarketPaths:
        """Paths `first` .. `first + count - 1`. Raises ValueError if the file or the window cannot serve `grid`.

        `spike` [market step, asset] multiplies log returns and volatility.
        """
        from simulator.market.window import replay

        return replay(self, grid, seed, purpose, first, count, spike)


class Bootstrap(History):
    """Stationary block bootstrap (Politis and Romano 1994) of the file's log returns, rows kept whole.

    Returns are shifted so that the expected growth of a step is `drift`; a return across a gap is left out. A block goes on
    to the next row, and from the last to the first; its length is geometric with mean `mean_block`.
    """

    kind: Literal["bootstrap"] = "bootstrap"
    mean_block: Annotated[float, Field(ge=1)]  # [market steps]
    prices: Annotated[tuple[Price, ...], BeforeValidator(tupled)] | None = (
        None  # [usd] at the start; absent: the last of the file
    )
    drift: Annotated[float, Field(ge=-20, le=20)] = 0.0  # [1/year] growth of the expected price

    @model_validator(mode="after")
    def _one_price_each(self) -> Bootstrap:
        if self.prices is not None and len(self.prices) != len(self.assets):
            raise ValueError(f"`prices` must hold one number for each of {', '.join(self.assets)}")
        return self

    def window(self, grid: Grid) -> Window:
        from simulator.market.window import bootstrap_window

        return bootstrap_window(self, grid)

    def paths(
        self,
        grid: Grid,
        seed: int,
        purpose: str,
        first: int,
        count: int,
        convergence: np.ndarray | None = None,
        spike: np.ndarray | None = None,
    ) -> MarketPaths:
        """Paths `first` .. `first + count - 1`. Raises ValueError if the file or the window cannot serve `grid`.

        `convergence` [market step]: the probability that all assets take the return of the same rank in their own column;
        `spike` [market step, asset] multiplies returns about their growth, and volatility.
        """
        from simulator.market.window import bootstrap

        return bootstrap(self, grid, seed, purpose, first, count, convergence, spike)


class FilteredHistory(History):
    """Filtered historical simulation (Barone-Adesi, Giannopoulos, Vosper 1999): residuals of the file, volatility of the path.

    Each asset's returns about their mean are divided by the volatility that its filter gives them; whole rows of these residuals
    (mean 0, variance 1) are drawn in blocks as in a bootstrap, so that assets stay together, and multiplied by the volatility
    that the path has made itself, from that of the last row on. `drift` is the growth of the expected price: log E[exp] of the
    residuals at each variance is tabulated and taken off.
    """

    kind: Literal["filtered-history"] = "filtered-history"
    filters: Annotated[tuple[AnyFilter, ...], BeforeValidator(tupled)]  # one for each asset, in their order
    mean_block: Annotated[float, Field(ge=1)] = 1.0  # [market steps]
    prices: Annotated[tuple[Price, ...], BeforeValidator(tupled)] | None = (
        None  # [usd] at the start; absent: the last of the file
    )
    drift: Annotated[float, Field(ge=-20, le=20)] = 0.0  # [1/year] growth of the expected price

    @model_validator(mode="after")
    def _one_each(self) -> FilteredHistory:
        for key in ("filters", "prices"):
            value = getattr(self, key)
            if value is not None and len(value) != len(self.assets):
                raise ValueError(f"`{key}` must hold one entry for each of {', '.join(self.assets)}, but has {len(value)}")
        return self

    def window(self, grid: Grid) -> Residuals:
        from simulator.market.filtered import residuals_of

        return residuals_of(self, grid)

    def reference_volatility(self, name: str) -> float:
        """Stationary volatility of its filter [1/sqrt(year)]. Raises KeyError for an unknown asset."""
        from simulator.market.window import realised_volatility

        stated = dict(zip(self.assets, (own.volatility for own in self.filters), strict=True))[name]
        return realised_volatility(self)[name] if stated is None else stated

    def paths(
        self,
        grid: Grid,
        seed: int,
        purpose: str,
        first: int,
        count: int,
        convergence: np.ndarray | None = None,
        spike: np.ndarray | None = None,
    ) -> MarketPaths:
        """Paths `first` .. `first + count - 1`. Raises ValueError if the file or the window cannot serve `grid`.

        `convergence` [market step]: the probability that all assets take the residual of the same rank in their own column;
        `spike` [market step, asset] multiplies returns and volatility without feeding the recursion of variance.
        """
        from simulator.market.filtered import filtered_history

        return filtered_history(self, grid, seed, purpose, first, count, convergence, spike)
