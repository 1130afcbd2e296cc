"""Verification by a third party: the record replayed to the same proposal, and random lines of it computed again.

Replaying shows that verdict and figures follow from the record; computing again shows that the record follows from the
scenario. Which lines are computed is drawn from `seed`, which nobody who wrote the record could know.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from simulator.calibration.calibrate import Calibration, replay
from simulator.calibration.lineage import Lineage
from simulator.calibration.plan import asked
from simulator.calibration.space import SearchSpace
from simulator.calibration.trials import Progress, Trials
from simulator.calibration.versions import own_version
from simulator.calibration.world import Evaluate, World
from simulator.kernel import stream, uniform

TOLERANCE = 1e-9  # [1] of the larger figure, or of the largest of its column
STAGE = "computing again"


class NotInRecord(ValueError):
    """The record does not hold what its own calibration would have asked for."""

    exit_code = 1


@dataclass(frozen=True)
class Recomputed:
    """Lines of a record computed again."""

    lines: int  # in the record
    chosen: int
    path_evaluations: int
    worst: float  # [1] the largest relative difference
    differing: tuple[str, ...]  # one line each

    def chance_missed(self, altered: float) -> float:
        """The probability that none of the chosen lines is altered where a share `altered` of all lines is."""
        bad = math.ceil(altered * self.lines)
        if bad > self.lines - self.chosen:
            return 0.0
        return math.exp(sum(math.log1p(-bad / (self.lines - i)) for i in range(self.chosen)))


class FinishedRecord:
    """The lines of a finished record, to read: asking for more is a sign that it is not whole."""

    def __init__(self, lines: Sequence[dict[str, Any]]) -> None:
        self.lines = list(lines)

    def append(self, line: dict[str, Any]) -> None:
        """Raises NotInRecord."""
        what = f"{line.get('purpose', line['kind'])} in {line.get('world', 'the record')}"
        raise NotInRecord(f"log.jsonl: lacks evaluations that its calibration needs ({what}); it is unfinished or was altered")


def replayed(world: World, lines: Sequence[dict[str, Any]]) -> tuple[Calibration, Trials]:
    """The calibration that `lines` lead to, without an engine. Raises NotInRecord."""

    looks = [int(line["look"]) for line in lines if line["kind"] == "look"]
    if not looks:
        raise NotInRecord("log.jsonl: names no look; it is unfinished or was altered")
    space = SearchSpace(world.vote, asked(world)[1].search)
    trials = Trials(space, FinishedRecord(lines), _absent)
    with tempfile.TemporaryDirectory(prefix="simulator-") as folder:  # a look that is verified is not spent again
        return replay(world, trials, Lineage(Path(folder), world.lineage, world.hash, own_version()), looks[0]), trials


def _absent(scenario: Any, candidates: Sequence[Any], purpose: str, first: int, count: int, jobs: int) -> Any:
    """In the place of an engine."""
    raise NotInRecord(f"log.jsonl: lacks paths {first} to {first + count - 1} of {purpose}; it is unfinished or was altered")


def recompute(
    trials: Trials, evaluate: Evaluate, share: float, seed: int, *, jobs: int = 1, progress: Progress | None = None
) -> Recomputed:
    """Compute a random `share` of the record's lines again, at least one. The worlds are those that the replay met."""
    lines = [line for line in trials.record.lines if line["kind"] == "evaluation"]
    chosen = choose(len(lines), share, seed)
    total = sum(lines[i]["count"] * len(lines[i]["candidates"]) for i in chosen)
    done, worst, differing = 0, 0.0, []
    for i in chosen:
        line = lines[i]
        found = _again(trials, line, evaluate, jobs)
        gap, where = compare(line["columns"], found)
        worst = max(worst, gap)
        if not gap <= TOLERANCE:
            differing.append(f"{line['world']}, {line['purpose']}, paths from {line['first']}: {where} differs by {gap:.2g}")
        done += line["count"] * len(line["candidates"])
        if progress:
            progress(STAGE, done, total)
    return Recomputed(len(lines), len(chosen), total, worst, tuple(differing))


def choose(count: int, share: float, seed: int) -> list[int]:
    """A random sample without replacement of `share` of `count` places, at least one, in their order."""
    key = stream(seed, "verification")
    order = sorted(range(count), key=lambda i: float(uniform(key, 0, i, 0, 0)))
    return sorted(order[: max(1, math.ceil(share * count))])


def _again(trials: Trials, line: dict[str, Any], evaluate: Evaluate, jobs: int) -> dict[str, list[list[float]]]:
    candidates = [trials.space.parameters(tuple(values)) for values in line["candidates"]]
    if any(candidate is None for candidate in candidates) or line["world"] not in trials.worlds:
        raise NotInRecord(f"log.jsonl: holds {line['purpose']} in {line['world']}, which this scenario does not lead to")
    world = trials.worlds[line["world"]]
    found = evaluate(world, [one for one in candidates if one], line["purpose"], line["first"], line["count"], jobs)
    return {name: [outcome.column(name).tolist() for outcome in found] for name in line["columns"]}


def compare(recorded: dict[str, Any], found: dict[str, Any]) -> tuple[float, str]:
    """(largest relative difference, column that has it) between two tables of columns."""
    worst, where = 0.0, ""
    for name, values in recorded.items():
        a, b = np.asarray(values, float), np.asarray(found[name], float)
        same = (a == b) | (np.isnan(a) & np.isnan(b))
        scale = max(float(np.max(np.abs(b), initial=0.0)), 1e-300)
        gap = 0.0 if same.all() else float(np.max(np.where(same, 0.0, np.abs(a - b)))) / scale
        if not gap <= worst:
            worst, where = gap, name
    return worst, where


def differences(stored: Any, made: Any, place: str = "proposal.json") -> Iterator[str]:
    """Where two proposals differ by more than rounding, one line each; versions of libraries may differ."""
    if place == "proposal.json.reproduce.versions":
        return
    if isinstance(stored, dict) and isinstance(made, dict):
        for key in sorted({*stored, *made}):
            yield from differences(stored.get(key), made.get(key), f"{place}.{key}")
    elif isinstance(stored, list) and isinstance(made, list) and len(stored) == len(made):
        for i, (one, other) in enumerate(zip(stored, made, strict=True)):
            yield from differences(one, other, f"{place}.{i}")
    elif not _alike(stored, made):
        yield f"{place}: is {_short(stored)}, the record leads to {_short(made)}"


def _alike(one: Any, other: Any) -> bool:
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in (one, other))
    return math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=1e-12) if numbers else bool(one == other)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
