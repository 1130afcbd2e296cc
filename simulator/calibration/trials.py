"""Trials: outcomes of candidates, computed once, recorded before they count, and handed out from the record for ever after.

A finished evaluation is one line: (world, purpose, block of paths, candidates) and the columns asked for. Outcomes of a
candidate depend on nothing but world, purpose and path, so it does not matter which candidates shared a call.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from simulator.calibration.space import Point, SearchSpace
from simulator.calibration.world import Evaluate, World
from simulator.outcomes import UNSEEN, WEIGHT, Outcomes

if TYPE_CHECKING:
    from simulator.calibration.ranking import Trial

BLOCK = 500  # paths in one line of the record
WAVE = 64  # paths a worker that are computed at once, where more than a block is missing: what a kill can lose;
WAVE_OF_FEW = 512  # or path evaluations, where candidates are few: handing over must stay small beside them
FAILED_SHARE = 0.2  # of all candidates; more, and the scenario is at fault, not the candidates


class Log(Protocol):
    """What trials need of a record."""

    lines: list[dict[str, Any]]

    def append(self, line: dict[str, Any]) -> None:
        """Add one line; when this returns, it is safe."""


Block = tuple[int, int]  # (first path, count)
Progress = Callable[[str, int, int], None]  # (stage, done, total) path evaluations of the stage
Leaders = Callable[["Sequence[Trial]"], None]  # told how the candidates of a search stand after each comparison


class CandidatesFailed(RuntimeError):
    """Too many candidates gave no finite outcome; `table` holds one line each."""

    exit_code = 1

    def __init__(self, table: Sequence[str]) -> None:
        self.table = tuple(table)
        super().__init__("too many candidates gave no finite outcome:\n" + "\n".join(self.table))


class Trials:
    """Evaluations of points of `space`, through the record."""

    def __init__(
        self,
        space: SearchSpace,
        record: Log,
        evaluate: Evaluate,
        *,
        jobs: int = 1,
        progress: Progress | None = None,
        leaders: Leaders | None = None,
    ) -> None:
        self.space, self.record, self.jobs = space, record, jobs
        self._evaluate, self._progress, self._leaders = evaluate, progress, leaders
        self._blocks: dict[tuple[str, str, int, int, Point], dict[str, np.ndarray]] = {}
        self.failures: dict[Point, str] = {}
        self._beside: set[Point] = set()
        self.evaluations = 0  # path evaluations in the record
        self.worlds: dict[str, World] = {}  # those asked about, by label
        for line in record.lines:
            if line["kind"] == "evaluation":
                self._keep(line)

    def outcomes(
        self,
        world: World,
        label: str,
        purpose: str,
        points: Sequence[Point],
        paths: int,
        columns: Sequence[str] | str,
        stage: str,
        cuts: Sequence[int] = (),
        *,
        beside: bool = False,
    ) -> list[Outcomes]:
        """Outcomes of `points` on paths 0 .. paths - 1 of `purpose` in the world called `label`, computing what is missing.

        `columns`: those to keep, or how their names begin (all if empty). `cuts`: counts of paths that other calls for the same
        purpose ask for, so that blocks match. `beside`: the points only lie beside a choice, and are not counted among candidates
        that fail. Raises CandidatesFailed when current parameters, or more than a fifth of all candidates, gave a value that is
        not finite.
        """
        if not points:
            return []
        self.worlds[label] = world
        blocks = list(_blocks(paths, cuts))
        asked = list(dict.fromkeys(points))
        most = max(WAVE, WAVE_OF_FEW // len(asked)) * self.jobs
        for missing, wave in _waves(blocks, lambda block: self._missing(label, purpose, block, asked), most):
            if missing:
                self._compute(world, label, purpose, wave, missing, columns, beside)
            if self._progress:
                self._progress(stage, sum(wave[-1]) * len(points), paths * len(points))
        self._check_failures()
        return [self._collect(label, purpose, point, blocks) for point in points]

    def _missing(self, label: str, purpose: str, block: Block, points: Sequence[Point]) -> tuple[Point, ...]:
        return tuple(point for point in points if (label, purpose, *block, point) not in self._blocks)

    def _compute(
        self,
        world: World,
        label: str,
        purpose: str,
        wave: Sequence[Block],
        points: Sequence[Point],
        columns: Sequence[str] | str,
        beside: bool,
    ) -> None:
        """Run `points` on consecutive blocks at once; record them block by block, as if each had been run by itself."""
        candidates = [self.space.parameters(point) for point in points]
        valid = [candidate for candidate in candidates if candidate is not None]
        first, count = wave[0][0], sum(wave[-1]) - wave[0][0]
        found = self._evaluate(world, valid, purpose, first, count, self.jobs)
        expected = np.arange(first, first + count)
        if len(found) != len(points) or any(not np.array_equal(outcome.path, expected) for outcome in found):
            raise RuntimeError(f"evaluate gave other candidates or paths than asked for: {purpose}, {count} from {first}")
        there = found[0].columns
        asked = [name for name in sorted(there) if name.startswith(columns)] if isinstance(columns, str) else columns
        names = dict.fromkeys((*asked, *(name for name in (WEIGHT, UNSEEN) if name in there)))
        for start, size in wave:
            rows = slice(start - first, start - first + size)
            line: dict[str, Any] = {
                "kind": "evaluation",
                "world": label,
                "purpose": purpose,
                "first": start,
                "count": size,
                "candidates": [list(point) for point in points],
                "columns": {name: [outcome.column(name)[rows].tolist() for outcome in found] for name in names},
            }
            if beside:
                line["beside"] = True
            self.record.append(line)
            self._keep(line)

    def _keep(self, line: dict[str, Any]) -> None:
        if line.get("beside"):
            self._beside.update({tuple(values) for values in line["candidates"]} - {key[-1] for key in self._blocks})
        for i, values in enumerate(line["candidates"]):
            point = tuple(values)
            kept = {name: np.asarray(rows[i], dtype=float) for name, rows in line["columns"].items()}
            self._blocks[line["world"], line["purpose"], line["first"], line["count"], point] = kept
            self.evaluations += line["count"]
            for name, row in kept.items():
                if not np.all(np.isfinite(row)):
                    path = line["first"] + int(np.argmin(np.isfinite(row)))
                    self.failures.setdefault(point, f"{name} of path {path} of {line['purpose']} is {row[path - line['first']]}")

    def _collect(self, label: str, purpose: str, point: Point, blocks: list[Block]) -> Outcomes:
        parts = [self._blocks[label, purpose, first, count, point] for first, count in blocks]
        columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        return Outcomes(np.arange(sum(count for _, count in blocks)), columns)

    def tell(self, trials: Sequence[Trial]) -> None:
        """Say how the candidates of a search stand, to whoever asked."""
        if self._leaders:
            self._leaders(trials)

    def insist(self, point: Point) -> None:
        """Raise CandidatesFailed if this candidate gave a value that is not finite."""
        if point in self.failures:
            raise CandidatesFailed([f"{_words(self.space, one)}: {reason}" for one, reason in self.failures.items()])

    def _check_failures(self) -> None:
        points = {key[-1] for key in self._blocks} - self._beside
        failed = [point for point in self.failures if point not in self._beside]
        if len(failed) > max(1, math.floor(FAILED_SHARE * len(points))):
            self.insist(failed[0])
        self.insist(self.space.current_point)


def _blocks(paths: int, cuts: Sequence[int]) -> Iterator[Block]:
    """(first, count) of blocks of at most BLOCK paths that end at every cut, between two cuts about equal."""
    edges = [0, *sorted(cut for cut in set(cuts) if cut < paths), paths]
    for low, high in itertools.pairwise(edges):
        parts = math.ceil((high - low) / BLOCK)
        ends = [low + (high - low) * part // parts for part in range(parts + 1)]
        yield from ((first, end - first) for first, end in itertools.pairwise(ends))


def _waves(
    blocks: Sequence[Block], missing: Callable[[Block], tuple[Point, ...]], most: int
) -> Iterator[tuple[tuple[Point, ...], list[Block]]]:
    """Consecutive blocks that miss the same points, of at most `most` paths together, so that many workers have work."""
    for points, alike in itertools.groupby(blocks, missing):
        wave: list[Block] = []
        for block in alike:
            if wave and sum(block) - wave[0][0] > most:
                yield points, wave
                wave = []
            wave.append(block)
        yield points, wave


def _words(space: SearchSpace, point: Point) -> str:
    return ", ".join(f"{name} = {value:g}" for name, value in zip(space.names, point, strict=True))
