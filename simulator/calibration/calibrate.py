"""calibrate: search, selection, one confirmation, and what they say together."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from simulator.calibration.attribution import attribute
from simulator.calibration.confirmation import NONE, Confirmation, confirm_together
from simulator.calibration.front import Front, estimate_front
from simulator.calibration.indices import Indices, global_sensitivity
from simulator.calibration.lineage import Lineage
from simulator.calibration.on_history import Past, backtest
from simulator.calibration.plan import ConfirmationPlan, asked, plan_confirmation, warnings
from simulator.calibration.race import Question
from simulator.calibration.record import Record
from simulator.calibration.search import Found, SearchEstimate, estimate_on_search, search
from simulator.calibration.selection import Selection, alternatives, select
from simulator.calibration.sensitivity import Neighbourhood, Step, neighbourhood, sensitivity
from simulator.calibration.space import Point, SearchSpace
from simulator.calibration.trials import Leaders, Progress, Trials
from simulator.calibration.versions import own_version
from simulator.calibration.world import Evaluate, World

if TYPE_CHECKING:
    from simulator.outcomes import Outcomes


@dataclass(frozen=True)
class Calibration:
    """Everything that one calibration found. `print` gives a short report, `proposal.make_proposal` the evidence for a vote."""

    world: World
    space: SearchSpace
    plan: ConfirmationPlan
    found: Found
    selection: Selection
    front: Front | None  # of several goals, where the scenario names them
    searched: SearchEstimate | None  # the chosen candidate on the search paths
    confirmation: Confirmation | None  # None: nothing was worth a look at fresh paths
    alternatives: tuple[Confirmation, ...]  # confirmed together with it
    attribution: tuple[Outcomes, Outcomes] | None  # (candidate, current): where the loss of the headline paths came from
    past: Past | None  # later history that [backtest] names
    sensitivity: tuple[Step, ...]
    neighbourhood: Neighbourhood | None
    indices: tuple[Indices, ...]
    evaluations: int  # paths x candidates
    failures: dict[Point, str]
    warnings: tuple[str, ...]
    version: str

    @property
    def question(self) -> Question:
        """Conditions, frozen denominators and goal."""
        return self.found.question

    @property
    def verdict(self) -> str:
        """ "confirmed", "risk-reducing step" or "no proposal"."""
        return self.confirmation.verdict if self.confirmation else NONE

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why."""
        return self.confirmation.reasons if self.confirmation else (self.selection.reason,)

    @property
    def proposed(self) -> Point | None:
        """The proposed values, None where there is no proposal."""
        return self.confirmation.point if self.confirmation and self.verdict != NONE else None

    def __str__(self) -> str:
        lines = [f"{self.world.name}: {self.verdict}", *(f"  {reason}" for reason in self.reasons)]
        tried = self.proposed or (self.confirmation.point if self.confirmation else self.space.current_point)
        for name, was, now in zip(self.space.names, self.space.current_point, tried, strict=True):
            lines.append(f"  {name}: {was:g} -> {now:g}" if was != now else f"  {name}: {was:g}")
        lines.append(f"  {len(self.found.trials)} candidates, {self.evaluations:,} path evaluations, look {self.plan.look}")
        return "\n".join(lines)


def calibrate(
    scenario: World,
    *,
    evaluate: Evaluate | None = None,
    folder: Path | str | None = None,
    jobs: int = 1,
    progress: Progress | None = None,
    leaders: Leaders | None = None,
    look: int | None = None,
    allow_version_change: bool = False,
) -> Calibration:
    """Search the scenario's space, select on fresh paths, confirm once on others; resume what `folder` already holds.

    `evaluate` defaults to the engine. `folder` keeps the record of trials; its parent keeps the count of looks; without one
    the record is temporary and the look is the first. `progress` and `leaders` are told how far the work is and how the
    candidates of the search stand. `look` names the look to reproduce instead of counting.
    Raises ValueError for a scenario that cannot be calibrated, ResultsBusy, RecordMismatch, CandidatesFailed, OSError.
    """
    if folder is None:
        with tempfile.TemporaryDirectory(prefix="simulator-") as temporary:
            return calibrate(
                scenario,
                evaluate=evaluate,
                folder=Path(temporary) / "run",
                jobs=jobs,
                progress=progress,
                leaders=leaders,
                look=look,
            )
    space = SearchSpace(scenario.vote, asked(scenario)[1].search)
    version = own_version()
    folder = Path(folder).absolute()
    lineage = Lineage(folder.parent, scenario.lineage, scenario.hash, version)
    with Record(folder, scenario.hash, version, allow_version_change=allow_version_change) as record:
        trials = Trials(space, record, evaluate or _engine(), jobs=jobs, progress=progress, leaders=leaders)
        return replay(scenario, trials, lineage, _planned_look(record, lineage, look))


def _planned_look(record: Record, lineage: Lineage, look: int | None) -> int:
    """The look of this record: sizes and confidences depend on it, so a resumed calibration keeps the one it began with."""
    for line in record.lines:
        if line["kind"] == "look":
            return int(line["look"])
    number = lineage.next_look() if look is None else look
    record.append({"kind": "look", "look": number})
    return number


def replay(world: World, trials: Trials, lineage: Lineage, look: int) -> Calibration:
    """The calibration as a function of its trials: those that the record holds are not run again."""
    plan = plan_confirmation(world, look)
    found = search(world, trials, plan)
    selection = select(world, trials, found)
    front = estimate_front(world, trials, found, selection.chosen.point if selection.chosen else None)
    searched = None
    steps: tuple[Step, ...] = ()
    around = None
    confirmation = None
    others: tuple[Confirmation, ...] = ()
    losses = past = None
    if selection.chosen is not None:
        searched = estimate_on_search(trials, found.question, selection.chosen.point)
        steps = sensitivity(world, trials, found.question, selection.chosen)
        around = neighbourhood(world, trials, found.question, selection.chosen, steps)
        lineage.spend(look)
        points = alternatives(selection, plan.alternatives)
        confirmation, *more = confirm_together(world, trials, found.question, plan, points)
        others = tuple(more)
        losses = attribute(world, trials, confirmation)
        past = backtest(world, trials, found.question, confirmation.point)
    return Calibration(
        world=world,
        space=trials.space,
        plan=plan,
        found=found,
        selection=selection,
        front=front,
        searched=searched,
        confirmation=confirmation,
        alternatives=others,
        attribution=losses,
        past=past,
        sensitivity=steps,
        neighbourhood=around,
        indices=global_sensitivity(found.question, found.trials),
        evaluations=trials.evaluations,
        failures=dict(trials.failures),
        warnings=tuple(warnings(plan)),
        version=lineage.version,
    )


def _engine() -> Evaluate:
    from simulator.model import evaluate

    return evaluate
