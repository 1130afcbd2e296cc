"""What stops a command, as one line a problem on stderr and the exit code of its kind."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import click

DONE, NOT_MET, BAD_INPUT, BUSY, MACHINE, DEFECT, WORKERS, INTERRUPTED = 0, 1, 2, 3, 4, 5, 6, 130
ENDING = (signal.SIGINT, signal.SIGTERM)
BY_NAME = {  # classes of rooms and libraries that must not be imported here
    "ScenarioError": BAD_INPUT,
    "LoadError": BAD_INPUT,
    "AccountsFileError": BAD_INPUT,
    "PopulationFileError": BAD_INPUT,
    "PriceFileError": BAD_INPUT,
    "TerminatedWorkerError": WORKERS,
    "BrokenProcessPool": WORKERS,
}


BORDER = (
    "simulator.calibration.plan",
    "simulator.calibration.space",
    "simulator.risk.judgement",
)  # judge a scenario by ValueError


@contextmanager
def signals_interrupt() -> Iterator[None]:
    """SIGTERM ends a command as Ctrl-C does: what is recorded is kept and said, workers end. A second signal ends it at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, _interrupt) for number in ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(number: int, frame: FrameType | None) -> None:
    for one in ENDING:
        signal.signal(one, _leave)
    raise KeyboardInterrupt


def _leave(number: int, frame: FrameType | None) -> None:
    os._exit(INTERRUPTED)  # the record is on disk line by line, and the kernel frees its lock


def report_and_code(error: BaseException) -> int:
    """Say what stopped the command and return the exit code; a traceback only for a defect of ours."""
    code = code_of(error)
    if code == DEFECT:
        _say_defect(error)
    else:
        for line in _lines(error, code):
            click.echo(line, err=True)
    return code


def code_of(error: BaseException) -> int:
    """The exit code of BAD_INPUT.md for what stopped a command."""
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    if isinstance(error, (KeyboardInterrupt, click.Abort)):
        return INTERRUPTED
    if isinstance(error, click.ClickException):
        return BAD_INPUT
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else DEFECT
    if isinstance(own := getattr(error, "exit_code", None), int):
        return own
    for kind in type(error).__mro__:
        if kind.__name__ in BY_NAME:
            return BY_NAME[kind.__name__]
    if isinstance(error, BrokenPipeError):
        return DONE
    if type(error) is ValueError and _raised_in(error) in BORDER:
        return BAD_INPUT
    return MACHINE if isinstance(error, (OSError, MemoryError)) else DEFECT


def _raised_in(error: BaseException) -> str:
    """The module whose code raised it."""
    innermost = [frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__)]
    return innermost[-1] if innermost else ""


def _lines(error: BaseException, code: int) -> list[str]:
    if isinstance(error, (click.exceptions.Exit, SystemExit)):
        return []
    if isinstance(error, BrokenPipeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader is gone: nothing more to say
        return []
    if code == INTERRUPTED:
        return ["simulator: interrupted; what a calibration has recorded is kept, `simulator resume` goes on with it"]
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        return [error.format_message()]
    if isinstance(error, click.ClickException):
        return [f"{_command(error)}: {_lowered(' '.join(error.format_message().split()))}"]
    if code == WORKERS:
        return ["simulator: workers were lost beyond retry; too little memory? lower --jobs, then `simulator resume`"]
    if isinstance(error, MemoryError):
        return [f"simulator: out of memory{f' ({error})' if str(error) else ''}; lower paths, accounts or --jobs"]
    if isinstance(error, OSError):
        return [f"{error.filename or 'simulator'}: {error.strerror or error}; check space{_room(error.filename)} and permissions"]
    return list(getattr(error, "problems", None) or str(error).splitlines())


def _room(name: object) -> str:
    """The free space where a file lies, in words; nothing where that is not known."""
    try:
        return f" ({shutil.disk_usage(os.path.dirname(os.path.abspath(str(name)))).free:,} bytes are free)" if name else ""
    except OSError:
        return ""


def _command(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    return context.command_path if context is not None else "simulator"


def _lowered(text: str) -> str:
    return text[:1].lower() + text[1:]


def _say_defect(error: BaseException) -> None:
    if type(error).__name__ == "InvariantBroken":
        click.echo(f"simulator: an invariant broke, which is a defect of the simulator: {error}", err=True)
        return
    traceback.print_exception(error)
    click.echo("simulator: this is a defect of the simulator; please report it with the lines above and the scenario", err=True)
