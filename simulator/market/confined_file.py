"""Files that a scenario names: inside its folder, regular, of bounded size."""

from __future__ import annotations

import re
import stat
from pathlib import Path

from simulator.market.price_rows import PriceFileError

LARGEST_FILE = 512 * 2**20  # [byte]
ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")  # a path knows one slash where an address has two


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
        if ADDRESS.match(str(path)):
            raise PriceFileError(["is an address, and nothing is downloaded; save the file and name it here"]) from None
        raise PriceFileError([f"{path.name} cannot be read: {problem.strerror}"]) from None
