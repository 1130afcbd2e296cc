"""What machines do to a running command: full disks, signals, moved clocks, edited files, on the real engine.

docs/fault-drills.md says which test is which drill; most of the record's own are in tests/calibration.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from simulator.calibration.calibrate import calibrate
from simulator.calibration.files import write_file
from simulator.calibration.proposal import proposal_bytes
from simulator.cli import main
from simulator.results import ResultFolder
from simulator.scenario import Scenario

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent / "calibration"))
from fake_world import FakeWorld, evaluate
from test_cli import confirming, small

ROOT = Path(__file__).resolve().parent.parent
KILLS = 50
WITHOUT = "-dac_override,-dac_read_search"
LISTED = ("proposal.json", "proposal.md", "report.html", "log.jsonl", "candidates.csv", "confirmation.csv")


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "simulator", *arguments]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}


def digests(result: Path) -> dict[str, str]:
    """SHA-256 of what must be the same after any interruption."""
    return {name: hashlib.sha256((result / name).read_bytes()).hexdigest() for name in LISTED if (result / name).exists()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """(folder with small.toml, the result of a calibration that nothing disturbed)."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "small.toml").write_text(small())
    assert main(["calibrate", str(folder / "small.toml"), "--jobs", "1", "--out", str(folder / "results")]) in (0, 1)
    return folder, the_result(folder / "results")


def the_result(out: Path) -> Path:
    (result,) = [path for path in out.iterdir() if path.is_dir()]
    return result


@pytest.fixture
def small_disk():
    """No file may grow beyond what is said, as on a full disk or under a quota (F06, F08)."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_disk_that_fills_up_ends_with_4_and_resumes_to_the_same_bytes(whole, tmp_path, small_disk, capsys, share):
    folder, undisturbed = whole
    small_disk(int(share * (undisturbed / "log.jsonl").stat().st_size))
    code = main(["calibrate", str(folder / "small.toml"), "--jobs", "1", "--out", str(tmp_path / "results")])
    small_disk(resource.RLIM_INFINITY)
    said = capsys.readouterr().err.splitlines()
    assert code == 4
    assert "results" in said[-1]
    result = the_result(tmp_path / "results")
    assert not (result / "manifest.json").exists()
    assert not list(result.glob("*.tmp"))
    assert not list(result.glob(".*.tmp"))
    assert main(["resume", str(result), "--jobs", "1"]) in (0, 1)
    assert digests(result) == digests(undisturbed)


def test_a_full_disk_names_the_file_and_the_free_space(tmp_path, small_disk, capsys):
    from simulator.cli.exits import report_and_code

    write_file(tmp_path / "table.csv", b"old")
    small_disk(1000)
    with pytest.raises(OSError, match="too large") as full:
        write_file(tmp_path / "table.csv", bytes(5000))
    small_disk(resource.RLIM_INFINITY)
    assert report_and_code(full.value) == 4
    assert f"{tmp_path / 'table.csv'}: File too large; check space (" in capsys.readouterr().err
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("table.csv", b"old")]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is Linux's")
def test_a_full_stdout_is_exit_code_4():
    with open("/dev/full", "wb") as full:
        done = subprocess.run(command("schema"), stdout=full, stderr=subprocess.PIPE, env=environment(), timeout=60, check=False)
    assert done.returncode == 4
    assert b"No space left on device" in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("out", ["a file", "/dev/full", "/proc/no-folder"])
def test_results_that_cannot_be_a_folder_are_refused_before_anything_is_computed(tmp_path, monkeypatch, capsys, out):
    """F07, F09."""
    (tmp_path / "small.toml").write_text(small())
    (tmp_path / "a file").write_text("precious")
    monkeypatch.setattr("simulator.model.evaluate", lambda *_, **__: pytest.fail("computed before the folder was there"))
    for verb in ("run", "calibrate"):
        assert main([verb, str(tmp_path / "small.toml"), "--out", str(tmp_path / out)]) == 4
    assert (tmp_path / "a file").read_text() == "precious"
    assert len(capsys.readouterr().err.splitlines()) == 2


@pytest.mark.parametrize("mode", [0o555, 0o666])
def test_results_without_the_right_to_write_or_to_enter_are_refused(tmp_path, mode):
    """F09. To root, rights of files are nothing: then the command runs without the capabilities that make it so."""
    as_owner = [] if os.geteuid() else ["setpriv", f"--inh-caps={WITHOUT}", f"--bounding-set={WITHOUT}"]
    if as_owner and shutil.which("setpriv") is None:
        pytest.skip("root, and no setpriv to do without its rights")
    (tmp_path / "small.toml").write_text(small())
    (tmp_path / "results").mkdir(mode=0o755)
    (tmp_path / "results").chmod(mode)
    started = [*as_owner, *command("run", str(tmp_path / "small.toml"), "--out", str(tmp_path / "results"))]
    done = subprocess.run(started, env=environment(), capture_output=True, text=True, check=False)
    (tmp_path / "results").chmod(0o755)
    assert done.returncode == 4
    assert "Permission denied; check space" in done.stderr
    assert list((tmp_path / "results").iterdir()) == []


HELD = """
import sys
from simulator.calibration.record import Record
from simulator.cli import main

def held(method):
    def wait(self, *given):
        found = method(self, *given)
        print(method.__name__, flush=True)
        sys.stdin.readline()
        return found
    return wait

Record.append, Record.close = held(Record.append), held(Record.close)
sys.exit(main(sys.argv[1:]))
"""


class Held:
    """A calibration in another process that says what it did to its record and goes on when it is told: no race, no clock."""

    def __init__(self, folder: Path, out: Path) -> None:
        arguments = ["calibrate", str(folder / "small.toml"), "--jobs", "1", "--out", str(out)]
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        self.process = subprocess.Popen([sys.executable, "-c", HELD, *arguments], env=environment(), text=True, **pipes)

    def wait_for(self, done: str) -> None:
        assert self.process.stdout.readline().strip() == done, self.process.communicate(timeout=600)[1]

    def goes_on(self) -> None:
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def ends(self) -> tuple[int, list[str]]:
        said = self.process.communicate(timeout=600)[1]
        return self.process.returncode, said.splitlines()


@pytest.mark.parametrize(("number", "lines"), [(signal.SIGINT, 3), (signal.SIGTERM, 6)])
def test_a_signal_keeps_the_record_and_says_how_to_go_on(whole, tmp_path, number, lines):
    folder, undisturbed = whole
    held = Held(folder, tmp_path / "results")
    for _ in range(lines - 1):
        held.wait_for("append")
        held.goes_on()
    held.wait_for("append")
    held.process.send_signal(number)
    code, said = held.ends()
    assert code == 130
    assert "simulator resume" in said[-1]
    result = the_result(tmp_path / "results")
    assert (result / "log.jsonl").read_bytes().count(b"\n") == lines
    assert not (result / "manifest.json").exists()
    assert main(["resume", str(result), "--jobs", "1"]) in (0, 1)
    assert digests(result) == digests(undisturbed)


def test_a_second_signal_ends_at_once_and_the_record_is_whole(whole, tmp_path):
    folder, undisturbed = whole
    held = Held(folder, tmp_path / "results")
    held.wait_for("append")
    held.goes_on()
    held.wait_for("append")
    held.process.send_signal(signal.SIGINT)
    held.wait_for("close")  # it is ending: the second signal finds it there
    held.process.send_signal(signal.SIGINT)
    code, said = held.ends()
    assert (code, said) == (130, [])
    result = the_result(tmp_path / "results")
    assert (result / "log.jsonl").read_bytes() == b"".join((undisturbed / "log.jsonl").read_bytes().splitlines(keepends=True)[:2])


def test_a_kill_between_writing_and_renaming_leaves_the_old_file_and_nothing_that_counts(tmp_path):
    """F04."""
    write_file(tmp_path / "table.csv", b"old")
    code = (
        "import os, signal, sys; from pathlib import Path; from simulator.calibration.files import write_file\n"
        "os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "write_file(Path(sys.argv[1]), b'new and longer')"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(tmp_path / "table.csv")], env=environment(), check=False)
    assert killed.returncode == -signal.SIGKILL
    assert (tmp_path / "table.csv").read_bytes() == b"old"
    (left,) = tmp_path.glob(".*.tmp")
    with ResultFolder(tmp_path) as result:
        result.write("table.csv", b"new")
        result.finish(Scenario.from_text(small(), tmp_path))
    assert list(json.loads((tmp_path / "manifest.json").read_bytes())["files"]) == ["table.csv"]
    assert left.read_bytes() == b"new and longer"


def test_less_memory_than_a_run_is_estimated_to_need_is_refused_before_anything_is_computed(whole, tmp_path):
    """F15."""
    half = 2**29

    def less() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (half, half))

    for verb in ("run", "calibrate"):
        started = command(verb, str(whole[0] / "small.toml"), "--jobs", "1", "--out", str(tmp_path / "results"))
        done = subprocess.run(started, env=environment(), capture_output=True, text=True, preexec_fn=less, check=False)
        assert done.returncode == 4
        assert "small needs about 600 MiB, this process may take 512 MiB" in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "results").exists()


def test_memory_that_runs_out_on_the_way_is_exit_code_4_and_leaves_nothing(tmp_path, monkeypatch, capsys):
    """F15."""
    import numpy as np

    (tmp_path / "small.toml").write_text(small())
    monkeypatch.setattr("simulator.model.simulate", lambda *_, **__: np.ones(2**55))
    assert main(["run", str(tmp_path / "small.toml"), "--out", str(tmp_path / "results")]) == 4
    assert "out of memory (Unable to allocate 256. PiB" in capsys.readouterr().err
    assert list((tmp_path / "results").iterdir()) == []


def test_a_scenario_edited_on_the_way_is_refused(whole, tmp_path, capsys):
    _, undisturbed = whole
    result = shutil.copytree(undisturbed, tmp_path / undisturbed.name)
    text = (result / "scenario.toml").read_text()
    (result / "scenario.toml").write_text(text.replace("maintenance_margin_ratio = 0.03", "maintenance_margin_ratio = 0.028"))
    assert main(["resume", str(result), "--jobs", "1"]) == 2
    assert "the scenario changed since this calibration began" in capsys.readouterr().err


def test_another_version_goes_on_only_where_that_is_allowed_and_recorded(whole, tmp_path, monkeypatch, capsys):
    _, undisturbed = whole
    result = shutil.copytree(undisturbed, tmp_path / undisturbed.name)
    monkeypatch.setattr("simulator.calibration.calibrate.own_version", lambda: "99.0")
    assert main(["resume", str(result), "--jobs", "1"]) == 2
    assert "--allow-version-change" in capsys.readouterr().err
    assert main(["resume", str(result), "--jobs", "1", "--allow-version-change"]) in (0, 1)
    assert b'"version":"99.0"' in (result / "log.jsonl").read_bytes()


def test_a_clock_that_jumps_back_and_another_time_zone_move_no_byte(monkeypatch):
    usual = proposal_bytes(calibrate(FakeWorld(), evaluate=evaluate))
    clock = iter(range(10**9, 0, -3600))
    for name in ("time", "monotonic", "perf_counter"):
        monkeypatch.setattr(time, name, lambda: float(next(clock)))
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    time.tzset()
    try:
        assert proposal_bytes(calibrate(FakeWorld(), evaluate=evaluate)) == usual
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.slow
def test_fifty_kills_at_random_moments_and_every_result_is_the_same(tmp_path):
    """F01 with the real command: SIGKILL to the whole process group at a uniformly random time, resumed until it ends."""
    (tmp_path / "small.toml").write_text(confirming())

    def begun(out: str) -> subprocess.Popen[bytes]:
        started = command("calibrate", str(tmp_path / "small.toml"), "--jobs", "2", "--out", str(tmp_path / out))
        quiet = dict.fromkeys(("stdout", "stderr"), subprocess.DEVNULL)
        return subprocess.Popen(started, env=environment(), start_new_session=True, **quiet)

    for out in ("compiling", "undisturbed"):
        begins = time.monotonic()
        assert begun(out).wait() == 0
    life, undisturbed = time.monotonic() - begins, digests(the_result(tmp_path / "undisturbed"))
    assert digests(the_result(tmp_path / "compiling")) == undisturbed
    assert "confirmation.csv" in undisturbed
    dice, kills, rounds = random.Random(5), 0, 0
    while kills < KILLS:
        while True:
            process = begun(f"results-{rounds}")
            try:
                assert process.wait(timeout=dice.uniform(0.0, life)) == 0
                break
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                kills += 1
        assert digests(the_result(tmp_path / f"results-{rounds}")) == undisturbed
        rounds += 1
        print(f"{kills} kills over {rounds} calibrations of {life:.0f} s, all with the same bytes", flush=True)
