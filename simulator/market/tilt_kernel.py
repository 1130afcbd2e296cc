"""Paths under a tilted law of jumps, and the exact ratio of its density to the market's own (simulator/market/rare_events.py).

What is tilted are the independent draws behind the jumps, before any copula ties them: the uniform behind a number of jumps
lies in its upper tail, in which there is a jump, `factor` times as often; the normals behind sizes are shifted by `lean` x the
path's `scale`. The ratio is a product over these draws, whatever the copula, the dynamics of correlation or the number of jumps.
"""

import math
from typing import NamedTuple

import numpy as np

from simulator.kernel import kernel, normal, rule, uniform, uniform_pair

NEVER = 2**62  # a market step that does not come
LARGEST_LOG = 700.0
COUNTS, SIZES, SQUARES = 0, 1, 2  # rows of `Tilt.score`


class Tilt(NamedTuple):
    """The tilted law, what each path drew of it, and what is needed of the ratio of densities."""

    since: int  # market step from which on draws are tilted
    factor: float  # how many times as often a step has jumps
    tail: np.ndarray  # [asset, draw] probability of a jump in a step
    log_calm: np.ndarray  # [asset, draw] log ratio of densities of a step without one
    lean: np.ndarray  # [asset] shift of the normal behind its size that moves sizes of all assets by one deviation
    is_tilted: np.ndarray  # [path] or plain
    scale: np.ndarray  # [path] deviations by which jumps are moved; 0 of a plain path
    score: np.ndarray  # [row, path] log ratio of numbers of jumps; sums over draws of lean x normal and of lean^2 / 2


@rule
def draw_more(v, a, draw, tilt):
    """Uniforms behind the numbers of jumps of asset `a`, moved to the tilted law in place, with their log ratio."""
    for i in range(v.shape[0]):
        p = tilt.tail[a, draw[i]]
        if p > 0.0:
            if tilt.is_tilted[i]:
                above, wanted = 1.0 - v[i], tilt.factor * p
                v[i] = 1.0 - above / tilt.factor if above < wanted else v[i] * (1.0 - p) / (1.0 - wanted)
            tilt.score[COUNTS, i] += math.log(tilt.factor) if 1.0 - v[i] < p else tilt.log_calm[a, draw[i]]


@rule
def score_sizes(counts, jumps, draw, tilt, key, step, first):
    """Add what the normals behind the sizes of this step's jumps say, of those that a size rests on."""
    for i in range(draw.shape[0]):
        n = 0
        while has_jump(counts, jumps, draw[i], i, n, -1):
            for b in range(counts.shape[0]):
                if has_jump(counts, jumps, draw[i], i, n, b):
                    z = normal(uniform_pair(key, step, b, first + i, n)[0]) + tilt.lean[b] * tilt.scale[i]
                    tilt.score[SIZES, i] += tilt.lean[b] * z
                    tilt.score[SQUARES, i] += 0.5 * tilt.lean[b] * tilt.lean[b]
            n += 1


@rule
def has_jump(counts, jumps, draw, i, n, b):
    """Whether any asset has more than `n` jumps on path `i`; from `b` = 0 on, any whose size rests on normal `b`."""
    found = False
    if n < jumps.counts.shape[2]:
        for a in range(max(b, 0), counts.shape[0]):
            if counts[a, i] > jumps.counts[a, draw, n] and (b < 0 or jumps.factor[a, b] != 0.0):
                found = True
    return found


@kernel
def choose(key, first, plain_share, shifts, is_tilted, scale):
    """Each path's part of the mixture, a hash of its id: plain, or one of `shifts`, all as likely."""
    for i in range(scale.shape[0]):
        u = uniform(key, 0, 0, first + i, 0)
        if u >= plain_share:
            part = int((u - plain_share) / (1.0 - plain_share) * shifts.shape[0])
            is_tilted[i], scale[i] = True, shifts[min(part, shifts.shape[0] - 1)]


@kernel
def weigh(score, plain_share, shifts, weight):
    """The market's own density over that of the mixture, at each path: never above 1 / `plain_share`."""
    for i in range(weight.shape[0]):
        ratio = 0.0
        for c in shifts:
            ratio += math.exp(min(score[COUNTS, i] + c * score[SIZES, i] - c * c * score[SQUARES, i], LARGEST_LOG))
        weight[i] = 1.0 / (plain_share + (1.0 - plain_share) * ratio / shifts.shape[0])
