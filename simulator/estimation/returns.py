"""From a table of prices to the returns of a fit: only what lies in the window, never across a gap or an excluded stretch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from simulator.estimation.errors import FitError
from simulator.market.price_file import PriceTable, read_prices

FEWEST_RETURNS = 500
MOST_POINTS = 20_000_000  # of the grid of time
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def read_each(path: Path, assets: Sequence[str] | None = None) -> PriceTable:
    """The price file, every asset with all rows where it has a price of its own; NaN where it has none. Raises PriceFileError."""
    together = read_prices(path, assets, blanks=True)
    if len(together.assets) == 1:
        return together
    alone = [read_prices(path, [name], blanks=True) for name in together.assets]
    moments = np.unique(np.concatenate([table.timestamps for table in alone]))
    prices = np.full((moments.size, len(alone)), np.nan)
    for column, table in zip(prices.T, alone, strict=True):
        column[np.searchsorted(moments, table.timestamps)] = table.prices[:, 0]
    return replace(together, timestamps=moments, prices=prices)


@dataclass(frozen=True)
class Window:
    """Which rows a fit may see. Both ends belong to it; of an excluded stretch (A, B) only the prices at A and B may be used."""

    until: datetime
    since: datetime | None = None
    exclude: tuple[tuple[datetime, datetime], ...] = ()

    def problems(self) -> list[tuple[str, str]]:
        moments = [("until", self.until), ("from", self.since), *(("exclude", m) for pair in self.exclude for m in pair)]
        naive = [(key, m) for key, m in moments if m is not None and m.tzinfo is None]
        if naive:
            return [(key, f"{m.isoformat()} has no offset; write {m.isoformat()}Z") for key, m in naive]
        if self.since is not None and self.since >= self.until:
            return [("from", f"`from < until` must hold, but got {iso(self.since)} and {iso(self.until)}")]
        return [("exclude", f"`A < B` must hold in A..B, but got {iso(a)} and {iso(b)}") for a, b in self.exclude if a >= b]


@dataclass(frozen=True)
class Returns:
    """Log returns of one step on a full grid of time, NaN where there is none."""

    assets: tuple[str, ...]
    step: float  # [s]
    origin: int  # [ns] where the first return begins
    returns: np.ndarray  # [t, asset]
    rows: int  # rows of prices that the fit may see
    first: datetime  # of those rows
    last: datetime
    price: np.ndarray  # [asset] [usd] the last in the window
    priced_at: tuple[datetime, ...]  # [asset]
    log_price: np.ndarray  # [t + 1, asset] where returns begin and end

    @property
    def counts(self) -> np.ndarray:
        """Returns of each asset."""
        return np.count_nonzero(~np.isnan(self.returns), axis=0)


def log_returns(prices: PriceTable, window: Window, step: float | None = None, fewest: int = FEWEST_RETURNS) -> Returns:
    """Returns over `step` [s] (default: the commonest distance between rows). A NaN price is a gap. Raises FitError.

    An asset with less than `fewest` returns is an error.
    """
    problems = window.problems()
    if problems:
        raise FitError(problems)
    moments, table = _inside(prices, window)
    seconds = prices.step if step is None else float(step)
    places, size, origin = _on_grid(moments, round(seconds * 1e9))
    grid = np.full((size, len(prices.assets)), np.nan)
    grid[places[places >= 0]] = table[places >= 0]
    log_price = np.log(grid)
    returns = np.diff(log_price, axis=0)
    returns[_excluded(origin, len(returns), round(seconds * 1e9), window)] = np.nan
    last = [int(np.flatnonzero(~np.isnan(column))[-1]) for column in table.T]
    result = Returns(
        assets=prices.assets,
        step=seconds,
        origin=origin,
        returns=returns,
        rows=int(np.count_nonzero(places >= 0)),
        first=moment(moments[0]),
        last=moment(moments[-1]),
        price=np.array([table[i, a] for a, i in enumerate(last)]),
        priced_at=tuple(moment(moments[i]) for i in last),
        log_price=log_price,
    )
    _check(result, prices.step, fewest)
    return result


def long_gaps(prices: PriceTable, window: Window, longest: float) -> list[tuple[str, str]]:
    """(asset, where) of each stretch of more than `longest` [s] without a price of its own that no exclusion touches."""
    moments, table = _inside(prices, window)
    found = []
    for name, column in zip(prices.assets, table.T, strict=True):
        seen = moments[~np.isnan(column)]
        for i in np.flatnonzero(np.diff(seen) > longest * 1e9):
            if not any(nanoseconds(a) < seen[i + 1] and nanoseconds(b) > seen[i] for a, b in window.exclude):
                hours, stretch = (seen[i + 1] - seen[i]) / 3.6e12, f"{iso(moment(seen[i]))}..{iso(moment(seen[i + 1]))}"
                found.append((name, f"no price for {hours:g} h, {stretch}; max-gap is {longest / 3600:g} h; exclude the stretch"))
    return found


def _inside(prices: PriceTable, window: Window) -> tuple[np.ndarray, np.ndarray]:
    """Moments [ns] and prices of the rows in the window, excluded stretches left out. Raises FitError if there are none."""
    t = prices.timestamps
    if nanoseconds(window.until) < t[0]:
        raise FitError([("until", f"{iso(window.until)} is before the first row, {iso(moment(t[0]))}")])
    if window.since is not None and nanoseconds(window.since) > t[-1]:
        raise FitError([("from", f"{iso(window.since)} is after the last row, {iso(moment(t[-1]))}")])
    keep = t <= nanoseconds(window.until)
    if window.since is not None:
        keep &= t >= nanoseconds(window.since)
    for a, b in window.exclude:
        keep &= (t <= nanoseconds(a)) | (t >= nanoseconds(b))
    table = prices.prices[keep]
    columns = zip(prices.assets, table.T, strict=True)
    empty = [(name, "has no price in the window") for name, column in columns if np.isnan(column).all()]
    if empty:
        raise FitError(empty)
    return t[keep], table


def _on_grid(moments: np.ndarray, step: int) -> tuple[np.ndarray, int, int]:
    """Each row's place on the grid of `step` [ns] (-1: between its points), the number of points, the first of them [ns].

    The grid's phase is the commonest one: closes may be stamped 00:59:59.
    """
    phases, counts = np.unique(moments % step, return_counts=True)
    phase = phases[np.argmax(counts)]
    on = moments[moments % step == phase]
    count = (on[-1] - on[0]) // step
    if count >= MOST_POINTS:
        raise FitError([("step", f"{step / 1e9:g} s makes {count:,} steps of this window; at most {MOST_POINTS:,}")])
    places = np.where(moments % step == phase, (moments - on[0]) // step, -1)
    return places, int(places.max()) + 1, int(on[0])


def _excluded(origin: int, count: int, step: int, window: Window) -> np.ndarray:
    """Which returns spend any time in an excluded stretch."""
    end = origin + step * np.arange(1, count + 1)
    result = np.zeros(count, dtype=bool)
    for a, b in window.exclude:
        result |= (end > nanoseconds(a)) & (end - step < nanoseconds(b))
    return result


def _check(found: Returns, file_step: float, fewest: int) -> None:
    if found.counts.max() == 0 and found.rows > 1:
        raise FitError([("step", f"no two rows are {found.step:g} s apart; the commonest distance is {file_step:g} s")])
    problems = [
        (name, f"needs >= {fewest} returns, has {count}; widen the window")
        for name, count in zip(found.assets, found.counts, strict=True)
        if count < fewest
    ]
    problems += [
        (name, "the price never changes; there is nothing to fit")
        for name, r in zip(found.assets, found.returns.T, strict=True)
        if not (np.nan_to_num(r) != 0).any()
    ]
    if problems:
        raise FitError(problems)


def nanoseconds(value: datetime) -> int:
    return (value - EPOCH) // timedelta(microseconds=1) * 1_000


def moment(value: int | np.integer) -> datetime:
    return EPOCH + timedelta(microseconds=int(value) // 1_000)


def iso(value: datetime) -> str:
    """A moment as files say it, in UTC."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
