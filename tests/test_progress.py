"""Progress on stderr: plain lines where that is no terminal, one screen of 80 columns where it is."""

from __future__ import annotations

import io
import sys

import pytest

from simulator.calibration.ranking import Trial
from simulator.cli import progress
from simulator.cli.progress import Bar, duration

NAMES = ("perpetuals.ETH.initial_margin_ratio", "perpetuals.ETH.maintenance_margin_ratio")


def trial(number: int, score: float, violation: float = -0.1, stopped: str = "") -> Trial:
    return Trial(number, (0.05 + number / 100, 0.03), 640, score, 0.001, ((violation,),) * 5, (), stopped)


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass only where a test says so."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_plain_lines_say_the_stage_what_is_left_and_who_leads(clock, capsys):
    with Bar(names=NAMES) as bar:
        clock[0] += 2
        bar.show("screen", 0, 1000)
        clock[0] += 10
        bar.show("screen", 100, 1000)  # too soon to say anything again
        clock[0] += 30
        bar.show("screen", 400, 1000)
        bar.lead([trial(0, 0.0), trial(1, 0.02), trial(2, 0.5, violation=0.3)])
        bar.lead([trial(0, 0.0), trial(1, 0.02), trial(3, 0.01)])  # the same leads
        bar.show("selection", 5, 10)
    printed = capsys.readouterr()
    assert printed.out == ""
    first, second, best, last = printed.err.splitlines()
    assert first == "screen: 0 of 1,000 path evaluations"
    assert second == "screen: 400 of 1,000 path evaluations, about 60 s left"  # 400 in 40 s
    assert best == f"best of 3 so far: {NAMES[0]} = 0.06, {NAMES[1]} = 0.03; goal +2.00%, within"
    assert last == "selection: 5 of 10 path evaluations"  # no time has been seen to pass


def test_a_terminal_gets_one_screen_of_80_columns(clock, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stderr", Terminal())
    many = [trial(number, 0.01 * number, stopped="loss" if number == 3 else "") for number in range(12)]
    with Bar(names=NAMES) as bar:
        clock[0] += 2
        bar.show("search, batch 3 of 4, race to 160 paths", 10, 320)
        bar.lead(many)
        clock[0] += 15
        bar.show("search, batch 3 of 4, race to 160 paths", 160, 320)
        assert bar._live is not None
        from rich.console import Console

        shown = Console(file=io.StringIO(), width=80, force_terminal=False)
        shown.print(bar._live.renderable)
    lines = shown.file.getvalue().splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    assert "160/320" in lines[0]
    assert "about 16 s left" in lines[0]  # 150 in 15 s; when the 10 before them were begun is not known
    assert any(line.strip().startswith("11: 0.16 0.03") and "+11.00%" in line and "within" in line for line in lines)


@pytest.mark.parametrize(("seconds", "said"), [(3.4, "3 s"), (89, "89 s"), (600, "10 min"), (7200, "2.0 h")])
def test_times_are_said_as_people_say_them(seconds, said):
    assert duration(seconds) == said
