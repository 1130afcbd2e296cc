"""Global sensitivity: which parameter moves a figure over the whole space searched, alone and together with others.

Sobol's indices (2001) from the trials that the search has run anyway, through a polynomial chaos (Sudret 2008): a
least-squares polynomial in Legendre polynomials, orthogonal for parameters that are uniform on their ranges, whose squared
coefficients are the shares of variance. The degree is the one with the least leave-one-out error; where even that explains
less than `LEAST_EXPLAINED` of the variance of trials left out, no index is given. Intervals: trials resampled (bootstrap).

The trials of a search crowd where it looked; the polynomial is fitted to all of them, and what it means by variance is over
the whole ranges, not over the trials.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simulator.calibration.race import Question
from simulator.calibration.ranking import Trial

LEAST_EXPLAINED = 0.5
DEGREES = (1, 2, 3)
LEAST_TAIL = 1e-3  # of a limit: smaller tails are one and the same
RESAMPLES = 200
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Index:
    """Shares of a figure's variance that one parameter explains: `first` alone, `total` with all its interactions."""

    parameter: str
    first: float
    first_low: float
    first_high: float
    total: float
    total_low: float
    total_high: float


@dataclass(frozen=True)
class Indices:
    """All parameters' indices of one figure; empty where the polynomial explains too little. `explained`: of left-out trials."""

    figure: str
    explained: float
    degree: int
    trials: int
    rows: tuple[Index, ...]


def global_sensitivity(question: Question, trials: Sequence[Trial]) -> tuple[Indices, ...]:
    """Indices of the goal, and of the worst condition's tail as a share of its limit, by its logarithm."""
    from simulator.kernel import stream

    space = question.space
    low = np.array([ks[0] for ks in space.multiples])
    width = np.maximum(1, [ks[-1] - ks[0] for ks in space.multiples])
    points = np.array([(np.array(space.multiples_of(trial.point)) - low) / width for trial in trials])
    figures = {
        "goal": [trial.score for trial in trials],
        "tail": [math.log(max(LEAST_TAIL, 1 + max(trial.violations[0]))) for trial in trials],
    }
    seed = int(stream(question.world.seed, "calibration", "indices"))
    return tuple(sobol_indices(name, space.names, points, np.array(values), seed) for name, values in figures.items())


def sobol_indices(figure: str, names: Sequence[str], points: np.ndarray, values: np.ndarray, seed: int) -> Indices:
    """points: [trial, parameter], scaled to [0, 1]; values: [trial]. `seed` keys the resampling."""
    terms, explained, degree = _best(points, values)
    if explained < LEAST_EXPLAINED:
        return Indices(figure, explained, degree, len(values), ())
    first, total = _shares(terms, _fit(_basis(points, terms), values))
    draws = np.random.Generator(np.random.Philox(key=seed))
    resampled = [draws.integers(len(values), size=len(values)) for _ in range(RESAMPLES)]
    again = np.array([_shares(terms, _fit(_basis(points[i], terms), values[i])) for i in resampled])  # [resample, 2, parameter]
    low, high = np.quantile(again, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], axis=0)
    columns = (first, low[0], high[0], total, low[1], high[1])
    rows = tuple(Index(name, *(float(column[k]) for column in columns)) for k, name in enumerate(names))
    return Indices(figure, explained, degree, len(values), rows)


def _best(points: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, float, int]:
    """The terms with the least leave-one-out error, the share that they explain of trials left out, their degree."""
    best = (_terms(points.shape[1], 1), -np.inf, 1)
    for degree in DEGREES:
        terms = _terms(points.shape[1], degree)
        if 2 * len(terms) <= len(values) and (explained := _explained(_basis(points, terms), values)) > best[1]:
            best = (terms, explained, degree)
    return best


def _terms(parameters: int, degree: int) -> np.ndarray:
    """Exponents [term, parameter] of all products up to `degree`, the constant first."""
    every = (e for e in itertools.product(range(degree + 1), repeat=parameters) if sum(e) <= degree) if parameters <= 6 else None
    if every is None:  # many parameters: no products of three
        unit = np.eye(parameters, dtype=int)
        powers = [k * unit[i] for i in range(parameters) for k in range(1, degree + 1)]
        pairs = [unit[i] + unit[j] for i, j in itertools.combinations(range(parameters), 2)] if degree > 1 else []
        return np.array([np.zeros(parameters, dtype=int), *powers, *pairs])
    return np.array(sorted(every, key=lambda e: (sum(e), e)))


def _basis(points: np.ndarray, terms: np.ndarray) -> np.ndarray:
    """Products of normalised Legendre polynomials [trial, term]."""
    x = 2 * points - 1
    each = [np.ones_like(x), x, (3 * x**2 - 1) / 2, (5 * x**3 - 3 * x) / 2]
    scaled = np.stack([np.sqrt(2 * k + 1) * each[k] for k in range(4)])  # [degree, trial, parameter]
    columns = [np.prod([scaled[k, :, j] for j, k in enumerate(term)], axis=0) for term in terms]
    return np.stack(columns, axis=1)


def _fit(basis: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.linalg.lstsq(basis, values, rcond=1e-10)[0]


def _explained(basis: np.ndarray, values: np.ndarray) -> float:
    """1 - (mean squared error of each trial by a fit to the others) / variance, from the diagonal of the hat matrix."""
    q, r = np.linalg.qr(basis)
    if np.abs(np.diag(r)).min() < 1e-8 * np.abs(np.diag(r)).max() or values.var() == 0:
        return -np.inf
    leverage = np.minimum((q**2).sum(axis=1), 1 - 1e-9)
    left_out = (values - q @ (q.T @ values)) / (1 - leverage)
    return float(1 - np.mean(left_out**2) / values.var())


def _shares(terms: np.ndarray, coefficients: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First and total indices of every parameter, each [parameter]."""
    squares = coefficients[1:] ** 2
    used = terms[1:] > 0
    whole = max(float(squares.sum()), 1e-300)
    alone = used & (used.sum(axis=1) == 1)[:, None]
    return (alone * squares[:, None]).sum(axis=0) / whole, (used * squares[:, None]).sum(axis=0) / whole
