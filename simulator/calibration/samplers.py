"""The samplers that learn: Optuna's TPE, made anew for each batch from (seed, batch) and the trials so far in their order.

What it proposes is so a function of the record, and a resumed search proposes the same. With several goals it is the
multi-objective TPE (Ozaki et al. 2022).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from simulator.calibration.ranking import Trial
from simulator.calibration.space import Point, SearchSpace

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution

HALVINGS = 6  # of the way from an invalid proposal to the leader
TRIES = 20  # of the sampler for one new valid point, before the design fills in


def sampled(
    space: SearchSpace, conditions: Sequence[str], trials: Sequence[Trial], seen: set[Point], key: int, count: int
) -> list[Point]:
    """Up to `count` valid points that are not in `seen`; `conditions` names the violations of every trial."""
    import optuna

    if count <= 0:
        return []
    leader = space.round(min(trials, key=Trial.rank).point)
    ranges = {
        name: optuna.distributions.IntDistribution(ks[0], ks[-1]) for name, ks in zip(space.names, space.multiples, strict=True)
    }
    new: dict[Point, None] = {}
    with quiet():
        study = _study(space, conditions, trials, key, ranges)
        for _ in range(TRIES * count):
            if len(new) == count:
                break
            proposed = study.ask(ranges)
            point = repaired(space, space.point([proposed.params[name] for name in space.names]), leader)
            if point in seen or point in new:
                study.tell(proposed, state=optuna.trial.TrialState.FAIL)
            else:
                new[point] = None
    return list(new)


def _study(
    space: SearchSpace, conditions: Sequence[str], trials: Sequence[Trial], key: int, ranges: dict[str, BaseDistribution]
) -> Study:
    """A study in memory that holds every trial."""
    import optuna

    sampler = optuna.samplers.TPESampler(seed=key, multivariate=True, n_startup_trials=0, constant_liar=True)
    study = optuna.create_study(directions=["maximize"] * max(1, len(trials[0].goals)), sampler=sampler)
    for trial in trials:
        study.add_trial(
            optuna.trial.create_trial(
                params=dict(zip(space.names, space.multiples_of(trial.point), strict=True)),
                distributions=ranges,
                values=list(trial.goals) or [trial.score],
                constraints=dict(zip(conditions, trial.violations[0], strict=True)),
            )
        )
    return study


def repaired(space: SearchSpace, point: Point, leader: Point) -> Point:
    """`point`, or where it breaks a relation between parameters, the first valid one of the halves of the way to `leader`."""
    for _ in range(HALVINGS):
        if space.parameters(point) is not None:
            return point
        point = space.round(tuple((a + b) / 2 for a, b in zip(point, leader, strict=True)))
    return point if space.parameters(point) is not None else space.current_point


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Optuna reports every study and trial; the progress of a calibration is ours to report."""
    import optuna

    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(level)
