"""Which code a result came from."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

MOVES_NUMBERS = ("numpy", "scipy", "optuna", "numba", "mesa", "pydantic")


def own_version() -> str:
    """The version of this package; "unknown" where it runs from a checkout that is not installed."""
    return _of("simulator")


def versions() -> dict[str, str]:
    """Of this package, Python and every dependency that can move a number."""
    return {"python": platform.python_version(), "simulator": own_version(), **{name: _of(name) for name in MOVES_NUMBERS}}


def _of(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "unknown"
