"""What was decided in the fit of one asset and what it cost, a sentence each."""

from __future__ import annotations

import math
from collections.abc import Iterator

from simulator.estimation.asset_fit import AssetFit
from simulator.estimation.jumps import EXPECTED_BEYOND, no_crashes
from simulator.estimation.merton_likelihood import no_crashes_note
from simulator.parameters import DAY, YEAR


def asset_notes(asset: AssetFit) -> list[str]:
    """What was decided for one asset, and what it cost."""
    return [f"{asset.name}: {note}" for notes in (_likelihood, _law, _jumps, _no_crashes, _limits) for note in notes(asset)]


def _likelihood(asset: AssetFit) -> Iterator[str]:
    tail = f"{asset.cost_of_tail:.1f} for the tail bound" if asset.tail_binds else "the tail bound does not bind"
    yield (
        f"log-likelihood {asset.log_likelihood:.1f} (percent returns); the unrestricted fit has "
        f"{asset.cost_of_bounds + asset.cost_of_tail:.1f} more: {asset.cost_of_bounds:.1f} for variance targeting and bounded "
        f"persistence, {tail if asset.tail_index else 'the tail is not bounded'}"
    )


def _law(asset: AssetFit) -> Iterator[str]:
    if len(asset.candidates) > 1:
        yield f"{asset.specification} chosen of {len(asset.candidates)} candidates"
    gamma = f"gamma has |t| = {abs(asset.asymmetry_t):.1f}"
    if asset.specification.is_exponential:
        yield f"{gamma}: below 0, falls raise variance more than rises do"
    else:
        yield f"{gamma} in the GJR: {'kept' if asset.specification.is_asymmetric else 'left out'} (2 is needed)"


def _jumps(asset: AssetFit) -> Iterator[str]:
    found = f"returns beyond {asset.threshold:.1f} conditional deviations: {asset.beyond}, expected {EXPECTED_BEYOND:g}"
    fine = asset.parted.fine if asset.parted else None
    likelihood = asset.parted.likelihood if asset.parted else None
    if fine is not None:
        yield (
            f"jumps from {fine.days:,} days of {fine.bar:g} s bars; the GARCH sees the {asset.count:,} steps that "
            f"they cover, jumps taken out. Jumps below {100 * fine.smallest:.2g} % (a typical bar's threshold) stay in the "
            f"diffusion: by the fitted law {100 * fine.below:.0f} % of all"
        )
    elif asset.jumps is None:
        yield f"no jumps; {found}: the innovations explain the tails"
    elif likelihood is not None and likelihood.describes_crashes:
        yield f"jumps by Merton's likelihood; {asset.jumps.count} returns probably held one, and are left out"
    else:
        yield f"{asset.jumps.jumps.kind} jumps; {found}: they are the jumps, and left out of the GARCH"


def _no_crashes(asset: AssetFit) -> Iterator[str]:
    """Where jumps were found, or looked for, that are ordinary returns."""
    likelihood = asset.parted.likelihood if asset.parted else None
    if likelihood is not None and not likelihood.describes_crashes:
        yield f"{no_crashes_note(likelihood)} (--jumps-from takes them from finer bars)"
    if asset.jumps is None or (asset.parted is not None and asset.parted.fine is not None):
        return
    law = asset.jumps.jumps
    if no_crashes(law, asset.estimates["volatility"].value * math.sqrt(DAY / YEAR)):
        yield (
            f"{law.intensity:.0f} jumps a year of ordinary size (a root mean square of {math.sqrt(law.second_moment):.3g}) are "
            "fat tails, not crashes; take --jumps none with --innovation student-t, and put crashes into stress overlays or "
            "replays"
        )


def _limits(asset: AssetFit) -> Iterator[str]:
    if {"logit_persistence", "atanh_beta"} & set(asset.at_bound):
        yield "persistence is at its bound: no standard error, and no variance in the parameter law"
    if abs(asset.residual_variance - 1) > 0.1:
        yield (
            f"residuals have mean square {asset.residual_variance:.2f}, simulated innovations 1: "
            "the fit follows the data more closely than its law can"
        )
