"""How far the work is: a bar on stderr when that is a terminal and the work lasts over a second, plain lines otherwise."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.live import Live
    from rich.progress import Progress
    from rich.table import Table

    from simulator.calibration.ranking import Trial

PATIENCE = 1.0  # [s] before anything is shown
SILENCE = 30.0  # [s] after which plain lines say again how far a stage is
WIDTH = 80  # columns
SHOWN = 5  # candidates of the table
LEAST_SHARE = 0.02  # of a stage that must be done before its time left is said


class Bar:
    """Progress of named stages, and the best candidates so far. Use as a context.

    Call `show`, or `advance` where there is one stage; `lead` with the candidates after each comparison of a search.
    """

    def __init__(self, stage: str = "", total: int = 0, names: Sequence[str] = ()) -> None:
        self._stage, self._done, self._total, self._names = stage, 0, total, tuple(names)
        self._started = self._began = time.monotonic()
        self._found = 0  # path evaluations done when the stage was first shown: recorded ones, or the first wave
        self._spoke = -SILENCE  # when the last plain line was written
        self._best: list[Trial] = []
        self._said_best: tuple[float, ...] = ()
        self._live: Live | None = None
        self._bar: Progress | None = None
        self._task: Any = None

    def show(self, stage: str, done: int, total: int) -> None:
        """`done` of `total` path evaluations of a stage."""
        if stage != self._stage or done < self._done:
            self._began, self._found, self._spoke = time.monotonic(), done, -SILENCE
        self._stage, self._done, self._total = stage, done, total
        if not total or time.monotonic() - self._started < PATIENCE:
            return
        if sys.stderr.isatty():
            self._draw()
        elif time.monotonic() - self._spoke >= SILENCE:
            self._spoke = time.monotonic()
            click.echo(self._line(), err=True)

    def advance(self, more: int) -> None:
        """`more` of the only stage are done."""
        self.show(self._stage, self._done + more, self._total)

    def lead(self, trials: Sequence[Trial]) -> None:
        """The candidates of a search as they stand now."""
        from simulator.calibration.ranking import ordered

        self._best = ordered(trials)[:SHOWN]
        if self._live is not None:
            self._draw()
        elif self._best and not sys.stderr.isatty() and self._best[0].point != self._said_best:
            self._said_best = self._best[0].point
            if time.monotonic() - self._started >= PATIENCE:
                click.echo(f"best of {len(trials)} so far: {self._described(self._best[0])}", err=True)

    def left(self) -> float | None:
        """Seconds that the stage still takes at the speed since it was first shown; None before that can be said."""
        done = self._done - self._found
        if done <= 0 or done < LEAST_SHARE * self._total:
            return None
        return (time.monotonic() - self._began) * (self._total - self._done) / done

    def _when(self) -> str:
        left = self.left()
        return "" if left is None or self._done == self._total else f"about {duration(left)} left"

    def _line(self) -> str:
        when = self._when()
        return f"{self._stage}: {self._done:,} of {self._total:,} path evaluations{f', {when}' if when else ''}"

    def _described(self, trial: Trial) -> str:
        values = ", ".join(f"{name} = {value:g}" for name, value in zip(self._names, trial.point, strict=True))
        return f"{values}; goal {trial.score:+.2%}, {standing(trial)}"

    def _draw(self) -> None:
        from rich.console import Group

        if self._live is None:
            self._bar, self._live = _make_bar()
            self._task = self._bar.add_task(self._stage, total=self._total, left="")
            self._live.start()
        assert self._bar is not None
        self._bar.update(self._task, description=self._stage[:34], completed=self._done, total=self._total, left=self._when())
        self._live.update(Group(self._bar, self._table()) if self._best else self._bar)

    def _table(self) -> Table:
        from rich.box import SIMPLE_HEAD
        from rich.table import Table

        table = Table(box=SIMPLE_HEAD, pad_edge=False, width=WIDTH, padding=(0, 1))
        for name in ("best so far", "goal", "paths", "limits"):
            table.add_column(
                name, justify="left" if name in ("best so far", "limits") else "right", overflow="ellipsis", no_wrap=True
            )
        for trial in self._best:
            values = " ".join(f"{value:g}" for value in trial.point)
            table.add_row(f"{trial.number}: {values}", f"{trial.score:+.2%}", f"{trial.paths:,}", standing(trial))
        return table

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._live is not None:
            self._live.stop()


def standing(trial: Trial) -> str:
    """How a candidate stands to its limits, on the paths it ran so far."""
    return "proven unsafe" if trial.stopped else "within" if trial.is_within() else "beyond"


def duration(seconds: float) -> str:
    """A time as people say it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _make_bar() -> tuple[Progress, Live]:
    from rich.console import Console
    from rich.live import Live
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    console = Console(stderr=True, width=WIDTH)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(None),
        MofNCompleteColumn(),
        TextColumn("{task.fields[left]}"),
        console=console,
    )
    return bar, Live(bar, console=console, transient=True)
