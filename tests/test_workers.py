"""The same results from processes of this machine, a Dask cluster and a Ray cluster, workers killed on the way."""

import contextlib
import logging
import os
import signal
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import mortal_work
from test_cli import small

from simulator.calibration.calibrate import calibrate
from simulator.calibration.proposal import proposal_bytes
from simulator.cli import main
from simulator.scenario import Scenario
from simulator.workers import ClusterRefused, WorkersLost, cluster, fingerprint, run_all

BACKENDS = ["loky", "dask", "ray"]
EXPECTED = [number**2 for number in range(12)]


@pytest.fixture(scope="module", autouse=True)
def _workers_find_what_tests_find():
    """Workers are new processes: what they run must be importable there."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    yield
    os.environ.pop("PYTHONPATH") if before is None else os.environ.update(PYTHONPATH=before)


@pytest.fixture(scope="module")
def dask_address():
    distributed = pytest.importorskip("distributed", reason="the extra `distributed` is not installed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs="CRITICAL"
    ) as local:
        yield local.scheduler_address


@pytest.fixture(scope="module")
def ray_address():
    ray = pytest.importorskip("ray", reason="the extra `distributed` is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ray.init(num_cpus=2, include_dashboard=False, logging_level="error", log_to_driver=False)
    yield "ray:auto"
    ray.shutdown()


@pytest.fixture
def backend(request):
    """A context in which tasks run on the backend of the parameter, two at once."""
    address = None if request.param == "loky" else request.getfixturevalue(f"{request.param}_address")

    @contextlib.contextmanager
    def entered():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what the clusters' libraries say about lost workers and each other
            with cluster(address) as count:
                yield count or 2

    return entered


@pytest.mark.parametrize("backend", BACKENDS, indirect=True)
def test_tasks_of_a_killed_worker_are_done_again(backend, tmp_path):
    mark, told = tmp_path / "mark", []
    with backend() as jobs:
        found = run_all(mortal_work.square, [(number, str(mark)) for number in range(12)], jobs, told.append)
    assert mark.exists()
    assert found == EXPECTED
    assert sorted(told) == EXPECTED


@pytest.mark.skipif(sys.platform != "linux", reason="stops and continues a process")
def test_workers_that_get_nowhere_are_reported_and_the_work_ends_when_they_go_on(tmp_path, monkeypatch):
    """F13: one worker stands still, and so, at the end, does everything; it goes on only because somebody was told."""
    mark, told = tmp_path / "mark", []
    monkeypatch.setattr("simulator.workers.SILENCE", 0.6)

    class Rescuer(logging.Handler):
        def emit(self, record):
            told.append(record.getMessage())
            if mark.exists() and (number := mark.read_text()):
                os.kill(int(number), signal.SIGCONT)

    logger, rescuer = logging.getLogger("simulator.workers"), Rescuer()
    logger.addHandler(rescuer)
    try:
        found = run_all(mortal_work.halt, [(number, str(mark)) for number in range(12)], 2)
    finally:
        logger.removeHandler(rescuer)
    assert found == EXPECTED
    assert "no worker has finished a task for 1 s (" in told[0]
    assert "of 12 of this stage are done" in told[-1]
    assert not [thread for thread in threading.enumerate() if thread.name == "watch over workers"]


def test_silence_goes_to_stderr_where_nobody_configured_logging(tmp_path):
    """After 0.6 s and after 1.2 s more: what is said is the whole silence, to the second."""
    code = "import time, simulator.workers as w; w.SILENCE = 0.6; print(w.run_all(lambda n: time.sleep(2.8) or n, [(3,)], 1))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[3]\n"
    told = [line.partition(";")[0] for line in done.stderr.splitlines()]
    assert told == [f"simulator: no worker has finished a task for {s} s (0 of 1 of this stage are done)" for s in (1, 2)]


def test_workers_that_always_die_are_lost_beyond_retry():
    with pytest.raises(WorkersLost, match="3 rounds"):
        run_all(mortal_work.die, [(number,) for number in range(2)], 2)


def test_a_task_that_fails_is_no_lost_worker():
    with pytest.raises(ZeroDivisionError):
        run_all(mortal_work.fail, [(number,) for number in range(2)], 2)


def test_a_cluster_that_is_not_there_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.toml").write_text(small())
    assert main(["run", "small.toml", "--cluster", "tcp://127.0.0.1:1"]) == 2
    printed = capsys.readouterr().err
    assert printed.startswith("--cluster tcp://127.0.0.1:1: no Dask scheduler answers")
    assert len(printed.splitlines()) == 1
    assert not (tmp_path / "results").exists()


def test_workers_with_other_code_are_refused(dask_address, monkeypatch):
    monkeypatch.setattr("simulator.workers.version", lambda name: "0.0.0" if name == "numpy" else fingerprint.__name__)
    with (
        pytest.raises(ClusterRefused, match=r"would compute other numbers: .*numpy [0-9.]+ there, 0\.0\.0 here"),
        cluster(dask_address),
    ):
        pass


@pytest.fixture(scope="module")
def on_one_machine(tmp_path_factory):
    scenario = Scenario.from_text(small(), tmp_path_factory.mktemp("scenario"))
    return scenario, proposal_bytes(calibrate(scenario, jobs=1))


@pytest.mark.parametrize("backend", BACKENDS[1:], indirect=True)
def test_a_calibration_on_a_cluster_that_loses_a_worker_is_that_of_one_machine(backend, on_one_machine):
    scenario, expected = on_one_machine
    calls, killed = [], []

    def kill_one(stage, done, total):
        calls.append(stage)
        if len(calls) == 3:
            killed.append(_kill_a_worker())

    with backend() as jobs:
        found = proposal_bytes(calibrate(scenario, jobs=jobs, progress=kill_one))
    assert killed
    assert found == expected


def _kill_a_worker() -> int:
    """SIGKILL to the first process below this one that is a Dask or Ray worker."""
    import psutil

    for process in psutil.Process().children(recursive=True):
        name = " ".join(process.cmdline())
        if "PoolActor" in name or ("spawn_main" in name and "distributed" not in name):
            os.kill(process.pid, signal.SIGKILL)
            return process.pid
    raise AssertionError("no worker found")
