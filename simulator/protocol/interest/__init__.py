"""How a lending pool prices its money: the rate models a scenario may name, and how interest is compounded.

Rates are per year. What differs between protocols: where the slopes bend and what they are measured in (Aave: the whole rise
between bend and full use; Compound: the rise per unit of utilisation), whether suppliers have a curve of their own (Comet),
whether the curve moves (Morpho), and how a period compounds (`Accrual`).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from simulator.parameters import Fraction, Part

Rate = Annotated[float, Field(ge=0, le=1000)]

Accrual = Literal["continuous", "three-term", "simple"]
"""Growth over a period x = rate x years: e^x; 1 + x + x^2/2 + x^3/6 (Aave v3); 1 + x at each accrual (Compound, Comet)."""


class FlatRate(Part):
    """One rate at every utilisation (GHO)."""

    kind: Literal["flat"]
    rate: Rate  # [1/year]


class KinkedRate(Part):
    """Aave v3: base + below x u/u* up to the kink u*, + above x (u - u*) / (1 - u*) beyond it."""

    kind: Literal["kinked"]
    base_rate: Rate = 0.0  # [1/year]
    slope_below: Rate  # [1/year] added up to the kink
    slope_above: Rate  # [1/year] added from the kink to full utilisation
    optimal_utilisation: Annotated[float, Field(gt=0, lt=1)]  # [1]


class JumpRate(Part):
    """Compound: base + slope x min(u, kink) + jump x max(u - kink, 0); a kink above 1 is never reached."""

    kind: Literal["jump-rate"]
    base_rate: Rate = 0.0  # [1/year]
    slope: Rate  # [1/year] per unit of utilisation
    jump: Rate  # [1/year] per unit of utilisation beyond the kink
    kink: Annotated[float, Field(ge=0, le=2)]  # [1]


class IndependentCurves(Part):
    """Comet: suppliers and borrowers each have a curve; reserves earn or lose the difference."""

    kind: Literal["independent-curves"]
    supply: JumpRate
    borrow: JumpRate


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

    @model_validator(mode="after")
    def _relations(self) -> AdaptiveCurve:
        if not self.least_rate <= self.initial_rate <= self.greatest_rate:
            raise ValueError(
                "`least_rate <= initial_rate <= greatest_rate` must hold, but got "
                f"{self.least_rate:g}, {self.initial_rate:g} and {self.greatest_rate:g}"
            )
        return self


class CashPool(Part):
    """Derive's cash asset: least + slope x u to the optimum, beyond it a steeper line; a share goes to the security module.

    The module's share is credited first and so has a part in what suppliers share. Cash that settlements destroyed on balance
    still counts as supplied in u; cash that they printed counts where it lies.
    """

    kind: Literal["cash-pool"]
    least_rate: Rate = 0.02  # [1/year]
    slope: Rate = 0.08  # [1/year] per unit of utilisation
    high_slope: Rate = 0.9  # [1/year] per unit beyond the optimum
    optimal_utilisation: Fraction = 0.85  # [1]
    security_share: Fraction = 0.2  # [1] of interest; all of it while cash is not fully backed


RateModel = Annotated[
    FlatRate | KinkedRate | JumpRate | IndependentCurves | AdaptiveCurve | CashPool, Field(discriminator="kind")
]
