"""Files that are whole or not there: a temporary name, flushed to disk, renamed; the manifest last."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def write_file(path: Path, content: bytes) -> None:
    """Write `content` under `path`: after a crash the old file is there or the new one, never a part. Raises OSError."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)  # a full disk does not say which file
        raise
    flush_folder(path.parent)


def flush_folder(folder: Path) -> None:
    """Make the names in `folder` durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def to_json(content: Any) -> bytes:
    """Deterministic JSON: sorted keys, shortest exact floats, one trailing newline. Raises ValueError for NaN and infinity."""
    return (json.dumps(content, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def write_manifest(folder: Path, names: list[str], about: Mapping[str, Any]) -> None:
    """Write manifest.json, always last: the SHA-256 of every named file, and `about` (scenario hash, seed, versions)."""
    files = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in sorted(names)}
    write_file(folder / "manifest.json", to_json({**about, "files": files}))
