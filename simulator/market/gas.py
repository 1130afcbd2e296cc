"""What it costs to be in a block, and how many liquidations blocks have room for: `[gas]`, drawn jointly with variance."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from simulator.parameters import Part

GWEI = 1e-9  # [unit of the gas asset]
Gwei = Annotated[float, Field(gt=0, le=1e6)]


class Blocks(Part):
    """What both laws of the gas price share: who is paid in what, and how much room there is."""

    asset: str  # in whose units gas is paid: ETH
    gas_per_liquidation: Annotated[float, Field(gt=0, le=1e9)] = 500_000.0  # [gas]
    capacity: Annotated[float, Field(gt=0)] | None = None  # [gas/s] that blocks leave to keepers; absent: no limit
    source: str = ""  # where the numbers come from

    @property
    def liquidations_per_second(self) -> float | None:
        """What blocks have room for; None without a limit."""
        return None if self.capacity is None else self.capacity / self.gas_per_liquidation


class ConstantGas(Blocks):
    """One price of gas."""

    kind: Literal["constant"]
    price: Gwei  # [gwei]


class MeanRevertingGas(Blocks):
    """log gas = log level + volatility_elasticity x log(volatility / reference) + x, by market steps.

    x[t+1] = x[t] 2^(-step / half_life) + normal + jump, of stationary deviation `spread` without jumps; volatility is the
    conditional one of `asset` and reference its stationary level. With probability 1 - exp(-intensity step (volatility /
    reference)^2) a step has a jump, exponential with mean `jump_mean`: congestion comes when the market moves.
    """

    kind: Literal["mean-reverting"]
    level: Gwei  # [gwei] at the reference volatility, without jumps: the median
    spread: Annotated[float, Field(ge=0, le=3)]  # [1] of the logarithm
    half_life: Annotated[float, Field(gt=0)]  # [s]
    volatility_elasticity: Annotated[float, Field(ge=0, le=5)] = 0.0  # [1]
    jump_intensity: Annotated[float, Field(ge=0, le=10_000)] = 0.0  # [1/year] at the reference volatility
    jump_mean: Annotated[float, Field(ge=0, le=5)] = 0.0  # [1] of the logarithm
    today: Gwei | None = None  # [gwei] without what volatility adds; absent: the stationary law


Gas = Annotated[ConstantGas | MeanRevertingGas, Field(discriminator="kind")]
