"""Margin from the covariance of underlyings over a margin period: parametric (linear) and delta-gamma, as VaR or ES."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from simulator.parameters import VOTABLE, YEAR, Fraction, Part, tupled
from simulator.terms.part import require_order

Volatility = Annotated[float, Field(gt=0, le=20)]
Row = Annotated[tuple[Annotated[float, Field(ge=-1, le=1)], ...], BeforeValidator(tupled)]
Confidence = Annotated[float, Field(gt=0.5, lt=1)]


class NoBuffer(Part):
    """The volatility of now, however calm."""

    kind: Literal["none"] = "none"


class Buffer(Part):
    """EMIR RTS 28(1)(a): a buffer that calm markets build and stress uses up: max(v, (1 + size) min(v, long-run v))."""

    kind: Literal["buffer"]
    size: Annotated[Fraction, VOTABLE] = 0.25  # [1]


class StressedWeight(Part):
    """EMIR RTS 28(1)(b): variance (1 - weight) v^2 + weight (stressed v)^2."""

    kind: Literal["stressed-weight"]
    weight: Annotated[Fraction, VOTABLE] = 0.25  # [1]


class Floor(Part):
    """EMIR RTS 28(1)(c): never below the long-run (ten-year) volatility."""

    kind: Literal["floor"]


AntiProcyclical = Annotated[NoBuffer | Buffer | StressedWeight | Floor, Field(discriminator="kind")]


class CovarianceRisk(Part):
    """One underlying: its volatility now is the market's; these are what an anti-procyclical rule holds it against."""

    long_run_volatility: Volatility  # [1/sqrt(year)]
    stressed_volatility: Volatility  # [1/sqrt(year)]

    @model_validator(mode="after")
    def _relations(self) -> CovarianceRisk:
        require_order(self, "long_run_volatility", "stressed_volatility")
        return self


def _check(part: ParametricMargin | DeltaGammaMargin) -> None:
    require_order(
        part, "maintenance_confidence", "initial_confidence", "raise the initial margin or lower the maintenance margin"
    )
    rows, count = part.correlation, len(part.markets)
    if rows and (len(rows) != count or any(len(row) != count for row in rows)):
        raise ValueError(f"`correlation` must have a row and a column for each of {count} markets, but got {len(rows)} rows")
    for n, row in enumerate(rows):
        for m, value in enumerate(row):
            if value != rows[m][n] or (n == m and value != 1):
                raise ValueError(
                    "`correlation` must be symmetric with ones on its diagonal, but got "
                    f"{value:g} and {rows[m][n]:g} at ({n + 1}, {m + 1})"
                )
    _check_definite(rows)


def _check_definite(rows: tuple[Row, ...]) -> None:
    lower: list[list[float]] = []
    for n, row in enumerate(rows):
        new: list[float] = []
        for m in range(n):
            new.append((row[m] - math.fsum(a * b for a, b in zip(new, lower[m], strict=False))) / lower[m][m])
        left = row[n] - math.fsum(a * a for a in new)
        if left <= 1e-12:
            raise ValueError(f"`correlation` must be positive definite, but row {n + 1} leaves a variance of {left:g}")
        lower.append([*new, math.sqrt(left)])


class ParametricMargin(Part):
    """k x deviation of sum_u delta_u S_u x_u, x normal or Student-t with the covariance of the margin period.

    Normal: k = Phi^-1(c), or phi(Phi^-1(c)) / (1 - c) for ES. Student-t of variance 1: the same of t, times sqrt((n - 2) / n).
    Options count by their delta: what bends is not margined. Initial and maintenance differ by their confidence.
    """

    kind: Literal["parametric"]
    markets: dict[str, CovarianceRisk] = Field(min_length=1)  # by underlying
    correlation: Annotated[tuple[Row, ...], BeforeValidator(tupled)] = ()  # in the order of `markets`; none: independent
    initial_confidence: Annotated[Confidence, VOTABLE] = 0.995  # [1]
    maintenance_confidence: Annotated[Confidence, VOTABLE] = 0.99  # [1]
    margin_period: Annotated[float, Field(gt=0, le=YEAR), VOTABLE] = 86_400.0  # [s]
    measure: Literal["var", "es"] = "es"
    degrees_of_freedom: Annotated[float, Field(gt=2, le=1e6)] | None = None  # [1] of a Student-t; none: normal
    anti_procyclical: AntiProcyclical = NoBuffer()

    @model_validator(mode="after")
    def _relations(self) -> ParametricMargin:
        _check(self)
        return self


class DeltaGammaMargin(Part):
    """VaR or ES of sum_u (delta_u S_u x_u + gamma_u (S_u x_u)^2 / 2), x normal with the covariance of the margin period.

    One underlying: exact, by the roots of the quadratic and normal distribution functions. Several: Cornish-Fisher with four
    cumulants, which near 99 % is within a tenth of the exact requirement (ASSUMPTIONS.md).
    """

    kind: Literal["delta-gamma"]
    markets: dict[str, CovarianceRisk] = Field(min_length=1)  # by underlying
    correlation: Annotated[tuple[Row, ...], BeforeValidator(tupled)] = ()  # in the order of `markets`; none: independent
    initial_confidence: Annotated[Confidence, VOTABLE] = 0.995  # [1]
    maintenance_confidence: Annotated[Confidence, VOTABLE] = 0.99  # [1]
    margin_period: Annotated[float, Field(gt=0, le=YEAR), VOTABLE] = 86_400.0  # [s]
    measure: Literal["var", "es"] = "es"
    anti_procyclical: AntiProcyclical = NoBuffer()

    @model_validator(mode="after")
    def _relations(self) -> DeltaGammaMargin:
        _check(self)
        return self
