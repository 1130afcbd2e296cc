"""Margin of one perpetual position, by the rule of its market. The parts are those of `simulator.terms.margin`."""

from simulator.terms.margin import (
    MOST_TIERS,
    CollateralFactorRatio,
    FlatRatio,
    MarginRatio,
    OpenInterestScaledRatio,
    SizeScaledRatio,
    SkewScaledRatio,
    Tier,
    TieredRatio,
    VolatilityScaledRatio,
)

__all__ = [
    "MOST_TIERS",
    "CollateralFactorRatio",
    "FlatRatio",
    "MarginRatio",
    "OpenInterestScaledRatio",
    "SizeScaledRatio",
    "SkewScaledRatio",
    "Tier",
    "TieredRatio",
    "VolatilityScaledRatio",
]
