"""The folder of a result: the scenario as run, where it came from, tables, checks, and a manifest that is written last.

Every file is written to a temporary name, flushed and renamed, so that it is whole or not there. A folder without
manifest.json is unfinished.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from simulator.calibration.files import to_json, write_file, write_manifest
from simulator.calibration.record import lock
from simulator.calibration.versions import versions
from simulator.scenario import Scenario, ScenarioError
from simulator.wording import shown

if TYPE_CHECKING:
    import pandas as pd

NOT_LISTED = ("manifest.json", "lock")
FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet would run a cell that begins with one of them


class NotAResult(ValueError):
    """A folder that holds no result, or one that was changed."""

    exit_code = 2


def folder_of(out: Path, scenario: Scenario) -> Path:
    """Where results of `scenario` lie: another scenario, seed or number of paths has another folder."""
    return out / f"{scenario.name}-{scenario.hash[:8]}"


class ResultFolder:
    """A result folder while something is written into it. Use as a context: it is locked until its end.

    Raises ResultsBusy if another process holds it, OSError if it cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> ResultFolder:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = lock(self.folder / "lock")
        (self.folder / "manifest.json").unlink(missing_ok=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is not None and [path.name for path in self.folder.iterdir()] == ["lock"]:
            (self.folder / "lock").unlink()  # nothing was written: no trace of what could not begin
            self.folder.rmdir()
        os.close(self._lock)

    def write(self, name: str, content: bytes) -> None:
        """One file, whole or not at all."""
        write_file(self.folder / name, content)

    def write_json(self, name: str, content: Any) -> None:
        """One JSON file, keys sorted."""
        self.write(name, to_json(content))

    def write_table(self, name: str, table: pd.DataFrame) -> None:
        """`name`.parquet and `name`.csv of the same table."""
        buffer = io.BytesIO()
        table.to_parquet(buffer, index=False)
        self.write(f"{name}.parquet", buffer.getvalue())
        self.write(f"{name}.csv", guarded(table).to_csv(index=False, lineterminator="\n").encode())

    def write_origin(self, scenario: Scenario, about: Mapping[str, Any]) -> None:
        """scenario.toml as run with the files it names, and run.json: seed, hashes, versions, commit, machine class."""
        self.write("scenario.toml", scenario.text.encode())
        for name in scenario.files:
            target = self.folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if not (target.exists() and target.samefile(scenario.folder / name)):
                write_file(target, (scenario.folder / name).read_bytes())
        self.write_json("run.json", {**origin(scenario), **about})

    def add_checks(self, checks: Mapping[str, Mapping[str, Any]]) -> None:
        """checks.json: each check by name, passed or not; checks of other verbs on the same scenario stay."""
        path = self.folder / "checks.json"
        there = json.loads(path.read_bytes()) if path.exists() else {}
        self.write_json("checks.json", {**there, **checks})

    def finish(self, scenario: Scenario) -> None:
        """The manifest: SHA-256 of every file, after which the result counts as whole."""
        names = [str(p.relative_to(self.folder)) for p in sorted(self.folder.rglob("*")) if p.is_file()]
        listed = [name for name in names if name not in NOT_LISTED and not name.endswith(".tmp")]
        write_manifest(self.folder, listed, {"scenario": scenario.name, "scenario_hash": scenario.hash, "seed": scenario.seed})


def origin(scenario: Scenario) -> dict[str, Any]:
    """What a result was made from and on."""
    return {
        "scenario": scenario.name,
        "scenario_hash": scenario.hash,
        "seed": scenario.seed,
        "paths": scenario.paths,
        "files": scenario.files,
        "warnings": list(scenario.warnings),
        "versions": versions(),
        "commit": commit(),
        "machine_class": f"{platform.system()} {platform.machine()} {platform.python_implementation()}",
    }


def commit() -> str | None:
    """The commit of the checkout that this code lies in, `-dirty` if it was changed; None outside a checkout."""
    root, git = Path(__file__).resolve().parent.parent, shutil.which("git")
    if git is None or not (root / ".git").exists():
        return None
    found = subprocess.run(
        [git, "-C", str(root), "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"],
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )
    return found.stdout.strip() or None


def guarded(table: pd.DataFrame) -> pd.DataFrame:
    """The table with an apostrophe before every text that a spreadsheet would run as a formula."""
    guarded = table.copy()
    for column in guarded.columns:
        if guarded[column].dtype.kind not in "biufM":
            guarded[column] = guarded[column].map(_harmless)
    return guarded.rename(columns=_harmless)


def _harmless(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA_SIGNS) else cell


def scenario_of(folder: Path) -> Scenario:
    """The scenario that a result folder was made from. Raises NotAResult."""
    path = folder / "scenario.toml"
    _must_be_there(folder)
    if not path.is_file():
        raise NotAResult(f"{shown(str(folder))}: holds no scenario.toml; name the folder of a result")
    try:
        return Scenario.load(path)
    except ScenarioError as error:
        raise NotAResult("\n".join(error.problems)) from None


def _must_be_there(folder: Path) -> None:
    if not folder.is_dir():
        raise NotAResult(f"{shown(str(folder))}: no such result folder; results are in results/<scenario>-<hash>")


def changed_files(folder: Path) -> list[str]:
    """Names in the manifest whose bytes are not those that were written, or its own. Raises NotAResult without a manifest."""
    path = folder / "manifest.json"
    _must_be_there(folder)
    if not path.is_file():
        raise NotAResult(f"{shown(str(folder))}: is unfinished (no manifest.json); `simulator resume` goes on")
    try:
        files = dict(json.loads(path.read_bytes())["files"])
    except (ValueError, KeyError, TypeError):
        return [path.name]
    return [name for name, digest in files.items() if _digest(folder / name) != digest]


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
