"""Laws of innovations: standard normal, Student-t, and Hansen's skewed Student-t, all of mean 0 and variance 1."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from simulator.parameters import Part

MaxMove = Annotated[float, Field(ge=3, le=500)]


class Normal(Part):
    """Standard normal innovations."""

    kind: Literal["normal"] = "normal"


class StudentT(Part):
    """Student-t innovations with unit variance, cut where the exponential of a t would have no mean.

    The law of t (`degrees_of_freedom`) standardised to unit variance is truncated at plus and minus `max_move` of its
    standard deviations, then divided by the standard deviation that is left, so that its variance is one again.
    """

    kind: Literal["student-t"] = "student-t"
    degrees_of_freedom: float  # [1]
    max_move: MaxMove = 50.0  # [standard deviations] of the law before the cut

    @model_validator(mode="after")
    def _has_a_variance(self) -> StudentT:
        _check_degrees(self.degrees_of_freedom)
        return self


class SkewedT(Part):
    """Hansen's skewed Student-t (1994): `skew` below 0 makes falls larger than rises. arch calls the two eta and lambda.

    Truncated at plus and minus `max_move` of its standard deviations, then standardised again to mean 0 and variance 1.
    """

    kind: Literal["skewed-t"] = "skewed-t"
    degrees_of_freedom: float  # [1]
    skew: Annotated[float, Field(gt=-1, lt=1)]  # [1]
    max_move: MaxMove = 50.0  # [standard deviations] of the law before the cut

    @model_validator(mode="after")
    def _has_a_variance(self) -> SkewedT:
        _check_degrees(self.degrees_of_freedom)
        return self


def _check_degrees(degrees_of_freedom: float) -> None:
    if degrees_of_freedom <= 2:
        raise ValueError(
            f"`degrees_of_freedom > 2` must hold, but got {degrees_of_freedom:g}: the law would have no variance; "
            "hourly crypto returns fit 3.3 to 4.1"
        )
    if degrees_of_freedom > 1_000:
        raise ValueError(
            f'`degrees_of_freedom <= 1000` must hold, but got {degrees_of_freedom:g}; write innovation = {{ kind = "normal" }}'
        )


Innovation = Annotated[Normal | StudentT | SkewedT, Field(discriminator="kind")]
