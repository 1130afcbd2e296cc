"""A margin method as numbers that kernels read: made once from a part, the same for every path and account."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

GRID, STANDARD, EXPECTED_SHORTFALL, DELTA_GAMMA, PARAMETRIC, NAKED = range(6)  # Method.kind[0]


class Method(NamedTuple):
    """`number` has the columns that the method's own file names."""

    kind: np.ndarray  # int64 [1]
    number: np.ndarray  # float64 [field]
    scenario: np.ndarray  # float64 [s, 3]: spot factor, what volatility does, share; then the two moves of forwards
    underlying: np.ndarray  # float64 [u, field] numbers by underlying
    correlation: np.ndarray  # float64 [u, u]
    collateral: np.ndarray  # float64 [k, 4]: maintenance haircut, initial haircut on top, hedges (1, 0), number of its underlying


MAINTENANCE_HAIRCUT, INITIAL_HAIRCUT, HEDGES, ITS_UNDERLYING = range(4)
NO_SCENARIOS = np.zeros((0, 3))


def method(kind: int, number, scenario=NO_SCENARIOS, underlying=None, correlation=None, collateral=None) -> Method:
    """A `Method` of float64 arrays, empty where nothing is given."""
    return Method(
        np.array([kind], np.int64),
        np.ascontiguousarray(number, dtype=float),
        np.ascontiguousarray(scenario, dtype=float),
        np.ascontiguousarray(np.zeros((0, 1)) if underlying is None else underlying, dtype=float),
        np.ascontiguousarray(np.zeros((0, 0)) if correlation is None else correlation, dtype=float),
        np.ascontiguousarray(np.zeros((0, 4)) if collateral is None else collateral, dtype=float),
    )
