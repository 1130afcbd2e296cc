"""Files that a scenario names: plain files inside its own folder, nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from simulator.market.price_file import file_inside
from simulator.parameters import Part
from simulator.scenario.draft import Draft
from simulator.scenario.problems import Place, Problem

RESERVED = ("scenario.toml", "run.json", "manifest.json", "checks.json", "log.jsonl", "lock")  # of a result folder


def unreachable_files(draft: Draft) -> Iterator[Problem]:
    """Every file named by a section that may not or cannot be read."""
    for place, name in named_files(draft):
        try:
            reachable(draft.folder, name)
        except ValueError as problem:
            yield Problem(place, str(problem))


def reachable(folder: Path, name: str) -> Path:
    """The file `name` in `folder`. Raises ValueError for what is no plain file inside it, or named like a result's."""
    if name in RESERVED:
        raise ValueError(f"{name!r} is the name of a file of a result folder; rename it")
    try:
        return file_inside(folder, name)
    except (OSError, RuntimeError) as problem:  # a name too long, a loop of links
        reason = getattr(problem, "strerror", None) or "a loop of links"
        raise ValueError(f"{name[:80]!r} cannot be read ({reason}); it must be inside the scenario's folder") from None


def named_files(draft: Draft) -> Iterator[tuple[Place, str]]:
    """(place, name) of every file that a section names: all keys called `file`."""
    if draft.market is not None:
        yield from _files(draft.market, ("market",))
    for i, cohort in draft.cohorts.items():
        yield from _files(cohort, ("cohorts", i))
    for i, regime in draft.regimes.items():
        yield from _files(regime, ("regime", i))
    if draft.backtest is not None:
        yield from _files(draft.backtest, ("backtest",))


def _files(part: Part, place: Place) -> Iterator[tuple[Place, str]]:
    for key, value in part:
        if key == "file" and isinstance(value, str):
            yield (*place, key), value
        elif isinstance(value, Part):
            yield from _files(value, (*place, key))


def file_hash(path: Path) -> str:
    """SHA-256 of a file, read in pieces."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
