"""The command line: exit codes, one line a problem, whole results."""

from __future__ import annotations

import csv
import errno
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from simulator.cli import VERBS, main
from simulator.cli.new import starter
from simulator.scenario import Scenario

ROOT = Path(__file__).resolve().parent.parent


def small(name: str = "small") -> str:
    """The starter with few accounts and steps: seconds, not minutes."""
    text = starter().replace('name = "starter"', f'name = "{name}"')
    for old, new in (
        ("paths = 200 ", "paths = 12 "),
        ("burn_in = 1 ", "burn_in = 0 "),
        ("horizon = 3 ", "horizon = 2 "),
        ("accounts = 200 ", "accounts = 20 "),
        ("candidates = 12", "candidates = 4"),
        ("search_paths = 40", "search_paths = 10"),
        ("selection_paths = 200", "selection_paths = 20"),
        ('confirmation_paths = "planned"', "confirmation_paths = 100"),
    ):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def confirming() -> str:
    """The same with enough paths that a candidate is looked at and confirmed, and that somebody loses on the way."""
    return (
        small()
        .replace("selection_paths = 20", "selection_paths = 60")
        .replace("confirmation_paths = 100", "confirmation_paths = 300")
    )


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder with small.toml, as the current one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.toml").write_text(small())
    return tmp_path


def the_result(folder: Path) -> Path:
    (result,) = [path for path in (folder / "results").iterdir() if path.is_dir()]
    return result


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself_in_80_columns(verb, capsys):
    assert main([verb, "--help"]) == 0
    printed = capsys.readouterr().out
    assert len(printed.splitlines()) > 3
    assert max(map(len, printed.splitlines())) <= 80


def test_help_names_every_verb(capsys):
    assert main(["--help"]) == 0
    printed = capsys.readouterr().out
    assert all(f"  {verb} " in printed for verb in VERBS)
    assert max(map(len, printed.splitlines())) <= 80


@pytest.mark.parametrize(
    "arguments",
    [
        ["vlidate"],
        ["validate"],
        ["validate", "--flag", "x.toml"],
        ["run", "eth-perpetual", "--jobs", "0"],
        ["run", "eth-perpetual", "--seed", "abc"],
        ["run", "eth-perpetual", "--seed", "-1"],
        ["run", "eth-perpetual", "--paths", "1.5"],
        ["run", "no-such-scenario"],
        ["run", "missing/file.toml"],
        ["resume", "results/unknown-1234"],
        ["propose", "results/unknown-1234"],
        ["report", "results/unknown-1234"],
        ["new", "../escape"],
        ["fit", "missing.csv"],
    ],
)
def test_a_wrong_command_line_is_one_line_and_exit_code_2(arguments, here, capsys):
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert len(printed.err.splitlines()) == 1
    assert not (here / "results").exists()


def test_no_verb_at_all_shows_the_help_on_stderr(capsys):
    assert main([]) == 2
    assert "Verbs" in capsys.readouterr().err


def test_an_unknown_verb_gets_the_one_that_was_meant(capsys):
    main(["vlidate"])
    assert capsys.readouterr().err == 'simulator: unknown verb "vlidate"; did you mean `validate`?\n'


def test_a_shipped_scenario_is_known_by_its_name(capsys):
    assert main(["validate", "eth-perpetual"]) == 0
    assert capsys.readouterr().out.startswith("eth-perpetual: sound")


def test_a_new_scenario_is_sound_and_never_overwrites(here, capsys):
    assert main(["new", "mine"]) == 0
    assert main(["validate", "mine.toml"]) == 0
    assert Scenario.load("mine.toml").name == "mine"
    (here / "mine.toml").write_text("precious")
    assert main(["new", "mine"]) == 2
    assert (here / "mine.toml").read_text() == "precious"


def test_a_new_scenario_takes_the_market_of_a_fit(here, capsys):
    (here / "market.toml").write_text(
        '[market]\nkind = "model"\nstart = "stationary"\n[market.provenance]\nprices = "p.csv"\nsha256 = "' + "0" * 64 + '"\n'
        'since = "2024-01-01T00:00:00Z"\nuntil = "2025-06-30T00:00:00Z"\nrows = 9000\nstep = 86400.0\nmethod = "GJR"\n'
        '[[market.assets]]\nname = "SOL"\nprice = 150\nprocess = { kind = "geometric-brownian", volatility = 0.9 }\n'
    )
    assert main(["new", "mine", "--market", "market.toml"]) == 0
    assert main(["validate", "mine.toml"]) == 0
    scenario = Scenario.load("mine.toml")
    assert scenario.market.asset_names == ("SOL",)
    assert list(scenario.parameters.perpetuals) == ["SOL"]
    assert (scenario.grid.market_step, scenario.grid.dt) == (86_400, 300)
    assert scenario.data_until == "2025-06-30"
    assert main(["new", "other", "--market", "mine.toml"]) == 2
    assert main(["new", "third", "--market", "missing.toml"]) == 2
    (here / "empty.toml").write_text("seed = 1\n")
    assert main(["new", "fourth", "--market", "empty.toml"]) == 2


def test_validate_estimates_time_and_memory(here, capsys):
    assert main(["validate", "small.toml", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["accounts"] == 20
    assert facts["steps"] == 2 * 24 * 12
    assert facts["memory_bytes"] > 0
    assert facts["seconds_on_one_core"] > 0
    assert facts["hash"] == Scenario.load("small.toml").hash


def test_too_many_paths_on_the_command_line_are_refused_before_anything_runs(here, capsys):
    assert main(["run", "small.toml", "--paths", "1000000000000"]) == 2
    assert "is the limit; lower paths" in capsys.readouterr().err
    assert not (here / "results").exists()


def test_the_schema_is_json_whose_references_lead_somewhere(capsys):
    assert main(["schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert {"grid", "market", "protocol", "parameters", "cohorts"} <= set(schema["required"])
    assert schema["additionalProperties"] is False
    text = json.dumps(schema)
    named = {part.split('"')[0] for part in text.split('"#/$defs/')[1:]}
    assert named == set(schema["$defs"])


def test_a_run_writes_a_whole_result_and_prints_a_table(here, capsys):
    assert main(["run", "small.toml", "--jobs", "1"]) == 0
    printed = capsys.readouterr()
    assert "P(loss > 0)" in printed.out
    assert max(map(len, printed.out.splitlines())) <= 80
    result = the_result(here)
    scenario = Scenario.load("small.toml")
    assert result.name == f"small-{scenario.hash[:8]}"
    manifest = json.loads((result / "manifest.json").read_text())
    assert set(manifest["files"]) == {file.name for file in result.iterdir()} - {"manifest.json", "lock"}
    for name, digest in manifest["files"].items():
        assert hashlib.sha256((result / name).read_bytes()).hexdigest() == digest
    about = json.loads((result / "run.json").read_text())
    assert about["scenario_hash"] == scenario.hash
    assert about["seed"] == scenario.seed
    assert {"python", "numpy", "simulator"} <= set(about["versions"])
    assert all(check["passed"] for check in json.loads((result / "checks.json").read_text()).values())
    assert len(list(csv.reader((result / "outcomes.csv").read_text().splitlines()))) == 1 + 12


def test_a_run_again_gives_the_same_bytes(here, capsys):
    main(["run", "small.toml", "--jobs", "1", "--out", "one"])
    main(["run", "small.toml", "--jobs", "2", "--out", "two"])
    (one,), (two,) = (here / "one").iterdir(), (here / "two").iterdir()
    assert {f.name: f.read_bytes() for f in one.iterdir()} == {f.name: f.read_bytes() for f in two.iterdir()}


def test_seed_and_paths_make_another_result_whose_scenario_holds_them(here, capsys):
    assert main(["run", "small.toml", "--seed", "9", "--paths", "4", "--json", "--jobs", "1"]) == 0
    content = json.loads(capsys.readouterr().out)
    result = Path(content["folder"])
    again = Scenario.load(result / "scenario.toml")
    assert (again.seed, again.paths) == (9, 4)
    assert again.hash == content["hash"] != Scenario.load("small.toml").hash
    assert content["metrics"]


def test_a_calibration_is_proposed_again_without_simulating(here, capsys, monkeypatch):
    code = main(["calibrate", "small.toml", "--jobs", "1"])
    assert code in (0, 1)
    result = the_result(here)
    first = (result / "proposal.json").read_bytes()
    verdict = json.loads(first)["verdict"]
    assert code == (0 if verdict == "confirmed" else 1)
    assert json.loads((result / "run.json").read_text())["verdict"] == verdict

    def never(*_, **__):
        raise AssertionError("a finished record needs no simulation")

    monkeypatch.setattr("simulator.model.evaluate", never)
    assert main(["propose", str(result), "--json"]) == code
    assert (result / "proposal.json").read_bytes() == first
    assert main(["resume", str(result)]) == code
    assert (result / "proposal.json").read_bytes() == first
    capsys.readouterr()
    assert main(["report", str(result), "--no-open"]) == (0 if (result / "report.html").exists() else 2)


def test_a_changed_result_is_noticed(here, capsys, monkeypatch):
    main(["run", "small.toml", "--jobs", "1"])
    result = the_result(here)
    (result / "report.html").write_text("<p>")
    (result / "metrics.csv").write_text("rosy\n")
    capsys.readouterr()
    assert main(["report", str(result), "--no-open"]) == 0
    assert "metrics.csv: was changed since it was written" in capsys.readouterr().err


def test_an_unfinished_result_has_no_page(here, capsys):
    (here / "half").mkdir()
    assert main(["report", "half"]) == 2
    assert capsys.readouterr().err == "half: is unfinished (no manifest.json); `simulator resume` goes on\n"


def test_calibrate_needs_an_appetite(here, capsys):
    text = small()
    (here / "small.toml").write_text(text[: text.index("# -- what may be borne")])
    assert main(["calibrate", "small.toml"]) == 2
    assert "needs a [appetite] section" in capsys.readouterr().err


def test_a_busy_folder_is_exit_code_3(here, capsys):
    from simulator.results import ResultFolder, folder_of

    with ResultFolder(folder_of(Path("results"), Scenario.load("small.toml"))):
        assert main(["run", "small.toml", "--jobs", "1"]) == 3
        assert main(["calibrate", "small.toml", "--jobs", "1"]) == 3
    assert len(capsys.readouterr().err.splitlines()) == 2


def raising(error: BaseException):
    def simulate(*_, **__):
        raise error

    return simulate


class TerminatedWorkerError(RuntimeError):
    """Named like loky's."""


def invariant_broken() -> Exception:
    from simulator.model import InvariantBroken

    return InvariantBroken("books are out of balance by 1.0e-03 at step 7 (seed 1, paths 0 to 11)")


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (lambda: OSError(errno.ENOSPC, "No space left on device", "results/x"), 4, "No space left on device"),
        (lambda: PermissionError(errno.EACCES, "Permission denied", "results/x"), 4, "Permission denied"),
        (MemoryError, 4, "lower paths, accounts or --jobs"),
        (invariant_broken, 5, "seed 1"),
        (lambda: TerminatedWorkerError("killed"), 6, "workers were lost"),
        (KeyboardInterrupt, 130, "interrupted"),
    ],
)
def test_what_stops_a_run_has_its_exit_code_and_one_line(error, code, words, here, capsys, monkeypatch):
    monkeypatch.setattr("simulator.model.simulate", raising(error()))
    assert main(["run", "small.toml"]) == code
    printed = capsys.readouterr()
    lines = [line for line in printed.err.splitlines() if line]
    assert len(lines) == 1
    assert words in lines[0]
    assert not (here / "results").exists() or list((here / "results").iterdir()) == []


def test_a_defect_shows_its_traceback_and_says_so(here, capsys, monkeypatch):
    monkeypatch.setattr("simulator.model.simulate", raising(ZeroDivisionError("surprise")))
    assert main(["run", "small.toml"]) == 5
    printed = capsys.readouterr().err
    assert "Traceback" in printed
    assert "defect of the simulator" in printed


def test_text_that_a_spreadsheet_would_run_is_made_harmless():
    import pandas as pd

    from simulator.results import guarded

    table = pd.DataFrame({"=name": ["=cmd|calc", "+1", "-1", "@x", "\tx", "plain"], "value": [-1.0, 2.0, 3.0, 4.0, 5.0, 6.0]})
    safe = guarded(table)
    assert list(safe.columns) == ["'=name", "value"]
    assert list(safe["'=name"]) == ["'=cmd|calc", "'+1", "'-1", "'@x", "'\tx", "plain"]
    assert list(safe["value"]) == list(table["value"])


def test_a_file_named_by_the_scenario_goes_with_the_result(here, capsys):
    population = "wealth = { median = 3000, sigma = 1.5 }     # [usd] lognormal\nleverage = { low = 2, high = 20 }\n"
    text = small().replace(population, "")
    accounts = next(line for line in text.splitlines() if line.startswith("accounts = "))
    (here / "small.toml").write_text(text.replace(accounts, 'file = "accounts.csv"'))
    (here / "accounts.csv").write_text("wealth,leverage,side\n" + "1000,5,1\n2000,3,-1\n" * 5)
    assert main(["run", "small.toml", "--jobs", "1"]) == 0
    result = the_result(here)
    assert (result / "accounts.csv").read_bytes() == (here / "accounts.csv").read_bytes()
    assert Scenario.load(result / "scenario.toml").hash == Scenario.load("small.toml").hash


def test_a_reader_that_goes_away_is_no_error(here):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = f"'{sys.executable}' -m simulator schema | head -c 10; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, env=environment, check=False)
    assert (done.returncode, done.stderr) == (0, "")
