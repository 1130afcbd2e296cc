"""The rows of an option chain in CSV, one at a time, and a line for everything that is wrong."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from simulator.market.price_rows import EPOCH, LONGEST_LINE, MICROSECOND, MOST_PROBLEMS, MOST_ROWS, PriceFileError
from simulator.wording import did_you_mean, quoted

REQUIRED = ("timestamp", "expiry", "strike", "type")
PREMIA = ("bid", "ask", "mark")
LEVELS = ("forward", "underlying", "mark_volatility")
KNOWN = (*REQUIRED, *PREMIA, *LEVELS, "currency")
TYPES = {"call": True, "put": False, "c": True, "p": False}
LARGEST = 1e12


@dataclass
class ChainReading:
    """What has been found so far: columns by name, the rows they stand in, and problems."""

    columns: dict[str, Any] = field(default_factory=dict)
    row: Any = field(default_factory=list)
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


def read_csv(text: str) -> ChainReading:
    """Every row of the text. Raises PriceFileError."""
    lines = text.replace("\r\n", "\n").split("\n")
    if not lines[0].strip():
        raise PriceFileError(
            ["row 1: the file is empty; the first row must name the columns: timestamp,expiry,strike,type,bid,ask"]
        )
    names = _header(lines[0])
    last = len(lines)
    while last > 1 and not lines[last - 1]:
        last -= 1
    if last - 1 > MOST_ROWS:
        raise PriceFileError([f"the file has {last - 1:,} rows; at most {MOST_ROWS:,} are read"])
    if last < 2:
        raise PriceFileError(["row 2: the file has a header and no rows"])
    reading = ChainReading({name: [] for name in names})
    for row in range(2, last + 1):
        _read_row(lines[row - 1], row, names, reading)
    reading.stop_if_wrong()
    return reading


def _header(line: str) -> list[str]:
    if ";" in line or "\t" in line:
        mark = "semicolons" if ";" in line else "tabs"
        raise PriceFileError([f"row 1: columns are separated by {mark}; separate them by commas and write decimals with a point"])
    names = [name.strip() for name in _fields(line)]
    problems = []
    for place, name in enumerate(names):
        if not name:
            problems.append(f"row 1, column {place + 1}: has no name")
        elif name in names[:place]:
            problems.append(f"row 1, column {quoted(name)[1:-1]}: is there twice")
        elif name not in KNOWN:
            problems.append(f"row 1, column {place + 1}: unknown column {quoted(name)}; {did_you_mean(name, KNOWN)}")
    problems += [
        f"row 1: there is no column {name}; there must be {', '.join(REQUIRED)}" for name in REQUIRED if name not in names
    ]
    if "mark" not in names and not {"bid", "ask"} <= set(names):
        problems.append("row 1: there is no premium; there must be bid and ask, or mark")
    if problems:
        raise PriceFileError(problems[:MOST_PROBLEMS])
    return names


def _fields(line: str) -> list[str]:
    return next(csv.reader([line])) if '"' in line else line.split(",")


def _read_row(line: str, row: int, names: list[str], reading: ChainReading) -> None:
    if len(line) > LONGEST_LINE:
        reading.report(f"row {row}: has {len(line):,} characters; at most {LONGEST_LINE:,} are read")
        return
    fields = _fields(line)
    if len(fields) != len(names):
        if len(fields) == 1:
            reading.report(f"row {row}: is blank or has one field; the header names {len(names)}")
        else:
            hint = "; a decimal comma? write decimals with a point" if len(fields) > len(names) else ""
            reading.report(f"row {row}: has {len(fields)} fields, the header names {len(names)}{hint}")
        return
    values = [_value(name, text.strip(), row, reading) for name, text in zip(names, fields, strict=True)]
    if None not in values:
        reading.row.append(row)
        for name, value in zip(names, values, strict=True):
            reading.columns[name].append(value)


def _value(name: str, text: str, row: int, reading: ChainReading) -> Any:
    """The value of one field, or None with a problem reported."""
    place = f"row {row}, column {name}"
    if name in ("timestamp", "expiry"):
        return _moment(text, place, reading)
    if name == "currency":
        if text and len(text) <= 32 and text.isprintable():
            return text
        reading.report(f"{place}: {quoted(text)} is no currency; write BTC" if text else f"{place}: is blank; write BTC")
        return None
    if name == "type":
        if text.lower() not in TYPES:
            reading.report(f"{place}: {quoted(text)} is no type of option; write call or put")
        return TYPES.get(text.lower())
    if not text and name != "strike":
        return math.nan
    return _number(name, text, place, reading)


def _moment(text: str, place: str, reading: ChainReading) -> int | None:
    if not text:
        reading.report(f"{place}: is blank; write a moment such as 2026-01-30T08:00:00Z")
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        is_number = text.lstrip("-").replace(".", "", 1).isdigit()
        what = f"{text[:40]} is a number of seconds or milliseconds" if is_number else f"{quoted(text)} is no moment"
        reading.report(f"{place}: {what}; write it as 2026-01-30T08:00:00Z")
        return None
    if moment.tzinfo is None:
        reading.report(f"{place}: {quoted(text)[1:-1]} has no offset; write {moment.isoformat()}Z")
        return None
    return (moment - EPOCH) // MICROSECOND


def _number(name: str, text: str, place: str, reading: ChainReading) -> float | None:
    try:
        value = float(text) if "_" not in text and text.isascii() else math.nan
        readable = "_" not in text and text.isascii()
    except ValueError:
        value, readable = math.nan, False
    problem = _why_no_number(name, text, value, readable)
    if problem:
        reading.report(f"{place}: {problem}")
        return None
    return value


def _why_no_number(name: str, text: str, value: float, readable: bool) -> str:
    if not readable:
        if text.replace(",", ".", 1).replace(".", "", 1).isdigit():
            return f"{quoted(text)} has a decimal comma; write {text.replace(',', '.')}"
        return "is blank; write a number of usd" if not text else f"{quoted(text)} is no number"
    return why_no_value(name, value)


def why_no_value(name: str, value: float) -> str:
    """What is wrong with a number in a column, "" if nothing: premia may be zero (no quote), everything else is above 0."""
    if not math.isfinite(value):
        return f"{value} is not a finite number"
    if value < 0 or (value == 0 and name not in PREMIA):
        return f"{value:g} must be {'0 or more' if name in PREMIA else 'above 0'}"
    if value > LARGEST:
        return f"{value:g} is above {LARGEST:g}; a decimals error?"
    if name == "mark_volatility" and value > 20:
        return f"{value:g} is a volatility of {100 * value:g} %; write 0.8 for 80 percent"
    return ""
