"""Who is there at load: one line an account, the same on every path, from a distribution or from a file of accounts."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from simulator.agents.lending import Borrowers, Suppliers
from simulator.agents.perp_traders import PerpTraders
from simulator.kernel import normal, stream, uniform_pair


class PopulationFileError(ValueError):
    """What is wrong with a file of accounts: `problems`, one line each."""

    def __init__(self, problems: list[str]):
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class Population:
    """Traits of one cohort's accounts, arrays [account of the cohort]."""

    wealth: np.ndarray  # [usd]
    appetite: np.ndarray  # leverage, or share of the borrowing power; 1 for suppliers
    side: np.ndarray  # +1 long, -1 short, 0 flat at load; 1 for borrowers with a loan and for suppliers

    def __len__(self) -> int:
        return len(self.wealth)


def make_population(cohort: PerpTraders | Borrowers | Suppliers, seed: int, folder: Path | None = None) -> Population:
    """The accounts of `cohort`: drawn under `seed` (account j's draws depend on j alone), or read from its file in `folder`.

    Raises PopulationFileError with one line per problem of the file.
    """
    if isinstance(cohort, Suppliers):
        return _drawn(cohort, seed, cohort.wealth, None, 1.0, 1.0)
    if cohort.file is not None:
        return _read(cohort, (folder or Path()) / cohort.file)
    assert cohort.wealth is not None
    if isinstance(cohort, PerpTraders):
        return _drawn(cohort, seed, cohort.wealth, cohort.leverage, cohort.open_share, cohort.long_share)
    return _drawn(cohort, seed, cohort.wealth, cohort.use, cohort.open_share, 1.0)


def _drawn(cohort, seed, wealth, span, open_share, long_share) -> Population:
    key = stream(seed, "population", cohort.name)
    n = cohort.accounts
    first = [uniform_pair(key, 0, j, 0, 0) for j in range(n)]
    second = [uniform_pair(key, 0, j, 0, 1) for j in range(n)]
    low, high = (span.low, span.high) if span else (1.0, 1.0)
    appetite = [low * (high / low) ** u for _, u in first]
    worth = [wealth.median * math.exp(wealth.sigma * normal(u)) for u, _ in first]
    side = [0.0 if u >= open_share else (1.0 if v < long_share else -1.0) for u, v in second]
    return Population(np.array(worth), np.array(appetite), np.array(side))


def _read(cohort, path: Path) -> Population:
    trading = isinstance(cohort, PerpTraders)
    columns = ("wealth", "leverage", "side") if trading else ("wealth", "use")
    problems: list[str] = []
    rows: list[list[float]] = []
    with open(path, newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file)
        header = next(reader, [])
        if tuple(name.strip() for name in header) != columns:
            raise PopulationFileError([f"{path.name}: header: expected {','.join(columns)}; got {','.join(header)[:80]}"])
        for number, cells in enumerate(reader, start=2):
            row = _row(path.name, number, cells, columns, trading, problems)
            rows.append(row)
            if len(problems) >= 20:
                break
    if not rows and not problems:
        problems.append(f"{path.name}: holds no account; needs at least one row below the header")
    if problems:
        raise PopulationFileError(problems)
    table = np.array(rows)
    if trading:
        return Population(table[:, 0].copy(), table[:, 1].copy(), table[:, 2].copy())
    return Population(table[:, 0].copy(), np.maximum(table[:, 1], 1e-9), (table[:, 1] > 0).astype(float))


def _row(name: str, number: int, cells: list[str], columns, trading: bool, problems: list[str]) -> list[float]:
    """One account, or a line in `problems`."""
    if len(cells) != len(columns):
        problems.append(f"{name}: row {number}: has {len(cells)} fields; the header has {len(columns)}")
        return [1.0] * len(columns)
    values = []
    for column, cell in zip(columns, cells, strict=True):
        try:
            value = float(cell)
        except ValueError:
            value = math.nan
        allowed = {
            "wealth": math.isfinite(value) and value > 0,
            "leverage": math.isfinite(value) and 0 < value <= 1000,
            "side": value in (-1.0, 0.0, 1.0),
            "use": math.isfinite(value) and 0 <= value <= 1,
        }[column]
        if not allowed:
            rule = {
                "wealth": "a number above 0",
                "leverage": "above 0, at most 1000",
                "side": "1, -1 or 0",
                "use": "between 0 and 1",
            }
            problems.append(f"{name}: row {number}: {column}: got {cell[:40]!r}; expected {rule[column]}")
        values.append(value)
    return values
