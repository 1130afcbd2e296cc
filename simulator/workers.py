"""Where blocks of paths are computed: processes of this machine, or a Dask or Ray cluster, all through joblib.

A task is a pure function of its arguments, so one whose worker was lost is done again, and results do not depend on where
anything ran. Where no task is done for long it is said, so that nothing hangs in silence.
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

SILENCE = 60.0  # [s] without a task done, after which that is said; then after twice as long, and so on
SAID = (
    "simulator: no worker has finished a task for %.0f s (%s of this stage are done); they may be compiling, at a long task, "
    "starved of memory or stopped; Ctrl-C ends, and what a calibration has recorded is kept"
)
RETRIES = 2  # rounds in which the tasks of lost workers are done again
LOST = {  # what joblib's backends raise when a worker dies, by class name: their libraries need not be there
    "TerminatedWorkerError", "BrokenProcessPool", "KilledWorker", "WorkerCrashedError", "RayActorError", "ActorDiedError",
    "ActorUnavailableError", "CommClosedError", "CancelledError", "FutureCancelledError",
}  # fmt: skip
MOVES_NUMBERS = ("numpy", "scipy", "numba")


class WorkersLost(RuntimeError):
    """Workers died again and again."""

    exit_code = 6


class ClusterRefused(ValueError):
    """A cluster that cannot be reached, or whose workers would compute something else."""

    exit_code = 2


def run_all(
    work: Callable[..., Any], tasks: Sequence[tuple[Any, ...]], jobs: int, done: Callable[[Any], None] | None = None
) -> list[Any]:
    """`work(*task)` of every task, in their order, on the backend in force; `done` is told of each as it arrives.

    Raises WorkersLost when workers were lost in every one of 1 + RETRIES rounds without a task done, and what `work` raises.
    """
    found: dict[int, Any] = {}
    idle = 0
    while len(found) < len(tasks):
        before = len(found)
        try:
            with _watched(lambda: f"{len(found)} of {len(tasks)}") as alive:
                for i, result in _round(work, {i: task for i, task in enumerate(tasks) if i not in found}, jobs):
                    alive.set()
                    found[i] = result
                    if done:
                        done(result)
        except Exception as error:
            if not _is_loss(error):
                raise
            idle = idle + 1 if len(found) == before else 0
            if idle > RETRIES:
                raise WorkersLost(
                    f"workers were lost in {idle} rounds with no task done ({type(error).__name__}); too little memory? "
                    "lower --jobs, then `simulator resume`"
                ) from error
    return [found[i] for i in range(len(tasks))]


@contextmanager
def _watched(how_far: Callable[[], str]) -> Iterator[threading.Event]:
    """Warns (stderr, where nobody configured logging) whenever the event that it yields was not set for `SILENCE`."""
    alive, ended = threading.Event(), threading.Event()

    def watch() -> None:
        patience, silent = SILENCE, 0.0
        while not ended.is_set():
            if alive.wait(patience):
                alive.clear()
                patience, silent = SILENCE, 0.0
            elif not ended.is_set():
                silent += patience
                logging.getLogger(__name__).warning(SAID, silent, how_far())
                patience *= 2

    watcher = threading.Thread(target=watch, name="watch over workers", daemon=True)
    watcher.start()
    try:
        yield alive
    finally:
        ended.set()
        alive.set()
        watcher.join()


def _round(work: Callable[..., Any], tasks: dict[int, tuple[Any, ...]], jobs: int) -> Iterator[tuple[int, Any]]:
    """(number, result) of every task as it arrives; a backend that only gives whole lists is handed a few tasks at a time."""
    from joblib import Parallel, delayed
    from joblib.parallel import get_active_backend

    backend = get_active_backend()[0]
    is_local = type(backend).__name__ == "LokyBackend"
    calls = [delayed(_numbered)(i, work, task, is_local) for i, task in tasks.items()]
    if backend.supports_return_generator:
        # two tasks a worker at a time: more would hold their results in memory
        yield from Parallel(n_jobs=jobs, return_as="generator_unordered", pre_dispatch="2*n_jobs", batch_size=1)(calls)
        return
    with Parallel(n_jobs=jobs, batch_size=1) as parallel:  # one pool for all: making one takes seconds
        for first in range(0, len(calls), 2 * jobs):
            yield from parallel(calls[first : first + 2 * jobs])


def _numbered(i: int, work: Callable[..., Any], task: tuple[Any, ...], is_local: bool) -> tuple[int, Any]:
    if is_local:
        _die_with_parent()
    return i, work(*task)


def _die_with_parent() -> None:
    """Linux: a worker is killed when the process that made it ends, so that kill -9 leaves no orphans."""
    import ctypes
    import signal
    import sys

    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG


def _is_loss(error: BaseException) -> bool:
    return any(kind.__name__ in LOST for kind in type(error).__mro__)


@contextmanager
def cluster(address: str | None) -> Iterator[int | None]:
    """Everything `run_all` does inside runs on the cluster at `address`; yields how many tasks it takes at once.

    `ray:ADDRESS` (as in ray:auto, ray:10.0.0.1:6379) is Ray's, any other a Dask scheduler's (tcp://10.0.0.1:8786); None is this
    machine, and yields None. Raises ClusterRefused.
    """
    if address is None:
        yield None
        return
    with _ray(address[4:]) if address.startswith("ray:") else _dask(address) as (backend, count), backend:
        yield count


@contextmanager
def _dask(address: str) -> Iterator[tuple[AbstractContextManager[Any], int]]:
    distributed, joblib = _library("distributed", "dask"), _library("joblib", "joblib")
    try:
        client = distributed.Client(address, timeout=10, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise ClusterRefused(f"--cluster {address}: no Dask scheduler answers ({_first_line(error)})") from None
    with client:
        _check_alike(client.run(fingerprint), address)
        threads = sum(worker["nthreads"] for worker in client.scheduler_info(n_workers=-1)["workers"].values())
        yield joblib.parallel_config(backend="dask", client=client, wait_for_workers_timeout=60), threads


@contextmanager
def _ray(address: str) -> Iterator[tuple[AbstractContextManager[Any], int]]:
    ray, joblib = _library("ray", "ray"), _library("joblib", "joblib")
    from ray.util.joblib import register_ray

    mine = not ray.is_initialized()
    if mine:
        try:
            ray.init(address=address, logging_level="error", log_to_driver=False)
        except (OSError, ValueError, RuntimeError) as error:
            raise ClusterRefused(f"--cluster ray:{address}: no Ray cluster answers ({_first_line(error)})") from None
    try:
        nodes = [node["NodeID"] for node in ray.nodes() if node["Alive"]]
        on = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
        ask = ray.remote(num_cpus=0)(fingerprint)
        answers = ray.get([ask.options(scheduling_strategy=on(node, soft=False)).remote() for node in nodes])
        _check_alike(dict(zip(nodes, answers, strict=True)), f"ray:{address}")
        register_ray()
        yield joblib.parallel_config(backend="ray"), int(ray.cluster_resources().get("CPU", 1))
    finally:
        if mine:
            ray.shutdown()


def _library(name: str, backend: str) -> Any:
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError:
        raise ClusterRefused(f"--cluster needs {backend}, which is not installed; pip install 'simulator[distributed]'") from None


def fingerprint() -> dict[str, str]:
    """What decides the numbers that a worker computes: our sources and the libraries behind them."""
    digest = hashlib.blake2b(digest_size=12)
    root = Path(__file__).parent
    for source in sorted(root.rglob("*.py")):
        digest.update(source.relative_to(root).as_posix().encode())
        digest.update(source.read_bytes())
    return {"simulator": digest.hexdigest(), **{name: version(name) for name in MOVES_NUMBERS}, "machine": os.uname().machine}


def _check_alike(answers: dict[str, dict[str, str]], address: str) -> None:
    """Raises ClusterRefused unless every worker is as this process is: other code gives other numbers."""
    if not answers:
        raise ClusterRefused(f"--cluster {address}: the cluster has no workers; start one")
    mine = fingerprint()
    for worker, answer in answers.items():
        other = [f"{name} {answer.get(name)} there, {value} here" for name, value in mine.items() if answer.get(name) != value]
        if other:
            raise ClusterRefused(f"--cluster {address}: worker {worker} would compute other numbers: {'; '.join(other)}")


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
