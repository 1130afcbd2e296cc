"""The table "rule, protocol, source, cases reproduced" of docs/rules.md, from the tests themselves.

    python -m benchmarks.rules_table          # writes docs/rules.md again; needs the folder that SIMULATOR_DATA names

Every test module of protocol rules declares `RULES`: (rule, protocol, source, files), a file as `name.json` or, where a rule
has only part of it, `name.json#part`. A case is counted for a module if the module names its list in the file. Nothing is
imported from the tests: their text is read.
"""

from __future__ import annotations

import ast
import csv
import json
import os
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TESTS, DOCUMENT = ROOT / "tests", ROOT / "docs" / "rules.md"
FOLDER = Path(os.environ.get("SIMULATOR_DATA", ROOT.parent / "shared"))
NOT_USED = {
    "event_20251010_hyperliquid.json": "bands for replayed events, which are not built",
    "event_targets.json": "bands for replayed events, which are not built",
    "scenario_shocks_crvusdrisk.json": "magnitudes of stress, which is not built",
    "interest_segments": "Drift's curve of deposits, in parameter_tables.json: no curve of segments is built",
    "aave_governance_param_changes.csv": "step sizes of real votes: a prior, not a rule",
}
REFERENCES = ("interest_rate_jump.json", "span_example.json", "var_backtests.json")  # of the folder `reference`, those of rules
NOT_CASES = {"cols", "scenario_order", "window_utc", "Scenarios", "green", "yellow", "red", "StartingBalances"}

HEAD = """# The rules, and what each was met against

Written by `python -m benchmarks.rules_table` from the tests. *Cases* are those of the folder of real data that the module in
the last column reproduces, at the tolerance of that folder's README; at least so many: the tests take whatever cases the files
hold. Rules "by hand" or "by a slow reference" have no published numbers.

| rule | protocol | source | file | cases | test |
|---|---|---|---|---|---|
"""


def lists_of(file: Path) -> Iterator[tuple[str, int]]:
    """(dotted place, length) of every list of cases in a file of the folder; a CSV file is one list of its own name."""
    if file.suffix == ".csv":
        with file.open(encoding="utf-8") as lines:
            yield file.name, sum(1 for _ in csv.reader(lines)) - 1
        return
    told = json.loads(file.read_text(encoding="utf-8"))
    yield from [(file.name, len(told))] if isinstance(told, list) else _inside("", told)


def _inside(place: str, told: dict) -> Iterator[tuple[str, int]]:
    for name, value in told.items():
        if isinstance(value, dict):
            series = [x for x in value.values() if isinstance(x, list)] if name == "series" else []
            yield from [(place + name, len(series[0]))] if series else _inside(f"{place}{name}.", value)
        elif isinstance(value, list) and name not in NOT_CASES and value and isinstance(value[0], (dict, list)):
            yield place + name, len(value)


def is_named(place: str, file: Path, text: str) -> bool:
    """Whether the source `text` of a test names the list at `place` of `file`."""
    return file.name in text and (place == file.name or f'"{place.rpartition(".")[2]}"' in text)


def data_files() -> list[Path]:
    """The files of cases, by name."""
    return sorted([*(FOLDER / "vectors").glob("*.*[vn]"), *(FOLDER / "reference" / name for name in REFERENCES)])


def texts() -> dict[str, str]:
    """The source of every test module by its path in the repository."""
    return {str(file.relative_to(ROOT)): file.read_text(encoding="utf-8") for file in sorted(TESTS.rglob("test_*.py"))}


def rules() -> Iterator[tuple[str, tuple[str, str, str, str]]]:
    """(test module, (rule, protocol, source, files)) of every declaration under tests/protocol."""
    for name, text in texts().items():
        for node in ast.parse(text).body if name.startswith("tests/protocol/") else ():
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "RULES":
                yield from ((name, row) for row in ast.literal_eval(node.value))


def reproduced(text: str, file: Path, part: str) -> int:
    """Cases of `file` in the lists under `part` that a module's source `text` names."""
    return sum(length for place, length in lists_of(file) if part in place and is_named(place, file, text))


def rows() -> Iterator[tuple[str, str, str, str, str, str]]:
    """The rows of the table; cases are empty where a file holds single parameters or there is none."""
    found, sources = {file.name: file for file in data_files()}, texts()
    for test, (rule, protocol, source, named) in rules():
        files = [name.strip().partition("#")[::2] for name in named.split(",")]
        count = sum(reproduced(sources[test], found[name], part) for name, part in files if name in found)
        yield rule, protocol, source, named, str(count or ""), test


def unconsumed() -> list[tuple[str, str]]:
    """(file, list) of every list of cases that no test names, outside the files that are not used on purpose."""
    missing = []
    for file in data_files():
        for place, _ in lists_of(file) if file.name not in NOT_USED else ():
            used = any(is_named(place, file, text) for text in texts().values())
            if not used and place.rpartition(".")[2] not in NOT_USED:
                missing.append((file.name, place))
    return missing


def document() -> str:
    """The whole of docs/rules.md."""
    lines = ["| " + " | ".join(row) + " |" for row in rows()]
    unused = [f"* `{name}`: {why}." for name, why in sorted(NOT_USED.items())]
    return HEAD + "\n".join(lines) + "\n\nFiles of that folder that no rule is met against yet:\n\n" + "\n".join(unused) + "\n"


def main() -> None:
    DOCUMENT.write_text(document(), encoding="utf-8")


if __name__ == "__main__":
    main()
