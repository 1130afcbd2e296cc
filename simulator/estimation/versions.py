"""What made the numbers of a fit."""

from __future__ import annotations

import platform
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version


def versions(*libraries: str) -> dict[str, str]:
    """Of Python, this package and `libraries`; a checkout that runs uninstalled has no version of its own."""
    found = {"python": platform.python_version()}
    for name in ("simulator", *libraries):
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
