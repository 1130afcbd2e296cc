"""The record of trials: an append-only log that survives kill -9, torn writes and flipped bits.

One line is `crc32 json\\n`, flushed to disk before the evaluation counts. On opening, everything from the first line that
does not check is cut off and computed again. The first line is the header: the scenario's hash and the version, and no
other scenario or version may continue the log. One process at a time holds the folder's lock; the kernel frees it when
that process dies.
"""

from __future__ import annotations

import fcntl
import json
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any

FORMAT = 1


class ResultsBusy(RuntimeError):
    """Another process works in this results folder."""

    exit_code = 3


class RecordMismatch(ValueError):
    """The record was begun by another scenario or version."""

    exit_code = 2


class Record:
    """The log of one calibration in `folder`. Use as a context: the lock is held until its end.

    Raises ResultsBusy if another process holds the folder, RecordMismatch if the log belongs to another scenario or (unless
    `allow_version_change`) another version, OSError if the folder cannot be written.
    """

    def __init__(self, folder: Path, scenario_hash: str, version: str, *, allow_version_change: bool = False) -> None:
        self.path = folder / "log.jsonl"
        self.version_changed = False
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = lock(folder / "lock")
        try:
            self.lines = list(self._recovered())
            self._check_header(scenario_hash, version, allow_version_change)
            self._file: IO[bytes] = open(self.path, "ab", buffering=0)  # noqa: SIM115 - closed in `close`
            if not self.lines:
                self.append({"kind": "header", "format": FORMAT, "scenario": scenario_hash, "version": version})
            elif self.version_changed:
                self.append({"kind": "version", "version": version})
        except BaseException:
            os.close(self._lock)
            raise

    def append(self, line: dict[str, Any]) -> None:
        """Add one line; when this returns, it is on disk."""
        content = encode(line)
        written = self._file.write(content)
        if written != len(content):
            raise OSError(f"{self.path}: only {written} of {len(content)} bytes could be written; is the disk full?")
        os.fsync(self._file.fileno())
        self.lines.append(line)

    def close(self) -> None:
        """Close the log and free the folder."""
        self._file.close()
        os.close(self._lock)

    def __enter__(self) -> Record:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _recovered(self) -> Iterator[dict[str, Any]]:
        """The good lines from the start; the file is cut after the last of them."""
        good = 0
        content = self.path.read_bytes() if self.path.exists() else b""
        for raw in content.splitlines(keepends=True):
            line = decode(raw)
            if line is None:
                break
            good += len(raw)
            yield line
        if good < len(content):
            os.truncate(self.path, good)

    def _check_header(self, scenario_hash: str, version: str, allow_version_change: bool) -> None:
        if not self.lines:
            return
        header = self.lines[0]
        if header.get("scenario") != scenario_hash or header.get("format") != FORMAT:
            raise RecordMismatch(
                f"{self.path.parent}: the scenario changed since this calibration began (hash {str(header.get('scenario'))[:12]} "
                f"then, {scenario_hash[:12]} now); restore it, or start in a new folder"
            )
        then = [line["version"] for line in self.lines if line["kind"] in ("header", "version")][-1]
        self.version_changed = then != version
        if self.version_changed and not allow_version_change:
            raise RecordMismatch(
                f"{self.path.parent}: begun by version {then}, this is {version}; use that version, `simulator resume "
                "--allow-version-change`, or start in a new folder"
            )


def lock(path: Path) -> int:
    """An exclusive lock on `path`, as a file descriptor to close. Raises ResultsBusy at once if another process has it."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise ResultsBusy(f"{path.parent}: another process works in this results folder; wait for it or name another") from None
    return handle


def encode(line: dict[str, Any]) -> bytes:
    """`crc32 json\\n`. Floats are written so that reading gives the same bits, NaN and infinities included."""
    text = json.dumps(line, sort_keys=True, separators=(",", ":")).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def decode(raw: bytes) -> dict[str, Any] | None:
    """The line, or None if it is torn or changed."""
    if len(raw) < 11 or raw[8:9] != b" " or not raw.endswith(b"\n"):
        return None
    text = raw[9:-1]
    if raw[:8] != b"%08x" % zlib.crc32(text):
        return None
    found = json.loads(text)
    return found if isinstance(found, dict) else None
