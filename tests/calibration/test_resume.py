"""A calibration killed at random moments and resumed ends with the same bytes."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from simulator.calibration.calibrate import calibrate
from simulator.calibration.proposal import proposal_bytes
from simulator.calibration.record import RecordMismatch

sys.path.insert(0, str(Path(__file__).parent))
import fake_world
from fake_world import FakeWorld, evaluate

PAUSE = 0.03  # [s] per call of the engine: a calibration of about 70 calls lives long enough to be killed


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "run"
    found = proposal_bytes(calibrate(FakeWorld(), evaluate=evaluate, folder=folder))
    return found, (folder / "log.jsonl").read_bytes()


def resumed(folder):
    return proposal_bytes(calibrate(FakeWorld(), evaluate=evaluate, folder=folder))


def test_sigkill_at_random_moments_gives_the_same_proposal(tmp_path, uninterrupted):
    folder, kills, dice = tmp_path / "run", 0, random.Random(11)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        command = [sys.executable, fake_world.__file__, str(folder), str(PAUSE if kills < 4 else 0)]
        process = subprocess.Popen(command, env=environment, start_new_session=True)
        try:
            # Killed at random in the time after the record began to grow: start-up is not what is tested.
            _wait_for_growth(process, folder / "log.jsonl", deadline)
            process.wait(timeout=dice.uniform(0.0, 1.2) if kills < 4 else 60)
            break
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            kills += 1
    assert kills >= 2
    assert (folder / "proposal.json").read_bytes() == uninterrupted[0]
    assert (folder / "log.jsonl").read_bytes() == uninterrupted[1]


def _wait_for_growth(process, log, deadline):
    before = log.stat().st_size if log.exists() else 0
    while process.poll() is None and time.monotonic() < deadline:
        if log.exists() and log.stat().st_size > before:
            return
        time.sleep(0.01)


@pytest.mark.parametrize("share", [0.02, 0.6, 0.999])
def test_a_torn_record_resumes_to_the_same_bytes(tmp_path, uninterrupted, share):
    proposal, log = uninterrupted
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "log.jsonl").write_bytes(log[: int(share * len(log))])
    assert resumed(tmp_path / "run") == proposal
    assert (tmp_path / "run" / "log.jsonl").read_bytes() == log


@pytest.mark.parametrize("share", [0.3, 0.99])
def test_a_flipped_bit_is_computed_again(tmp_path, uninterrupted, share):
    proposal, log = uninterrupted
    damaged = bytearray(log)
    damaged[int(share * len(log))] ^= 4
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "log.jsonl").write_bytes(damaged)
    assert resumed(tmp_path / "run") == proposal
    assert (tmp_path / "run" / "log.jsonl").read_bytes() == log


def test_a_finished_record_needs_no_engine(tmp_path, uninterrupted):
    proposal, log = uninterrupted
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "log.jsonl").write_bytes(log)
    found = calibrate(FakeWorld(), evaluate=lambda *_: pytest.fail("everything is in the record"), folder=tmp_path / "run")
    assert proposal_bytes(found) == proposal


def test_a_changed_scenario_does_not_continue_a_record(tmp_path, uninterrupted):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "log.jsonl").write_bytes(uninterrupted[1])
    with pytest.raises(RecordMismatch):
        calibrate(FakeWorld(hash="3" * 64), evaluate=evaluate, folder=tmp_path / "run")


def test_workers_and_time_move_no_byte(uninterrupted):
    assert proposal_bytes(calibrate(FakeWorld(pause=0.001), evaluate=evaluate, jobs=4)) == uninterrupted[0]
