"""The front on fresh paths: what each of its points reaches, with intervals, and the volume it commands.

The search's own estimates of its front are lucky by construction, so none of them is reported: every point is estimated
again on the selection paths, against current parameters on the same paths. The intervals of all points and goals hold
together (Bonferroni). The interval of the hypervolume is a bootstrap over paths (Efron 1979), the reference point held.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulator.calibration.pareto import front, hypervolume, reference_below
from simulator.calibration.plan import asked
from simulator.calibration.race import Question
from simulator.calibration.readiness import PURPOSE, chance
from simulator.calibration.search import Found
from simulator.calibration.space import Point
from simulator.calibration.trials import Trials
from simulator.calibration.world import HEADLINE, World
from simulator.calibration_settings import GoalName
from simulator.risk import measures
from simulator.risk.measures import Estimate, PerPath
from simulator.risk.planner import POWER

CONFIDENCE = 0.95
RESAMPLES = 400


@dataclass(frozen=True)
class FrontPoint:
    """One candidate on the selection paths. `chance` of passing every limit; `is_kept`: likely to pass, and none beats it."""

    point: Point
    goals: tuple[Estimate, ...]
    chance: float
    is_within: bool
    is_kept: bool


@dataclass(frozen=True)
class Front:
    """The points found, current parameters last, and the volume of those that are kept over `reference`."""

    goals: tuple[GoalName, ...]
    points: tuple[FrontPoint, ...]
    reference: tuple[float, ...]
    volume: Estimate
    confidence: float


def estimate_front(world: World, trials: Trials, found: Found, chosen: Point | None) -> Front | None:
    """The search's front and the `chosen` point. None where the scenario asks for none.

    Selection has run these points already, so nothing new is simulated.
    """
    question, current = found.question, trials.space.current_point
    if not question.goal.front:
        return None
    told = dict.fromkeys([*(trial.point for trial in found.front), *([] if chosen is None else [chosen])])
    points = [*(point for point in told if point != current), current]
    _, settings = asked(world)
    ran = trials.outcomes(world, HEADLINE, PURPOSE, points, settings.selection_paths, question.columns, "front")
    rows = [(p, outcomes) for p, outcomes in zip(points, ran, strict=True) if p not in trials.failures]
    reached = [question.reached(p, outcomes, ran[-1]) for p, outcomes in rows]
    chances = [chance(world, question, outcomes) for _, outcomes in rows]
    return _front(question, [p for p, _ in rows], reached, chances)


def _front(question: Question, points: list[Point], reached: list[tuple[PerPath, ...]], chances: list[float]) -> Front:
    each = 1 - (1 - CONFIDENCE) / (len(points) * len(question.goal.front))
    estimates = [tuple(measures.mean(goal, each) for goal in goals) for goals in reached]
    values = np.array([[estimate.value for estimate in row] for row in estimates])
    within = [i for i, chance in enumerate(chances) if chance >= POWER]
    kept = {within[i] for i in front(values[within].tolist())}
    reference = reference_below(values)
    shown = tuple(
        FrontPoint(point, row, chance, i in set(within), i in kept)
        for i, (point, row, chance) in enumerate(zip(points, estimates, chances, strict=True))
    )
    samples = np.array([[goal.value for goal in reached[i]] for i in within]).reshape(len(within), values.shape[1], -1)
    volume = _volume(question, samples, reference, reached[0][0].weight)
    return Front(question.goal.front, shown, reference, volume, CONFIDENCE)


def _volume(question: Question, samples: np.ndarray, reference: tuple[float, ...], weight: np.ndarray | None) -> Estimate:
    """samples: [point, goal, path]. The volume over `reference`, with the percentile interval over resampled paths."""
    from simulator.kernel import stream

    paths = samples.shape[2] if samples.size else 0
    if not paths:
        return Estimate(0.0, 0.0, 0.0, CONFIDENCE, 0)
    draws = np.random.Generator(np.random.Philox(key=int(stream(question.world.seed, "calibration", "front"))))
    value = hypervolume(_means(samples, weight, slice(None)), reference)
    again = [hypervolume(_means(samples, weight, draws.integers(paths, size=paths)), reference) for _ in range(RESAMPLES)]
    low, high = np.quantile(again, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Estimate(value, float(low), float(high), CONFIDENCE, paths, float(np.std(again)))


def _means(samples: np.ndarray, weight: np.ndarray | None, chosen: np.ndarray | slice) -> list[list[float]]:
    """[point][goal] over the paths chosen."""
    part = samples[:, :, chosen]
    found = part.mean(axis=2) if weight is None else np.average(part, axis=2, weights=weight[chosen])
    return [[float(value) for value in row] for row in found]
