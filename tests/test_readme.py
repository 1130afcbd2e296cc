"""What the README shows is run: every `simulator ...` line of its `console` blocks, in their order, in one folder.

A line that begins with `$ simulator` or `$ python -m` must exit with 0 (or 1 for `calibrate`, `resume`, `propose` and `monitor`,
where no is an answer). Lines after it are what it prints, for people, and are not compared: figures move with
releases, and a CHANGELOG says how. A block whose first line is `# needs SIMULATOR_DATA` runs where that folder is. The two
lines that begin with `$ python3 -m venv` are run by `.ci/run`.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DATA = "# needs SIMULATOR_DATA"
VERBS_THAT_MAY_SAY_NO = ("calibrate", "resume", "propose", "monitor")


def blocks() -> list[str]:
    return BLOCK.findall(README.read_text(encoding="utf-8"))


def commands(block: str) -> list[str]:
    joined = block.replace("\\\n", " ")
    return [line[2:].strip() for line in joined.splitlines() if line.startswith("$ ")]


def set_up_commands() -> list[str]:
    return [command for block in blocks() for command in commands(block) if command.startswith("python3 -m venv")]


def run(command: str, folder: Path, data: str) -> None:
    command = command.replace("../shared", data)
    words = shlex.split(command, comments=True)
    verb = words[1] if words[0] == "simulator" else ""
    program = [sys.executable, "-m", "simulator"] if words[0] == "simulator" else [sys.executable]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    arguments = [match for word in words[1:] for match in (sorted(map(str, folder.glob(word))) if "*" in word else [word])]
    done = subprocess.run(
        [*program, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=1400, check=False
    )
    allowed = (0, 1) if verb in VERBS_THAT_MAY_SAY_NO else (0,)
    assert done.returncode in allowed, f"{command}\n{done.stdout}\n{done.stderr}"


def test_the_readme_has_exactly_two_set_up_commands():
    main_job, tests = set_up_commands()
    assert main_job == "python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/simulator calibrate eth-perpetual"
    assert (
        tests == 'python3 -m venv .venv-test && .venv-test/bin/pip install -e ".[test]" && .venv-test/bin/python -m pytest -n 2'
    )


def test_every_command_of_the_readme_runs(tmp_path):
    for block in blocks():
        if not block.startswith(DATA):
            for command in commands(block):
                if not command.startswith("python3 -m venv"):
                    run(command, tmp_path, "../shared")


@pytest.mark.shared_data
def test_every_command_that_needs_real_data_runs(tmp_path, shared_data):
    with_data = [block for block in blocks() if block.startswith(DATA)]
    for block in with_data:
        for command in commands(block):
            run(command, tmp_path, str(shared_data))


def test_every_python_block_of_the_readme_runs():
    for code in PYTHON.findall(README.read_text(encoding="utf-8")):
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, check=True, timeout=1400, capture_output=True)


def test_every_link_of_the_documents_leads_somewhere():
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "results" / "README.md"]
    broken = [
        f"{document.name}: {target}"
        for document in documents
        for target in re.findall(r"\]\(([^)#\s]+)\)", document.read_text(encoding="utf-8"))
        if "://" not in target and not (document.parent / target).exists()
    ]
    assert broken == []
