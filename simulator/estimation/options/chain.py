"""Option chains from a file: the strict reader of CSV, and of Parquet with the columns of a Deribit snapshot.

CSV columns (a header row names them, in any order): `timestamp` and `expiry` (moments with an offset), `strike` [usd], `type`
(call or put), `bid` and `ask`, or `mark`, or all three; and if known `forward` (of that expiry) or `underlying` (spot) [usd],
`currency` (BTC), `mark_volatility` (a fraction). A blank premium, or one of 0, is a side nobody quotes. Premia are in usd,
or in coin (inverse options, paid in the underlying: usd = coin x forward).

Nothing is shifted, filled or guessed. Every problem is one line, `row N, column X: ...`, rows as in a text editor (the first
row of a Parquet file is row 1), up to twenty of them at once.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from simulator.estimation.options.chain_rows import ChainReading, read_csv
from simulator.market.confined_file import read_regular_file
from simulator.market.price_file import MAGIC
from simulator.market.price_rows import EPOCH, PriceFileError

COIN_PREMIUM = 0.002  # of the underlying: a chain whose every premium is below it is not quoted in usd
UNITS = ("usd", "coin")


@dataclass(frozen=True, eq=False)
class Chain:
    """Rows as read, arrays of one length; premia in the file's unit, NaN where nobody quotes or the file does not say."""

    file: str
    sha256: str
    premium: str  # "usd" or "coin"
    row: np.ndarray  # int64 [quote]: its row in the file
    moment: np.ndarray  # int64 [quote]: microseconds since 1970-01-01T00:00:00Z
    expiry: np.ndarray  # int64 [quote]: likewise
    strike: np.ndarray  # float64 [quote] [usd]
    is_call: np.ndarray  # bool [quote]
    bid: np.ndarray  # float64 [quote]
    ask: np.ndarray
    mark: np.ndarray
    forward: np.ndarray  # float64 [quote] [usd]
    underlying: np.ndarray  # float64 [quote] [usd]
    mark_volatility: np.ndarray  # float64 [quote] [1/sqrt(year)]
    currency: np.ndarray  # str [quote]; "" where the file has no such column

    def __len__(self) -> int:
        return len(self.row)

    @property
    def currencies(self) -> list[str]:
        return sorted(set(self.currency.tolist()))

    def moments(self) -> list[datetime]:
        """Every snapshot's moment, forward in time."""
        return [EPOCH + timedelta(microseconds=int(m)) for m in np.unique(self.moment)]

    def where(self, mask: np.ndarray) -> Chain:
        """The rows for which `mask` is true."""
        return replace(self, **{f.name: getattr(self, f.name)[mask] for f in fields(self) if f.type == "np.ndarray"})

    def of(self, currency: str | None) -> Chain:
        """The rows of one currency. Raises PriceFileError where it is not there, or where one must be chosen."""
        if currency is None and len(self.currencies) > 1:
            raise PriceFileError([f"column currency: holds {', '.join(self.currencies)}; choose one, as in --currency BTC"])
        if currency is None or (self.currencies == [""]):
            return self
        if currency not in self.currencies:
            raise PriceFileError([f"column currency: there is no {currency}; there are {', '.join(self.currencies)}"])
        return self.where(self.currency == currency)

    def at(self, moment: datetime | None) -> Chain:
        """The last snapshot at or before `moment`; without one, the only snapshot. Raises PriceFileError."""
        moments = np.unique(self.moment)
        if moment is None:
            if len(moments) > 1:
                first, last = iso(int(moments[0])), iso(int(moments[-1]))
                raise PriceFileError(
                    [f"the file has {len(moments)} snapshots from {first} to {last}; choose one, as in --at {last}"]
                )
            return self
        before = moments[moments <= (moment - EPOCH) // timedelta(microseconds=1)]
        if not len(before):
            raise PriceFileError([f"the first snapshot is of {iso(int(moments[0]))}, after {moment.isoformat()}"])
        return self.where(self.moment == before[-1])


def iso(microseconds: int) -> str:
    """A moment as `2026-01-30T15:45:06Z`."""
    moment = EPOCH + timedelta(microseconds=int(microseconds))
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def read_chain(path: Path, premium: str | None = None) -> Chain:
    """Read a chain. `premium`: "usd" or "coin"; None means usd for CSV, and coin for Parquet, whose columns are Deribit's.

    Raises PriceFileError.
    """
    content = read_regular_file(path)
    if content.startswith(b"PAR1") and path.suffix != ".csv":
        from simulator.estimation.options.chain_parquet import read_parquet

        reading, unit = read_parquet(content), premium or "coin"
    else:
        reading, unit = read_csv(_text(content)), premium or "usd"
    chain = _chain(reading, path.name, hashlib.sha256(content).hexdigest(), unit)
    _check(chain, reading)
    reading.stop_if_wrong()
    return chain


def _text(content: bytes) -> str:
    for magic, name in MAGIC.items():
        if content.startswith(magic):
            raise PriceFileError([f"row 1: this is a {name} file, not text; unpack it to CSV"])
    if b"\0" in content[:65_536]:
        raise PriceFileError(["row 1: this is a binary file, not text; write CSV in UTF-8"])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        row = content.count(b"\n", 0, problem.start) + 1
        raise PriceFileError([f"row {row}: byte 0x{content[problem.start]:02x} is not UTF-8; save the file as UTF-8"]) from None


def _chain(reading: ChainReading, file: str, sha256: str, unit: str) -> Chain:
    def floats(name: str) -> np.ndarray:
        values = reading.columns.get(name)
        return np.full(len(reading.row), np.nan) if values is None else np.asarray(values, dtype=float)

    premia = {name: np.where(floats(name) == 0, np.nan, floats(name)) for name in ("bid", "ask", "mark")}
    currency = reading.columns.get("currency")
    return Chain(
        file,
        sha256,
        unit,
        np.asarray(reading.row, dtype=np.int64),
        np.asarray(reading.columns["timestamp"], dtype=np.int64),
        np.asarray(reading.columns["expiry"], dtype=np.int64),
        floats("strike"),
        np.asarray(reading.columns["type"], dtype=bool),
        premia["bid"],
        premia["ask"],
        premia["mark"],
        floats("forward"),
        floats("underlying"),
        floats("mark_volatility"),
        np.full(len(reading.row), "") if currency is None else np.asarray(currency, dtype=str),
    )


def _check(chain: Chain, reading: ChainReading) -> None:
    """What only several fields together show."""
    for i in np.flatnonzero(chain.bid > chain.ask):
        crossed = f"{chain.ask[i]:g} is below the bid, {chain.bid[i]:g}"
        reading.report(f"row {chain.row[i]}, column ask: {crossed}; the quote is crossed")
    for i in np.flatnonzero(chain.expiry <= chain.moment):
        late = f"{iso(chain.expiry[i])} is not after the timestamp, {iso(chain.moment[i])}"
        reading.report(f"row {chain.row[i]}, column expiry: {late}")
    _check_twice(chain, reading)
    if not reading.problems and len(chain):
        _check_unit(chain, reading)


def _check_twice(chain: Chain, reading: ChainReading) -> None:
    _, of_currency = np.unique(chain.currency, return_inverse=True)
    keys = (chain.is_call, chain.strike, chain.expiry, chain.moment, of_currency)
    order = np.lexsort(keys)
    same = np.logical_and.reduce([key[order][1:] == key[order][:-1] for key in keys])
    for j in np.flatnonzero(same):
        i, earlier = order[j + 1], order[j]
        kind = "call" if chain.is_call[i] else "put"
        reading.report(
            f"row {chain.row[i]}, column strike: the {kind} at {chain.strike[i]:g} expiring {iso(chain.expiry[i])} "
            f"is there twice, first in row {chain.row[earlier]}"
        )


def _check_unit(chain: Chain, reading: ChainReading) -> None:
    premia = np.fmax(np.fmax(chain.bid, chain.ask), chain.mark)
    if np.all(np.isnan(premia)):
        reading.report("no row has a premium: columns bid, ask and mark are blank or 0")
        return
    level = np.where(np.isnan(chain.forward), chain.underlying, chain.forward)
    level = np.where(np.isnan(level), chain.strike, level)
    out = np.where(chain.is_call, chain.strike >= level, chain.strike <= level) & ~np.isnan(premia)
    if not np.any(out):
        return
    highest, near = float(np.max(premia[out])), float(np.median(level))
    if chain.premium == "usd" and np.max(premia[out] / level[out]) < COIN_PREMIUM and near > 100:
        reading.report(f"no premium out of the money is above {highest:g} usd at prices near {near:g}; say --premium coin?")
    if chain.premium == "coin" and np.median(premia[out]) > 1:
        reading.report(f"half the premia out of the money are above {np.median(premia[out]):g} coin; say --premium usd?")
