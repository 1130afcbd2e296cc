"""The rows of a price file, one at a time: its header, moments and prices, and a line for everything that is wrong."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

MOST_PROBLEMS = 20
LONGEST_LINE = 4_096  # [character]
MOST_ROWS = 5_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


class PriceFileError(ValueError):
    """A price file that cannot be used; `problems` holds one line for each reason."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = list(problems)
        super().__init__(self.problems)  # what unpickling in another process calls the class with

    def __str__(self) -> str:
        return "\n".join(self.problems)


@dataclass
class Reading:
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


def microseconds(moment: datetime | None) -> int | None:
    return None if moment is None else (moment - EPOCH) // MICROSECOND


def header(line: str) -> dict[str, int]:
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


def read_rows(lines: list[str], reading: Reading) -> None:
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


def _report_width(reading: Reading, row: int, found: int, width: int) -> None:
    if found == 1:
        reading.report(f"row {row}: is blank or has one field; the header names {width}")
    else:
        hint = "; a decimal comma? write decimals with a point" if found > width else ""
        reading.report(f"row {row}: has {found} fields, the header names {width}{hint}")


def _moment(text: str, row: int, reading: Reading) -> int | None:
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


def _read_prices(fields: list[str], places: list[int], row: int, moment: int, reading: Reading) -> None:
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


def _name(reading: Reading, place: int) -> str:
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
