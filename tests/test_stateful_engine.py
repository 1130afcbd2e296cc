"""Any sequence of operations keeps the books, touches one account at a time, and hides nobody from the watch list."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

FILE = Path(__file__).parent / "stateful_engine.py"


def run(examples: int, steps: int) -> None:
    """In a process of its own: tiny sizes are faster interpreted than compiled."""
    command = [sys.executable, str(FILE), str(examples), str(steps)]
    done = subprocess.run(command, env=os.environ | {"NUMBA_DISABLE_JIT": "1"}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]


def test_any_short_sequence_of_operations_keeps_the_invariants():
    run(3, 12)


@pytest.mark.slow
def test_any_long_sequence_of_operations_keeps_the_invariants():
    run(60, 40)
