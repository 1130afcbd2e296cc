"""A CSV of real accounts, one row each: read once, strictly, every problem at once."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterator
from pathlib import Path

from simulator.wording import quoted

MOST_BYTES = 64 * 2**20
MOST_PROBLEMS = 20

Rule = tuple[Callable[[float], bool], str]
RULES: dict[str, Rule] = {
    "wealth": (lambda x: x > 0, "a number above 0 [usd]"),
    "leverage": (lambda x: 0 < x <= 1000, "a number above 0, at most 1000"),
    "side": (lambda x: x in (-1.0, 0.0, 1.0), "1 (long), -1 (short) or 0 (flat)"),
    "use": (lambda x: 0 <= x <= 1, "a share of the borrowing power, 0 to 1"),
}


class AccountsFileError(ValueError):
    """What is wrong with a file of accounts: `problems`, one line each, as in `row 3: wealth: ...`."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems

    def __reduce__(self) -> tuple[object, ...]:
        return AccountsFileError, (self.problems,)


def read_accounts(path: Path, columns: tuple[str, ...]) -> list[tuple[float, ...]]:
    """The rows of a CSV with exactly `columns`, in this order. Raises AccountsFileError; rows count from the header, row 1."""
    if path.stat().st_size > MOST_BYTES:
        raise AccountsFileError([f"has {path.stat().st_size:,} bytes; a file of accounts has at most {MOST_BYTES:,}"])
    problems: list[str] = []
    rows: list[tuple[float, ...]] = []
    for number, cells in _cells(path, columns):
        row = _row(number, cells, columns, problems)
        if len(problems) >= MOST_PROBLEMS:
            break
        rows.append(row)
    if problems:
        raise AccountsFileError(problems)
    if not rows:
        raise AccountsFileError(["holds no account; at least one row below the header is needed"])
    return rows


def _cells(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, list[str]]]:
    with open(path, newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file, strict=True)
        try:
            header = [name.strip() for name in next(reader, [])]
            if tuple(header) != columns:
                raise AccountsFileError([f"row 1: expected the header {','.join(columns)}, but got {quoted(','.join(header))}"])
            for cells in reader:
                yield reader.line_num, cells
        except UnicodeDecodeError:
            raise AccountsFileError(["is not UTF-8 text; save it as CSV in UTF-8"]) from None
        except csv.Error as problem:
            raise AccountsFileError([f"row {reader.line_num}: is not CSV ({problem})"]) from None


def _row(number: int, cells: list[str], columns: tuple[str, ...], problems: list[str]) -> tuple[float, ...]:
    """The numbers of one account; what is wrong goes to `problems`."""
    if len(cells) != len(columns):
        problems.append(f"row {number}: has {len(cells)} fields, but the header has {len(columns)}")
        return ()
    values = []
    for column, cell in zip(columns, cells, strict=True):
        is_allowed, rule = RULES[column]
        value = _number(cell)
        if not (math.isfinite(value) and is_allowed(value)):
            problems.append(f"row {number}: {column}: expected {rule}, but got {quoted(cell)}")
        values.append(value)
    return tuple(values)


def _number(cell: str) -> float:
    try:
        return float(cell) if "_" not in cell else math.nan
    except ValueError:
        return math.nan
