"""What a second stage must know of the first: how ranks and Kendall's correlation, estimated too, move its scores.

Scores l(u, R) of one parameter are those of ranks in place of probabilities and of an estimated R. To first order each row adds,
for every margin, the mean over all rows of (1[u_t <= u_s] - u_s) dl/du (half of one for itself; Genest, Ghoudi and Rivest 1995),
and for every pair the mean slope by its correlation times the influence of sin(pi tau / 2), tau Kendall's (Hoeffding 1948).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

Scores = Callable[[np.ndarray, np.ndarray], np.ndarray]  # probabilities [t, asset], correlation [t, asset, asset] -> [t]
MOVE = 1e-3  # of u (1 - u)
TURN = 1e-4  # of a correlation
MOST_PARTNERS = 2_000  # rows that each row is compared with


def first_stages(scores: Scores, u: np.ndarray, path: np.ndarray) -> np.ndarray:
    """`scores` at ranks `u` with what each row does to them through the first stage; where `path` moves, through ranks alone."""
    whole = scores(u, path) + sum(_of_ranks(scores, u, path, j) for j in range(u.shape[1]))
    if path.strides[0] == 0:
        whole = whole + sum(_of_pair(scores, u, path, i, j) for i in range(u.shape[1]) for j in range(i))
    return np.asarray(whole - whole.mean())


def _of_ranks(scores: Scores, u: np.ndarray, path: np.ndarray, margin: int) -> np.ndarray:
    moved = np.zeros_like(u)
    moved[:, margin] = MOVE * u[:, margin] * (1 - u[:, margin])
    slope = (scores(u + moved, path) - scores(u - moved, path)) / (2 * moved[:, margin])
    order = np.argsort(u[:, margin], kind="stable")
    result = np.empty(len(u))
    result[order] = (np.cumsum(slope[order][::-1])[::-1] - slope[order] / 2) / len(u)
    return result


def _of_pair(scores: Scores, u: np.ndarray, path: np.ndarray, i: int, j: int) -> np.ndarray:
    turned = np.zeros_like(path[0])
    turned[i, j] = turned[j, i] = TURN
    up, down = (scores(u, np.broadcast_to(path[0] + side * turned, path.shape)).mean() for side in (1, -1))
    return np.asarray((up - down) / (2 * TURN) * kendall_influence(u[:, i], u[:, j]))


def kendall_influence(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Influence [t] of every row on sin(pi tau / 2): its chance to agree with another row, less that of all."""
    every = max(1, len(x) // MOST_PARTNERS)
    agree = np.zeros(len(x))
    for a, b in zip(x[::every], y[::every], strict=True):
        agree += np.sign(x - a) * np.sign(y - b)
    agree /= len(x[::every])
    tau = float(agree.mean())
    return math.pi * math.cos(math.pi / 2 * tau) * (agree - tau)
