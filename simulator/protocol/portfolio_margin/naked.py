"""Naked option margin: a table of worst at-the-money prices by time to expiry, on a spot that is already shocked (Opyn Gamma)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from simulator.parameters import VOTABLE, Fraction, Part, tupled

MOST_BOUNDS = 20


class Bound(Part):
    """The worst price of an at-the-money option, up to `days` from its expiry."""

    days: Annotated[float, Field(gt=0, le=3650)]  # [day]
    share: Annotated[Fraction, VOTABLE]  # [1] of spot


class NakedMargin(Part):
    """A short put: U min(K, s S) + max(K - s S, 0); a short call: S (U min(1, s K / S) + max(1 - s K / S, 0)).

    U is the bound of the first row of `bounds` whose days are not exceeded (the last beyond them all), s = `spot_share`, S spot,
    K strike. Beside nothing: it covers the mark. A long option gives no credit. Only options are margined so.
    """

    kind: Literal["naked"]
    bounds: Annotated[tuple[Bound, ...], BeforeValidator(tupled), Field(min_length=1, max_length=MOST_BOUNDS)]
    spot_share: Annotated[float, Field(gt=0, le=1), VOTABLE] = 0.75  # [1] the price that is left after a shock
    initial_scale: Annotated[float, Field(ge=1, le=10), VOTABLE] = 1.0  # [1] initial over maintenance

    @model_validator(mode="after")
    def _relations(self) -> NakedMargin:
        for former, latter in zip(self.bounds, self.bounds[1:], strict=False):
            if latter.days <= former.days:
                raise ValueError(f"`days` must rise from bound to bound, but got {former.days:g} and then {latter.days:g}")
            if latter.share < former.share:
                raise ValueError(f"`share` must not fall with `days`, but got {former.share:g} and then {latter.share:g}")
        return self
