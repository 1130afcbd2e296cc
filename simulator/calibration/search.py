"""Search: a Sobol screen, then batches from bisection and from a sampler that learns, racing for paths.

The sampler is Optuna's TPE with named constraints, made anew for each batch from (seed, batch) and the trials so far in
their order, so that what it proposes is a function of the record and a resumed search proposes the same.
"""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from simulator.calibration.plan import ConfirmationPlan, asked
from simulator.calibration.race import PURPOSE, Question, Race, Trial, rungs, spread
from simulator.calibration.space import Point, SearchSpace
from simulator.calibration.trials import Trials
from simulator.calibration.world import HEADLINE, World
from simulator.risk.judgement import Judgement, judge

SCREEN_SHARE = 0.5  # of all candidates
BATCHES = 4  # that the others come in
LEADERS = 5  # between which half of a batch is laid
FINALISTS = 8
HALVINGS = 6  # of the way from an invalid proposal to the leader
TRIES = 20  # of the sampler for one new valid point, before the design fills in


@dataclass(frozen=True)
class Found:
    """What the search leaves: every trial in the order of its number, `finalists`, and the question with frozen denominators."""

    question: Question
    trials: tuple[Trial, ...]
    finalists: tuple[Trial, ...]


def search(world: World, trials: Trials, plan: ConfirmationPlan) -> Found:
    """Screen, then batches; current parameters are trial 0. Raises CandidatesFailed, ValueError for a zero denominator."""
    _, settings = asked(world)
    race = Race(world, trials, plan)
    race.enter(trials.space.design(math.ceil(SCREEN_SHARE * settings.candidates), world.seed), "screen")
    for batch in range(BATCHES):
        wanted = math.ceil((settings.candidates - len(race.points)) / (BATCHES - batch))
        proposed = suggest(race.question, race.trials, race.points, batch, max(0, wanted))
        race.enter(proposed, f"search, batch {batch + 1} of {BATCHES}")
    return Found(race.question, race.known, tuple(spread(race.trials, FINALISTS)))


@dataclass(frozen=True)
class SearchEstimate:
    """What counting on the search paths says about one candidate: for the report of shrinkage, never for a choice."""

    score: float
    score_error: float
    judgements: tuple[Judgement, ...]


def estimate_on_search(trials: Trials, question: Question, point: Point) -> SearchEstimate:
    """`point` on all search paths; one that selection laid between two finalists is run on them now."""
    _, settings = asked(question.world)
    cuts = rungs(settings.search_paths)
    pair = [point, trials.space.current_point]
    found = trials.outcomes(question.world, HEADLINE, PURPOSE, pair, cuts[-1], question.columns, "search estimate", cuts=cuts)
    trials.insist(point)
    judged = tuple(judge(one, found[0], question.frozen, question.plan.confidence) for one in question.conditions)
    return SearchEstimate(*question.score(point, *found), judged)


def suggest(question: Question, trials: Sequence[Trial], seen: set[Point], batch: int, count: int) -> list[Point]:
    """`count` valid points that are not in `seen`; fewer when the space has no more.

    Half lie between the leaders, which closes in on the edge of the limits by bisection, or beside the first of them; the
    rest come from TPE given `trials`.
    """
    from simulator.kernel import stream

    space = question.space
    key = int(stream(question.world.seed, "calibration", "sampler", str(batch))) % 2**32
    new = dict.fromkeys(itertools.islice(_between(space, spread(trials, LEADERS), seen), count // 2))
    new |= dict.fromkeys(_sampled(question, trials, {*seen, *new}, key, count - len(new)))
    spare = (p for p in space.design(len(seen) + 2 * count, key) if p not in seen and p not in new)
    return [*new, *itertools.islice(spare, count - len(new))]


def _between(space: SearchSpace, leaders: Sequence[Trial], seen: set[Point]) -> Iterator[Point]:
    """New valid points halfway between two leaders, best pairs first; then one step beside each leader, inside the range."""
    given = set(seen)
    pairs = sorted(itertools.combinations(range(len(leaders)), 2), key=sum)
    halfway = (space.round(tuple((a + b) / 2 for a, b in zip(leaders[i].point, leaders[j].point, strict=True))) for i, j in pairs)
    beside = (space.round(point) for leader in leaders for _, _, point in space.neighbours(space.round(leader.point)))
    for point in itertools.chain(halfway, beside):
        if point not in given and space.parameters(point) is not None:
            given.add(point)
            yield point


def _sampled(question: Question, trials: Sequence[Trial], seen: set[Point], key: int, count: int) -> list[Point]:
    import optuna

    space = question.space
    leader = space.round(min(trials, key=Trial.rank).point)
    ranges = {
        name: optuna.distributions.IntDistribution(ks[0], ks[-1]) for name, ks in zip(space.names, space.multiples, strict=True)
    }
    new: dict[Point, None] = {}
    with _quiet():
        sampler = optuna.samplers.TPESampler(seed=key, multivariate=True, n_startup_trials=0, constant_liar=True)
        study = optuna.create_study(direction="maximize", sampler=sampler)
        for trial in trials:
            study.add_trial(
                optuna.trial.create_trial(
                    params=dict(zip(space.names, space.multiples_of(trial.point), strict=True)),
                    distributions=ranges,
                    value=trial.score,
                    constraints={one.name: v for one, v in zip(question.conditions, trial.violations[0], strict=True)},
                )
            )
        for _ in range(TRIES * count):
            if len(new) == count:
                break
            proposed = study.ask(ranges)
            point = _repaired(space, space.point([proposed.params[name] for name in space.names]), leader)
            if point in seen or point in new:
                study.tell(proposed, state=optuna.trial.TrialState.FAIL)
            else:
                new[point] = None
    return list(new)


def _repaired(space: SearchSpace, point: Point, leader: Point) -> Point:
    """`point`, or where it breaks a relation between parameters, the first valid one of the halves of the way to `leader`."""
    for _ in range(HALVINGS):
        if space.parameters(point) is not None:
            return point
        point = space.round(tuple((a + b) / 2 for a, b in zip(point, leader, strict=True)))
    return point if space.parameters(point) is not None else space.current_point


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Optuna reports every study and trial; the progress of a calibration is ours to report."""
    import optuna

    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(level)
