"""How a lending pool prices its money: every rate model there is a rule for, and how interest is compounded.

The curves that a scenario may name are in `simulator.terms.rate_curves`; how a period compounds is `Accrual`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from simulator.parameters import Fraction, Part
from simulator.terms.rate_curves import AdaptiveCurve, FlatRate, IndependentCurves, JumpLine, JumpRate, KinkedRate, Rate

Accrual = Literal["continuous", "three-term", "simple"]
"""Growth over a period x = rate x years: e^x; 1 + x + x^2/2 + x^3/6 (Aave v3); 1 + x at each accrual (Compound, Comet)."""


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

__all__ = [
    "Accrual",
    "AdaptiveCurve",
    "CashPool",
    "FlatRate",
    "IndependentCurves",
    "JumpLine",
    "JumpRate",
    "KinkedRate",
    "RateModel",
]
