"""The law of one market step as arrays: what the kernels of a path read."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

CHUNK = 256  # paths that go through the kernel together
NO_JUMPS, MERTON, KOU = 0, 1, 2
LINEAR, EXPONENTIAL, SQUARE_ROOT, PEG = 0, 1, 2, 3  # families of variance: GARCH and constant, EGARCH, Heston, pegs
CONSTANT, DCC, CONVERGING = 0, 1, 2  # dynamics of correlation

# columns of `Law.own`: Heston in units of a step, see `heston_kernel`; pegs
REVERSION, LONG_RUN, BY_LEVEL, BY_ITSELF, K1, K2, K3, GROWTH, SHARE = range(9)
PULL, DISTANCE = 0, 1  # of a peg: 2^(-step / half_life) - 1, and log distance from the peg at the start


class Keys(NamedTuple):
    """The streams of one purpose: each a uint64 of `simulator.kernel.stream`."""

    steps: np.uint64  # innovation and number of jumps of (step, asset, path)
    jumps: np.uint64  # size and moment of jump n of (step, asset, path)
    bridge: np.uint64  # substeps 2 n and 2 n + 1 of (step, asset, path)
    variance: np.uint64  # Heston's variance of (step, asset, path)
    mixing: np.uint64  # V of the Student-t copula of (step, path), of innovations and of numbers of jumps


class Copula(NamedTuple):
    """How draws of different assets are tied."""

    independent: bool
    factor: np.ndarray  # [asset, asset] Cholesky factor of the correlation
    is_normal: np.ndarray  # [asset] innovations are normal
    normal_table: np.ndarray
    no_offset: np.ndarray  # [CHUNK] zeros
    matrix: np.ndarray  # [asset, asset] the correlation itself
    is_student: bool = False  # scores of a Student-t copula, else of a Gaussian one
    asymmetry: float = 0.0
    root_mixing: np.ndarray = np.zeros(1)  # [table position] sqrt(V) over a standard normal
    scores: np.ndarray = np.zeros(1)  # [table position] normal score over asinh of the copula's score
    dynamics: int = CONSTANT  # or DCC, CONVERGING
    moving: np.ndarray = np.zeros(4)  # DCC: alpha, beta; CONVERGING: starts_at, full_at, level, kept share of c a step
    moves: np.ndarray = np.zeros(1, np.bool_)  # [asset] its variance counts in V of CONVERGING


class JumpLaw(NamedTuple):
    """What decides jumps; apart from `Law`, for each array handed to a function costs the count of its references."""

    kind: np.ndarray  # [asset] NO_JUMPS, MERTON, KOU
    law: np.ndarray  # [asset, draw, 3] Merton: mean, deviation; Kou: up_probability, eta_up, eta_down
    counts: np.ndarray  # [asset, draw, n] more than n jumps above this (a uniform if independent, else a normal)
    factor: np.ndarray  # [asset, asset] Cholesky factor of the correlation


class Law(NamedTuple):
    """Everything a step needs, in units of one market step. Axes: `[asset, draw]` unless said; a path names its draw."""

    family: np.ndarray  # [asset] LINEAR, EXPONENTIAL, SQUARE_ROOT, PEG
    base: np.ndarray  # [asset] the asset it is pegged to, or -1
    own: np.ndarray  # [asset, draw, column] what only its family has
    level: np.ndarray  # stationary variance
    mean_size: np.ndarray  # E|z| of the innovation
    omega: np.ndarray
    alpha: np.ndarray
    gamma: np.ndarray
    beta: np.ndarray
    ceiling: np.ndarray  # of the variance of a step
    drift: np.ndarray  # of the log price: growth less the compensator of jumps
    jump_variance: np.ndarray
    jumps: JumpLaw
    innovation: np.ndarray  # offsets into `innovations`
    innovations: np.ndarray  # [table position] over uniforms if independent, else over normals
    cumulant: np.ndarray  # offsets into `cumulants`
    cumulants: np.ndarray  # [table position]
    copula: Copula
    price: np.ndarray  # [asset]
    per_year: float  # market steps in a year
