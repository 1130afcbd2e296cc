"""The house itself: what may import what, what no module may do, and that shipped scenarios are sound."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from simulator.scenario import Scenario

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "simulator"
MODULES = sorted(PACKAGE.rglob("*.py"))
SCENARIOS = sorted((ROOT / "scenarios").glob("*.toml"))
TEXTS = [
    file
    for pattern in ("*.md", "*.toml", "docs/*.md", "scenarios/*.toml", "results/*.md", ".ci/run")
    for file in ROOT.glob(pattern)
]

DANGEROUS_CALLS = {"eval", "exec", "compile", "__import__", "input", "breakpoint"}
DANGEROUS_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "yaml", "imp", "code", "pty"}
NETWORK_MODULES = {"socket", "ssl", "http", "urllib", "urllib3", "requests", "httpx", "aiohttp", "ftplib", "smtplib", "xmlrpc"}
NAMES_WITHOUT_AN_IDEA = {"utils.py", "util.py", "helpers.py", "common.py", "misc.py", "base.py"}


def tree_of(module: Path) -> ast.Module:
    return ast.parse(module.read_text(encoding="utf-8"), str(module))


def imported(module: Path) -> Iterator[str]:
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def roots(module: Path) -> set[str]:
    return {name.partition(".")[0] for name in imported(module)}


@pytest.mark.parametrize("module", MODULES, ids=lambda m: str(m.relative_to(ROOT)))
def test_no_module_evaluates_text_unpickles_or_talks_to_a_network(module):
    calls = {node.func.id for node in ast.walk(tree_of(module)) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    assert calls & DANGEROUS_CALLS == set()
    assert roots(module) & (DANGEROUS_MODULES | NETWORK_MODULES) == set()


def test_no_shell_is_ever_started():
    for module in MODULES:
        source = module.read_text(encoding="utf-8")
        assert "shell=True" not in source, module
        assert not re.search(r"\bos\.(system|popen|exec\w*|spawn\w*)\(", source), module


def test_only_the_model_and_the_cohorts_know_mesa():
    knowing = {str(module.relative_to(PACKAGE)) for module in MODULES if "mesa" in roots(module)}
    assert knowing <= {"model.py", "agents/cohort.py"}


def test_no_module_has_a_name_without_an_idea():
    assert [module for module in MODULES if module.name in NAMES_WITHOUT_AN_IDEA] == []


def test_every_module_says_what_it_is():
    assert [module for module in MODULES if tree_of(module).body and not ast.get_docstring(tree_of(module))] == []


def test_data_flows_one_way():
    pytest.importorskip("importlinter", reason='import-linter is not installed; pip install -e ".[develop]"')
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def modules_loaded_by(*arguments: str) -> set[str]:
    script = (
        "import sys, json; from simulator.cli import main; code = main(sys.argv[1:]);"
        "print(); print(json.dumps([code, sorted({name.partition('.')[0] for name in sys.modules})]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    code, modules = json.loads(done.stdout.splitlines()[-1])
    assert code == 0, done.stderr
    return set(modules)


HEAVY = {"numpy", "numba", "pandas", "scipy", "arch", "mesa", "optuna", "plotly", "pyarrow", "joblib", "rich", "jinja2"}


def test_help_loads_click_and_nothing_else():
    assert modules_loaded_by("--help") & (HEAVY | {"pydantic"}) == set()


def test_validate_loads_click_and_pydantic_and_nothing_else():
    assert modules_loaded_by("validate", "tests/corpus/good-perpetual.toml") & HEAVY == set()


def test_no_text_names_a_registry_or_a_place_on_a_machine():
    for file in TEXTS:
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"pypi\.org|files\.pythonhosted|index[-]url|/(home|root|work)/|C:\\\\", text), file


def test_the_extras_name_what_the_tests_import():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    listed = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    named = {re.split(r"[<>=\[ ;]", entry)[0].lower().replace("-", "_") for entry in listed}
    known = named | set(sys.stdlib_module_names) | {"simulator", "tests", "benchmarks", "reference_model", "conftest"}
    optional = {"importlinter"}
    used = {root for file in (ROOT / "tests").rglob("*.py") for root in roots(file) if root.lower() not in named}
    beside = {file.stem for file in (ROOT / "tests").rglob("*.py")}
    assert used - known - optional - beside == set()


@pytest.mark.parametrize("file", SCENARIOS, ids=lambda file: file.stem)
def test_every_shipped_scenario_is_sound_and_says_what_it_shows(file):
    scenario = Scenario.load(file)
    assert scenario.name == file.stem
    assert scenario.warnings == ()
    assert scenario.description
    assert file.read_text(encoding="utf-8").startswith("# ")


@pytest.mark.parametrize("file", SCENARIOS, ids=lambda file: file.stem)
def test_every_shipped_scenario_runs(file):
    from simulator.checks import outcome_checks
    from simulator.model import simulate

    checks = outcome_checks(simulate(Scenario.load(file), count=4))
    assert [name for name, check in checks.items() if not check["passed"]] == []


def test_elasticities_regimes_and_substeps_of_a_scenario_are_scenarios():
    from importlib.resources import files

    text = files("simulator.cli").joinpath("starter.toml").read_text(encoding="utf-8")
    scenario = Scenario.from_text(text, ROOT)
    assert scenario.has_elasticities
    assert scenario.with_elasticity("high").elasticity == "high"
    assert scenario.with_substeps(24).grid.dt == scenario.grid.dt / 2
    ((name, role, regime),) = scenario.regimes()
    assert (name, role) == ("quarter-more-volatile", "confirm")
    assert regime.market.assets[0].process.volatility == 1.25 * scenario.market.assets[0].process.volatility
    assert len({scenario.hash, regime.hash, scenario.with_elasticity("low").hash, scenario.with_substeps(24).hash}) == 4
    assert scenario.lineage == scenario.with_substeps(24).lineage


def test_machine_code_is_kept_under_every_source_behind_it():
    """By Python's own reading of the imports: what a kernel's file reaches is what its cache is keyed by."""
    from simulator.kernel import source_files

    names = {".".join(("simulator", *module.relative_to(PACKAGE).with_suffix("").parts)): module for module in MODULES}
    for module in MODULES:
        seen, new = set[Path](), {module}
        while new:
            seen |= new
            new = {names[name] for reached in new for name in imported(reached) if name in names} - seen
        assert seen <= source_files(module), module


def test_changed_source_behind_a_kernel_moves_its_cache(tmp_path):
    """A helper changed in another file must not leave stale machine code behind."""
    script = (
        "import shutil, sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path\n"
        "import simulator.kernel as k; file = Path(sys.argv[1]) / 'simulator/protocol/settle.py'\n"
        "print(k._cache_folder(file))"
    )
    shutil.copytree(PACKAGE, tmp_path / "simulator", ignore=shutil.ignore_patterns("__pycache__"))
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache"), "PYTHONDONTWRITEBYTECODE": "1"}

    def folder() -> str:
        return subprocess.run(
            [sys.executable, "-c", script, str(tmp_path)], env=environment, capture_output=True, text=True, check=True
        ).stdout

    before = folder()
    _append(tmp_path / "simulator/cli/run.py", "# nothing a kernel reads")
    assert folder() == before
    _append(tmp_path / "simulator/protocol/health.py", "# a rule")
    assert folder() != before


def _append(file: Path, line: str) -> None:
    file.write_text(f"{file.read_text(encoding='utf-8')}\n{line}\n", encoding="utf-8")


def test_every_fault_drill_has_the_tests_that_its_table_names():
    text = (ROOT / "docs" / "fault-drills.md").read_text()
    drills = [number for row in text.splitlines() if row.startswith("| F") for number in re.findall(r"F\d\d", row.split("|")[1])]
    assert drills == [f"F{number:02}" for number in range(1, 21)]
    there = {
        name for file in (ROOT / "tests").rglob("test_*.py") for name in re.findall(r"^def (test_\w+)", file.read_text(), re.M)
    }
    assert set(re.findall(r"`(test_\w+)`", text)) <= there
    assert all("`test_" in row or "the tests of F" in row for row in text.splitlines() if row.startswith("| F"))
