"""A fitted law in a dozen lines."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulator.estimation.options.model_fit import ModelFit

SMALL_P = 0.01
MOST_SHOWN = 4  # of the groups of quotes where the law is wrong


def report(fit: ModelFit) -> str:
    """What `print` shows of it."""
    quotes, good = fit.problem.quotes, fit.goodness
    expiries = sum(1 for _ in quotes.slices())
    when = f"{quotes.currency}, {quotes.as_of:%Y-%m-%d %H:%M %Z}"
    lines = [
        f"{fit.model} fitted to {len(quotes)} quotes of {expiries} expiries ({when})",
        f"  {fit.method}, loss: {fit.loss}{_extras(fit)}",
        f"  error in volatility points {100 * good.rmse:.3f} (root mean square), {100 * good.largest_error:.2f} at most"
        f"{_inside(good.inside)}",
        f"  {'':24}{'value':>11}{'std error':>11}{'robust':>11}",
    ]
    for name, estimate in fit.certainty.estimates.items():
        errors = f"{_number(estimate.standard_error)}{_number(fit.certainty.robust[name])}"
        lines.append(f"  {name:24}{estimate.value:11.5g}{estimate.note.rjust(22) if estimate.note else errors}")
    info, runs = fit.information, _p(fit.runs_p)
    lines.append(f"  condition number {fit.certainty.condition:.3g}; AIC {info.aic:.1f}, BIC {info.bic:.1f}; p of runs {runs}")
    wrong = sorted((b for b in fit.biases if b.p < SMALL_P), key=lambda b: -abs(b.mean))
    if wrong:
        most = ", ".join(f"{b.group} ({100 * b.mean:+.2f})" for b in wrong[:MOST_SHOWN])
        more = f" and {len(wrong) - MOST_SHOWN} more groups" if len(wrong) > MOST_SHOWN else ""
        lines.append(f"  biased [points], by deviations or expiry: {most}{more}")
    return "\n".join(lines + [f"  {note}" for note in fit.notes])


def _extras(fit: ModelFit) -> str:
    parts = [f"{len(fit.ended)} starts"]
    parts += ["Feller's condition held"] if fit.feller else []
    parts += [f"prior {fit.prior.name!r} of strength {fit.prior.strength:g}"] if fit.prior else []
    parts += [f"agreement of the methods {fit.agreement:.0e}"] if not math.isnan(fit.agreement) else []
    return "; " + "; ".join(parts)


def _inside(share: float) -> str:
    return "" if math.isnan(share) else f", {100 * share:.0f} % between bid and ask"


def _number(value: float | None) -> str:
    return f"{'' if value is None else f'{value:.2g}':>11}"


def _p(value: float) -> str:
    return "unknown" if math.isnan(value) else f"{value:.2g}"
