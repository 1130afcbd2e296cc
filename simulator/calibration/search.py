"""Search: a Sobol screen, then batches from a surrogate, sections, the ground between leaders and a sampler, racing for paths.

With several goals (`[calibration] front`) the same search follows the whole front: leaders are its loneliest points.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from simulator.calibration.by_asset import groups, run_stages
from simulator.calibration.pareto import by_front, front
from simulator.calibration.plan import ConfirmationPlan, asked
from simulator.calibration.race import PURPOSE, Question, Race, rungs
from simulator.calibration.ranking import LENIENCE, Trial, alive, ordered, spread
from simulator.calibration.samplers import sampled
from simulator.calibration.sections import sections
from simulator.calibration.space import Point, SearchSpace
from simulator.calibration.surrogate import promising
from simulator.calibration.trials import Trials
from simulator.calibration.world import HEADLINE, World
from simulator.risk.judgement import Judgement, judge

SCREEN_SHARE = 0.5  # of all candidates
FRONT_SCREEN_SHARE = 0.2  # where a front is followed: it takes more steps
BATCHES = 4  # that the others come in, at least
BATCH = 15  # candidates in a batch, where there are enough for more batches
LEADERS = 5  # between which a part of a batch is laid
FRONT_LEADERS = 12  # where the leaders are a front
FRONT_POINTS = 40  # that are estimated again on the selection paths
WITH_SAFER = 48  # so many with those within half of the limits
WITH_BOLDER = 60  # and with those within twice of them: what keeps a limit by less than confirmation needs, shown as such
FINISHES = 4  # rounds in which what may belong to the front runs on every search path
MODELLED = 4 / 5  # of a batch: points that a surrogate thinks would move the front
CUT, MOVED = 1 / 3, 4 / 5  # of a batch, at most: points on sections; points of a front that moved
MIXED = 1 / 2  # of the moves: coordinates of two leaders
TRIED_MOVES = 400
FINALISTS = 8
LEAST_FINALISTS = 4  # though proven unsafe: the least unsafe may still reduce risk


@dataclass(frozen=True)
class Found:
    """What the search leaves: every trial in the order of its number, `finalists`, and the question with frozen denominators."""

    question: Question
    trials: tuple[Trial, ...]
    finalists: tuple[Trial, ...]
    front: tuple[Trial, ...] = ()  # empty where one score decides


def search(world: World, trials: Trials, plan: ConfirmationPlan) -> Found:
    """Screen, then batches; current parameters are trial 0. Raises CandidatesFailed, ValueError for a zero denominator."""
    _, settings = asked(world)
    race = Race(world, trials, plan)
    share = FRONT_SCREEN_SHARE if settings.front else SCREEN_SHARE
    parts = groups(trials.space, world.assets) if settings.by_asset else {}
    if len(parts) > 1:
        run_stages(race, trials.space, parts, math.ceil(share * settings.candidates), world.seed)
    else:
        race.enter(trials.space.design(math.ceil(share * settings.candidates), world.seed), "screen")
    batches = max(BATCHES, math.ceil((1 - share) * settings.candidates / BATCH))
    for batch in range(batches):
        wanted = math.ceil((settings.candidates - len(race.points)) / (batches - batch))
        proposed = suggest(race.question, race.trials, race.points, batch, max(0, wanted))
        race.enter(proposed, f"search, batch {batch + 1} of {batches}")
    return Found(race.question, race.known, finalists(race.trials), _finished_front(race) if settings.front else ())


def finalists(trials: Sequence[Trial]) -> tuple[Trial, ...]:
    """The best by score of those not proven unsafe, and the least unsafe where they are few."""
    scored = [replace(trial, goals=()) for trial in trials]
    best = spread(alive(scored), FINALISTS)
    more = [trial for trial in spread(scored, LEAST_FINALISTS) if trial.point not in {one.point for one in best}]
    return (*best, *more[: max(0, LEAST_FINALISTS - len(best))])


def _finished_front(race: Race) -> tuple[Trial, ...]:
    """The front of those that ran on every search path, after all that may belong to it did.

    Longer runs push some off the front, and what stood behind them is run in turn.
    """
    longest = max(trial.paths for trial in race.known)
    for number in range(FINISHES):
        short = [trial.point for trial in leading_front(race.trials) if trial.paths < longest]
        race.finish(short, f"front, round {number + 1} of at most {FINISHES}")
    return leading_front([trial for trial in race.known if trial.paths == longest])


def leading_front(trials: Sequence[Trial]) -> tuple[Trial, ...]:
    """The front within the limits, the loneliest first, and beside it those within half and twice of them: few paths cannot
    tell which, and selection says which may not pass."""
    chosen: dict[Point, Trial] = {}
    for lenience, most in ((1.0, FRONT_POINTS), (0.5, WITH_SAFER), (2.0, WITH_BOLDER)):
        place = LENIENCE.index(lenience)
        within = [trial for trial in alive(trials) if trial.is_within(place)]
        goals = [trial.goals for trial in within]
        for i in by_front(goals)[: len(front(goals))]:
            if len(chosen) < most:
                chosen.setdefault(within[i].point, within[i])
    return tuple(chosen.values())


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

    Four fifths are promising by a surrogate. Of the rest up to a third cut the sections through the leaders where they are
    monotone (of a front: up to four fifths are its points with one parameter moved); half of the others lie between the
    leaders or beside them, which closes in on the edge of the limits; what is left comes from a sampler given `trials`.
    """
    from simulator.kernel import stream

    space = question.space
    key = int(stream(question.world.seed, "calibration", "sampler", str(batch))) % 2**32
    leaders = front_leaders(trials) if question.goal.front else spread(trials, LEADERS)
    new = dict.fromkeys(itertools.islice(promising(space, trials, seen, key), math.ceil(count * MODELLED)))
    rest = count - len(new)
    cuts = (
        moved(space, leaders, {*seen, *new}, key) if question.goal.front else sections(space, trials, leaders[:2], {*seen, *new})
    )
    new |= dict.fromkeys(itertools.islice(cuts, math.ceil(rest * (MOVED if question.goal.front else CUT))))
    half = (count - len(new) + 1) // 2
    new |= dict.fromkeys(itertools.islice(_between(space, leaders, {*seen, *new}), half))
    names = [one.name for one in question.conditions]
    new |= dict.fromkeys(sampled(space, names, trials, {*seen, *new}, key, count - len(new)))
    spare = (p for p in space.design(len(seen) + 2 * count, key) if p not in seen and p not in new)
    return [*new, *itertools.islice(spare, count - len(new))]


def front_leaders(trials: Sequence[Trial]) -> list[Trial]:
    """The front of those that won paths in the race, loneliest first: on the first rung a front is mostly luck."""
    least = min(trial.paths for trial in trials if not trial.stopped) if any(not t.stopped for t in trials) else 0
    proven = [trial for trial in trials if trial.paths > least and not trial.stopped]
    return ordered(proven if len(proven) >= LEADERS else trials)[:FRONT_LEADERS]


def moved(space: SearchSpace, leaders: Sequence[Trial], seen: set[Point], key: int) -> Iterator[Point]:
    """New valid points made of the leaders in turn: coordinates mixed with another leader's, or one of them moved.

    A move is by one step as likely as by two, by four, and so on.
    """
    import numpy as np

    draws = np.random.Generator(np.random.Philox(key=key))
    grids = [space.multiples_of(leader.point) for leader in leaders]
    given = set(seen)
    for number in range(TRIED_MOVES):
        here = list(grids[number % len(grids)])
        if draws.random() < MIXED:
            other = grids[int(draws.integers(len(grids)))]
            here = [theirs if draws.random() < 0.5 else mine for mine, theirs in zip(here, other, strict=True)]
        else:
            at = int(draws.integers(len(here)))
            ks = space.multiples[at]
            stride = 2 ** int(draws.integers(max(1, len(ks).bit_length() - 1)))
            here[at] = min(max(here[at] + (stride if draws.random() < 0.5 else -stride), ks[0]), ks[-1])
        point = space.point(here)
        if point not in given and space.parameters(point) is not None:
            given.add(point)
            yield point


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
