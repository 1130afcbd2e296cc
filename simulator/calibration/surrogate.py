"""What points that were not run would give: a cubic radial-basis surrogate of goals and tails (Regis & Shoemaker 2007).

All candidates share their paths, so what differs between two of them is smooth in the parameters where an estimate on paths of
its own would be noise: a few dozen runs tell the goals and tails of thousands of grid points well enough to choose the next.
What is chosen is run like any other candidate; the surrogate decides nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from simulator.calibration.ranking import Trial
from simulator.calibration.space import Point, SearchSpace

WHOLE = 20_000  # grid points that are all looked at; of a larger grid, so many of a design
SMOOTHING = 1e-5  # of the surrogate at the longest runs; shorter ones more, by the ratio of their paths
DIGITS = 7  # of predictions that count: beyond them linear algebra differs between machines
FAR = 8.0  # limits: what is farther beyond says nothing about the edge
NEAR = (0.0, -0.05, 0.03)  # tails in limits at which points are wanted, in turn: at the edge, short of it, beyond


def promising(space: SearchSpace, trials: Sequence[Trial], seen: set[Point], key: int) -> Iterator[Point]:
    """New valid points, each the one that moves the front of what is known and chosen so far the farthest, at an edge in turn."""
    grid = candidates(space, key)
    found = predicted(space, trials, grid * np.array([wanted.step for wanted in space.search]))
    if found is None:
        return
    given, (goals, tails) = set(seen), found
    goals = goals / np.maximum(np.ptp(goals, axis=0), 1e-12)
    known = np.array([gain(trial) for trial in trials]) / np.maximum(np.ptp(found[0], axis=0), 1e-12)
    held = np.array([worst(trial) for trial in trials])
    steps = [np.where(tails <= edge, advance(goals, known[held <= edge]), -np.inf) for edge in NEAR]
    for turn in itertools.count():
        if all(np.all(step == -np.inf) for step in steps):
            return
        i = int(np.argmax(steps[turn % len(NEAR)]))
        if steps[turn % len(NEAR)][i] == -np.inf:
            continue
        for step in steps:
            step[i] = -np.inf
        point = space.point(grid[i])
        if point not in given and space.parameters(point) is not None:
            given.add(point)
            for step, edge in zip(steps, NEAR, strict=True):
                if tails[i] <= edge:
                    np.minimum(step, advance(goals, goals[i : i + 1]), out=step)
            yield point


def gain(trial: Trial) -> tuple[float, ...]:
    """What a candidate reaches: its goals, or its score where one decides."""
    return trial.goals or (trial.score,)


def worst(trial: Trial) -> float:
    """The tail of the condition that is farthest from being kept, over its limit, less one."""
    return max(trial.violations[0])


def advance(goals: np.ndarray, best: np.ndarray) -> np.ndarray:
    """[point] how far each lies beyond a front: the least, over the front `best`, of the most that it is better in any goal."""
    if len(best) == 0:
        return np.sum(goals, axis=1)
    ahead = np.full((len(goals), len(best)), -np.inf)
    for goal, other in zip(goals.T, best.T, strict=True):
        np.maximum(ahead, goal[:, None] - other, out=ahead)
    return ahead.min(axis=1)


def candidates(space: SearchSpace, key: int) -> np.ndarray:
    """int64 [point, parameter] multiples of the steps: the whole grid, or of a large one a design; valid or not, run or not."""
    sizes = [len(ks) for ks in space.multiples]
    if space.size <= WHOLE:
        places = np.indices(sizes).reshape(len(sizes), -1).T
    else:
        from scipy.stats import qmc

        draws = qmc.Sobol(len(sizes), rng=key).random(2 ** int(np.log2(WHOLE)))
        places = np.minimum((draws * sizes).astype(np.int64), np.array(sizes) - 1)
    return places + np.array([ks[0] for ks in space.multiples])


def predicted(space: SearchSpace, trials: Sequence[Trial], points: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """(goals [point, goal], worst tail over its limit less one [point]); None where the runs do not span the space.

    A tail of -1 is no loss at all: how far from a loss it is, it does not say, so only runs with some are asked.
    """
    low = np.array([wanted.low for wanted in space.search])
    width = np.array([max(wanted.high - wanted.low, 1e-300) for wanted in space.search])
    ran, asked = (np.array([trial.point for trial in trials]) - low) / width, (points - low) / width
    paths = np.array([trial.paths for trial in trials])
    smoothing = SMOOTHING * paths.max() / paths
    goals = _surface(ran, np.array([gain(trial) for trial in trials]), smoothing, asked)
    if goals is None:
        return None
    tails = np.full(len(points), -np.inf)
    for values in np.array([trial.violations[0] for trial in trials]).T:
        told = (values > -1 + 1e-9) & (values < FAR)
        if told.any():
            surface = _surface(ran[told], values[told, None], smoothing[told], asked)
            surface = surface if surface is not None else _surface(ran, np.minimum(values, FAR)[:, None], smoothing, asked)
            assert surface is not None
            tails = np.maximum(tails, surface[:, 0])
    return goals, tails


def _surface(ran: np.ndarray, values: np.ndarray, smoothing: np.ndarray, asked: np.ndarray) -> np.ndarray | None:
    """[asked, column] by cubic radial functions on a plane through `values` [ran, column]; None where `ran` spans no space."""
    from scipy.interpolate import RBFInterpolator

    centre, spread = values.mean(axis=0), np.maximum(values.std(axis=0), 1e-12)
    moving = np.ptp(ran, axis=0) > 0
    if len(ran) < 2 * (moving.sum() + 1):
        return None
    try:
        law = RBFInterpolator(ran[:, moving], (values - centre) / spread, kernel="cubic", smoothing=smoothing)
    except np.linalg.LinAlgError:
        return None
    return np.asarray(np.round(law(asked[:, moving]) * spread + centre, DIGITS))
