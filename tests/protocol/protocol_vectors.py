"""Cases of the folder of real numbers, as parameters of a test: whatever the files hold, one skipped where they are absent."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import settings

FOLDER = Path(os.environ.get("SIMULATOR_DATA", Path(__file__).resolve().parent.parent.parent.parent / "shared"))

LAW = settings(deadline=None, derandomize=True)  # a first call compiles


def cases(file: str, *place: str, names: tuple[str, ...] = ("name",)) -> list:
    """The list at `place` of a JSON file of the folder, each case named by its own fields `names`, or by its number."""
    path = FOLDER / file
    if not path.is_file():
        reason = f"no {file} in the folder of real data ({FOLDER}); set SIMULATOR_DATA to run these cases"
        return [pytest.param(None, id="absent", marks=[pytest.mark.skip(reason=reason), pytest.mark.shared_data])]
    found = json.loads(path.read_text(encoding="utf-8"))
    for key in place:
        found = found.get(key, [])
    return [pytest.param(case, id=_name(case, names, n), marks=pytest.mark.shared_data) for n, case in enumerate(found)]


def _name(case, names: tuple[str, ...], n: int) -> str:
    told = [str(case[name]) for name in names if isinstance(case, dict) and name in case]
    return f"{n}-{'-'.join(told)}" if told else str(n)
