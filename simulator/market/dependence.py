"""How assets move together: one correlation matrix for a Gaussian copula, which leaves every asset its own marginal law."""

from __future__ import annotations

import math
from collections.abc import Sequence

Rows = Sequence[Sequence[float]]


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
