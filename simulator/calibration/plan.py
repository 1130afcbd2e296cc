"""How the work is laid out before it begins: paths of each stage, the look's confidence, and the worlds that must pass."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from simulator.calibration.world import HEADLINE, World
from simulator.calibration_settings import CalibrationSettings
from simulator.risk import planner
from simulator.risk.appetite import RiskAppetite, percent
from simulator.risk.judgement import conditions, mean_paths, probabilities_to_prove, shortfall_paths

FIRST_PATHS, FIRST_SHARE = 0.4, 0.3  # of all paths, and of the error: the first stage, where clear cases end
MOST_FIRST = 0.5  # of all paths; a first stage that needs more saves too little for the error it spends
LEAST_PATHS = 200  # of a confirmation: means need their normal limit even where no probability asks for more
MOST_LIMIT = 0.5  # of a probability in the units of a weighted path
MOST_FOR_MEANS = 10_000  # paths planned for a mean limit: where values are not rare, far fewer are enough


@dataclass(frozen=True)
class Stage:
    """The first `paths` fresh paths of a world, on which every limit is judged at `confidence`."""

    paths: int
    confidence: float


@dataclass(frozen=True)
class ConfirmationPlan:
    """One look: at most `paths` fresh paths in every world, every limit at `confidence`; `power` at half of all limits.

    Where several alternatives are confirmed together, `confidence` is that of the first step of Holm's procedure.
    """

    look: int
    confidence: float
    paths: int
    power: float
    conditions: int
    alternatives: int = 1
    weight: float = 1.0  # that a losing path counts at most; below 1 where rare events are drawn more often
    first_paths: int = 0  # on which a world may pass already; 0: all paths are judged once

    @property
    def stages(self) -> tuple[Stage, ...]:
        """Where a world may pass, one after the other; their errors add up to that of the look."""
        error = 1 - self.confidence
        if not self.first_paths:
            return (Stage(self.paths, self.confidence),)
        return Stage(self.first_paths, 1 - FIRST_SHARE * error), Stage(self.paths, 1 - (1 - FIRST_SHARE) * error)

    def with_remaining(self, alternatives: int) -> ConfirmationPlan:
        """The same look when only so many alternatives are left to judge: their share of the error is larger."""
        return replace(self, confidence=1 - (1 - self.confidence) * self.alternatives / alternatives)

    @property
    def purpose(self) -> str:
        """The purpose of the fresh paths."""
        return f"confirmation-{self.look}"

    @property
    def proof(self) -> planner.Proof:
        """What this look demands of every condition; each has its share of the chance to miss, as the number of paths has."""
        power = planner.share_of_power(planner.POWER, self.conditions)
        return planner.Proof(self.paths, self.stages[-1].confidence, power, self.weight)


def gating_worlds(world: World) -> Iterator[tuple[str, World]]:
    """(label, scenario) of every world in which every limit must pass: the headline, both elasticities, held-out regimes."""
    yield HEADLINE, world
    if world.has_elasticities:
        yield "elasticity-low", world.with_elasticity("low")
        yield "elasticity-high", world.with_elasticity("high")
    for name, role, regime in world.regimes():
        if role == "confirm":
            yield f"regime-{name}", regime


def reported_worlds(world: World) -> Iterator[tuple[str, World]]:
    """(label, scenario) of every world that is shown and decides nothing."""
    if world.has_parameter_law:
        yield "point-parameters", world.with_point_parameters()
    for name, role, regime in world.regimes():
        if role == "report":
            yield f"regime-{name}", regime


def appetite_in(world: World, scenario: World) -> RiskAppetite:
    """The limits that hold in one world: its own, or those of the scenario."""
    return world.appetite or asked(scenario)[0]


def appetites(world: World) -> list[RiskAppetite]:
    """The appetites of all worlds that will be looked at."""
    return [appetite_in(place, world) for _, place in (*gating_worlds(world), *reported_worlds(world))]


def asked(world: World) -> tuple[RiskAppetite, CalibrationSettings]:
    """Appetite and settings. Raises ValueError if the scenario lacks one of them."""
    if world.appetite is None or world.calibration is None:
        missing = "[appetite]" if world.appetite is None else "[calibration]"
        raise ValueError(f"{world.name}: calibrating needs a {missing} section; add it to the scenario")
    return world.appetite, world.calibration


def plan_confirmation(world: World, look: int) -> ConfirmationPlan:
    """The plan of the `look`-th confirmation. Raises ValueError where the paths asked for cannot prove a limit."""
    appetite, settings = asked(world)
    for stage in ("search_paths", "selection_paths", "confirmation_paths"):
        if getattr(settings, stage) == 1:
            raise ValueError(f"calibration.{stage}: must be at least 2, for an error to be seen; got 1")
    confidence = 1 - (1 - appetite.confidence_of_look(look)) / settings.alternatives
    places = [place for _, place in gating_worlds(world)]
    found = [appetite_in(place, world) for place in places]
    weight = max(place.weight_of_unseen for place in places)
    limits = [min(MOST_LIMIT, limit / weight) for one in found for limit in probabilities_to_prove(one)]
    plan = ConfirmationPlan(look, confidence, 0, 0.0, sum(len(conditions(one)) for one in found), settings.alternatives, weight)
    if settings.confirmation_paths == "planned":
        plan = _staged(plan, found, limits) or replace(plan, paths=_paths(found, limits, confidence))
    else:
        plan = replace(plan, paths=settings.confirmation_paths)
        _must_be_provable(limits, plan.paths, confidence, weight)
    misses = [1 - planner.power_at_half(plan.paths, limit, plan.stages[-1].confidence) for limit in limits]
    return replace(plan, power=max(0.0, 1 - math.fsum(misses)))


def _staged(plan: ConfirmationPlan, found: list[RiskAppetite], limits: list[float]) -> ConfirmationPlan | None:
    """The plan in two stages, None where the first could prove nothing or would take most paths."""
    first, last = replace(plan, paths=1, first_paths=1).stages
    paths = _paths(found, limits, last.confidence)
    begins = max(math.ceil(FIRST_PATHS * paths), _least(found, first.confidence, 1))
    proves = all(planner.allowed_failures(begins, limit, first.confidence) >= 0 for limit in set(limits))
    return replace(plan, paths=paths, first_paths=begins) if proves and begins <= MOST_FIRST * paths else None


def _paths(found: list[RiskAppetite], limits: list[float], confidence: float) -> int:
    """The paths of every world that leave a candidate at half of every limit its power."""
    return max(_least(found, confidence, 2), planner.plan_paths(limits, confidence).paths if limits else 0)


def _least(found: list[RiskAppetite], confidence: float, tails: int) -> int:
    """The fewest paths that limits which are no probabilities need; `tails`: how often the least tail of a shortfall."""
    for_means = min(MOST_FOR_MEANS, max(mean_paths(one, confidence) for one in found))
    return max(LEAST_PATHS, for_means, *(shortfall_paths(one, tails) for one in found))


def _must_be_provable(limits: list[float], paths: int, confidence: float, weight: float) -> None:
    """`limits`: what each probability is in paths of `weight`."""
    if limits and planner.allowed_failures(paths, min(limits), confidence) < 0:
        needed = planner.zero_failure_paths(min(limits), confidence)
        asked_for = f"proving {percent(weight * min(limits))} at {percent(confidence)} confidence"
        raise ValueError(
            f"calibration.confirmation_paths: {asked_for} needs at least "
            f'{needed:,} paths with no failure; confirmation_paths is {paths:,}; raise it or write "planned"'
        )


def warnings(plan: ConfirmationPlan) -> list[str]:
    """What is suspicious about a plan, one line each."""
    if plan.power >= planner.POWER - 1e-9:
        return []
    return [
        f"{plan.paths:,} confirmation paths confirm a candidate at half of every limit with only {percent(round(plan.power, 3))} "
        f"probability; {percent(planner.POWER)} is wanted"
    ]
