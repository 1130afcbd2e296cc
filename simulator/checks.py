"""Checks of outcomes by name: identities that every path must satisfy, whatever the scenario."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from simulator.outcomes import Outcomes
from simulator.risk import weights

TOLERANCE = 1e-9  # [1] of the amounts compared
DRIFT = 0.05  # [1] of volatility, DESIGN 3.5


def outcome_checks(outcomes: Outcomes) -> dict[str, dict[str, Any]]:
    """Each check by name: whether it passed, and the worst path if not."""
    return {name: {"passed": bool(passed), "detail": detail} for name, passed, detail in _checks(outcomes)}


def _checks(outcomes: Outcomes) -> Iterator[tuple[str, bool, str]]:
    yield "books_balance_at_every_step", True, "a run in which they do not stops"
    unsound = [name for name, values in outcomes.columns.items() if not np.isfinite(values).all()]
    yield "every_outcome_is_finite", not unsound, ", ".join(unsound)
    yield _equal(outcomes, "loss_is_realised_plus_latent", "loss", ("realised_bad_debt", "latent_bad_debt"))
    buckets = ("fund_draw", "adl_haircut", "socialised_loss", "uncovered_loss")
    yield _equal(outcomes, "bad_debt_is_in_exactly_one_bucket", "realised_bad_debt", buckets)
    windows = ("realised_bad_debt.transition", "realised_bad_debt.steady")
    yield _equal(outcomes, "windows_add_up", "realised_bad_debt.whole", windows)
    least = float(outcomes.column("fund_minimum.whole").min())
    if outcomes.weight is not None and len(outcomes) > 1:
        yield "weights_have_mean_one", weights.mean_is_one(outcomes.weight), weights.in_words(outcomes.weight)
    yield "fund_is_never_below_zero", least >= -1e-6, "" if least >= -1e-6 else f"{least:g}"


def _equal(outcomes: Outcomes, name: str, whole: str, parts: tuple[str, ...]) -> tuple[str, bool, str]:
    total = outcomes.column(_in_whole(whole))
    summed = sum((outcomes.column(_in_whole(part)) for part in parts), np.zeros_like(total))
    gap = np.abs(total - summed) / np.maximum(np.abs(total), 1.0)
    worst = int(np.argmax(gap))
    passed = bool(gap[worst] <= TOLERANCE)
    return name, passed, "" if passed else f"path {outcomes.path[worst]}: {total[worst]:.17g} against {summed[worst]:.17g}"


def _in_whole(name: str) -> str:
    return name if "." in name else f"{name}.whole"


def volatilities(outcomes: Outcomes, assets: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Realised volatility after the vote [1/sqrt(year)] of each asset: outside, and as people here observe it."""
    return {name: (_volatility(outcomes, "external", name), _volatility(outcomes, "observed", name)) for name in assets}


def _volatility(outcomes: Outcomes, side: str, asset: str) -> float:
    return math.sqrt(float(np.average(outcomes.column(f"{side}_variance.{asset}.whole"), weights=outcomes.weight)))


def volatility_warnings(outcomes: Outcomes, assets: Sequence[str], shares: Mapping[str, float]) -> list[str]:
    """W06, a line for each asset whose observable volatility trading moves by more than 5 % of what it was fitted to.

    That is the external one, over the `external_share` that a fit with feedback left of it.
    """
    found = []
    for name, (external, observed) in volatilities(outcomes, assets).items():
        share = shares.get(name, 1.0)
        if external > 0 and abs(share * observed / external - 1) > DRIFT:
            left = f", {share:.3g} of what was fitted" if share != 1.0 else ""
            moved = f"trading moves it by {100 * (share * observed / external - 1):+.0f} %"
            found.append(
                f"W06 the observable volatility of {name} is {observed:.3g}, the external one {external:.3g}{left}: {moved}; "
                "what was fitted to observed prices is counted twice (fit --with-feedback)"
            )
    return found
