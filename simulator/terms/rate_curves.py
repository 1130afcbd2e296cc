"""The interest curve of a lending pool and what else a vote may set on borrowing its currency.

Rates are per year. What differs between protocols: where the slopes bend and what they are measured in (Aave: the whole rise
between bend and full use; Compound: the rise per unit of utilisation), whether suppliers have a curve of their own (Comet),
and whether the curve moves (Morpho).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from simulator.terms.part import Part

UNLIMITED = 1e18  # [asset] a cap that nothing reaches

Rate = Annotated[float, Field(ge=0, le=1000)]
ReserveFactor = Annotated[float, Field(ge=0, lt=1)]
Cap = Annotated[float, Field(ge=0)]


class FlatRate(Part):
    """One rate at every utilisation (GHO)."""

    kind: Literal["flat"]
    rate: Rate  # [1/year]
    reserve_factor: ReserveFactor = 0.0  # [1] share of interest kept by the treasury
    borrow_cap: Cap = UNLIMITED  # [asset] borrowed in all


class KinkedRate(Part):
    """Aave v3: base + below x u/u* up to the kink u*, + above x (u - u*) / (1 - u*) beyond it."""

    kind: Literal["kinked"] = "kinked"
    base_rate: Rate = 0.0  # [1/year]
    slope_below: Rate  # [1/year] added up to the kink
    slope_above: Rate  # [1/year] added from the kink to full utilisation
    optimal_utilisation: Annotated[float, Field(gt=0, lt=1)]  # [1]
    reserve_factor: ReserveFactor = 0.0  # [1] share of interest kept by the treasury
    borrow_cap: Cap = UNLIMITED  # [asset] borrowed in all


class JumpLine(Part):
    """Compound: base + slope x min(u, kink) + jump x max(u - kink, 0); a kink above 1 is never reached."""

    base_rate: Rate = 0.0  # [1/year]
    slope: Rate  # [1/year] per unit of utilisation
    jump: Rate  # [1/year] per unit of utilisation beyond the kink
    kink: Annotated[float, Field(ge=0, le=2)]  # [1]


class JumpRate(Part):
    """Compound v2: a `JumpLine` for borrowers; suppliers share what they pay."""

    kind: Literal["jump-rate"]
    base_rate: Rate = 0.0  # [1/year]
    slope: Rate  # [1/year] per unit of utilisation
    jump: Rate  # [1/year] per unit of utilisation beyond the kink
    kink: Annotated[float, Field(ge=0, le=2)]  # [1]
    reserve_factor: ReserveFactor = 0.0  # [1] share of interest kept by the treasury
    borrow_cap: Cap = UNLIMITED  # [asset] borrowed in all


class Overdraft(Part):
    """What negative cash costs where accounts owe it to each other (Derive's cash, Drift's quote balances): a `JumpLine` of
    negative over positive cash. Drift's kinked curve is one: slope = rate at the kink / kink, jump = the rest / (1 - kink).
    """

    base_rate: Rate = 0.0  # [1/year]
    slope: Rate  # [1/year] per unit of utilisation
    jump: Rate  # [1/year] per unit of utilisation beyond the kink
    kink: Annotated[float, Field(ge=0, le=2)]  # [1]
    reserve_factor: ReserveFactor = 0.0  # [1] share of interest that goes to the fund


class IndependentCurves(Part):
    """Comet: suppliers and borrowers each have a curve; reserves earn or lose the difference."""

    kind: Literal["independent-curves"]
    supply: JumpLine
    borrow: JumpLine
    borrow_cap: Cap = UNLIMITED  # [asset] borrowed in all


class AdaptiveCurve(Part):
    """Morpho Blue's adaptive curve: the rate at the target utilisation drifts while utilisation is off target.

    At the target: r. Above: r (1 + (steepness - 1) e); below: r (1 + (1 - 1/steepness) e), e the relative distance from the
    target. r itself grows at `adjustment_speed` x e per year, within its bounds.
    """

    kind: Literal["adaptive-curve"]
    target_utilisation: Annotated[float, Field(gt=0, lt=1)] = 0.9  # [1]
    steepness: Annotated[float, Field(ge=1, le=100)] = 4.0  # [1] rate at full use over rate at the target
    adjustment_speed: Annotated[float, Field(ge=0, le=1000)] = 50.0  # [1/year]
    initial_rate: Rate = 0.04  # [1/year] at the target
    least_rate: Rate = 0.001  # [1/year] at the target
    greatest_rate: Rate = 2.0  # [1/year] at the target
    reserve_factor: ReserveFactor = 0.0  # [1] share of interest kept by the protocol
    borrow_cap: Cap = UNLIMITED  # [asset] borrowed in all

    @model_validator(mode="after")
    def _relations(self) -> AdaptiveCurve:
        if not self.least_rate <= self.initial_rate <= self.greatest_rate:
            raise ValueError(
                "`least_rate <= initial_rate <= greatest_rate` must hold, but got "
                f"{self.least_rate:g}, {self.initial_rate:g} and {self.greatest_rate:g}"
            )
        return self


def _kind(value: Any) -> Any:
    """The kind that a table names; a curve without one is Aave's."""
    return value.get("kind", "kinked") if isinstance(value, dict) else getattr(value, "kind", "kinked")


Borrowing = Annotated[
    Annotated[FlatRate, Tag("flat")]
    | Annotated[KinkedRate, Tag("kinked")]
    | Annotated[JumpRate, Tag("jump-rate")]
    | Annotated[IndependentCurves, Tag("independent-curves")]
    | Annotated[AdaptiveCurve, Tag("adaptive-curve")],
    Discriminator(_kind),
]
