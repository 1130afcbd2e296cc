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

LEAST_PATHS = 200  # of a confirmation: means need their normal limit even where no probability asks for more
MOST_LIMIT = 0.5  # of a probability in the units of a weighted path
MOST_FOR_MEANS = 10_000  # paths planned for a mean limit: where values are not rare, far fewer are enough


@dataclass(frozen=True)
class ConfirmationPlan:
    """One look: `paths` fresh paths in every world, every limit at `confidence`; `power` at half of all limits.

    Where several alternatives are confirmed together, `confidence` is that of the first step of Holm's procedure.
    """

    look: int
    confidence: float
    paths: int
    power: float
    conditions: int
    alternatives: int = 1
    weight: float = 1.0  # that a losing path counts at most; below 1 where rare events are drawn more often

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
        return planner.Proof(self.paths, self.confidence, power, self.weight)


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
    count = sum(len(conditions(one)) for one in found)
    if settings.confirmation_paths == "planned":
        for_means = min(MOST_FOR_MEANS, max(mean_paths(one, confidence) for one in found))
        least = max(LEAST_PATHS, for_means, *(shortfall_paths(one) for one in found))
        paths = max(least, planner.plan_paths(limits, confidence).paths if limits else 0)
    else:
        paths = settings.confirmation_paths
        _must_be_provable(limits, paths, confidence, weight)
    misses = [1 - planner.power_at_half(paths, limit, confidence) for limit in limits]
    return ConfirmationPlan(look, confidence, paths, max(0.0, 1 - math.fsum(misses)), count, settings.alternatives, weight)


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
