"""Readiness: whether a candidate is worth a look at fresh paths, from every path and world that may be looked at before.

Selection chooses among many on few paths, and who looks best there was partly lucky. So whoever would be chosen is judged
once more: with its search paths beside its selection paths, and in every other world that confirmation will ask.
"""

from __future__ import annotations

import math

import numpy as np

from simulator.calibration.plan import appetite_in, asked, gating_worlds
from simulator.calibration.race import PURPOSE as SEARCH
from simulator.calibration.race import Question, rungs
from simulator.calibration.space import Point
from simulator.calibration.trials import Trials
from simulator.calibration.world import World
from simulator.outcomes import Outcomes
from simulator.risk.judgement import conditions
from simulator.risk.outlook import pass_chance
from simulator.risk.planner import POWER

PURPOSE = "selection"


def chance(world: World, question: Question, outcomes: Outcomes) -> float:
    """The chance of passing every condition of `world`: as if they failed independently, which is too little where not."""
    asked_here = conditions(appetite_in(world, question.world))
    return math.prod(pass_chance(one, outcomes, question.frozen, question.plan.proof) for one in asked_here)


def chance_in_full(world: World, trials: Trials, question: Question, point: Point, wanted: float = POWER) -> float:
    """The chance of passing every condition in every gating world; as far as it is known where it is below `wanted` already.

    Regimes come first, as most are lost there; the search paths, of which there are many, last.
    """
    _, settings = asked(world)
    columns, paths = question.columns, settings.selection_paths
    (headline, _), *others = gating_worlds(world)

    def selected(label: str, place: World) -> Outcomes:
        return trials.outcomes(place, label, PURPOSE, [point], paths, columns, f"selection in full, {label}")[0]

    seen, elsewhere = selected(headline, world), 1.0
    for label, place in reversed(others):
        there = selected(label, place)
        elsewhere *= 0.0 if point in trials.failures else chance(place, question, there)
        if elsewhere < wanted:
            return elsewhere
    cuts, pair = rungs(settings.search_paths), [point, trials.space.current_point]
    searched, _ = trials.outcomes(world, headline, SEARCH, pair, cuts[-1], columns, "search estimate", cuts=cuts)
    return 0.0 if point in trials.failures else elsewhere * chance(world, question, beside(seen, searched))


def beside(one: Outcomes, other: Outcomes) -> Outcomes:
    """The paths of both, numbered anew: they were drawn for different purposes."""
    columns = {name: np.concatenate([values, other.column(name)]) for name, values in one.columns.items()}
    return Outcomes(np.arange(len(one) + len(other)), columns)
