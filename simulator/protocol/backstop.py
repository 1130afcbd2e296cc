"""Who stands behind the accounts: counterparty, insurance fund, vault, and who bears the rest. docs/model.md 5.6, 5.7."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from simulator.parameters import VOTABLE, Fraction, Part


class Maker(Part):
    """The other side of the perpetual book, with its own capital; hedges a share of its inventory outside."""

    kind: Literal["maker"] = "maker"
    capital: Annotated[float, Field(ge=0)]  # [usd]
    hedge_ratio: Fraction = 1.0  # [1] of inventory, rebalanced every substep at the external price


class OutsideCounterparty(Part):
    """The other side is OUTSIDE the protocol: its losses are nobody's here."""

    kind: Literal["outside"]


Counterparty = Annotated[Maker | OutsideCounterparty, Field(discriminator="kind")]


class InsuranceFund(Part):
    """A multi-asset account: it may lose value."""

    cash: Annotated[float, Field(ge=0), VOTABLE] = 0.0  # [usd]
    tokens: dict[str, Annotated[float, Field(ge=0)]] = Field(default_factory=dict)  # [asset] by currency
    fee_share: Annotated[Fraction, VOTABLE] = 0.0  # [1] of trading fees; the rest goes to the treasury
    most_per_event: Annotated[float, Field(ge=0)] | None = None  # [usd] paid for one loss; absent: all there is
    most_per_day: Annotated[float, Field(ge=0)] | None = None  # [usd] paid in one day since the load


class VaultBackstop(Part):
    """Takes over what keepers leave below `threshold` x maintenance requirement, and unwinds it in the venues."""

    kind: Literal["vault"]
    capital: Annotated[float, Field(ge=0)]  # [usd]
    threshold: Annotated[float, Field(ge=0, le=1), VOTABLE] = 0.6667  # [1] of the maintenance requirement
    margin: Annotated[float, Field(gt=0, le=1), VOTABLE] = 0.05  # [1] vault equity needed per notional it holds
    unwind_half_life: Annotated[float, Field(gt=0), VOTABLE] = 3600.0  # [s]
    allocation: Literal["queue", "pro-rata", "leverage-weighted"] = "queue"  # who is auto-deleveraged, and by how much


class NoBackstop(Part):
    """Nobody takes over: what keepers leave stays open, and is latent bad debt."""

    kind: Literal["none"]


Backstop = Annotated[VaultBackstop | NoBackstop, Field(discriminator="kind")]
