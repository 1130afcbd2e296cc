"""How assets move together: a copula, a correlation matrix, and how that matrix moves. Every asset keeps its own marginal law."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, model_validator

from simulator.parameters import Fraction, Part

Rows = Sequence[Sequence[float]]


class GaussianCopula(Part):
    """Joint extremes fade: no tail dependence at any correlation below 1."""

    kind: Literal["gaussian"] = "gaussian"


class StudentCopula(Part):
    """Scores asymmetry V + sqrt(V) N, V = degrees / chi-square: a Student-t copula, skewed where `asymmetry` is not 0.

    One V for all assets in a step, so that extremes come together (Demarta and McNeil 2005); below 0 joint falls are likelier
    than joint rises. Marginal laws stay as stated: scores go through their own distribution function.
    """

    kind: Literal["student-t"] = "student-t"
    degrees_of_freedom: Annotated[float, Field(gt=1, le=1_000)]  # [1]
    asymmetry: Annotated[float, Field(ge=-5, le=5)] = 0.0  # [1]

    @model_validator(mode="after")
    def _scores_can_be_told_apart(self) -> StudentCopula:
        if self.asymmetry != 0 and self.degrees_of_freedom <= 2:
            raise ValueError(
                f"`degrees_of_freedom > 2` must hold with an `asymmetry`, but got {self.degrees_of_freedom:g}: "
                "asymmetry V would have no mean, and its scores no table"
            )
        return self


Copula = Annotated[GaussianCopula | StudentCopula, Field(discriminator="kind")]


class ConstantCorrelation(Part):
    """The matrix of the market, at every step."""

    kind: Literal["constant"] = "constant"


class Dcc(Part):
    """Dynamic conditional correlation (Engle 2002) of normal scores w: Q[t+1] = (1 - alpha - beta) S + alpha w w' + beta Q[t].

    S is the market's `correlation`; the correlation of a step is Q scaled to a unit diagonal, and starts at S.
    """

    kind: Literal["dcc"] = "dcc"
    alpha: Fraction  # [1]
    beta: Fraction  # [1]

    @model_validator(mode="after")
    def _stationary(self) -> Dcc:
        if self.alpha + self.beta >= 1:
            raise ValueError(
                f"`alpha + beta < 1` must hold, but got {self.alpha:g} and {self.beta:g}: correlation would not come back"
            )
        return self


class Converging(Part):
    """Correlation that rises in crashes: R = (1 - c level) S + c level 11', S the market's `correlation`.

    c relaxes with `half_life` toward (V - starts_at) / (full_at - starts_at), held in 0 .. 1; V is the mean over assets of
    conditional over stationary variance. History has crashes in which it did not rise (2025-10-10): test without it too.
    """

    kind: Literal["converging"] = "converging"
    starts_at: Annotated[float, Field(ge=0)]  # [1] V at which correlation begins to rise
    full_at: Annotated[float, Field(gt=0)]  # [1] V at which it has risen fully
    level: Annotated[float, Field(ge=0, lt=1)]  # [1] share of the way to one, fully risen
    half_life: Annotated[float, Field(gt=0)]  # [s]

    @model_validator(mode="after")
    def _rises(self) -> Converging:
        if self.full_at <= self.starts_at:
            raise ValueError(f"`starts_at < full_at` must hold, but got {self.starts_at:g} and {self.full_at:g}")
        return self


Dynamics = Annotated[ConstantCorrelation | Dcc | Converging, Field(discriminator="kind")]


def cholesky(matrix: Rows) -> list[list[float]]:
    """The lower factor L of a symmetric positive semi-definite matrix, L L' = `matrix`, by plain loops (no BLAS: same bytes).

    A zero pivot gives a zero column. Raises ValueError for a negative pivot.
    """
    n = len(matrix)
    factor = [[0.0] * n for _ in range(n)]
    for i in range(n):
        for j in range(i + 1):
            rest = math.fsum([matrix[i][j], *(-factor[i][k] * factor[j][k] for k in range(j))])
            if i != j:
                factor[i][j] = rest / factor[j][j] if factor[j][j] > 0 else 0.0
            elif rest < -1e-12 * max(1.0, matrix[i][i]):
                raise ValueError(f"pivot {i + 1} is {rest:.3g}")
            else:
                factor[i][i] = math.sqrt(max(rest, 0.0))
    return factor


def check_correlation(matrix: Rows, names: Sequence[str]) -> None:
    """Raises ValueError, with the number that breaks the rule, unless `matrix` is a correlation matrix of `names`."""
    n = len(names)
    if len(matrix) != n or any(len(row) != n for row in matrix):
        shape = f"{len(matrix)} x {'/'.join(str(size) for size in sorted({len(row) for row in matrix}))}"
        raise ValueError(f"`correlation` must be {n} x {n}, one row for each of {', '.join(names)}, but is {shape}")
    for i in range(n):
        if matrix[i][i] != 1:
            raise ValueError(f"`correlation` must have 1 on its diagonal, but {names[i]} with itself is {matrix[i][i]:g}")
        for j in range(i):
            _check_pair(matrix[i][j], matrix[j][i], names[i], names[j])
    _check_definite(matrix, names)


def _check_pair(below: float, above: float, first: str, second: str) -> None:
    if below != above:
        raise ValueError(f"`correlation` must be symmetric, but {first} with {second} is {below:g} and {above:g}")
    if abs(below) >= 1:
        raise ValueError(f"a correlation must lie between -1 and 1, but {first} with {second} is {below:g}")


def _check_definite(matrix: Rows, names: Sequence[str]) -> None:
    for size in range(2, len(names) + 1):
        try:
            smallest = cholesky([row[:size] for row in matrix[:size]])[size - 1][size - 1] ** 2
        except ValueError:
            smallest = -1.0
        if smallest <= 1e-10:
            raise ValueError(
                f"`correlation` must be positive definite, but {names[size - 1]} contradicts {', '.join(names[: size - 1])}: "
                "no prices can move together like that; move its row toward 0"
            )
