"""Who bears what nobody pays for: auto-deleveraging and socialised loss. The parts that a scenario may name.

Chitra 2025 separates how much is taken (severity) from whom it is taken (haircut), and shows that no static rule is solvent,
revenue-preserving and fair at once: the three allocation rules here are what venues use.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from simulator.parameters import Part


class QueueDeleveraging(Part):
    """The account with the greatest profit ratio x leverage gives up its position first, whole (Hyperliquid)."""

    kind: Literal["queue"]


class ProRataDeleveraging(Part):
    """Every opposite position gives up the same share."""

    kind: Literal["pro-rata"]


class LeverageWeightedDeleveraging(Part):
    """Every opposite position gives up a share proportional to its leverage, at most all of it."""

    kind: Literal["leverage-weighted"]


class FundingIndexLoss(Part):
    """Drift: longs and shorts pay the same per base, through their funding index."""

    kind: Literal["funding-index"]


class DepositIndexLoss(Part):
    """Drift spot, Morpho: every deposit of the currency loses the same share, through the deposit index."""

    kind: Literal["deposit-index"]


Deleveraging = Annotated[QueueDeleveraging | ProRataDeleveraging | LeverageWeightedDeleveraging, Field(discriminator="kind")]
SocialisedLoss = Annotated[FundingIndexLoss | DepositIndexLoss, Field(discriminator="kind")]
