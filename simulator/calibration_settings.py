"""The [calibration] section: what may change and by how much, and how much work may be spent on finding and proving it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from simulator.parameters import UNLIMITED, Part, tupled
from simulator.terms.part import require_order
from simulator.wording import did_you_mean

GoalName = Literal["capital-efficiency", "revenue", "user-cost", "loss"]
Weight = Annotated[float, Field(ge=0, le=1e6)]
MOST_STEPS = 1_000_000  # of a grid, counted from zero
PathCount = Annotated[int, Field(ge=2, le=10_000_000)]  # one path shows no error


class SearchParameter(Part):
    """One number that a vote may change: its range, the chain's grid and the largest change in one proposal."""

    parameter: str  # dotted: inside [parameters], as in fees.flat, or a rule's, as in protocol.funding.cap, keepers.gas_limit
    low: float  # [unit of the parameter]
    high: float  # [unit of the parameter]
    step: Annotated[float, Field(gt=0)]  # [unit of the parameter] proposals are multiples of it
    max_change: Annotated[float, Field(gt=0)] | None = None  # [unit of the parameter] from the current value; absent: any

    @model_validator(mode="after")
    def _range(self) -> SearchParameter:
        require_order(self, "low", "high")
        return self

    def lowest(self, current: float) -> float:
        """The least value that a proposal may name where `current` is in force."""
        return self.low if self.max_change is None else max(self.low, current - self.max_change)

    def highest(self, current: float) -> float:
        """The greatest value that a proposal may name where `current` is in force."""
        return self.high if self.max_change is None else min(self.high, current + self.max_change)

    def multiples(self, current: float) -> range:
        """The multiples k of the step for which k x step is in the range and within the largest change."""
        low, high = self.lowest(current), self.highest(current)
        return range(math.ceil(low / self.step - 1e-9), math.floor(high / self.step + 1e-9) + 1)


class Objective(Part):
    """Weights of what is made as large as the limits allow, each relative to its value under current parameters.

    Capital efficiency counts as *used* where every response of demand has a source, otherwise as *available* (DESIGN 3.9).
    """

    capital_efficiency: Weight = 1.0  # [1]
    revenue: Weight = 0.0  # [1]
    user_cost: Weight = 0.0  # [1] counts against

    @model_validator(mode="after")
    def _wants_something(self) -> Objective:
        if self.capital_efficiency + self.revenue + self.user_cost == 0:
            raise ValueError("at least one weight must be above 0, but all are 0; nothing would be preferred")
        return self


class CalibrationSettings(Part):
    """Search, selection and confirmation use disjoint paths; only the last, used once, can confirm (DESIGN 3.10)."""

    search: Annotated[tuple[SearchParameter, ...], Field(min_length=1, max_length=40)]
    candidates: Annotated[int, Field(ge=2, le=100_000)] = 60
    search_paths: PathCount = 100
    selection_paths: PathCount = 1_000
    confirmation_paths: Literal["planned"] | PathCount = "planned"  # planned: 80 % power at half of every limit
    by_asset: bool = False  # first the numbers of one asset at a time, then all jointly
    alternatives: Annotated[int, Field(ge=1, le=5)] = 1  # confirmed together, the error shared among them (Holm 1979)
    objective: Objective = Objective()
    front: Annotated[tuple[GoalName, ...], BeforeValidator(tupled), Field(max_length=4)] = ()  # goals shown against each other

    @model_validator(mode="after")
    def _front_has_two_goals(self) -> CalibrationSettings:
        if len(self.front) == 1 or len(set(self.front)) < len(self.front):
            raise ValueError(f"`front` must name at least two different goals, but got {list(self.front)}")
        return self

    @property
    def paths_before_confirmation(self) -> int:
        """About how many path evaluations search and selection take: a quarter of candidates races on four times the paths.

        Where a front is followed all but the stopped run on sixteen times the paths.
        """
        return (16 if self.front else 2) * self.candidates * self.search_paths + 9 * self.selection_paths


RULES = ("protocol.", "keepers.")  # how names of numbers beside [parameters] begin
# Health counts amount x price x (1 - haircut) x factor: two of these that are searched together enter as a product.
CREDIT = ("collateral_factor", "liquidation_threshold")


def unsearchable(search: Sequence[SearchParameter], there: Mapping[str, float]) -> Iterator[tuple[int, str]]:
    """Why `search` cannot be searched from the current values by dotted name: (place in the list, reason)."""
    seen: set[str] = set()
    for i, wanted in enumerate(search):
        if wanted.parameter in seen:
            yield i, f"`{wanted.parameter}` is searched twice; every parameter has one range"
        seen.add(wanted.parameter)
        if wanted.parameter not in there:
            kind = "number of a rule that a vote may change" if wanted.parameter.startswith(RULES) else "parameter"
            yield i, f"there is no {kind} `{wanted.parameter}`; {did_you_mean(wanted.parameter, there)}"
            continue
        yield from ((i, reason) for reason in _unreachable(wanted, there[wanted.parameter]))
    yield from _products(search)


def _unreachable(wanted: SearchParameter, value: float) -> Iterator[str]:
    if value == UNLIMITED and wanted.high < UNLIMITED:
        yield f"`{wanted.parameter}` is unlimited now, which no range holds; write the limit that it has in [parameters]"
    elif not wanted.low <= value <= wanted.high:
        yield (
            f"the current value of `{wanted.parameter}` must lie in its range, but got {value:g} outside "
            f"[{wanted.low:g}, {wanted.high:g}]; widen the range"
        )
    elif max(abs(wanted.low), abs(wanted.high)) > MOST_STEPS * wanted.step:
        yield f"the step {wanted.step:g} is less than a millionth of the range's ends; raise the step"
    elif len(wanted.multiples(value)) == 0:
        yield f"no multiple of the step {wanted.step:g} lies within the range and the largest change; lower the step"


def _products(search: Sequence[SearchParameter]) -> Iterator[tuple[int, str]]:
    names = [wanted.parameter for wanted in search]
    for i, name in enumerate(names):
        if name.endswith(".reference_volatility"):
            market = name.removesuffix(".reference_volatility")
            if any(f"{market}.{key}_margin_ratio" in names for key in ("initial", "maintenance")):
                yield (
                    i,
                    (
                        f"`{name}` and the margin ratios of `{market}` enter only as ratio / reference_volatility between floor "
                        "and cap, so no data can tell them apart; search the ratios"
                    ),
                )
        if name.startswith("collateral.") and name.endswith(".haircut"):
            asset = name.removesuffix(".haircut")
            for factor in CREDIT:
                if f"{asset}.{factor}" in names:
                    yield (
                        i,
                        (
                            f"`{name}` and `{asset}.{factor}` enter only as the product (1 - haircut) x {factor}, so no data can "
                            "tell them apart; search one of them"
                        ),
                    )
