"""Where the loss comes from: confirmation paths that lost are lived again with a ledger. The unit is the path, as everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from simulator.calibration.confirmation import REPORTED_PATHS, Confirmation
from simulator.calibration.trials import Trials
from simulator.calibration.world import World

if TYPE_CHECKING:
    from simulator.outcomes import Outcomes

PREFIX = "loss_by_"  # of the columns, as in loss_by_cause.gap.whole


def attribute(world: World, trials: Trials, confirmation: Confirmation) -> tuple[Outcomes, Outcomes] | None:
    """(candidate, current): parts of the loss of every headline path, by cause, asset and cohort; None where nobody lost.

    Only paths that lost keep a ledger: the parts of all others are zero.
    """
    paths = min(confirmation.plan.paths, REPORTED_PATHS)
    lost = np.any([side.column("loss.whole")[:paths] > 0 for side in confirmation.outcomes], axis=0)
    if not lost.any():
        return None
    told, pair = world.with_ledger(np.flatnonzero(lost).tolist()), [confirmation.point, trials.space.current_point]
    found = trials.outcomes(told, "attribution", confirmation.plan.purpose, pair, paths, PREFIX, "where losses come from")
    return found[0], found[1]
