"""How assets move together, in tables: what was tried, what was taken and how sure it is, and who holds on later rows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from simulator.report.blocks import Block, Code, Table
from simulator.report.numbers import NOTHING, chance, count, fixed, plain

if TYPE_CHECKING:
    from simulator.estimation.copula_fit import DependenceFit
    from simulator.estimation.held_out_dependence import HeldOutDependence
    from simulator.estimation.standard_errors import Estimate

NORMAL = 1.96  # standard errors of a 95 % interval


def dependence(tied: DependenceFit) -> Iterator[Block]:
    """Candidates, and the numbers of the one taken."""
    tried = tuple(
        (
            f"{row.dynamics}, {row.copula}",
            fixed(row.log_likelihood, 1),
            fixed(row.aic, 1),
            fixed(row.bic, 1),
            "taken" if (row.dynamics, row.copula) == (tied.dynamics, tied.copula) else "",
        )
        for row in tied.candidates
    )
    yield Table(("Dependence", "Log-likelihood", "AIC", "BIC", ""), "lrrrl", tried, "How assets move together.", small=True)
    rows = tuple((Code(key), plain(float(f"{e.value:.4g}")), *_interval(e)) for key, e in tied.estimates.items())
    if rows:
        header = ("", "Estimate", "95 % from", "to")
        yield Table(header, "lrrr", rows, f"Of {tied.dynamics}, {tied.copula}; the margins are taken as known.", small=True)


def _interval(estimate: Estimate) -> tuple[str, str]:
    low, high = (plain(float(f"{end:.4g}")) if math.isfinite(end) else NOTHING for end in estimate.interval)
    return low, high


def later_dependence(found: HeldOutDependence) -> Table:
    """Every candidate beside the one that was taken."""
    rows = []
    for m in found.candidates:
        lead = (NOTHING, NOTHING) if m is found.candidates[0] else (f"{fixed(m.behind, 4)} ± {NORMAL * m.error:.4f}", chance(m.p))
        rows.append((m.model, fixed(m.log_score, 4), *lead, "yes" if m.in_set else "no"))
    caption = (
        f"Mean log density of the copula of a later row ({count(found.rows)} have every asset), and what the candidate that the "
        "fit took has more; ± is 95 %. p: Diebold and Mariano's, as good as that one. Last: of the 90 % model confidence set."
    )
    return Table(("Dependence", "Log score", "Behind the fit", "p", "Among the best"), "lrrrr", tuple(rows), caption, small=True)
