"""The benchmark of the rules runs, small: its figures are measured elsewhere."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))
from benchmarks.protocol_rules import run


def test_every_rule_of_the_benchmark_has_a_speed():
    found = run(200)
    assert len(found["positions margined"]) == 6
    assert len(found["accounts of options margined"]) == 7
    assert all(speed > 0 for speeds in found.values() for speed in speeds.values())
