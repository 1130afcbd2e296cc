"""What a person reads when a scenario is wrong: `FILE: key.path: what is wrong; what is allowed`, one line a problem."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from simulator.wording import quoted, shown

Place = tuple[str | int, ...]
MOST_LINES = 20
BARE_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Problem(NamedTuple):
    """One thing that is wrong: where, what, and the line and column where the parser gives them."""

    place: Place
    message: str
    line: int | None = None
    column: int | None = None

    def text(self) -> str:
        """`key.path: message`, or `line 3, column 5: message`, or the message alone. Elements of lists count from 0."""
        if self.place:
            return f"{dotted(self.place)}: {self.message}"
        if self.line is not None:
            column = f", column {self.column}" if self.column is not None else ""
            return f"line {self.line}{column}: {self.message}"
        return self.message


class ScenarioError(ValueError):
    """Everything that is wrong with a scenario, `problems` one line each and at most 20 of them plus a count of the rest."""

    def __init__(self, path: Path | str, problems: Iterable[Problem]) -> None:
        name = shown(str(path))
        lines = list(dict.fromkeys(f"{name}: {shown(problem.text())}" for problem in problems))
        rest = len(lines) - MOST_LINES
        if rest > 0:
            lines[MOST_LINES:] = [f"{name}: and {rest} more problem{'s' if rest > 1 else ''}"]
        self.problems = tuple(lines)
        super().__init__("\n".join(lines))

    def __reduce__(self) -> tuple[object, ...]:
        return _restored, (self.problems,)


def _restored(problems: tuple[str, ...]) -> ScenarioError:
    error = ScenarioError("", ())
    error.problems = problems
    error.args = ("\n".join(problems),)
    return error


def dotted(place: Place) -> str:
    """A key path as TOML would write it: parts that are not bare keys are quoted."""
    return ".".join(str(part) if isinstance(part, int) or BARE_KEY.fullmatch(part) else quoted(part) for part in place)
