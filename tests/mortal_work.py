"""What the workers of test_workers.py do: importable by every worker, so outside the test file."""

import os
import signal
from pathlib import Path


def square(number: int, mark: str) -> int:
    """number^2; the process of the first task 5 there is dies before it answers and leaves `mark` behind."""
    if number == 5 and not Path(mark).exists():
        Path(mark).write_text("dead")
        os.kill(os.getpid(), signal.SIGKILL)
    return number**2


def halt(number: int, mark: str) -> int:
    """number^2; the process of the first task there is stops, alive, until somebody continues the process that `mark` names."""
    try:
        with Path(mark).open("x") as file:
            file.write(str(os.getpid()))
        os.kill(os.getpid(), signal.SIGSTOP)
    except FileExistsError:
        pass
    return number**2


def die(number: int) -> int:
    """Never answers."""
    os.kill(os.getpid(), signal.SIGKILL)
    return number


def fail(number: int) -> int:
    """A defect of the task, not of its worker."""
    raise ZeroDivisionError(f"task {number}")
