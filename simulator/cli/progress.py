"""How far the work is: a bar on stderr when that is a terminal and the work lasts over a second, a line a stage otherwise."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

PATIENCE = 1.0  # [s] before anything is shown


class Bar:
    """Progress of named stages. Use as a context and call `show`, or `advance` where there is one stage."""

    def __init__(self, stage: str = "", total: int = 0) -> None:
        self._stage, self._done, self._total = stage, 0, total
        self._said = ""
        self._started = time.monotonic()
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def show(self, stage: str, done: int, total: int) -> None:
        """`done` of `total` of a stage."""
        self._stage, self._done, self._total = stage, done, total
        if not total or time.monotonic() - self._started < PATIENCE:
            return
        if sys.stderr.isatty():
            self._draw()
        elif stage != self._said:
            self._said = stage
            click.echo(f"{stage} ({total:,} path evaluations)", err=True)

    def advance(self, more: int) -> None:
        """`more` of the only stage are done."""
        self.show(self._stage, self._done + more, self._total)

    def _draw(self) -> None:
        if self._bar is None:
            self._bar = _make_bar()
            self._task = self._bar.add_task(self._stage, total=self._total)
            self._bar.start()
        assert self._task is not None
        self._bar.update(self._task, description=self._stage, completed=self._done, total=self._total)

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()


def _make_bar() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    counts = (MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    return Progress(TextColumn("{task.description}"), BarColumn(None), *counts, console=Console(stderr=True), transient=True)
