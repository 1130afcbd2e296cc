"""The law of one market step as arrays: what the kernels of a path read."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

CHUNK = 256  # paths that go through the kernel together
NO_JUMPS, MERTON, KOU = 0, 1, 2


class Keys(NamedTuple):
    """The streams of one purpose: each a uint64 of `simulator.kernel.stream`."""

    steps: np.uint64  # innovation and number of jumps of (step, asset, path)
    jumps: np.uint64  # size and moment of jump n of (step, asset, path)
    bridge: np.uint64  # substeps 2 n and 2 n + 1 of (step, asset, path)


class Copula(NamedTuple):
    """How draws of different assets are tied."""

    independent: bool
    factor: np.ndarray  # [asset, asset] Cholesky factor of the correlation
    is_normal: np.ndarray  # [asset] innovations are normal
    normal_table: np.ndarray
    no_offset: np.ndarray  # [CHUNK] zeros


class JumpLaw(NamedTuple):
    """What decides jumps; apart from `Law`, for each array handed to a function costs the count of its references."""

    kind: np.ndarray  # [asset] NO_JUMPS, MERTON, KOU
    law: np.ndarray  # [asset, draw, 3] Merton: mean, deviation; Kou: up_probability, eta_up, eta_down
    counts: np.ndarray  # [asset, draw, n] more than n jumps above this (a uniform if independent, else a normal)
    factor: np.ndarray  # [asset, asset] Cholesky factor of the correlation


class Law(NamedTuple):
    """Everything a step needs, in units of one market step. Axes: `[asset, draw]` unless said; a path names its draw."""

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
