"""The benchmark of path generation runs, and every contestant does the same amount of work."""

import json
import os
import subprocess
import sys
from pathlib import Path


def test_the_benchmark_prints_speeds_and_ratios():
    root = Path(__file__).resolve().parents[2]
    found = subprocess.run(
        [sys.executable, "-m", "benchmarks.paths", "--json", "--paths", "16", "--rounds", "1"],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=True,
    )
    printed = json.loads(found.stdout)
    assert "simulator: garch-t with jumps" in printed["results"]
    assert all(row["path_steps_per_second"] > 0 for row in printed["results"].values())
    assert printed["ratios"]["garch-t to arch"] > 0
