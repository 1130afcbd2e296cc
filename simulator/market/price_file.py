"""The strict reader of price files: a `timestamp` column and one column an asset. Nothing is shifted, filled or guessed.

Rows are numbered as in a text editor: the header is row 1. Every problem is one line, `row N, column X: ...`, up to
`MOST_PROBLEMS` of them at once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from simulator.market.confined_file import file_inside, read_regular_file
from simulator.market.price_rows import MOST_PROBLEMS, PriceFileError, Reading, header, microseconds, read_rows

if TYPE_CHECKING:
    import numpy as np

__all__ = ["MOST_PROBLEMS", "PriceFileError", "PriceTable", "file_inside", "read_prices"]

DECIMALS_ERROR = 1_000.0  # a price a thousand times the one before it is probably in other units
MAGIC = {
    b"\x1f\x8b": "gzip",
    b"PK\x03\x04": "zip",
    b"PAR1": "parquet",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
}


@dataclass(frozen=True, eq=False)
class PriceTable:
    """Prices as read. Rows with a blank for a requested asset are left out: gaps show in `timestamps`."""

    assets: tuple[str, ...]
    timestamps: np.ndarray  # int64 [row], nanoseconds since 1970-01-01T00:00:00Z
    prices: np.ndarray  # float64 [row, asset] [usd]
    step: float  # [s] the commonest distance between rows of the file
    sha256: str
    warnings: tuple[str, ...]


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
    columns = header(lines[0])
    wanted = tuple(assets) if assets is not None else tuple(name for name in columns if name != "timestamp")
    missing = [f"row 1: there is no column {name}; there are {', '.join(columns)}" for name in wanted if name not in columns]
    if missing:
        raise PriceFileError(missing)
    reading = Reading(columns, wanted, microseconds(since), microseconds(until), blanks)
    read_rows(lines, reading)
    reading.stop_if_wrong()
    if not reading.moments:
        raise PriceFileError(["row 2: the file has a header and no rows"])
    if len(reading.kept) < 2:
        window = f" from {since.isoformat() if since else 'its start'} to {until.isoformat() if until else 'its end'}"
        raise PriceFileError(
            [f"the file has {len(reading.kept)} rows with prices of {', '.join(wanted)}{window}; needs at least 2"]
        )
    return _table(reading, max_gap, hashlib.sha256(content).hexdigest())


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


def _table(reading: Reading, max_gap: float | None, sha256: str) -> PriceTable:
    import numpy as np

    moments, kept, prices = np.array(reading.moments), np.array(reading.kept), np.array(reading.prices)
    distances, counts = np.unique(np.diff(moments), return_counts=True)
    step = float(distances[np.argmax(counts)]) / 1e6
    warnings = _gaps(reading, np.diff(kept) / 1e6, step, max_gap)
    reading.stop_if_wrong()
    warnings += _suspicions(reading, prices)
    return PriceTable(reading.assets, kept * 1_000, prices, step, sha256, tuple(warnings))


def _gaps(reading: Reading, distances: np.ndarray, step: float, max_gap: float | None) -> list[str]:
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


def _suspicions(reading: Reading, prices: np.ndarray) -> list[str]:
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
