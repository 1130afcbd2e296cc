"""The strict reader of price files: a `timestamp` column and one column an asset. Nothing is shifted, filled or guessed.

Rows are numbered as in a text editor: the header is row 1. Every problem is one line, `row N, column X: ...`, up to
`MOST_PROBLEMS` of them at once.
"""

from __future__ import annotations

import csv
import hashlib
import math
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

MOST_PROBLEMS = 20
LARGEST_FILE = 512 * 2**20  # [byte]
LONGEST_LINE = 4_096  # [character]
MOST_ROWS = 5_000_000
DECIMALS_ERROR = 1_000.0  # a price a thousand times the one before it is probably in other units
MAGIC = {b"\x1f\x8b": "gzip", b"PK\x03\x04": "zip", b"PAR1": "parquet", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bzip2", b"\xfd7zXZ": "xz"}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


class PriceFileError(ValueError):
    """A price file that cannot be used; `problems` holds one line for each reason."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(self.problems))


@dataclass(frozen=True)
class PriceTable:
    """Prices as read. Rows with a blank for a requested asset are left out: gaps show in `timestamps`."""

    assets: tuple[str, ...]
    timestamps: np.ndarray  # int64 [row], nanoseconds since 1970-01-01T00:00:00Z
    prices: np.ndarray  # float64 [row, asset] [usd]
    step: float  # [s] the commonest distance between rows of the file
    sha256: str
    warnings: tuple[str, ...]


@dataclass
class _Reading:
    """What has been found so far."""

    columns: dict[str, int]
    assets: tuple[str, ...]
    since: int | None
    until: int | None
    blanks: bool
    moments: list[int] = field(default_factory=list)  # [us] every row's
    kept: list[int] = field(default_factory=list)  # [us] of rows with all prices
    rows: list[int] = field(default_factory=list)  # their row numbers
    prices: list[list[float]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    unnamed: int = 0

    def report(self, problem: str) -> None:
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(problem)
        else:
            self.unnamed += 1

    def stop_if_wrong(self) -> None:
        if self.problems:
            more = [f"and {self.unnamed} more problems"] if self.unnamed else []
            raise PriceFileError(self.problems + more)


def read_prices(
    path: Path,
    assets: Sequence[str] | None = None,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    blanks: bool = False,
    max_gap: float | None = None,
) -> PriceTable:
    """Read columns `assets` (default: all) of the rows from `since` to `until`, both included.

    `blanks`: a row without a price for a requested asset is a gap (a warning) instead of an error. `max_gap` [s]: a longer
    stretch between rows that have all prices is an error; None only warns. Raises PriceFileError.
    """
    content = read_regular_file(path)
    lines = _text(content).replace("\r\n", "\n").split("\n")
    if not lines or not lines[0].strip():
        raise PriceFileError(["row 1: the file is empty; the first row must name the columns: timestamp,BTC,ETH"])
    columns = _header(lines[0])
    wanted = tuple(assets) if assets is not None else tuple(name for name in columns if name != "timestamp")
    missing = [f"row 1: there is no column {name}; there are {', '.join(columns)}" for name in wanted if name not in columns]
    if missing:
        raise PriceFileError(missing)
    reading = _Reading(columns, wanted, _microseconds(since), _microseconds(until), blanks)
    _read_rows(lines, reading)
    reading.stop_if_wrong()
    if not reading.moments:
        raise PriceFileError(["row 2: the file has a header and no rows"])
    if len(reading.kept) < 2:
        window = f" from {since.isoformat() if since else 'its start'} to {until.isoformat() if until else 'its end'}"
        raise PriceFileError([f"the file has {len(reading.kept)} rows with prices of {', '.join(wanted)}{window}; needs at least 2"])
    return _table(reading, max_gap, hashlib.sha256(content).hexdigest())


def file_inside(folder: Path, name: str) -> Path:
    """The path of `name` inside `folder`. Raises ValueError for anything that leads out of it or is no regular file."""
    if "://" in name:
        raise ValueError(f"{name[:80]!r} is an address; a price file must be inside the scenario's folder")
    if not name or "\0" in name or "\\" in name or Path(name).is_absolute() or ".." in Path(name).parts:
        raise ValueError(f"{name[:80]!r} must be inside the scenario's folder; write a path relative to it, without `..`")
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"{name[:80]!r} leads out of the scenario's folder through a link; a price file must be inside it")
    if not path.exists():
        raise ValueError(f"there is no file {name[:80]!r} in the scenario's folder")
    if not path.is_file():
        raise ValueError(f"{name[:80]!r} is not a regular file; a price file must be inside the scenario's folder")
    return path


def read_regular_file(path: Path) -> bytes:
    """The bytes of a regular file of at most `LARGEST_FILE`. Raises PriceFileError."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise PriceFileError([f"{path.name} is not a regular file"])
        if status.st_size > LARGEST_FILE:
            raise PriceFileError([f"the file has {status.st_size:,} bytes; at most {LARGEST_FILE:,} are read"])
        return path.read_bytes()
    except OSError as problem:
        raise PriceFileError([f"{path.name} cannot be read: {problem.strerror}"]) from None


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


def _header(line: str) -> dict[str, int]:
    if ";" in line or "\t" in line:
        mark = "semicolons" if ";" in line else "tabs"
        raise PriceFileError([f"row 1: columns are separated by {mark}; separate them by commas and write decimals with a point"])
    names = [name.strip() for name in _fields(line)]
    problems = []
    for place, name in enumerate(names):
        if not name:
            problems.append(f"row 1, column {place + 1}: has no name")
        elif name in names[:place]:
            problems.append(f"row 1, column {name}: is there twice")
        elif any(ord(sign) < 32 or not sign.isprintable() for sign in name) or len(name) > 64:
            problems.append(f"row 1, column {place + 1}: {name[:64]!r} is no name of an asset")
    if "timestamp" not in names:
        first = f"; is the first column, {names[0][:40]!r}, the timestamp?" if names[0] else ""
        problems.append(f"row 1: there is no column timestamp{first}")
    elif len(names) < 2:
        problems.append("row 1: there is no column of prices beside timestamp")
    if problems:
        raise PriceFileError(problems[:MOST_PROBLEMS])
    return {name: place for place, name in enumerate(names)}


def _fields(line: str) -> list[str]:
    return next(csv.reader([line])) if '"' in line else line.split(",")


def _read_rows(lines: list[str], reading: _Reading) -> None:
    if len(lines) - 1 > MOST_ROWS:
        reading.report(f"the file has {len(lines) - 1:,} rows; at most {MOST_ROWS:,} are read")
        return
    width, when = len(reading.columns), reading.columns["timestamp"]
    places = [reading.columns[name] for name in reading.assets]
    last = len(lines)
    while last > 1 and not lines[last - 1]:
        last -= 1
    for row in range(2, last + 1):
        line = lines[row - 1]
        if len(line) > LONGEST_LINE:
            reading.report(f"row {row}: has {len(line):,} characters; at most {LONGEST_LINE:,} are read")
            continue
        fields = _fields(line)
        if len(fields) != width:
            _report_width(reading, row, len(fields), width)
            continue
        moment = _moment(fields[when], row, reading)
        if moment is not None:
            _read_prices(fields, places, row, moment, reading)


def _report_width(reading: _Reading, row: int, found: int, width: int) -> None:
    if found == 1:
        reading.report(f"row {row}: is blank or has one field; the header names {width}")
    else:
        hint = "; a decimal comma? write decimals with a point" if found > width else ""
        reading.report(f"row {row}: has {found} fields, the header names {width}{hint}")


def _moment(text: str, row: int, reading: _Reading) -> int | None:
    """Microseconds since the epoch, or None with a problem reported."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        reading.report(f"row {row}, column timestamp: {_why_no_moment(text)}")
        return None
    if moment.tzinfo is None:
        epoch = text.isdigit()
        reading.report(f"row {row}, column timestamp: {_why_no_moment(text) if epoch else f'{text} has no offset; write Z'}")
        return None
    microseconds = (moment - EPOCH) // MICROSECOND
    if reading.moments and microseconds <= reading.moments[-1]:
        wrong = "is there twice" if microseconds == reading.moments[-1] else "is earlier than the row before it"
        reading.report(f"row {row}, column timestamp: {text} {wrong}; rows must go forward in time")
        return None
    reading.moments.append(microseconds)
    return microseconds


def _why_no_moment(text: str) -> str:
    if not text.strip():
        return "is blank; write a moment such as 2021-01-01T00:00:00Z"
    if text.strip().lstrip("-").replace(".", "", 1).isdigit():
        return f"{text[:40]} is a number of seconds or milliseconds; write a moment such as 2021-01-01T00:00:00Z"
    return f"{text[:40]!r} is no moment; write it as 2021-01-01T00:00:00Z"


def _read_prices(fields: list[str], places: list[int], row: int, moment: int, reading: _Reading) -> None:
    inside = (reading.since is None or moment >= reading.since) and (reading.until is None or moment <= reading.until)
    prices = []
    for place in places:
        text = fields[place]
        if not text.strip():
            if inside and not reading.blanks:
                reading.report(f"row {row}, column {_name(reading, place)}: is blank; allow blanks, or leave the asset out")
            continue
        price = _price(text)
        if price is None:
            reading.report(f"row {row}, column {_name(reading, place)}: {_why_no_price(text)}")
        else:
            prices.append(price)
    if inside and len(prices) == len(places):
        reading.kept.append(moment)
        reading.rows.append(row)
        reading.prices.append(prices)


def _name(reading: _Reading, place: int) -> str:
    return next(name for name, at in reading.columns.items() if at == place)


def _price(text: str) -> float | None:
    """A positive finite number in plain decimal or exponent notation, else None."""
    try:
        price = float(text)
    except ValueError:
        return None
    return price if 0.0 < price < math.inf and "_" not in text and text.isascii() else None


def _why_no_price(text: str) -> str:
    shown = repr(text[:40])
    try:
        price = float(text.replace("_", "x"))
    except ValueError:
        if text.replace(",", ".", 1).replace(".", "", 1).strip().isdigit():
            return f"{shown} has a decimal comma; write {text.replace(',', '.')}"
        return f"{shown} is no number"
    if math.isnan(price) or math.isinf(price):
        return f"{shown} is not a finite price"
    return f"{text[:40]} is not a positive price" if price <= 0 else f"{shown} is no number"


def _table(reading: _Reading, max_gap: float | None, sha256: str) -> PriceTable:
    import numpy as np

    moments, kept, prices = np.array(reading.moments), np.array(reading.kept), np.array(reading.prices)
    distances, counts = np.unique(np.diff(moments), return_counts=True)
    step = float(distances[np.argmax(counts)]) / 1e6
    warnings = _gaps(reading, np.diff(kept) / 1e6, step, max_gap)
    reading.stop_if_wrong()
    warnings += _suspicions(reading, prices)
    return PriceTable(reading.assets, kept * 1_000, prices, step, sha256, tuple(warnings))


def _gaps(reading: _Reading, distances: np.ndarray, step: float, max_gap: float | None) -> list[str]:
    """Warnings of gaps; problems of gaps above `max_gap` go to `reading`."""
    import numpy as np

    gaps = np.flatnonzero(distances > 1.5 * step)
    for i in gaps:
        if max_gap is not None and distances[i] > max_gap:
            reading.report(
                f"row {reading.rows[i]}: the next row with prices of {', '.join(reading.assets)} comes after "
                f"{distances[i] / 3600:g} h; max_gap is {max_gap / 3600:g} h"
            )
    if not len(gaps):
        return []
    longest = gaps[np.argmax(distances[gaps])]
    return [
        f"{len(gaps)} gaps in the prices of {', '.join(reading.assets)}, the longest {distances[longest] / 3600:g} h "
        f"after row {reading.rows[longest]}; no price is made up for them"
    ]


def _suspicions(reading: _Reading, prices: np.ndarray) -> list[str]:
    import numpy as np

    found = []
    for a, name in enumerate(reading.assets):
        ratio = prices[1:, a] / prices[:-1, a]
        if prices[:, a].min() == prices[:, a].max():
            found.append(f"column {name}: the price never changes")
        for i in np.flatnonzero((ratio >= DECIMALS_ERROR) | (ratio <= 1 / DECIMALS_ERROR))[:3]:
            found.append(
                f"row {reading.rows[i + 1]}, column {name}: {prices[i, a]:g} becomes {prices[i + 1, a]:g}; a decimals error?"
            )
    return found


def _microseconds(moment: datetime | None) -> int | None:
    return None if moment is None else (moment - EPOCH) // MICROSECOND
