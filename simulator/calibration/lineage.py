"""How often a question was put to fresh paths: the j-th look in one lineage must pass at alpha 2^-j.

A lineage is the same protocol, data and appetite. The count is kept beside the results folders, so that a new folder is
no way around it. Repeating a recorded look (same scenario, seed included, and version) is reproduction and not a new look.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulator.calibration.record import decode, encode

FILE = "lineage.jsonl"


class LookTaken(ValueError):
    """The look that was asked for has been spent by another scenario of the same lineage."""

    exit_code = 2


@dataclass(frozen=True)
class Lineage:
    """The looks at one question, kept in the folder `results`."""

    results: Path
    lineage: str
    scenario: str
    version: str

    def next_look(self) -> int:
        """The number, from 1, of the look that this scenario would take; its old one if it has taken one. Writes nothing."""
        path = self.results / FILE
        looks = list(self._mine(path.read_bytes() if path.exists() else b""))
        return next((look["look"] for look in looks if self._is_ours(look)), _greatest(looks) + 1)

    def spend(self, number: int) -> None:
        """Record that look `number` is taken, before fresh paths are seen. Raises LookTaken, OSError."""
        self.results.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.results / FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        with open(handle, "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            content = file.read()
            same = [look for look in self._mine(content) if look["look"] == number]
            if any(self._is_ours(look) for look in same):
                return
            if same:
                raise LookTaken(
                    f"{self.results / FILE}: look {number} at this protocol, data and appetite was spent by another scenario; "
                    "start again in a new folder to take the next one"
                )
            line = encode({"lineage": self.lineage, "scenario": self.scenario, "version": self.version, "look": number})
            torn = bool(content) and not content.endswith(b"\n")
            file.write(b"\n" * torn + line)
            file.flush()
            os.fsync(file.fileno())

    def _is_ours(self, look: dict[str, Any]) -> bool:
        return bool(look["scenario"] == self.scenario and look["version"] == self.version)

    def _mine(self, content: bytes) -> Iterator[dict[str, Any]]:
        """The looks of this lineage; a line that cannot be read counts as one more, which errs to the safe side."""
        found: list[dict[str, Any]] = []
        for raw in content.splitlines(keepends=True):
            line = decode(raw)
            if line is None and raw.strip():
                line = {"lineage": self.lineage, "scenario": "", "version": "", "look": _greatest(found) + 1}
            if line is not None and line["lineage"] == self.lineage:
                found.append(line)
        yield from found


def _greatest(looks: list[dict[str, Any]]) -> int:
    return max((int(look["look"]) for look in looks), default=0)
