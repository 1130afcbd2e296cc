"""The table of metrics: every number with its unit and a named interval over paths.

Two intervals, always named: "simulation" (given the market's parameters) and "model" (market parameters drawn for each
path from their estimated law). Which one a table holds is decided by how its outcomes were run, so the caller says it.
Insolvency VaR is Gauntlet's measure of 2022, the quantile over paths of the protocol's loss; liquidations at risk the same
of liquidated notional.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

from simulator.outcomes import QUANTITIES, WINDOWS
from simulator.risk import measures, weights
from simulator.risk.measures import Estimate, PerPath

if TYPE_CHECKING:
    import pandas as pd

    from simulator.outcomes import Outcomes

Interval = Literal["simulation", "model"]

PROBABILITIES = (  # (quantity, name): the probability that it is above zero
    ("loss", "P(loss > 0)"),
    ("uncovered_loss", "P(uncovered loss > 0)"),
    ("socialised_loss", "P(socialised loss > 0)"),
    ("adl_volume", "P(auto-deleveraging)"),
)
QUANTILES = (  # (quantity, name, level)
    ("loss", "insolvency VaR 95 %", 0.95),
    ("loss", "insolvency VaR 99 %", 0.99),
    ("liquidated_notional", "liquidations at risk 95 %", 0.95),
)
SHORTFALLS = (("loss", "expected shortfall of loss 95 %", 0.95), ("loss", "expected shortfall of loss 99 %", 0.99))


@dataclass(frozen=True)
class Metric:
    """One row. `value`, `low`, `high` are NaN where `note` says why there is no number; `interval` names what it covers."""

    name: str
    window: str
    value: float
    low: float
    high: float
    unit: str
    interval: Interval
    confidence: float
    paths: int
    note: str = ""


def risk_metrics(outcomes: Outcomes, *, interval: Interval = "simulation", confidence: float = 0.95) -> tuple[Metric, ...]:
    """Every metric whose quantity `outcomes` holds, in a fixed order, window by window."""
    return tuple(row for window in WINDOWS for row in _rows(outcomes, window, interval, confidence))


def frame(metrics: Iterable[Metric]) -> pd.DataFrame:
    """The table as a pandas frame, one row a metric."""
    import pandas as pd

    return pd.DataFrame([asdict(metric) for metric in metrics], columns=list(Metric.__dataclass_fields__))


def _rows(outcomes: Outcomes, window: str, interval: Interval, confidence: float) -> Iterator[Metric]:
    def sample(quantity: str) -> PerPath | None:
        column = f"{quantity}.{window}"
        return PerPath.of(outcomes, column) if column in outcomes.columns else None

    def row(name: str, unit: str, estimate: Estimate, note: str = "") -> Metric:
        kept = (estimate.value, estimate.low, estimate.high)
        return Metric(name, window, *kept, unit, interval, confidence, estimate.paths, "; ".join(filter(None, (note, weighted))))

    weighted = weights.in_words(outcomes.weight) if outcomes.weight is not None else ""

    for quantity, (unit, _) in QUANTITIES.items():
        if (values := sample(quantity)) is not None and values.paths >= 2:
            yield row(f"{quantity.replace('_', ' ')}, mean", unit, measures.mean(values, confidence))
    for quantity, name in PROBABILITIES:
        if (values := sample(quantity)) is not None:
            yield row(name, "probability", measures.probability(values, 0.0, confidence))
    if (values := sample("fund_minimum")) is not None:
        yield row("P(fund used up)", "probability", measures.probability(values.scaled(-1.0), -1e-9, confidence))
    for quantity, name, level in QUANTILES:
        if (values := sample(quantity)) is not None:
            yield row(name, "usd", measures.quantile(values, level, confidence))
    for quantity, name, level in SHORTFALLS:
        if (values := sample(quantity)) is not None:
            yield row(name, "usd", *_shortfall(values, level, confidence))


def _shortfall(values: PerPath, level: float, confidence: float) -> tuple[Estimate, str]:
    try:
        estimate = measures.expected_shortfall(values, level, confidence)
    except measures.TooFewPaths as problem:
        return Estimate(math.nan, math.nan, math.nan, confidence, values.paths), str(problem)
    if values.weight is not None:
        return estimate, f"{values.effective(values.value > estimate.value):,.1f} effective paths beyond it"
    return estimate, f"{measures.tail_count(values.paths, level)} tail paths"
